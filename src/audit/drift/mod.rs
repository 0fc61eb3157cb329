//! What has changed between two outputs: predicted classes, confidences, embeddings.

mod confidence;
mod embeddings;
mod psi;
mod shares;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use serde::Serialize;

use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::output::Cursor;
use crate::pipeline::progress::Progress;

use super::computing::{Stop, Stopped, computing};
use super::damaged::damaged;
use super::near::Sketches;
use super::section::Section;

pub use confidence::ConfidenceDrift;
pub use embeddings::EmbeddingDrift;
pub use shares::ShareDrift;

use confidence::Confidences;
use embeddings::embedding_drift;
use shares::share_drift;

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// Values of a column that are compared one by one; rows of further ones are in none.
const MOST_VALUES: usize = 50;
/// Classes that are named.
const NAMED: usize = 20;

/// What has changed from the other output to this one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftFigures {
    /// Rows with a prediction, in this output and in the other one.
    pub rows: [u64; 2],
    /// Predicted classes.
    pub classes: Option<ShareDrift>,
    /// Probabilities of the best class.
    pub confidence: Option<ConfidenceDrift>,
    /// Embeddings, or why they are not compared.
    pub embeddings: Section<EmbeddingDrift>,
    /// The classes whose shares moved most.
    pub moved: Vec<MovedClass>,
    /// By values of a column.
    pub slices: Vec<SliceDrift>,
    /// Rows of values that are not compared one by one.
    pub other_values: u64,
}

/// A class whose share moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedClass {
    /// The class.
    pub index: usize,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its share of this output, in percent.
    pub percent: f64,
    /// Its share of the other output, in percent.
    pub other_percent: f64,
}

/// What has changed among the rows of one value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceDrift {
    /// The value; `None` for rows without one.
    pub value: Option<String>,
    /// Rows with a prediction, in this output and in the other one.
    pub rows: [u64; 2],
    /// Predicted classes.
    pub classes: Option<ShareDrift>,
    /// Probabilities of the best class.
    pub confidence: Option<ConfidenceDrift>,
    /// The lower of the two p-values, corrected for all tests of all values (S. Holm, *Scandinavian Journal of Statistics*
    /// 6 (1979), 65–70).
    pub p_holm: Option<f64>,
}

/// Counts of one set of rows.
#[derive(Debug, Clone, Default)]
struct Side {
    classes: Vec<u64>,
    confidences: Confidences,
}

impl Side {
    fn add(&mut self, class: usize, probability: f64, count: usize) {
        self.classes.resize(count, 0);
        self.classes[class] += 1;
        self.confidences.add(probability);
    }

