//! The pictures of a report: the images of the worst rows, read again and made small.
//!
//! Pictures are worth little waiting: an image that does not come within a minute is a placeholder, and no fault of the
//! input keeps a report from being written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::image::{self, Decoder};
use crate::output::CommittedPart;
use crate::pipeline::decode::fault::guarded;
use crate::pipeline::failed_images::FailedImage;
use crate::report::WorstRows;
use crate::report::html::{Exhibit, Gallery, Picture, SIDE};
use crate::sample::ErrorKind;
use crate::store::Location;

use super::image_row::{ImageRow, image_rows};
use super::report_input::ReportInput;
use super::sources::{FetchedImage, ImageSources};

/// How long all pictures together may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

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

/// Makes the pictures of the worst rows.
///
/// # Errors
/// The output cannot be read. If the input cannot, the gallery has a note.
pub(crate) async fn gallery(of: &ReportInput<'_>, worst: &WorstRows) -> Result<Gallery, Failure> {
    let (mistakes, failed) = Gallery::room(worst.mistakes.len(), worst.failed.len());
    let mistakes = worst.mistakes[..mistakes].iter().map(|row| row.number);
    let numbers: Vec<u64> =
        mistakes.clone().chain(worst.failed[..failed].iter().map(|row| row.number)).collect();
    if numbers.is_empty() {
        return Ok(Gallery::default());
    }
    let rows = image_rows(of.output, of.parts, &numbers).await?;
    // what killed its decoder is not decoded here
    let harmless = |row: &&ImageRow| row.kind.as_deref() != Some(ErrorKind::DecoderPanic.as_str());
    let asked: Vec<ImageRow> = rows.values().filter(harmless).cloned().collect();
    let uri = &of.frozen.input;
    let sources = match ImageSources::open(of) {
        Ok(sources) => sources,
        Err(why) => return Ok(none(format!("There are no pictures: `{uri}` is out of reach. {why}"))),
    };
    let in_time = tokio::time::timeout(TIME_LIMIT, sources.read(&asked)).await.is_ok();
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
            format!("Some pictures are missing: `{uri}` gave no more within {} s.", TIME_LIMIT.as_secs())
        }),
    })
}

fn none(note: String) -> Gallery {
    Gallery { note: Some(note), ..Gallery::default() }
}

/// One image as its picture: the square in its middle.
fn small((number, found): (u64, FetchedImage)) -> (u64, Picture) {
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
    use bytes::Bytes;

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
