//! The rows in the forms of other tools. Each file is made in memory, so that it can be written whole.

pub mod clip;
mod npy;
pub mod table;
pub mod timm;

pub use npy::Element;

/// Why rows cannot be put into another form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A column that the form needs is absent or of another type.
    #[error("the rows have no column `{0}` of the type that an output gives it")]
    Column(&'static str),
    /// An embedding does not fit half precision.
    #[error("an embedding holds a number that is too large for float16; give --float32")]
    TooLarge,
    /// Encoding failed: a bug, since the columns are ours.
    #[error("cannot encode rows: {0}")]
    Encode(String),
}

impl ExportError {
    fn encode(error: impl std::fmt::Display) -> Self {
        Self::Encode(error.to_string())
    }
}
