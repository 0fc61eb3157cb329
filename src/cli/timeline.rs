//! `run --trace FILE`.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::telemetry::trace::{MOST_EVENTS, Traced, Tracer};

use super::print::{count, line};
use super::summary::Summary;

/// Creates the file, if there is to be one.
pub(super) fn begin(path: Option<&Path>) -> Result<Tracer, Failure> {
    let Some(path) = path else { return Ok(Tracer::default()) };
    Tracer::create(path, MOST_EVENTS).map_err(|error| {
        Failure::caused(Exit::Io, format!("cannot write the trace `{}`", path.display()), error)
    })
}

/// Closes the file, and shows it with what ran. A trace that could not be written whole is no reason to fail a run.
pub(super) fn end(path: Option<&Path>, tracer: &Tracer, ran: &mut Result<Summary, Failure>) {
    let traced = tracer.finish();
    let (Some(path), Ok(summary)) = (path, ran) else { return };
    let shown: Value = match traced {
        Ok(Traced { events, left_out }) => {
            let lacks = match left_out {
                0 => String::new(),
                more => format!("; it is full, and {} later ones are left out", count(more)),
            };
            line(format!("  trace: {} with {} spans{lacks}", path.display(), count(events)));
            json!({ "file": path, "events": events, "left_out": left_out })
        }
        Err(error) => {
            tracing::warn!("the trace `{}` ends early: {error}", path.display());
            json!({ "file": path, "error": error.to_string() })
        }
    };
    summary.add([("trace", shown)]);
}
