//! The pictures of a report: the images of its worst rows and of its examples.

use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::CommittedPart;
use crate::pipeline::failed_images::FailedImage;
use crate::report::html::Gallery;
use crate::report::{Report, WorstRows};
use crate::store::Location;

use super::attached_audit::{PagePlace, attached_audit};
use super::embeddings::embedding_map;
use super::image_row::image_rows;
use super::pictures::{AT_ONCE, Pictures, TIME_LIMIT};
use super::report_input::ReportInput;

/// Lists at most `most` of the rows that failed, one of each kind first.
///
/// # Errors
/// The output cannot be read.
pub(crate) async fn failed_images(
    output: &Location,
    parts: &[CommittedPart],
    worst: &WorstRows,
    most: usize,
) -> Result<Vec<FailedImage>, Failure> {
    let numbers: Vec<u64> = worst.failed.iter().take(most).map(|row| row.number).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = image_rows(output, parts, &numbers).await?;
    let told = numbers.iter().filter_map(|number| rows.remove(number)).map(|row| FailedImage {
        key: row.key,
        kind: row.kind.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
    });
    Ok(told.collect())
}

/// Makes the pictures of a report and the map of its embeddings, and finds the audit of the output; `place` is where the
/// page will be.
///
/// # Errors
/// The output cannot be read. If the input cannot, the gallery has a note.
pub(crate) async fn gallery(
    of: &ReportInput<'_>,
    report: &Report,
    place: PagePlace<'_>,
) -> Result<Gallery, Failure> {
    let gallery = pictures(of, report).await?;
    let plain = of.target_override.is_none() && report.masked.is_none() && !report.target_sets;
    let query = plain
        .then(|| format!("SELECT key FROM read_parquet('{}/part-*.parquet') WHERE", of.output.uri()))
        .filter(|query| query.matches('\'').count() == 2);
    let (map, audit) = (embedding_map(of).await?, attached_audit(of, place).await);
    Ok(Gallery { query, map, audit, ..gallery })
}

async fn pictures(of: &ReportInput<'_>, report: &Report) -> Result<Gallery, Failure> {
    let worst = &report.worst;
    let (mistakes, failed) = Gallery::room(worst.mistakes.len(), worst.failed.len());
    let mistakes: Vec<u64> = worst.mistakes[..mistakes].iter().map(|row| row.number).collect();
    let failed: Vec<u64> = worst.failed[..failed].iter().map(|row| row.number).collect();
    let first: Vec<u64> = mistakes.iter().chain(&failed).copied().collect();
    let examples: Vec<u64> =
        report.examples.iter().map(|row| row.number).filter(|number| !first.contains(number)).collect();
    // the worst rows first; then the examples in the order of the plan, so that a shard is read once or twice
    let mut in_order = examples.clone();
    in_order.sort_unstable();
    let batches: Vec<&[u64]> = std::iter::once(first.as_slice()).chain(in_order.chunks(AT_ONCE)).collect();
    let pictures = Pictures::read(of, &batches, Instant::now() + TIME_LIMIT).await?;
    let exhibit = |number: &u64| pictures.exhibit(*number);
    Ok(Gallery {
        mistakes: mistakes.iter().filter_map(exhibit).collect(),
        failed: failed.iter().filter_map(exhibit).collect(),
        // an example without a picture shows nothing
        examples: examples.iter().filter(|number| pictures.is_shown(**number)).filter_map(exhibit).collect(),
        note: pictures.note,
        ..Gallery::default()
    })
}
