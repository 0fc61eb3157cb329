//! The pictures of a report: the images of its worst rows and of its examples, read again and made small.
//!
//! Pictures are worth little waiting: an image that does not come within a minute is a placeholder, and no fault of the
//! input keeps a report from being written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::image::{self, Decoder, encode_jpeg};
use crate::output::CommittedPart;
use crate::pipeline::decode::fault::guarded;
use crate::pipeline::failed_images::FailedImage;
use crate::report::html::{Exhibit, Gallery, Picture, SIDE};
use crate::report::{Report, WorstRows};
use crate::sample::ErrorKind;
use crate::store::{Location, ObjectUri};

use super::embeddings::embedding_map;
use super::image_row::{ImageRow, image_rows};
use super::report_input::ReportInput;
use super::sources::{FetchedImage, ImageSources};

/// How long all pictures together may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Examples whose bytes are in memory at the same time.
const AT_ONCE: usize = 32;
/// Quality of a picture as a JPEG: about 8 kB.
const QUALITY: u8 = 75;

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

/// Makes the pictures of a report and the map of its embeddings.
///
/// # Errors
/// The output cannot be read. If the input cannot, the gallery has a note.
pub(crate) async fn gallery(of: &ReportInput<'_>, report: &Report) -> Result<Gallery, Failure> {
    let gallery = pictures(of, report).await?;
    let plain = of.target_override.is_none() && report.masked.is_none() && !report.target_sets;
    let query = plain
        .then(|| format!("SELECT key FROM read_parquet('{}/part-*.parquet') WHERE", of.output.uri()))
        .filter(|query| query.matches('\'').count() == 2);
    Ok(Gallery { query, map: embedding_map(of).await?, ..gallery })
}

async fn pictures(of: &ReportInput<'_>, report: &Report) -> Result<Gallery, Failure> {
    let worst = &report.worst;
    let (mistakes, failed) = Gallery::room(worst.mistakes.len(), worst.failed.len());
    let mistakes: Vec<u64> = worst.mistakes[..mistakes].iter().map(|row| row.number).collect();
    let failed: Vec<u64> = worst.failed[..failed].iter().map(|row| row.number).collect();
    let first: Vec<u64> = mistakes.iter().chain(&failed).copied().collect();
    let examples: Vec<u64> =
        report.examples.iter().map(|row| row.number).filter(|number| !first.contains(number)).collect();
    if first.is_empty() && examples.is_empty() {
        return Ok(Gallery::default());
    }
    let all: Vec<u64> = first.iter().chain(&examples).copied().collect();
    let rows = image_rows(of.output, of.parts, &all).await?;
    let uri = &of.frozen.input;
    let sources = match ImageSources::open(of) {
        Ok(sources) => sources,
        Err(why) => return Ok(none(format!("There are no pictures: `{uri}` is out of reach. {why}"))),
    };
    let roots = of.frozen.roots();
    // the worst rows first; then the examples in the order of the plan, so that a shard is read once or twice
    let mut in_order = examples.clone();
    in_order.sort_unstable();
    let mut pictures = HashMap::new();
    let (mut reached, mut why, mut in_time) = (false, None, true);
    let until = tokio::time::Instant::now() + TIME_LIMIT;
    for numbers in std::iter::once(first.as_slice()).chain(in_order.chunks(AT_ONCE)) {
        // what killed its decoder is not decoded here
        let harmless = |row: &&ImageRow| row.kind.as_deref() != Some(ErrorKind::DecoderPanic.as_str());
        let asked: Vec<ImageRow> =
            numbers.iter().filter_map(|number| rows.get(number)).filter(harmless).cloned().collect();
        in_time = tokio::time::timeout_at(until, sources.read(&asked)).await.is_ok();
        let found = sources.take();
        reached |= found.values().any(Result::is_ok);
        why = why.or_else(|| found.values().find_map(|found| found.as_ref().err().cloned()));
        let made = tokio::task::spawn_blocking(move || found.into_iter().map(small).collect::<Vec<_>>());
        let made = made
            .await
            .map_err(|error| Failure::caused(crate::failure::Exit::Bug, "making pictures panicked", error))?;
        pictures.extend(made);
        if !in_time {
            break;
        }
    }
    if !reached && rows.values().any(|row| row.kind.is_none()) {
        let why = why.as_deref().unwrap_or("nothing came in time");
        return Ok(none(format!("There are no pictures: no image could be read from `{uri}` ({why}).")));
    }
    let exhibit = |number: &u64| {
        let row = rows.get(number)?;
        let missing = || Picture::Missing(row.kind.clone().unwrap_or_else(|| "not reached".to_owned()));
        Some(Exhibit {
            number: *number,
            key: row.key.clone(),
            link: public_link(&row.key, &roots),
            message: row.message.clone(),
            picture: pictures.get(number).cloned().unwrap_or_else(missing),
        })
    };
    // an example without a picture shows nothing
    let pictured = |number: &&u64| matches!(pictures.get(*number), Some(Picture::Shown(..)));
    Ok(Gallery {
        mistakes: mistakes.iter().filter_map(exhibit).collect(),
        failed: failed.iter().filter_map(exhibit).collect(),
        examples: examples.iter().filter(pictured).filter_map(exhibit).collect(),
        note: (!in_time).then(|| {
            format!("Some pictures are missing: `{uri}` gave no more within {} s.", TIME_LIMIT.as_secs())
        }),
        ..Gallery::default()
    })
}

fn none(note: String) -> Gallery {
    Gallery { note: Some(note), ..Gallery::default() }
}

/// The address of an image on a web server below one of `roots`. Keys below the input and objects of stores, which may
/// need credentials, have none.
fn public_link(key: &str, roots: &[ObjectUri]) -> Option<String> {
    let address = ObjectUri::parse(key).ok().filter(ObjectUri::is_web)?;
    roots.iter().any(|root| address.below(root).is_some()).then(|| address.to_string())
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
    let side = SIDE as u16;
    let jpeg = encode_jpeg(&pixels, side, side, QUALITY).ok_or("the picture cannot be encoded")?;
    Ok(Picture::Shown("jpeg", Arc::from(jpeg)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_picture_is_a_small_jpeg_and_what_is_none_keeps_its_kind() {
        let image = encode_jpeg(&[90; 96 * 96 * 3], 96, 96, 90).unwrap();
        let (_, picture) = small((3, Ok(Bytes::from(image))));
        assert!(
            matches!(&picture, Picture::Shown("jpeg", bytes) if bytes.starts_with(b"\xff\xd8\xff")),
            "{picture:?}"
        );
        for (found, kind) in [
            (Ok(Bytes::from_static(b"no image at all")), "unsupported"),
            (Ok(Bytes::from_static(b"\xff\xd8\xff\xe0 cut")), "truncated"),
            (Err("denied".to_owned()), "denied"),
        ] {
            assert_eq!(small((0, found)).1, Picture::Missing(kind.to_owned()));
        }
    }

    #[test]
    fn only_an_object_of_a_web_server_has_a_link() {
        let roots: Vec<ObjectUri> =
            ["https://host/a", "s3://bucket/a"].map(|root| ObjectUri::folder(root).unwrap()).into();
        let link = |key| public_link(key, &roots);
        assert_eq!(link("https://host/a/b.jpg"), Some("https://host/a/b.jpg".to_owned()));
        for key in [
            "a/b.jpg",
            "s3://bucket/a/b.jpg",
            "https://elsewhere/a/b.jpg",
            "https://user:secret@host/a/b.jpg",
            "javascript:alert(1)",
        ] {
            assert_eq!(link(key), None, "{key}");
        }
    }
}
