//! All images of one file, without a job.

use crate::dataset::ahead::Sizes;
use crate::store::{Location, ParquetObject, ParquetReadError, WindowedGroup};

use super::images::{Images, ParquetImage};
use super::options::ParquetOptions;

/// Hands all images of one file to `take`, row group by row group, and returns how many there are. A job reads one group
/// at a time, and each as often as it is begun.
///
/// # Errors
/// A file that is damaged, has no images, or cannot be read.
pub async fn scan(
    input: &Location,
    key: &str,
    size: u64,
    options: &ParquetOptions,
    mut take: impl FnMut(ParquetImage),
) -> Result<u64, ParquetReadError> {
    let object = ParquetObject::open_sized(input, key, size).await?;
    let damaged = |why: String| ParquetReadError::Damaged { name: key.to_owned(), why };
    let images = Images::of(&object, options).map_err(damaged)?;
    let mut rows = 0;
    let mut each = |batch| -> Result<(), String> {
        let batch = batch?;
        let found = images.batch(&batch)?;
        for row in 0..found.rows {
            take(found.row(row)?);
            rows += 1;
        }
        Ok(())
    };
    for group in 0..object.groups() {
        let read = images.group(&object, group)?;
        if read.bytes() <= options.most_held {
            for batch in object.batches(input, read).await? {
                each(batch).map_err(damaged)?;
            }
            continue;
        }
        let WindowedGroup { mut batches, mut requests } = object.windowed(read, Sizes::default().window());
        loop {
            tokio::select! {
                Some(request) = requests.recv() => {
                    let bytes = object.piece(input, request.range.clone()).await?;
                    request.answer(bytes);
                }
                batch = batches.recv() => match batch {
                    Some(batch) => each(batch).map_err(damaged)?,
                    None => break,
                },
            }
        }
    }
    Ok(rows)
}
