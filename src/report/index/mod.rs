//! Several outputs on one page: accuracy over time, by job and model. It reads what finished outputs record of
//! themselves, and no rows.

mod chart;
mod html;
mod moment;

use std::collections::BTreeMap;

use serde::Serialize;

use super::proportion::Proportion;

use moment::seconds;

/// What the JSON is.
pub const INDEX_SCHEMA: &str = "tresnet-batch/index";
/// Raised when a field changes its meaning or goes away.
pub const INDEX_SCHEMA_VERSION: u32 = 1;

/// An output as the index lists it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct IndexEntry {
    /// The job's name.
    pub job: String,
    /// The network.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_sha256: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// Where the images are.
    pub input: String,
    /// Where the rows are.
    pub output: String,
    /// When it was finished, RFC 3339; `None` of an output that is not.
    pub finished: Option<String>,
    /// The metrics that it was finished with, by the names that gates use.
    pub metrics: BTreeMap<String, f64>,
    /// Top-1 with its interval, if it is known.
    pub top1: Option<Proportion>,
    /// Top-5 with its interval, if it is known.
    pub top5: Option<Proportion>,
    /// Rows a second while parts were in progress.
    pub rows_per_second: Option<f64>,
    /// Its own page, relative to the index or absolute, if there is one.
    pub page: Option<String>,
}

impl IndexEntry {
    /// Sets the shares that the metrics and the count of scored rows give.
    pub fn with_shares(mut self) -> Self {
        let share = |name: &str| {
            let percent = self.metrics.get(name)?;
            // the file may be from elsewhere, and a negative count would panic below
            let scored = self.metrics.get("scored").copied().filter(|scored| *scored >= 0.0)?;
            // counts are whole numbers, and a share is at most all of them
            let hits = (percent / 100.0 * scored).round().clamp(0.0, scored);
            Proportion::new(hits as u64, scored as u64)
        };
        (self.top1, self.top5) = (share("top1"), share("top5"));
        self
    }

    /// The line of the chart that it is on.
    fn series(&self) -> String {
        match self.precision.as_str() {
            "" | "fp32" => format!("{} · {}", self.job, self.model),
            precision => format!("{} · {} {precision}", self.job, self.model),
        }
    }
}

/// The index of several outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Index {
    schema: &'static str,
    schema_version: u32,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The outputs, the last finished first; those that are not finished at the end.
    pub outputs: Vec<IndexEntry>,
}

impl Index {
    /// Sorts the outputs.
    pub fn new(created: String, mut outputs: Vec<IndexEntry>) -> Self {
        let moment = |entry: &IndexEntry| entry.finished.as_deref().and_then(seconds);
        outputs.sort_by(|a, b| (moment(b), &a.output).cmp(&(moment(a), &b.output)));
        Self { schema: INDEX_SCHEMA, schema_version: INDEX_SCHEMA_VERSION, created, outputs }
    }

    /// The index as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self) -> Result<String, super::ReportError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
