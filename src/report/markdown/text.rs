//! Foreign text and percentages as Markdown.

use std::fmt::Write as _;

/// Shown for a value that is not known.
pub(in crate::report) const NONE: &str = "–";
/// Characters of a foreign text that are shown in a table of figures; the JSON has the whole.
const NAME_SHOWN: usize = 80;

/// [`escape`] of the first characters.
pub(in crate::report) fn short(text: &str) -> String {
    match text.char_indices().nth(NAME_SHOWN) {
        Some((end, _)) => format!("{}…", escape(&text[..end])),
        None => escape(text),
    }
}

/// Foreign text as one line of a table's cell: HTML as entities, Markdown's signs after backslashes,
/// controls and line ends as spaces, and signs that turn or hide text as U+FFFD.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                let _ = write!(out, "\\{c}");
            }
            '\u{2028}' | '\u{2029}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            // Bidirectional overrides and isolates, marks, zero widths, byte order mark.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

/// A percentage with two digits, or a dash.
pub(in crate::report) fn percent(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.2} %"))
}

/// Both ends of an interval, in percent.
pub(super) fn ends(low: f64, high: f64) -> String {
    format!("{low:.2} – {high:.2} %")
}
