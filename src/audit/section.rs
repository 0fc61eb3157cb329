//! The figures of one subject of an audit.

use serde::Serialize;

/// The figures of one subject, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Section<T> {
    /// The figures.
    Done(T),
    /// There are none.
    Skipped {
        /// Why, and which key of the job keeps what they need.
        skipped: String,
    },
}

impl<T> Section<T> {
    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Section::Skipped { skipped: why.into() }
    }

    /// The figures, or why there are none.
    ///
    /// # Errors
    /// The reason.
    pub fn get(&self) -> Result<&T, &str> {
        match self {
            Section::Done(figures) => Ok(figures),
            Section::Skipped { skipped } => Err(skipped),
        }
    }
}
