//! Links of a local disk that lead to no file.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;

/// A link that leads to no file.
#[derive(Debug)]
pub(super) struct BrokenLink {
    /// The link's own facts.
    pub facts: Metadata,
    /// Where it leads.
    pub why: &'static str,
}

impl BrokenLink {
    /// Looks at a path that could not be followed, because of `error`; `None` if that is not the fault of a link there.
    pub fn at(path: &Path, error: &io::Error) -> Option<BrokenLink> {
        let why = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
                "it is a link to nothing"
            }
            _ if error.raw_os_error() == Some(libc::ELOOP) => "it is a link to itself",
            _ => return None,
        };
        let facts = fs::symlink_metadata(path).ok()?;
        facts.is_symlink().then_some(BrokenLink { facts, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_broken_if_it_leads_to_no_file_in_any_way() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), b"x").unwrap();
        for (name, target, expected) in [
            ("good", "file", None),
            ("nothing", "nowhere", Some("it is a link to nothing")),
            ("through", "file/x", Some("it is a link to nothing")),
            ("long", &"x".repeat(300), Some("it is a link to nothing")),
            ("chain", "nothing", Some("it is a link to nothing")),
            ("loop", "loop", Some("it is a link to itself")),
        ] {
            symlink(target, path(name)).unwrap();
            let error = fs::metadata(path(name)).err();
            let found = error.and_then(|error| BrokenLink::at(&path(name), &error));
            assert_eq!(found.map(|link| link.why), expected, "{name}");
        }
        // what is not there at all is no link
        let gone = fs::metadata(path("gone")).unwrap_err();
        assert!(BrokenLink::at(&path("gone"), &gone).is_none());
    }
}
