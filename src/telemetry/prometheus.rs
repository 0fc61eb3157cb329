//! Prometheus's text format, as node_exporter's textfile collector reads it.

use std::fmt::Write as _;

use super::redact::redact;

/// What a metric does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while a run goes on, and begins at 0 with the next one.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Labels by name, in the order in which they are written.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text of one file. Every sample has the common labels, then the labels of the sample.
#[derive(Debug)]
pub struct Page {
    common: String,
    text: String,
}

impl Page {
    /// Creates an empty page with the labels that distinguish its samples from those of other files.
    pub fn new(common: Labels<'_>) -> Page {
        Page { common: pairs(common), text: String::new() }
    }

    /// A metric and its samples. Where there are none, nothing is written: an unknown value is no 0.
    pub fn metric<'a>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        let mut is_first = true;
        for (labels, value) in samples {
            if std::mem::take(&mut is_first) {
                let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
                let help = escaped(help, false);
                self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            }
            let own = pairs(labels);
            let comma = if own.is_empty() || self.common.is_empty() { "" } else { "," };
            self.text.push_str(&format!("{name}{{{}{comma}{own}}} {value}\n", self.common));
        }
    }

    /// Adds a metric with one sample, which has the common labels only.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Into<Option<f64>>) {
        self.metric(name, kind, help, value.into().map(|value| (&[] as Labels<'_>, value)));
    }

    /// The whole text.
    pub fn text(self) -> String {
        self.text
    }
}

/// The value of a sample with these labels and no others, in a text that a [`Page`] wrote.
pub fn value(text: &str, name: &str, labels: Labels<'_>) -> Option<f64> {
    let head = format!("{name}{{{}}} ", pairs(labels));
    text.lines().find_map(|line| line.strip_prefix(&head))?.parse().ok()
}

/// The first value of a label, in a text that a [`Page`] wrote.
pub fn label(text: &str, name: &str) -> Option<String> {
    let head = format!("{{{name}=\"");
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    let (_, rest) = samples.find_map(|line| line.split_once(&head))?;
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

/// `a="b",c="d"`. A label without a value is no label.
fn pairs(labels: Labels<'_>) -> String {
    let mut text = String::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        let comma = if text.is_empty() { "" } else { "," };
        // a `String` takes everything
        let _ = write!(text, "{comma}{name}=\"{}\"", escaped(&redact(value), true));
    }
    text
}

fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_read_back_as_they_were() {
        let name = "a \\ \"quoted\"\nname, é";
        let mut page = Page::new(&[("job_name", name), ("share", "all")]);
        page.metric("x_total", Kind::Counter, "One\nand \\ all.", [(&[("kind", "a")] as Labels<'_>, 3.0)]);
        page.single("y_seconds", Kind::Gauge, "Time.", 1.5);
        page.single("z", Kind::Gauge, "Unknown.", None);
        let text = page.text();
        let common = r#"job_name="a \\ \"quoted\"\nname, é",share="all""#;
        let expected = format!(
            "# HELP x_total One\\nand \\\\ all.\n# TYPE x_total counter\nx_total{{{common},kind=\"a\"}} 3\n# HELP y_seconds \
             Time.\n# TYPE y_seconds gauge\ny_seconds{{{common}}} 1.5\n"
        );
        assert_eq!(text, expected);
        assert_eq!(label(&text, "job_name").as_deref(), Some(name));
        assert_eq!(value(&text, "y_seconds", &[("job_name", name), ("share", "all")]), Some(1.5));
        assert_eq!(value(&text, "y_seconds", &[("job_name", "another"), ("share", "all")]), None);
        assert_eq!(label("", "job_name"), None);
    }

    #[test]
    fn secrets_in_labels_do_not_survive_and_empty_labels_are_none() {
        let mut page = Page::new(&[]);
        let labels: Labels<'_> = &[("output", "s3://user:pass@bucket/x?sig=abc"), ("provider", "")];
        page.metric("x_info", Kind::Gauge, "About.", [(labels, 1.0)]);
        assert!(page.text().ends_with("\nx_info{output=\"s3://***@bucket/x?sig=***\"} 1\n"));
    }
}