    fn rows(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// All rows and those of each value, of this output and of the other one.
#[derive(Debug, Default)]
struct Sums {
    all: [Side; 2],
    slices: BTreeMap<Option<String>, [Side; 2]>,
    other_values: u64,
}

/// Compares two outputs, by values of the column `by` too.
///
/// # Errors
/// The rows cannot be read; a column `by` that they do not have.
pub(super) async fn drift(
    input: ReportInput<'_>,
    other: ReportInput<'_>,
    by: Option<&str>,
    sketches: (Option<Arc<Sketches>>, Option<Arc<Sketches>>),
    progress: &Progress,
) -> Result<Section<DriftFigures>, Failure> {
    let count = input.frozen.model.classes;
    if count != other.frozen.model.classes || input.frozen.model.labels != other.frozen.model.labels {
        return Ok(Section::skipped("the models of the two outputs have different classes"));
    }
    // rows of a model without classes have no columns of them
    let sides = if count == 0 { Vec::new() } else { vec![input, other] };
    let planned = sides.iter().flat_map(|side| side.parts).map(|part| part.rows).sum();
    progress.plan(planned, planned);
    let mut sums = Sums::default();
    for (at, side) in sides.into_iter().enumerate() {
        let mut columns = vec!["index".to_owned(), "prob".to_owned()];
        columns.extend(by.map(str::to_owned));
        let mut cursor = Cursor::new(side.output, side.parts, columns, BATCH);
        while cursor.fill().await? {
            let Some(batch) = cursor.take(BATCH) else { break };
            let values = by.map(|name| values(&batch, name)).transpose()?;
            add(&batch, (at, count), values.as_ref(), &mut sums).map_err(|why| damaged(side, &why))?;
            progress.rows(batch.num_rows() as u64, 0);
        }
    }
    let labels = input.frozen.model.labels.clone();
    let figures = computing("the comparison of the outputs", move |stop| {
        let [own, others] = &sums.all;
        let embeddings = match sketches {
            (Some(own), Some(others)) => embedding_drift(&own, &others, stop)?
                .map_or_else(|| Section::skipped("an output has fewer than 200 embeddings"), Section::Done),
            _ => Section::skipped("the embeddings of the two outputs cannot be compared"),
        };
        Ok(DriftFigures {
            rows: [own.rows(), others.rows()],
            classes: share_drift(&own.classes, &others.classes, stop)?,
            confidence: own.confidences.drift(&others.confidences),
            embeddings,
            moved: moved(own, others, labels.as_deref()),
            slices: slices(&sums.slices, stop)?,
            other_values: sums.other_values,
        })
    });
    figures.await.map(Section::Done)
}

/// The values of a column as texts.
fn values(batch: &RecordBatch, name: &str) -> Result<ArrayRef, Failure> {
    let column = batch.column_by_name(name);
    let values = column.and_then(|column| cast(column, &DataType::Utf8).ok());
    let what = || format!("--by `{name}`: the rows have no column of plain values with this name");
    values.ok_or_else(|| Failure::new(Exit::Usage, what()))
}

/// Adds the rows of a batch that have a prediction.
fn add(
    batch: &RecordBatch,
    (at, count): (usize, usize),
    values: Option<&ArrayRef>,
    sums: &mut Sums,
) -> Result<(), String> {
    let list = |name: &str| batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    let (Some(index), Some(prob)) = (list("index"), list("prob")) else {
        return Err("has no columns `index` and `prob`".into());
    };
    let classes =
        index.values().as_primitive_opt::<Int32Type>().ok_or("has an `index` that is no list of int32")?;
    let probs =
        prob.values().as_primitive_opt::<Float32Type>().ok_or("has a `prob` that is no list of float32")?;
    let values = values.and_then(|values| values.as_string_opt::<i32>());
    for row in 0..batch.num_rows() {
        if index.is_null(row)
            || prob.is_null(row)
            || index.value_length(row) == 0
            || prob.value_length(row) == 0
        {
            continue;
        }
        let class = classes.value(index.value_offsets()[row] as usize);
        let class = usize::try_from(class).ok().filter(|class| *class < count);
        let class = class.ok_or("has a prediction that is outside the model's classes")?;
        let probability = f64::from(probs.value(prob.value_offsets()[row] as usize));
        sums.all[at].add(class, probability, count);
        let Some(values) = values else { continue };
        let value = values.is_valid(row).then(|| values.value(row).to_owned());
        if sums.slices.len() < MOST_VALUES || sums.slices.contains_key(&value) {
            sums.slices.entry(value).or_default()[at].add(class, probability, count);
        } else {
            sums.other_values += 1;
        }
    }
    Ok(())
}

fn moved(own: &Side, others: &Side, names: Option<&[String]>) -> Vec<MovedClass> {
    let (rows, other_rows) = (own.rows() as f64, others.rows() as f64);
    if rows == 0.0 || other_rows == 0.0 {
        return Vec::new();
    }
    let class = |(index, (a, b)): (usize, (&u64, &u64))| MovedClass {
        index,
        name: names.and_then(|names| names.get(index)).cloned(),
        percent: 100.0 * *a as f64 / rows,
        other_percent: 100.0 * *b as f64 / other_rows,
    };
    let mut moved: Vec<MovedClass> = own.classes.iter().zip(&others.classes).enumerate().map(class).collect();
    let change = |class: &MovedClass| (class.percent - class.other_percent).abs();
    moved.sort_by(|a, b| change(b).total_cmp(&change(a)).then(a.index.cmp(&b.index)));
    moved.truncate(NAMED);
    moved
}

fn slices(slices: &BTreeMap<Option<String>, [Side; 2]>, stop: &Stop) -> Result<Vec<SliceDrift>, Stopped> {
    let one = |(value, [own, others]): (&Option<String>, &[Side; 2])| {
        Ok(SliceDrift {
            value: value.clone(),
            rows: [own.rows(), others.rows()],
            classes: share_drift(&own.classes, &others.classes, stop)?,
            confidence: own.confidences.drift(&others.confidences),
            p_holm: None,
        })
    };
    let mut slices = slices.iter().map(one).collect::<Result<Vec<SliceDrift>, Stopped>>()?;
    let tests: Vec<(usize, f64)> = slices
        .iter()
        .enumerate()
        .flat_map(|(at, slice)| {
            [slice.classes.map(|drift| (at, drift.p)), slice.confidence.map(|drift| (at, drift.p))]
        })
        .flatten()
        .collect();
    let corrected = holm(&tests.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    for ((at, _), p) in tests.iter().zip(corrected) {
        let slice = &mut slices[*at];
        slice.p_holm = Some(slice.p_holm.map_or(p, |other| other.min(p)));
    }
    Ok(slices)
}

/// Corrects p-values for their number: the k-th lowest of m is multiplied by m − k + 1, and none is lower than one before it.
fn holm(tests: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..tests.len()).collect();
    order.sort_by(|a, b| tests[*a].total_cmp(&tests[*b]));
    let mut corrected = vec![1.0; tests.len()];
    let mut least = 0.0_f64;
    for (place, at) in order.iter().enumerate() {
        least = least.max(((tests.len() - place) as f64 * tests[*at]).min(1.0));
        corrected[*at] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_corrected_as_statsmodels_does() {
        // statsmodels: multipletests([0.01, 0.04, 0.03, 0.005], method="holm")[1]
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{corrected:?}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
