//! Images that are unlike the others: far from their neighbours, or from the mean of their class.

mod covariance;
mod distances;

use std::num::NonZero;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use serde::Serialize;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use crate::output::Cursor;
use crate::pipeline::progress::Progress;

use super::computing::{Stopped, computing};
use super::finding::{Finding, FindingKind};
use super::near::Sketches;
use super::ranking::Ranking;
use super::section::Section;

pub(super) use covariance::{Scatter, Shrunk};

use distances::{distances, highest};

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// Outliers of each kind that are findings: a hundredth of the images, at most this many.
const MOST_OUTLIERS: usize = 1000;
/// Images without which there is nothing that others could be unlike.
const FEWEST: usize = 20;

/// How outliers were found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlierFigures {
    /// Images with an embedding.
    pub images: u64,
    /// Images with which every image was compared.
    pub references: u64,
    /// The neighbour whose distance counts.
    pub neighbour: u64,
    /// Images that have a label or a prediction, by whose class the second distance is.
    pub with_class: u64,
    /// The weight of the sphere in the covariance.
    pub shrinkage: Option<f64>,
    /// Outliers of each kind that are findings.
    pub named: u64,
}

/// Ranks the images of an output by their distances; `sketches` are theirs, or why there are none.
///
/// # Errors
/// The rows cannot be read.
pub(super) async fn outliers(
    input: ReportInput<'_>,
    sketches: Result<Arc<Sketches>, String>,
    progress: &Arc<Progress>,
) -> Result<(Section<OutlierFigures>, Vec<Ranking>), Failure> {
    let sketches = match sketches {
        Ok(sketches) => sketches,
        Err(why) => return Ok((Section::skipped(why), Vec::new())),
    };
    let images = sketches.len();
    if images < FEWEST {
        let why = format!("there are {images} embeddings, and at least {FEWEST} are needed");
        return Ok((Section::skipped(why), Vec::new()));
    }
    let planned = input.parts.iter().map(|part| part.rows).sum::<u64>() + images as u64;
    progress.plan(planned, planned);
    let count = input.frozen.model.classes;
    let classes = classes(input, (&sketches, count), progress).await?;
    let with_class = classes.iter().flatten().count() as u64;
    let all = sketches.clone();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let found = computing("the comparison of distances", move |stop| {
        distances(&all, &classes, count, threads, stop.flag()).ok_or(Stopped)
    });
    let found = found.await?;
    progress.rows(images as u64, 0);
    let named = images.div_ceil(100).min(MOST_OUTLIERS);
    let ranking = |kind: FindingKind, values: &[f32]| {
        let mut ranking = Ranking::new(kind);
        for (at, share) in highest(values, named) {
            let row = u64::from(sketches.rows[at]);
            ranking.add(Finding { row, score: share, ..Finding::default() });
        }
        ranking
    };
    let rankings = vec![
        ranking(FindingKind::Isolated, &found.neighbour),
        ranking(FindingKind::FarFromClass, &found.class),
    ];
    let figures = OutlierFigures {
        images: images as u64,
        references: found.references as u64,
        neighbour: found.k as u64,
        with_class,
        shrinkage: found.shrinkage,
        named: named as u64,
    };
    Ok((Section::Done(figures), rankings))
}

/// The class of each sketched image: its label, or else its prediction.
async fn classes(
    input: ReportInput<'_>,
    (sketches, count): (&Sketches, usize),
    progress: &Progress,
) -> Result<Vec<Option<u32>>, Failure> {
    let columns = ["target", "index"].map(str::to_owned).to_vec();
    let mut cursor = Cursor::new(input.output, input.parts, columns, BATCH);
    let mut classes = Vec::with_capacity(sketches.len());
    let mut first = 0;
    while cursor.fill().await? {
        let Some(batch) = cursor.take(BATCH) else { break };
        let end = first + batch.num_rows() as u32;
        while let Some(row) = sketches.rows.get(classes.len()).filter(|row| (first..end).contains(*row)) {
            let class = class_of(&batch, (row - first) as usize);
            classes.push(class.filter(|class| (*class as usize) < count));
        }
        first = end;
        progress.rows(batch.num_rows() as u64, 0);
    }
    classes.resize(sketches.len(), None);
    Ok(classes)
}

fn class_of(batch: &RecordBatch, row: usize) -> Option<u32> {
    let target = batch.column_by_name("target").and_then(|column| column.as_primitive_opt::<Int32Type>());
    if let Some(target) = target.filter(|target| target.is_valid(row)) {
        return u32::try_from(target.value(row)).ok();
    }
    let lists = batch.column_by_name("index")?.as_list_opt::<i32>()?;
    let values = lists.values().as_primitive_opt::<Int32Type>()?.values();
    let first = lists.value_offsets()[row] as usize;
    let best = (lists.is_valid(row) && lists.value_length(row) > 0).then(|| values[first])?;
    u32::try_from(best).ok()
}
