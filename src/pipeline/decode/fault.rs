//! Why an image gives no pixels, and how a decoder that panics becomes such a reason.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::image;
use crate::sample::{ErrorKind, RowError};

/// Why an image gives no pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The facts of its header, if it was read before the fault.
    pub source: Option<image::Source>,
    /// The error of its row.
    pub error: RowError,
}

impl Fault {
    /// The fault of an image that the decoder did not survive.
    pub(crate) fn fatal(message: impl Into<String>) -> Fault {
        Fault { source: None, error: RowError::new(ErrorKind::DecoderPanic, message) }
    }
}

impl From<image::Error> for Fault {
    fn from(error: image::Error) -> Fault {
        let kind = match &error {
            image::Error::Unsupported { .. } => ErrorKind::Unsupported,
            image::Error::Limit { .. } => ErrorKind::Limit,
            image::Error::Truncated { .. } => ErrorKind::Truncated,
            image::Error::Corrupt { .. } => ErrorKind::Corrupt,
        };
        Fault { source: error.source_info(), error: RowError::new(kind, error.to_string()) }
    }
}

/// What became of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Its pixels are in the row.
    Pixels(image::Source),
    /// It gives none.
    Fault(Fault),
}

impl From<Result<image::Source, Fault>> for Decoded {
    fn from(result: Result<image::Source, Fault>) -> Decoded {
        match result {
            Ok(source) => Decoded::Pixels(source),
            Err(fault) => Decoded::Fault(fault),
        }
    }
}

/// Lets `decode` work on an image; a panic becomes a fault. The decoder starts afresh with its next image.
pub(crate) fn guarded<T>(bytes: &[u8], decode: impl FnOnce() -> Result<T, image::Error>) -> Result<T, Fault> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        planted::faults(bytes);
        decode()
    }));
    match caught {
        Ok(decoded) => decoded.map_err(Fault::from),
        Err(_) => {
            tracing::error!("the decoder panicked; its image becomes an error row");
            Err(Fault::fatal("the decoder panicked on this image"))
        }
    }
}

/// Faults that tests plant: `decode.panic=return(WORD)` strikes every image whose bytes hold the word.
#[cfg(feature = "failpoints")]
mod planted {
    pub(super) fn faults(bytes: &[u8]) {
        if strikes("decode.panic", bytes) {
            panic!("a planted panic");
        }
        if strikes("decode.abort", bytes) {
            std::process::abort();
        }
        while strikes("decode.hang", bytes) {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn strikes(name: &str, bytes: &[u8]) -> bool {
        fail::fail_point!(name, |word: Option<String>| {
            word.is_some_and(|word| bytes.windows(word.len().max(1)).any(|found| found == word.as_bytes()))
        });
        false
    }
}

#[cfg(not(feature = "failpoints"))]
mod planted {
    pub(super) fn faults(_: &[u8]) {}
}
