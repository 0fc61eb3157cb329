//! The passes over an output's rows: the mean embedding, the sketches, and the embeddings of candidates.

use std::fs::File;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;

use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::output::{CommittedPart, Cursor};
use crate::pipeline::progress::Progress;

use super::super::damaged::damaged;
use super::super::embeddings::{EmbeddingColumn, Embeddings};
use super::super::needed::read_needed;
use super::projection::{Projection, Sketch};
use super::sketches::Sketches;
use super::vectors::{Vectors, centre};

/// Rows decoded at a time.
const BATCH: usize = 1024;
/// Parts, spread over the output, whose embeddings make the mean.
const MEAN_PARTS: usize = 32;

/// What is known of an image beside its embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub pixels: u64,
    pub target: Option<i32>,
}

/// The mean of embeddings scaled to length 1, of some parts of an output; zeros if there are none.
pub(super) async fn mean(input: ReportInput<'_>, column: EmbeddingColumn) -> Result<Vec<f32>, Failure> {
    let step = input.parts.len().div_ceil(MEAN_PARTS).max(1);
    let parts: Vec<CommittedPart> = input.parts.iter().step_by(step).cloned().collect();
    let zero = vec![0.0; column.width];
    let (mut sums, mut rows) = (vec![0.0_f64; column.width], 0_u64);
    let mut embedding = Vec::new();
    let mut cursor = Cursor::new(input.output, &parts, vec!["embedding".into()], BATCH);
    while cursor.fill().await? {
        let Some(batch) = cursor.take(BATCH) else { break };
        let embeddings = column.read(&batch)?;
        for row in 0..embeddings.len() {
            if embeddings.read(row, &mut embedding) && centre(&mut embedding, &zero) {
                sums.iter_mut().zip(&embedding).for_each(|(sum, value)| *sum += f64::from(*value));
                rows += 1;
            }
        }
    }
    Ok(sums.into_iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect())
}

/// Sketches every image that has an embedding.
pub(super) async fn sketch(
    input: ReportInput<'_>,
    (column, mean): (EmbeddingColumn, &[f32]),
    threads: usize,
    progress: &Progress,
) -> Result<Sketches, Failure> {
    // the counts of an output are trusted only up to its number of rows, which is bounded
    let ok: u64 = input.parts.iter().map(|part| part.ok.min(part.rows)).sum();
    let mut sketches = Sketches::with_capacity(ok as usize).map_err(|error| {
        Failure::caused(Exit::Config, format!("there is no memory for the sketches of {ok} images"), error)
    })?;
    let projection = Projection::new(column.width);
    let mut cursor = Cursor::new(input.output, input.parts, vec!["embedding".into()], BATCH);
    let mut first = 0_u32;
    while cursor.fill().await? {
        let Some(batch) = cursor.take(BATCH) else { break };
        let embeddings = column.read(&batch)?;
        let rows = embeddings.len();
        for (row, sketch) in sketch_rows(embeddings, &projection, mean, threads).into_iter().enumerate() {
            if let Some(sketch) = sketch {
                sketches.push(first + row as u32, sketch);
            }
        }
        first += rows as u32;
        progress.rows(rows as u64, 0);
    }
    Ok(sketches)
}

fn sketch_rows(
    embeddings: Embeddings<'_>,
    projection: &Projection,
    mean: &[f32],
    threads: usize,
) -> Vec<Option<Sketch>> {
    let rows: Vec<usize> = (0..embeddings.len()).collect();
    let some = |rows: &[usize]| {
        let (mut embedding, mut scratch) = (Vec::new(), Vec::new());
        let mut one = |row: usize| {
            let is_there = embeddings.read(row, &mut embedding) && centre(&mut embedding, mean);
            is_there.then(|| projection.sketch(&embedding, &mut scratch)).flatten()
        };
        rows.iter().map(|row| one(*row)).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let pieces = rows.chunks(rows.len().div_ceil(threads).max(1));
        let running: Vec<_> = pieces.map(|rows| scope.spawn(|| some(rows))).collect();
        // a thread that panicked has the panic repeated here
        let ended = running.into_iter().map(|thread| thread.join());
        ended.flat_map(|rows| rows.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Reads the embeddings and facts of `rows`, which ascend: into `file`, or into memory without one.
pub(super) async fn fetch(
    input: ReportInput<'_>,
    column: EmbeddingColumn,
    rows: Vec<u32>,
    file: Option<File>,
) -> Result<(Vectors, Vec<Facts>), Failure> {
    let numbers: Vec<u64> = rows.iter().map(|row| u64::from(*row)).collect();
    let mut facts = Vec::with_capacity(rows.len());
    let mut vectors = Vectors::new(column.element, column.width, rows, file);
    let mut bytes = Vec::new();
    let columns = ["embedding", "width", "height", "target"];
    read_needed((input.output, input.parts), &numbers, &columns, BATCH, |needed| {
        let number = |name: &str| {
            let column = needed.batch.column_by_name(name)?.as_primitive_opt::<Int32Type>()?;
            column.is_valid(needed.row).then(|| column.value(needed.row))
        };
        let side = |name: &str| number(name).and_then(|side| u64::try_from(side).ok()).unwrap_or_default();
        facts.push(Facts { pixels: side("width") * side("height"), target: number("target") });
        column.read(needed.batch)?.bytes(needed.row, &mut bytes);
        vectors.push(&bytes).map_err(unstored)?;
        Ok(true)
    })
    .await?;
    vectors.flush().map_err(unstored)?;
    if vectors.is_whole() {
        Ok((vectors, facts))
    } else {
        Err(damaged(input, "holds fewer rows than it counts"))
    }
}

pub(super) fn unstored(error: std::io::Error) -> Failure {
    Failure::caused(Exit::Io, "cannot store embeddings; give a folder with more room as --scratch", error)
}
