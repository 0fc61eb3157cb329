//! The pictures of a report: the sources of the rows that a person should look at, read once more and made small.
//!
//! A picture is worth little waiting: what the input does not give within a minute stands as a placeholder, and no
//! fault of the input keeps a report from being written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;

use crate::failure::Failure;
use crate::image::{self, Decoder};
use crate::output::{CommittedPart, OutputError};
use crate::report::WorstRows;
use crate::report::html::{Exhibit, Gallery, Picture, SIDE};
use crate::sample::ErrorKind;
use crate::store::{Location, ParquetObject};

use super::reporting::Reported;
use super::sources::Sources;
use crate::pipeline::decode::fault::guarded;
use crate::pipeline::failed::FailedImage;

/// All pictures together may take so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A row that is to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub number: u64,
    pub row_id: i64,
    pub part: u32,
    pub key: String,
    pub etag: Option<String>,
    pub size: Option<u64>,
    message: Option<String>,
    kind: Option<String>,
}

/// Some of the rows that failed: one of each kind first, at most so many.
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
    let mut rows = look_up(output, parts, &numbers).await?;
    let told = numbers.iter().filter_map(|number| rows.remove(number)).map(|row| FailedImage {
        key: row.key,
        kind: row.kind.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
    });
    Ok(told.collect())
}

/// The bytes of an image, or an error kind.
pub(crate) type Found = Result<Bytes, String>;

/// Makes the pictures of the worst rows.
///
/// # Errors
/// The output cannot be read. Where the input cannot, the gallery says so.
pub(crate) async fn gallery(of: &Reported<'_>, worst: &WorstRows) -> Result<Gallery, Failure> {
    let (mistakes, failed) = Gallery::room(worst.mistakes.len(), worst.failed.len());
    let mistakes = worst.mistakes[..mistakes].iter().map(|row| row.number);
    let numbers: Vec<u64> =
        mistakes.clone().chain(worst.failed[..failed].iter().map(|row| row.number)).collect();
    if numbers.is_empty() {
        return Ok(Gallery::default());
    }
    let rows = look_up(of.output, of.parts, &numbers).await?;
    // what killed its decoder is not decoded here
    let harmless = |row: &&Wanted| row.kind.as_deref() != Some(ErrorKind::DecoderPanic.as_str());
    let asked: Vec<Wanted> = rows.values().filter(harmless).cloned().collect();
    let uri = &of.frozen.input;
    let sources = match Sources::open(of) {
        Ok(sources) => sources,
        Err(why) => return Ok(none(format!("There are no pictures: `{uri}` is out of reach. {why}"))),
    };
    let in_time = tokio::time::timeout(PATIENCE, sources.read(&asked)).await.is_ok();
    let found = sources.take();
    let reached = found.values().any(Result::is_ok);
    let ok_rows = asked.iter().any(|row| row.kind.is_none());
    if !reached && ok_rows {
        let why = found.values().find_map(|found| found.as_ref().err());
        let why = why.map_or("nothing came in time", String::as_str);
        return Ok(none(format!("There are no pictures: no image could be read from `{uri}` ({why}).")));
    }
    let pictures = tokio::task::spawn_blocking(move || found.into_iter().map(small).collect())
        .await
        .map_err(|error| Failure::caused(crate::failure::Exit::Bug, "making pictures panicked", error))?;
    let pictures: HashMap<u64, Picture> = pictures;
    let exhibit = |number: u64| {
        let row = rows.get(&number)?;
        let kind = row.kind.clone();
        let missing = || Picture::Missing(kind.unwrap_or_else(|| "not reached".to_owned()));
        let picture = match pictures.get(&number) {
            Some(picture) => picture.clone(),
            None => missing(),
        };
        Some(Exhibit { number, key: row.key.clone(), message: row.message.clone(), picture })
    };
    Ok(Gallery {
        mistakes: mistakes.filter_map(exhibit).collect(),
        failed: worst.failed[..failed].iter().filter_map(|row| exhibit(row.number)).collect(),
        note: (!in_time).then(|| {
            format!("Some pictures are missing: `{uri}` gave no more within {} s.", PATIENCE.as_secs())
        }),
    })
}

