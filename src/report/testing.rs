//! Hand-made batches in the output's schema.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch, StringArray};

use super::accumulator::Accumulator;
use super::classes::Classes;
use super::figures::Report;
use super::provenance::Provenance;

/// The report of these rows.
pub(super) fn report(rows: &[TestRow], classes: usize) -> Report {
    let mut accumulator = Accumulator::new(Classes::Count(classes));
    accumulator.push(&batch(rows)).unwrap();
    accumulator.finish(Provenance::default())
}

/// One row to be; the methods change a good one.
#[derive(Debug, Clone, Default)]
pub(super) struct TestRow {
    status: Option<&'static str>,
    error_kind: Option<&'static str>,
    target: Option<i32>,
    index: Option<Vec<i32>>,
    prob: Option<Vec<f32>>,
    target_prob: Option<f32>,
    target_rank: Option<i32>,
    size: Option<(i32, i32)>,
    format: Option<&'static str>,
}

impl TestRow {
    pub fn ok(target: impl Into<Option<i32>>, index: &[i32]) -> Self {
        Self { status: Some("ok"), target: target.into(), index: Some(index.to_vec()), ..Self::default() }
    }

    pub fn error(kind: &'static str) -> Self {
        Self { status: Some("error"), error_kind: Some(kind), ..Self::default() }
    }

    pub fn target(self, target: i32) -> Self {
        Self { target: Some(target), ..self }
    }

    pub fn status(self, status: Option<&'static str>) -> Self {
        Self { status, ..self }
    }

    pub fn probs(self, prob: &[f32]) -> Self {
        Self { prob: Some(prob.to_vec()), ..self }
    }

    pub fn target_prob(self, prob: f32) -> Self {
        Self { target_prob: Some(prob), ..self }
    }

    pub fn rank(self, rank: i32) -> Self {
        Self { target_rank: Some(rank), ..self }
    }

    pub fn image(self, format: &'static str, width: i32, height: i32) -> Self {
        Self { size: Some((width, height)), format: Some(format), ..self }
    }
}

pub(super) fn batch(rows: &[TestRow]) -> RecordBatch {
    let mut index = ListBuilder::new(Int32Builder::new());
    let mut prob = ListBuilder::new(Float32Builder::new());
    for row in rows {
        index.append_option(row.index.as_ref().map(|items| items.iter().copied().map(Some)));
        prob.append_option(row.prob.as_ref().map(|items| items.iter().copied().map(Some)));
    }
    let ints = |get: fn(&TestRow) -> Option<i32>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Int32Array>())
    };
    let texts = |get: fn(&TestRow) -> Option<&'static str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let columns: [(&str, ArrayRef); 10] = [
        ("status", texts(|r| r.status)),
        ("error_kind", texts(|r| r.error_kind)),
        ("target", ints(|r| r.target)),
        ("index", Arc::new(index.finish())),
        ("prob", Arc::new(prob.finish())),
        ("target_prob", Arc::new(rows.iter().map(|r| r.target_prob).collect::<Float32Array>())),
        ("target_rank", ints(|r| r.target_rank)),
        ("width", ints(|r| r.size.map(|s| s.0))),
        ("height", ints(|r| r.size.map(|s| s.1))),
        ("format", texts(|r| r.format)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .expect("columns are of one length")
}
