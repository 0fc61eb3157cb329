//! The comparison for machines.
//!
//! One object; a reader checks `schema` and `schema_version` first. Within a version, fields are only added:
//! `metrics` (flat, name to number; a metric without value is left out), `gates`, and the fields of
//! [`ComparisonReport`](super::ComparisonReport).

use super::super::envelope;
use super::super::error::ReportError;
use super::super::gate::Verdict;
use super::figures::ComparisonReport;

/// What the object is.
pub const SCHEMA: &str = "tresnet-batch/compare";

/// Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

impl ComparisonReport {
    /// The comparison as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self, verdicts: &[Verdict]) -> Result<String, ReportError> {
        envelope::to_json((SCHEMA, SCHEMA_VERSION), self.metrics(), verdicts, self)
    }
}
