//! Pictures of some rows of an output: their images, read again and made small.
//!
//! A page is written even if the input cannot be read: an image that does not come in time is a placeholder.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Exit, Failure};
use crate::image::{self, Decoder, encode_jpeg};
use crate::pipeline::decode::fault::guarded;
use crate::report::html::{Exhibit, Picture, SIDE};
use crate::sample::ErrorKind;
use crate::store::ObjectUri;

use super::image_row::{ImageRow, image_rows};
use super::report_input::ReportInput;
use super::sources::{FetchedImage, ImageSources};

/// How long all pictures of a page together may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Images whose bytes are in memory at the same time.
pub(crate) const AT_ONCE: usize = 32;
/// Quality of a picture as a JPEG: about 8 kB.
const QUALITY: u8 = 75;

/// The pictures of some rows.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    /// The rows, unless no image can be read.
    rows: HashMap<u64, ImageRow>,
    roots: Vec<ObjectUri>,
    pictures: HashMap<u64, Picture>,
    /// Why there are none, or a note about them.
    pub note: Option<String>,
}

impl Pictures {
    /// Reads the images of rows by their numbers, a batch at a time, until `until`.
    ///
    /// # Errors
    /// The output cannot be read. If the input cannot, there is a note.
    pub async fn read(of: &ReportInput<'_>, batches: &[&[u64]], until: Instant) -> Result<Pictures, Failure> {
        let all: Vec<u64> = batches.concat();
        if all.is_empty() {
            return Ok(Pictures::default());
        }
        let rows = image_rows(of.output, of.parts, &all).await?;
        let uri = &of.frozen.input;
        let sources = match ImageSources::open(of) {
            Ok(sources) => sources,
            Err(why) => return Ok(none(format!("There are no pictures: `{uri}` is out of reach. {why}"))),
        };
        let mut pictures = HashMap::new();
        let (mut reached, mut why, mut in_time) = (false, None, true);
        for numbers in batches {
            // what killed its decoder is not decoded here
            let harmless = |row: &&ImageRow| row.kind.as_deref() != Some(ErrorKind::DecoderPanic.as_str());
            let asked: Vec<ImageRow> =
                numbers.iter().filter_map(|number| rows.get(number)).filter(harmless).cloned().collect();
            in_time = tokio::time::timeout_at(until, sources.read(&asked)).await.is_ok();
            let found = sources.take();
            reached |= found.values().any(Result::is_ok);
            why = why.or_else(|| found.values().find_map(|found| found.as_ref().err().cloned()));
            let made = tokio::task::spawn_blocking(move || found.into_iter().map(small).collect::<Vec<_>>());
            let made =
                made.await.map_err(|error| Failure::caused(Exit::Bug, "making pictures panicked", error))?;
            pictures.extend(made);
            if !in_time {
                break;
            }
        }
        if !reached && rows.values().any(|row| row.kind.is_none()) {
            let why = why.as_deref().unwrap_or("nothing came in time");
            return Ok(none(format!("There are no pictures: no image could be read from `{uri}` ({why}).")));
        }
        let note = (!in_time).then(|| {
            format!("Some pictures are missing: `{uri}` sent no more within {} s.", TIME_LIMIT.as_secs())
        });
        Ok(Pictures { rows, roots: of.frozen.roots(), pictures, note })
    }

    /// What is shown of a row; `None` if it was not read, or no image can be.
    pub fn exhibit(&self, number: u64) -> Option<Exhibit> {
        let row = self.rows.get(&number)?;
        let missing = || Picture::Missing(row.kind.clone().unwrap_or_else(|| "not reached".to_owned()));
        Some(Exhibit {
            number,
            key: row.key.clone(),
            link: public_link(&row.key, &self.roots),
            message: row.message.clone(),
            picture: self.pictures.get(&number).cloned().unwrap_or_else(missing),
        })
    }

    /// Whether there is a picture of a row.
    pub fn is_shown(&self, number: u64) -> bool {
        matches!(self.pictures.get(&number), Some(Picture::Shown(..)))
    }
}

fn none(note: String) -> Pictures {
    Pictures { note: Some(note), ..Pictures::default() }
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
