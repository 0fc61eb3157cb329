//! The result of a command.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::runner::metrics::RunEnd;

/// The result of a command: the fields that `--json` prints, and its failure if it has both.
pub(super) struct Summary {
    pub fields: Map<String, Value>,
    pub failure: Option<Failure>,
    /// The exit code if there is no failure, if not 0.
    pub exit: Option<u8>,
}

impl Summary {
    pub fn new(fields: Value) -> Summary {
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Summary { fields, failure: None, exit: None }
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        self.failure.as_ref().map_or(self.exit.unwrap_or_default(), |failure| failure.exit.code())
    }

    pub fn add(&mut self, fields: impl IntoIterator<Item = (&'static str, Value)>) {
        self.fields.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

/// Returns how a run ended, for its metrics.
pub(super) fn end_of(ran: &Result<Summary, Failure>) -> RunEnd {
    match ran {
        Err(failure) => RunEnd { exit: failure.exit.code(), is_success: false, is_complete: false },
        Ok(summary) => RunEnd {
            exit: summary.code(),
            is_success: summary.failure.is_none(),
            is_complete: summary.fields.get("complete") == Some(&Value::Bool(true)),
        },
    }
}
