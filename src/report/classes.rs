//! The classes that rows are predicted as.

/// The classes of the model that made the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classes {
    /// Their names; the position is the index.
    Named(Vec<String>),
    /// Their number, if names are not known.
    Count(usize),
}

impl Classes {
    /// Number of classes.
    pub fn count(&self) -> usize {
        match self {
            Self::Named(names) => names.len(),
            Self::Count(count) => *count,
        }
    }
}
