//! Why an image gives no row of pixels.

use super::Source;

/// A fault of the image itself: the same bytes give it again, so it belongs in the image's row.
///
/// `image` holds the facts of the file's header, if it was read before the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a format, or not a variety of one, that is read here.
    #[error("{detail}")]
    Unsupported {
        /// What was found.
        detail: String,
        /// The facts of the header.
        image: Option<Source>,
    },
    /// More than the limits allow; nothing was decoded.
    #[error("{}", too_much(.what, *.value, *.limit))]
    Limit {
        /// The measured quantity.
        what: &'static str,
        /// How much of it the image has.
        value: u64,
        /// How much is allowed.
        limit: u64,
        /// The facts of the header.
        image: Option<Source>,
    },
    /// The bytes end before the image does.
    #[error("the file is cut short: {detail}")]
    Truncated {
        /// Where.
        detail: String,
        /// The facts of the header.
        image: Option<Source>,
    },
    /// The bytes contradict their format.
    #[error("the file is damaged: {detail}")]
    Corrupt {
        /// The decoder's message.
        detail: String,
        /// The facts of the header.
        image: Option<Source>,
    },
}

/// A quantity that no key limits.
const RESIZED_SIDE: &str = "pixels of a resized side";

/// The message of a limit, with the key of the job file that sets it.
fn too_much(what: &str, value: u64, limit: u64) -> String {
    let key = match what {
        RESIZED_SIDE => {
            return format!(
                "its longer side would be resized to {value} pixels; Pillow makes {limit} at most"
            );
        }
        "pixels" => "max_pixels",
        "scans" => "max_scans",
        _ => "max_encoded_bytes",
    };
    format!("{value} {what} are more than `limits.{key}` = {limit}")
}

impl Error {
    /// The word for it in the `error_kind` column: `unsupported`, `limit`, `truncated` or `corrupt`.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Unsupported { .. } => "unsupported",
            Error::Limit { .. } => "limit",
            Error::Truncated { .. } => "truncated",
            Error::Corrupt { .. } => "corrupt",
        }
    }

    /// Size and format of the file, where its header was read before the fault.
    pub fn source_info(&self) -> Option<Source> {
        match self {
            Error::Unsupported { image, .. }
            | Error::Limit { image, .. }
            | Error::Truncated { image, .. }
            | Error::Corrupt { image, .. } => *image,
        }
    }

    pub(super) fn unsupported(detail: impl Into<String>) -> Error {
        Error::Unsupported { detail: detail.into(), image: None }
    }

    pub(super) fn limit(what: &'static str, value: u64, limit: u64) -> Error {
        Error::Limit { what, value, limit, image: None }
    }

    pub(super) fn resized_side(value: u64, limit: u64) -> Error {
        Error::limit(RESIZED_SIDE, value, limit)
    }

    pub(super) fn truncated(detail: impl Into<String>) -> Error {
        Error::Truncated { detail: detail.into(), image: None }
    }

    pub(super) fn corrupt(detail: impl Into<String>) -> Error {
        Error::Corrupt { detail: detail.into(), image: None }
    }

    pub(super) fn with_source(mut self, found: Option<Source>) -> Error {
        match &mut self {
            Error::Unsupported { image, .. }
            | Error::Limit { image, .. }
            | Error::Truncated { image, .. }
            | Error::Corrupt { image, .. } => *image = found,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_by_its_key() {
        for (what, key) in [("pixels", "max_pixels"), ("scans", "max_scans"), ("bytes", "max_encoded_bytes")]
        {
            let text = Error::limit(what, 8, 7).to_string();
            assert_eq!(text, format!("8 {what} are more than `limits.{key}` = 7"));
        }
    }
}
