//! One object as a listing shows it.

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key below the location.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Strong entity tag, if the store gave one.
    pub etag: Option<String>,
}

/// Weak and empty tags do not identify bytes.
pub(super) fn strong(etag: Option<String>) -> Option<String> {
    etag.filter(|tag| !tag.is_empty() && tag != "\"\"" && !tag.starts_with("W/"))
}
