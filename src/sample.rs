//! What flows through every stage: one image's identity, and how it ended.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A value of a column that the input carries into the output.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Ground truth of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One class, by its index.
    Class(i32),
    /// Several, ascending, each once: any of them is right, or all of them are (multi-label). An empty one means that
    /// no class is in the image.
    Set(Arc<[i32]>),
}

impl Target {
    /// A set of classes in any order.
    pub fn set(classes: impl IntoIterator<Item = i32>) -> Target {
        let mut classes: Vec<i32> = classes.into_iter().collect();
        classes.sort_unstable();
        classes.dedup();
        Target::Set(classes.into())
    }

    /// All its classes.
    pub fn classes(&self) -> &[i32] {
        match self {
            Target::Class(class) => std::slice::from_ref(class),
            Target::Set(classes) => classes,
        }
    }

    /// The class, where it is one and no set.
    pub fn class(&self) -> Option<i32> {
        match self {
            Target::Class(class) => Some(*class),
            Target::Set(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Class(class) => write!(f, "{class}"),
            Target::Set(classes) => write!(f, "{classes:?}"),
        }
    }
}

/// One image of the plan, with its key and ground truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Position in the plan: unique, increasing in plan order.
    pub row_id: i64,
    /// The image's key below the input.
    pub key: String,
    /// Entity tag of the source object, as far as it is known.
    pub etag: Option<String>,
    /// Encoded size in bytes, as far as it is known.
    pub size: Option<u64>,
    /// Ground truth, where it is known.
    pub target: Option<Target>,
    /// Values of the carried columns, in the job's order; shorter where nothing is known of them.
    pub carried: Vec<Value>,
}

/// What is wrong with an image, so that reading it again would fail again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The object is gone although its store answers.
    NotFound,
    /// The object may not be read although its store answers.
    Denied,
    /// The object is in an archive tier of its store.
    Archived,
    /// The object is not the one that was planned.
    Changed,
    /// No request can ask for the object: its key has a part `..`, a control character or the like.
    Unaddressable,
    /// Not a format that is read.
    Unsupported,
    /// Larger than a limit of the job allows.
    Limit,
    /// The file ends before its image does.
    Truncated,
    /// The bytes are not an image.
    Corrupt,
    /// The decoder panicked on it.
    DecoderPanic,
    /// The network's outputs for it are not finite.
    NonFinite,
    /// The store does not give the object, although it gives others.
    Unreadable,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [ErrorKind; 12] = [
        ErrorKind::NotFound,
        ErrorKind::Denied,
        ErrorKind::Archived,
        ErrorKind::Changed,
        ErrorKind::Unaddressable,
        ErrorKind::Unsupported,
        ErrorKind::Limit,
        ErrorKind::Truncated,
        ErrorKind::Corrupt,
        ErrorKind::DecoderPanic,
        ErrorKind::NonFinite,
        ErrorKind::Unreadable,
    ];

    /// The spelling in the output column `error_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not_found",
            ErrorKind::Denied => "denied",
            ErrorKind::Archived => "archived",
            ErrorKind::Changed => "changed",
            ErrorKind::Unaddressable => "unaddressable",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Limit => "limit",
            ErrorKind::Truncated => "truncated",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::DecoderPanic => "decoder_panic",
            ErrorKind::NonFinite => "non_finite",
            ErrorKind::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a row has no prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The kind, as it is written to the output.
    pub kind: ErrorKind,
    /// One sentence for a person; never holds a credential or a raw storage error.
    pub message: String,
}

impl RowError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        RowError { kind, message: message.into() }
    }
}

/// Facts from the header of the source image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFacts {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Format by its magic bytes: `jpeg`, `png`, `webp`, `gif`, `bmp`.
    pub format: &'static str,
}

/// XXH3 of 128 bits in its canonical form, the most significant byte first.
pub type ContentHash = [u8; 16];

/// How one row of a batch ended before inference.
#[derive(Debug)]
pub struct RowOutcome {
    /// Which image it is.
    pub sample: Sample,
    /// The facts of its header, if it was read.
    pub facts: Option<ImageFacts>,
    /// Why its row holds zeros instead of pixels.
    pub error: Option<RowError>,
    /// The hash of its encoded bytes, if the job keeps it and they were read.
    pub content_hash: Option<ContentHash>,
}
