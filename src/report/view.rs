//! Rows as a report takes them where their targets are not one class among all classes: every figure is then made of
//! what the targets' convention asks for, by the code that makes it of plain rows.

use arrow::array::RecordBatch;

use super::error::ReportError;
use super::figures::Report;
use super::masked::MaskedSums;
use super::sets;

/// How rows are looked at before they are counted.
#[derive(Debug)]
pub enum View {
    /// As they are.
    Plain,
    /// Their targets are sets: a row is right where its prediction is in the set.
    Sets,
    /// They are scored among some classes alone, by their logits.
    Among(Box<MaskedSums>),
}

impl View {
    /// A view of rows that are scored among these classes, which ascend, of so many.
    pub fn among(among: Vec<i32>, classes: usize) -> View {
        View::Among(Box::new(MaskedSums::new(among, classes)))
    }

    /// The columns that it reads beside those of the report.
    pub fn columns(&self) -> &'static [&'static str] {
        match self {
            View::Plain => &[],
            View::Sets => &["targets"],
            View::Among(_) => &["logits"],
        }
    }

    /// What a row is held against, for a person; equal for views that ask the same.
    pub fn described(&self) -> String {
        match self {
            View::Plain => "by one target among all classes".into(),
            View::Sets => "by sets of targets".into(),
            View::Among(masked) => format!("among {} of the classes", masked.among().len()),
        }
    }

    /// Whether rows of two outputs are held against the same.
    pub fn is_as(&self, other: &View) -> bool {
        match (self, other) {
            (View::Plain, View::Plain) | (View::Sets, View::Sets) => true,
            (View::Among(a), View::Among(b)) => a.among() == b.among(),
            _ => false,
        }
    }

    /// Whether a row has one target, so that all probabilities can be held against it.
    pub fn has_one_target(&self) -> bool {
        !matches!(self, View::Sets)
    }

    /// The rows of a batch as they are counted.
    ///
    /// # Errors
    /// The rows break the output's contract.
    pub fn of(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
        match self {
            View::Plain => Ok(batch.clone()),
            View::Sets => sets::credited(batch),
            View::Among(masked) => masked.view(batch),
        }
    }

    /// Adds to a report what only the view knows.
    pub fn finish(self, report: Report) -> Report {
        match self {
            View::Plain => report,
            View::Sets => Report { target_sets: true, ..report },
            View::Among(masked) => Report { masked: Some(masked.finish()), ..report },
        }
    }
}
