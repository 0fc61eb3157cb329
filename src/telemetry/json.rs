//! Logs for machines: one JSON object a line, with the run's id.

use std::fmt;
use std::io::Write;
use std::panic::PanicHookInfo;

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::redact::redact;
use super::run::run_id;

/// A line as it is written.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    run_id: &'a str,
    target: &'a str,
    message: String,
    fields: Map<String, Value>,
}

/// One line, without its end. Signatures and the like are taken out of every text before it is quoted.
pub fn line(level: &str, target: &str, message: &str, fields: Map<String, Value>) -> String {
    let fields = fields.into_iter().map(|(name, value)| match value {
        Value::String(text) => (name, Value::String(redact(&text))),
        other => (name, other),
    });
    let line = Line {
        timestamp: now(),
        level,
        run_id: run_id(),
        target,
        message: redact(message),
        fields: fields.collect(),
    };
    // texts, numbers and maps of texts are always written
    serde_json::to_string(&line).unwrap_or_default()
}

/// This moment in UTC, RFC 3339, to the microsecond.
fn now() -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::now_utc().format(&format).unwrap_or_default()
}

/// Writes events.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
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
        let metadata = event.metadata();
        writeln!(writer, "{}", line(metadata.level().as_str(), metadata.target(), &said.message, said.fields))
    }
}

/// The message and the fields of an event.
#[derive(Default)]
pub(super) struct Said {
    pub message: String,
    pub fields: Map<String, Value>,
}

impl Said {
    fn take(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.take(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.take(field, value.into());
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }
}

/// Writes a panic as a line, whatever the filter is.
pub(super) fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let mut fields = Map::new();
    fields.insert("thread".into(), thread.name().unwrap_or("a thread").into());
    if let Some(place) = panic.location() {
        fields.insert("place".into(), place.to_string().into());
    }
    let message = format!("panicked: {}", panic.payload_as_str().unwrap_or("without a word"));
    drop(writeln!(std::io::stderr().lock(), "{}", line("ERROR", "panic", &message, fields)));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged meanwhile.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let logs = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .event_format(Lines);
        tracing::subscriber::with_default(logs.finish(), log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_event_is_one_line_with_its_fields_in_their_types() {
        let lines = logged(|| {
            tracing::warn!(
                part = 7_u64,
                share = 0.5,
                key = "a\"\n\u{1}é",
                whole = true,
                left = -1_i64,
                "two\nlines"
            );
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("two\nlines")));
        let fields = json!({ "part": 7, "share": 0.5, "key": "a\"\n\u{1}é", "whole": true, "left": -1 });
        assert_eq!(line["fields"], fields);
        assert_eq!(line["run_id"], run_id());
        assert_eq!(line["target"], module_path!());
        let at = line["timestamp"].as_str().unwrap();
        let at = OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap();
        assert!((OffsetDateTime::now_utc() - at).as_seconds_f64().abs() < 60.0);
    }

    #[test]
    fn signatures_are_taken_out_of_messages_and_fields_before_they_are_quoted() {
        let lines = logged(|| {
            let error = "GET \"https://h/k?X-Amz-Signature=c4n4ry\" failed";
            tracing::warn!(%error, url = "s3://user:c4n4ry@bucket/key", debug = ?error, "{error}; \"sig=c4n4ry\"");
        });
        let text = lines[0].to_string();
        assert!(!text.contains("c4n4ry"), "{text}");
        assert_eq!(lines[0]["fields"]["error"], "GET \"https://h/k?X-Amz-Signature=***\" failed");
        assert_eq!(lines[0]["fields"]["url"], "s3://***@bucket/key");
        assert!(text.matches("***").count() == 5, "{text}");
    }
}
