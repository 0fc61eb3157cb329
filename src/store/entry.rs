//! One object as a listing shows it, and what its entity tag is worth.

/// One object of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Key below the location, as the store writes it; see `key::name_in_key` for local disk.
    pub key: String,
    /// Bytes; of a link that leads to no file, 0.
    pub size: u64,
    /// Strong entity tag, if the store gave one.
    pub etag: Option<String>,
    /// Why it cannot be read, if that shows in a listing of a local disk.
    pub obstacle: Option<Obstacle>,
}

/// Why a file of a local disk is listed and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Its name, or that of a folder above it, is not UTF-8.
    Name,
    /// It is a link that leads to no file; why.
    Link(&'static str),
}

impl Obstacle {
    /// The reason, as a row gives it.
    pub fn why(self) -> &'static str {
        match self {
            Obstacle::Name => NOT_UTF8,
            Obstacle::Link(why) => why,
        }
    }
}

/// Why a file whose key has bytes that are no text is not read.
pub(super) const NOT_UTF8: &str = "its name, or that of a folder above it, is not UTF-8";

impl Entry {
    /// True for the empty object that consoles put where a person makes a folder: its key ends in a slash, or is the
    /// folder's own that is listed.
    pub fn is_marker(&self) -> bool {
        self.size == 0 && (self.key.is_empty() || self.key.ends_with('/'))
    }

    /// The size, if the object has one.
    pub fn known_size(&self) -> Option<u64> {
        (!matches!(self.obstacle, Some(Obstacle::Link(_)))).then_some(self.size)
    }
}

/// Weak and empty tags do not identify bytes.
pub(super) fn strong(etag: Option<String>) -> Option<String> {
    etag.filter(|tag| !opaque_tag(tag).is_empty() && !tag.starts_with("W/"))
}

/// Returns an entity tag without its quotes and without a weak prefix: what two texts of one tag have in common.
/// Azure lists `0x8D…` and answers a GET with `"0x8D…"`.
pub fn opaque_tag(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

/// The tag as `If-Match` needs it.
pub(super) fn quoted(tag: &str) -> String {
    format!("\"{}\"", opaque_tag(tag))
}

#[cfg(test)]
mod tests {
    use super::{opaque_tag, quoted, strong};

    #[test]
    fn quotes_and_a_weak_prefix_are_no_part_of_a_tag() {
        for tag in ["0x8D", "\"0x8D\"", "W/\"0x8D\"", "W/0x8D"] {
            assert_eq!((opaque_tag(tag), &*quoted(tag)), ("0x8D", "\"0x8D\""), "{tag}");
        }
        for tag in ["", "\"\"", "W/\"\""] {
            assert_eq!(opaque_tag(tag), "");
        }
        assert_eq!(opaque_tag("\""), "\"");
        assert_eq!(opaque_tag("\"a\"b\""), "a\"b");
    }

    #[test]
    fn only_strong_tags_identify_bytes() {
        let strong = |tag: &str| strong(Some(tag.to_owned()));
        assert_eq!(strong("\"a\"").as_deref(), Some("\"a\""));
        assert_eq!(strong("a").as_deref(), Some("a"));
        assert_eq!((strong("W/\"a\""), strong("\"\""), strong("")), (None, None, None));
    }
}