fn none(note: String) -> Gallery {
    Gallery { note: Some(note), ..Gallery::default() }
}

/// What identifies the rows of these numbers. The report itself reads no keys; only parts that hold one of these rows
/// are opened again.
async fn look_up(
    output: &Location,
    parts: &[CommittedPart],
    numbers: &[u64],
) -> Result<HashMap<u64, Wanted>, Failure> {
    const COLUMNS: [&str; 6] = ["row_id", "key", "etag", "size", "error_kind", "error_message"];
    let mut found = HashMap::new();
    let mut first = 0;
    for part in parts {
        let mut here: Vec<u64> =
            numbers.iter().copied().filter(|n| (first..first + part.rows).contains(n)).collect();
        here.sort_unstable();
        if !here.is_empty() {
            let object =
                ParquetObject::open_sized(output, &part.name, part.size).await.map_err(OutputError::from)?;
            let mut start = first;
            for group in 0..object.groups() {
                let batches =
                    object.read_group(output, group, Some(&COLUMNS)).await.map_err(OutputError::from)?;
                for batch in batches {
                    let end = start + batch.num_rows() as u64;
                    for &number in here.iter().filter(|number| (start..end).contains(*number)) {
                        let row = wanted(&batch, (number - start) as usize, number, part);
                        let row = row.ok_or_else(|| OutputError::Inconsistent {
                            name: part.name.clone(),
                            why:
                                "lacks one of the columns row_id, key, etag, size, error_kind, error_message"
                                    .into(),
                        });
                        found.insert(number, row?);
                    }
                    start = end;
                }
            }
        }
        first += part.rows;
    }
    Ok(found)
}

fn wanted(batch: &RecordBatch, at: usize, number: u64, part: &CommittedPart) -> Option<Wanted> {
    let text = |name: &str| {
        let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        Some(column.is_valid(at).then(|| column.value(at).to_owned()))
    };
    let int = |name: &str| {
        let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
        Some(column.is_valid(at).then(|| column.value(at)))
    };
    Some(Wanted {
        number,
        row_id: int("row_id")??,
        part: part.id,
        key: text("key")??,
        etag: text("etag")?,
        size: int("size")?.and_then(|size| u64::try_from(size).ok()),
        kind: text("error_kind")?,
        message: text("error_message")?,
    })
}

/// One image as its picture: the square in its middle.
fn small((number, found): (u64, Found)) -> (u64, Picture) {
    let picture = match found {
        Err(kind) => Picture::Missing(kind),
        Ok(bytes) => match square(&bytes) {
            Ok(picture) => picture,
            Err(kind) => Picture::Missing(kind),
        },
    };
    (number, picture)
}

fn square(bytes: &[u8]) -> Result<Picture, String> {
    let options = image::Options { crop_pct: 1.0, ..image::Options::new(SIDE) };
    let mut decoder = Decoder::new(options).map_err(|error| error.to_string())?;
    let pixels = guarded(bytes, || decoder.crop(bytes).map(|(_, pixels)| pixels.to_vec()));
    let pixels = pixels.map_err(|fault| fault.error.kind.to_string())?;
    let png = encode(&pixels).map_err(|error| error.to_string())?;
    Ok(Picture::Png(Arc::from(png)))
}

fn encode(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_small_png_and_what_is_none_keeps_its_kind() {
        let (_, picture) = small((3, Ok(Bytes::from(encode(&[90; 96 * 96 * 3]).unwrap()))));
        assert!(matches!(&picture, Picture::Png(bytes) if bytes.starts_with(b"\x89PNG")), "{picture:?}");
        for (found, kind) in [
            (Ok(Bytes::from_static(b"no image at all")), "unsupported"),
            (Ok(Bytes::from_static(b"\xff\xd8\xff\xe0 cut")), "truncated"),
            (Err("denied".to_owned()), "denied"),
        ] {
            assert_eq!(small((0, found)).1, Picture::Missing(kind.to_owned()));
        }
    }
}
