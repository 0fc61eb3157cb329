//! Logs for a person at a terminal: no time, no module, and what comes again is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::json::Said;
use super::redact::redact;

/// Messages whose repetitions are counted; those beyond are written each time.
const MOST: usize = 200;

/// How often each message came, after its first time.
static AGAIN: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Writes events.
pub(super) struct Short {
    pub has_colours: bool,
}

impl<S, N> FormatEvent<S, N> for Short
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        if came_before(&said.message) {
            return Ok(());
        }
        let text = shown(&text(&said));
        let (level, colour) = match *event.metadata().level() {
            Level::ERROR => ("error", "\x1b[31m"),
            Level::WARN => ("warning", "\x1b[33m"),
            Level::INFO => ("info", "\x1b[32m"),
            _ => ("debug", "\x1b[34m"),
        };
        match self.has_colours {
            true => writeln!(writer, "{colour}{level}:\x1b[0m {text}"),
            false => writeln!(writer, "{level}: {text}"),
        }
    }
}

/// True if the message was written already; it is counted then.
fn came_before(message: &str) -> bool {
    let mut again = AGAIN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = again.get_mut(message) {
        *count += 1;
        return true;
    }
    if again.len() < MOST {
        again.insert(message.to_owned(), 0);
    }
    false
}

/// Takes the messages that came more than once, with the number of times after the first.
pub fn take_repeated() -> Vec<(String, u64)> {
    let again = std::mem::take(&mut *AGAIN.lock().unwrap_or_else(PoisonError::into_inner));
    let repeated = again.into_iter().filter(|(_, count)| *count > 0);
    repeated.map(|(message, count)| (shown(&message), count)).collect()
}

/// The message, its cause, and its other fields in parentheses.
fn text(said: &Said) -> String {
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_cause = |name: &str| name == "error" || name == "why";
    let mut text = said.message.clone();
    for (_, cause) in said.fields.iter().filter(|(name, _)| is_cause(name)) {
        text = format!("{text}: {}", value(cause));
    }
    let others = said.fields.iter().filter(|(name, _)| !is_cause(name));
    let others: Vec<String> = others.map(|(name, field)| format!("{name}: {}", value(field))).collect();
    if others.is_empty() { text } else { format!("{text} ({})", others.join(", ")) }
}

/// A text on one line that no control character of a key can change.
fn shown(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    redact(text).chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(message: &str, fields: Value) -> Said {
        Said { message: message.to_owned(), fields: fields.as_object().unwrap().clone() }
    }

    #[test]
    fn a_line_has_the_cause_after_the_message_and_other_fields_in_parentheses() {
        let said =
            said("an input is damaged", json!({ "key": "a\u{1b}[2Jb", "why": "cut\nshort", "part": 3 }));
        assert_eq!(shown(&text(&said)), "an input is damaged: cut\\nshort (key: a\\u{1b}[2Jb, part: 3)");
        assert!(!shown("GET https://h/k?X-Amz-Signature=c4n4ry failed").contains("c4n4ry"));
    }

    #[test]
    fn a_message_that_comes_again_is_counted() {
        assert!(!came_before("only of this test") && came_before("only of this test"));
        assert!(came_before("only of this test"));
        let repeated = take_repeated();
        assert!(repeated.contains(&("only of this test".to_owned(), 2)), "{repeated:?}");
        assert!(!came_before("only of this test"));
    }
}
