//! The JSON object around the figures of a report, a comparison and an audit: all have one shape, so that one reader
//! serves for all.

use serde::Serialize;

use super::error::ReportError;
use super::gate::Verdict;
use super::metrics::Metrics;

/// The fields that every schema has; those of `body` follow them.
#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: &'static str,
    schema_version: u32,
    metrics: Metrics,
    gates: &'a [Verdict],
    #[serde(flatten)]
    body: &'a T,
}

/// Writes the object of a schema and its version as indented JSON with a line feed at its end.
///
/// # Errors
/// None is known; serialisation to memory is only fallible by its signature.
pub(crate) fn to_json<T: Serialize>(
    (schema, schema_version): (&'static str, u32),
    metrics: Metrics,
    gates: &[Verdict],
    body: &T,
) -> Result<String, ReportError> {
    let envelope = Envelope { schema, schema_version, metrics, gates, body };
    let mut text = serde_json::to_string_pretty(&envelope)?;
    text.push('\n');
    Ok(text)
}
