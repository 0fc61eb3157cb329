//! Pictures of the rows that a person should inspect. The caller reads the images; this module only shows them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::embedding_map::EmbeddingMap;
use super::attached::AttachedAudit;

/// Pictures of mistakes and of failed rows, at most.
pub const PICTURES: usize = 64;
/// Side of a picture in pixels.
pub const SIDE: u32 = 192;
/// Failed rows that are shown if there are enough mistakes to fill the rest.
const FAILED: usize = 16;

/// What goes with a report beside its figures: pictures, in the order of its [`WorstRows`](super::super::WorstRows), and
/// the audit of the output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gallery {
    /// One a mistake, as far as they go.
    pub mistakes: Vec<Exhibit>,
    /// One a failed row, as far as they go.
    pub failed: Vec<Exhibit>,
    /// One for each of the report's examples, as far as they go.
    pub examples: Vec<Exhibit>,
    /// The start of a query that finds rows of the output: all before the conditions on `target` and `index`.
    pub query: Option<String>,
    /// The embeddings as points of a plane.
    pub map: Option<EmbeddingMap>,
    /// The audit of the output.
    pub audit: Option<AttachedAudit>,
    /// Why there are none, or a note about them.
    pub note: Option<String>,
}

/// What is shown of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Exhibit {
    /// The row's number, counted from 0 over all rows.
    pub number: u64,
    /// The image's key.
    pub key: String,
    /// Where everyone can see the image, if it is on a web server.
    pub link: Option<String>,
    /// Why its row failed: the row's own message.
    pub message: Option<String>,
    /// The picture.
    pub picture: Picture,
}

/// A picture, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// An image file of a format that browsers show, such as `jpeg`.
    Shown(&'static str, Arc<[u8]>),
    /// An error kind, such as `corrupt`.
    Missing(String),
}

impl Gallery {
    /// How many of `mistakes` and of `failed` rows a page has room for.
    pub fn room(mistakes: usize, failed: usize) -> (usize, usize) {
        let of_failed = failed.min(FAILED.max(PICTURES.saturating_sub(mistakes)));
        (mistakes.min(PICTURES - of_failed), of_failed)
    }
}

impl Picture {
    /// The picture as a `data:` address.
    pub(crate) fn address(&self) -> Option<String> {
        match self {
            Self::Shown(format, bytes) => {
                Some(format!("data:image/{format};base64,{}", STANDARD.encode(bytes)))
            }
            Self::Missing(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_room_for_64_pictures_of_both_sorts() {
        assert_eq!(Gallery::room(64, 64), (48, 16));
        assert_eq!(Gallery::room(64, 3), (61, 3));
        assert_eq!(Gallery::room(5, 64), (5, 59));
        assert_eq!(Gallery::room(0, 64), (0, 64));
        assert_eq!(Gallery::room(2, 1), (2, 1));
    }
}
