//! Numbers and foreign texts as the page shows them.

pub(crate) use super::super::thousands::thousands as count;

/// Characters of a name that are shown in a table.
const NAME: usize = 80;
/// Shown for a value that is not known.
pub(crate) const NONE: &str = "–";

/// A number with `digits` digits after the point.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

/// A percentage with two digits and no sign, or a dash.
pub(crate) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| decimal(value, 2))
}

/// A foreign text of at most `most` characters; signs that turn or hide text show as U+FFFD.
pub(crate) fn clip(text: &str, most: usize) -> String {
    let plain = |c: char| match c {
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => ' ',
        c => c,
    };
    let mut characters = text.chars();
    let mut out: String = characters.by_ref().take(most).map(plain).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// A class's or a column's name.
pub(crate) fn name(text: &str) -> String {
    clip(text, NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clipped_text_is_short_and_harmless_to_read() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "abc…");
        assert_eq!(clip("exe\u{202e}gpj\n", 80), "exe\u{fffd}gpj ");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
