//! The embeddings of an output as a map: a sample, spread evenly over its row groups.

use crate::failure::Failure;
use crate::output::OutputError;
use crate::report::{Accumulator, EmbeddingMap, EmbeddingSample};
use crate::store::ParquetObject;

use super::report_input::ReportInput;
use super::row_view::RowView;

/// Row groups that are read: half a gigabyte if a group has 4096 embeddings of 2048 numbers.
const GROUPS: usize = 16;
/// A row group of more encoded bytes is passed over: they are held in memory as a whole.
const GROUP_BYTES: u64 = 256 << 20;
/// Rows of a group that are decoded at a time.
const BATCH_ROWS: usize = 1024;

/// Makes the map; `None` if the rows keep no embeddings or no classes. Memory holds the sample and one row group.
///
/// # Errors
/// The output cannot be read.
pub(super) async fn embedding_map(of: &ReportInput<'_>) -> Result<Option<EmbeddingMap>, Failure> {
    let groups = groups(of).await?;
    let Some(dimension) = groups.iter().find_map(|(object, _)| dimension(object)) else { return Ok(None) };
    let rows: u64 = groups.iter().map(|(object, group)| object.group_rows(*group)).sum();
    let most = EmbeddingSample::most(dimension) as u64;
    let mut view = RowView::of(*of);
    let mut columns = EmbeddingSample::COLUMNS.to_vec();
    for column in Accumulator::COLUMNS.into_iter().chain(view.columns()) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut sample = EmbeddingSample::default();
    let (mut seen, mut taken) = (0_u64, 0_u64);
    for (object, group) in &groups {
        let batches = object.group_batches(of.output, *group, Some(&columns), BATCH_ROWS).await;
        for batch in batches.map_err(OutputError::from)? {
            let batch = batch.map_err(|why| OutputError::from(object.damaged(why)))?;
            let batch = view.apply(&batch)?;
            for row in 0..batch.num_rows() {
                seen += 1;
                // evenly: after `seen` of `rows` rows, as large a share of the sample is taken
                if seen.saturating_mul(most) / rows.max(1) > taken || rows <= most {
                    taken += 1;
                    sample.push(&batch, row);
                }
            }
        }
    }
    let ok = of.parts.iter().map(|part| part.ok).sum();
    let map = tokio::task::spawn_blocking(move || sample.map(ok)).await;
    map.map_err(|error| Failure::caused(crate::failure::Exit::Bug, "making the map panicked", error))
}

/// Row groups spread evenly over the parts, at most [`GROUPS`] of them.
async fn groups(of: &ReportInput<'_>) -> Result<Vec<(ParquetObject, usize)>, Failure> {
    let parts = of.parts.len().min(GROUPS);
    let mut found = Vec::new();
    for place in 0..parts {
        let part = &of.parts[place * of.parts.len() / parts];
        let object =
            ParquetObject::open_sized(of.output, &part.name, part.size).await.map_err(OutputError::from)?;
        if dimension(&object).is_none() {
            continue;
        }
        let groups = object.groups().min((GROUPS / parts).max(1));
        for place in 0..groups {
            let group = place * object.groups() / groups;
            if object.group_bytes(group) <= GROUP_BYTES {
                found.push((object.clone(), group));
            }
        }
    }
    Ok(found)
}

/// Returns the numbers of an embedding; `None` if the rows keep none, or no classes by which a map could be read.
fn dimension(object: &ParquetObject) -> Option<usize> {
    let schema = object.schema().ok()?;
    schema.field_with_name("index").ok()?;
    let field = schema.field_with_name("embedding").ok()?;
    match field.data_type() {
        arrow_schema::DataType::FixedSizeList(_, width) => usize::try_from(*width).ok(),
        _ => None,
    }
}
