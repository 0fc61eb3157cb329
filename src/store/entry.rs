//! One object as a listing shows it.

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key below the location, as the store writes it.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Strong entity tag, if the store gave one.
    pub etag: Option<String>,
}

impl Entry {
    /// True for the empty object that consoles put where a person makes a folder: its key ends in a slash, or is the
    /// folder's own that is listed.
    pub fn is_marker(&self) -> bool {
        self.size == 0 && (self.key.is_empty() || self.key.ends_with('/'))
    }
}

/// Weak and empty tags do not identify bytes.
pub(super) fn strong(etag: Option<String>) -> Option<String> {
    etag.filter(|tag| !tag.is_empty() && tag != "\"\"" && !tag.starts_with("W/"))
}
