//! The JSON object around the figures of a report and of a comparison: both have one shape, so that one reader serves
//! for both.

use serde::Serialize;

use super::error::ReportError;
use super::gate::Verdict;
use super::metrics::Metrics;

/// One object. Its first fields are the same for every schema; those of `body` follow them.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub schema: &'static str,
    pub schema_version: u32,
    pub metrics: Metrics,
    pub gates: &'a [Verdict],
    #[serde(flatten)]
    pub body: &'a T,
}

impl<T: Serialize> Envelope<'_, T> {
    /// Writes the object as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
