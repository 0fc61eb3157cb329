//! Rows as a report takes them if their targets are not one class among all classes. The rows are changed to fit the
//! targets' convention, so that the code for plain rows makes every figure.

use arrow_array::RecordBatch;

use super::error::ReportError;
use super::figures::Report;
use super::masked::MaskedSums;
use super::sets;

/// How rows are scored.
#[derive(Debug)]
pub enum Scoring {
    /// As they are.
    Plain,
    /// Their targets are sets: a row is right if its prediction is in the set.
    Sets,
    /// They are scored among some classes alone, by their logits.
    Among(Box<MaskedSums>),
}

impl Scoring {
    /// Scores rows among the classes `among`, which ascend, of `classes` classes.
    pub fn among(among: Vec<i32>, classes: usize) -> Scoring {
        Scoring::Among(Box::new(MaskedSums::new(among, classes)))
    }

    /// The columns that it reads, beside those of the report.
    pub fn columns(&self) -> &'static [&'static str] {
        match self {
            Scoring::Plain => &[],
            Scoring::Sets => &["targets"],
            Scoring::Among(_) => &["logits"],
        }
    }

    /// The rule in words; equal for rules that score alike.
    pub fn described(&self) -> String {
        match self {
            Scoring::Plain => "by one target among all classes".into(),
            Scoring::Sets => "by sets of targets".into(),
            Scoring::Among(masked) => format!("among {} of the classes", masked.among().len()),
        }
    }

    /// Whether rows of two outputs are scored alike.
    pub fn is_as(&self, other: &Scoring) -> bool {
        match (self, other) {
            (Scoring::Plain, Scoring::Plain) | (Scoring::Sets, Scoring::Sets) => true,
            (Scoring::Among(a), Scoring::Among(b)) => a.among() == b.among(),
            _ => false,
        }
    }

    /// Whether a row has one target, so that all probabilities can be compared with it.
    pub fn has_one_target(&self) -> bool {
        !matches!(self, Scoring::Sets)
    }

    /// Returns the rows of a batch as they are counted.
    ///
    /// # Errors
    /// The rows break the output's contract.
    pub fn apply(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
        match self {
            Scoring::Plain => Ok(batch.clone()),
            Scoring::Sets => sets::credited(batch),
            Scoring::Among(masked) => masked.masked(batch),
        }
    }

    /// Adds to a report what only the rule knows.
    pub fn finish(self, report: Report) -> Report {
        match self {
            Scoring::Plain => report,
            Scoring::Sets => Report { target_sets: true, ..report },
            Scoring::Among(masked) => Report { masked: Some(masked.finish()), ..report },
        }
    }
}
