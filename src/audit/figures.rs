//! The figures of an audit, as JSON and as lines.

use serde::Serialize;

use crate::report::{Provenance, ReportError, Verdict, thousands, to_json};

use super::confident::LabelFigures;
use super::findings::Example;

/// What the JSON object is.
pub const SCHEMA: &str = "tresnet-batch/audit";

/// Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The figures of one subject, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Section<T> {
    /// The figures.
    Done(T),
    /// There are none.
    Skipped {
        /// Why, and which key of the job keeps what they need.
        skipped: String,
    },
}

impl<T> Section<T> {
    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Section::Skipped { skipped: why.into() }
    }

    /// The figures, or why there are none.
    ///
    /// # Errors
    /// The reason.
    pub fn get(&self) -> Result<&T, &str> {
        match self {
            Section::Done(figures) => Ok(figures),
            Section::Skipped { skipped } => Err(skipped),
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Where the rows come from.
    pub provenance: Provenance,
    /// Rows of the output.
    pub rows: u64,
    /// Likely wrong labels.
    pub labels: Section<LabelFigures>,
    /// The most suspicious rows of each kind.
    pub examples: Vec<Example>,
}

impl Audit {
    /// The audit as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self, verdicts: &[Verdict]) -> Result<String, ReportError> {
        to_json((SCHEMA, SCHEMA_VERSION), self.metrics(), verdicts, self)
    }

    /// The audit for a person, line by line.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.labels.get() {
            Ok(labels) => lines.extend(label_lines(labels)),
            Err(why) => lines.push(format!("labels: not audited: {why}")),
        }
        lines
    }

    /// Whether there are figures of anything.
    pub fn has_figures(&self) -> bool {
        self.labels.get().is_ok()
    }
}

fn label_lines(labels: &LabelFigures) -> Vec<String> {
    let noise = labels.noise.map_or("not known".to_owned(), |noise| {
        format!("{:.2} % (95 % interval {:.2} to {:.2})", noise.percent, noise.low, noise.high)
    });
    let mut lines = vec![format!(
        "labels: {} of {} are likely wrong; estimated share of wrong labels {noise}",
        thousands(labels.suspects),
        thousands(labels.labelled),
    )];
    if labels.undecided > 0 {
        lines.push(format!(
            "labels: {} rows are not judged, since another class than the kept ones may be confident: keep \
             `output.logits = true`, or more of `output.top_k`",
            thousands(labels.undecided)
        ));
    }
    lines.push(match labels.in_sample {
        true => {
            "labels: the model was trained on these images, so it agrees with wrong labels, too".to_owned()
        }
        false => "labels: this holds if the model was not trained on these images; else give --in-sample"
            .to_owned(),
    });
    lines
}
