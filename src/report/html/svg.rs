//! A drawing as SVG text. Colours are classes of the page's style sheet, so that a drawing follows light, dark and
//! print; text is escaped here.

use std::fmt::Write as _;

/// How a text is aligned to its point.
#[derive(Clone, Copy)]
pub(in crate::report) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing in the making.
pub(in crate::report) struct Svg {
    out: String,
}

impl Svg {
    /// Creates an empty drawing of this size in units; `label` describes it to those who do not see it.
    pub fn new(class: &str, width: f64, height: f64, label: &str) -> Self {
        let (width, height) = (number(width), number(height));
        let label = escape(label);
        Self {
            out: format!(
                "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">"
            ),
        }
    }

    /// As [`Svg::new`], of a drawing that has links: its parts are not one picture to those who do not see it.
    pub fn interactive(class: &str, width: f64, height: f64, label: &str) -> Self {
        let plain = Self::new(class, width, height, label);
        Self { out: plain.out.replacen("role=\"img\"", "role=\"group\"", 1) }
    }

    /// Begins a link of the page; without `keys` it is for pointers alone.
    pub fn open_link(&mut self, anchor: &str, keys: bool) {
        let keys = if keys { "" } else { " tabindex=\"-1\"" };
        let _ = write!(self.out, "<a href=\"{}\"{keys}>", escape(anchor));
    }

    /// Ends a link.
    pub fn close_link(&mut self) {
        self.out.push_str("</a>");
    }

    /// A dot of a map, by the class that it is of.
    pub fn class_dot(&mut self, class: &str, (x, y): (f64, f64), target: Option<usize>, tip: &str) {
        let [x, y] = [x, y].map(number);
        let of = target.map_or_else(String::new, |target| format!(" data-c=\"{target}\""));
        let _ = write!(self.out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"{of}");
        self.end_with_tip("circle", tip);
    }

    /// A rectangle; nothing if it has no area.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.tipped_rect(class, [x, y, width, height], "");
    }

    /// Draws a rectangle that shows `tip` under a pointer.
    pub fn tipped_rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], tip: &str) {
        if width <= 0.0 || height <= 0.0 {
            return;
        }
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\""
        );
        self.end_with_tip("rect", tip);
    }

    /// A cell of a heat map: the shade is its opacity.
    pub fn shade(&mut self, class: &str, [x, y, width, height]: [f64; 4], opacity: f64, tip: &str) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             fill-opacity=\"{opacity:.2}\""
        );
        self.end_with_tip("rect", tip);
    }

    fn end_with_tip(&mut self, element: &str, tip: &str) {
        if tip.is_empty() {
            self.out.push_str("/>");
        } else {
            let _ = write!(self.out, "><title>{}</title></{element}>", escape(tip));
        }
    }

    /// A line from one point to another.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
        let _ = write!(self.out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    /// A line through points; an area with the class's fill.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let Some(((x, y), rest)) = points.split_first() else { return };
        let _ = write!(self.out, "<path class=\"{class}\" d=\"M{} {}", number(*x), number(*y));
        for (x, y) in rest {
            let _ = write!(self.out, "L{} {}", number(*x), number(*y));
        }
        self.out.push_str("\"/>");
    }

    /// Draws a dot that shows `tip` under a pointer.
    pub fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        let [x, y, radius] = [x, y, radius].map(number);
        let _ = write!(self.out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"");
        self.end_with_tip("circle", tip);
    }

    /// A text at a point of its base line.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = anchor.name();
        let (x, y, text) = (number(x), number(y), escape(text));
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// A text that runs upwards from a point.
    pub fn steep_text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, degrees: i32, text: &str) {
        let anchor = anchor.name();
        let (x, y, text) = (number(x), number(y), escape(text));
        let _ = write!(
            self.out,
            "<text class=\"{class}\" text-anchor=\"{anchor}\" transform=\"translate({x} {y}) \
             rotate({degrees})\">{text}</text>"
        );
    }

    /// The drawing's text.
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A coordinate with two digits at most; what is not finite is 0, so that no drawing is broken by a number.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as content or attribute of an element, without signs that XML does not know.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        let mut svg = Svg::new("plot", 10.0, 5.5, "a \"label\" <b>");
        svg.text("t", (1.0, 2.0), Anchor::Middle, "</text><script>alert(1)</script>");
        svg.tipped_rect("bar", [0.0, 0.0, 1.0, 1.0], "x & y\n<z>");
        assert_eq!(
            svg.finish(),
            "<svg class=\"plot\" viewBox=\"0 0 10 5.5\" role=\"img\" aria-label=\"a &quot;label&quot; &lt;b&gt;\">\
             <text class=\"t\" x=\"1\" y=\"2\" text-anchor=\"middle\">&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;\
             </text><rect class=\"bar\" x=\"0\" y=\"0\" width=\"1\" height=\"1\"><title>x &amp; y &lt;z&gt;</title>\
             </rect></svg>"
        );
    }

    #[test]
    fn numbers_are_short_and_always_numbers() {
        for (value, text) in [
            (1.0, "1"),
            (0.125, "0.12"),
            (-0.001, "0"),
            (100.10, "100.1"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
