//! The hash that a hub promises for a file, and the comparison of a file with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::names::is_hex;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// A promised hash, in lower-case hexadecimal. It is also the name of the file's blob in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Promise {
    /// SHA-256 of the bytes: files in LFS.
    Sha256(String),
    /// SHA-1 of git's blob (`blob`, length, bytes): all other files.
    GitBlob(String),
}

impl Promise {
    /// Reads an entity tag, or the name of a blob; `None` if it is neither hash.
    pub fn parse(tag: &str) -> Option<Promise> {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        match tag {
            tag if is_hex(tag, 64) => Some(Promise::Sha256(tag.to_owned())),
            tag if is_hex(tag, 40) => Some(Promise::GitBlob(tag.to_owned())),
            _ => None,
        }
    }

    pub fn hex(&self) -> &str {
        match self {
            Promise::Sha256(hex) | Promise::GitBlob(hex) => hex,
        }
    }

    /// The hash's name, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Promise::Sha256(_) => "SHA-256",
            Promise::GitBlob(_) => "git hash",
        }
    }

    /// True if the file's bytes have this hash.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn holds_for(&self, path: &Path) -> io::Result<bool> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let found = match self {
            Promise::Sha256(_) => digest(file, Sha256::new())?,
            Promise::GitBlob(_) => {
                let mut hash = Sha1::new();
                hash.update(format!("blob {length}\0"));
                digest(file, hash)?
            }
        };
        Ok(found == self.hex())
    }
}

fn digest(mut file: File, mut hash: impl Digest) -> io::Result<String> {
    let mut window = vec![0; WINDOW];
    loop {
        match file.read(&mut window) {
            Ok(0) => break,
            Ok(read) => hash.update(&window[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_in_every_spelling_and_others_are_no_promise() {
        let (sha256, blob) = ("a1".repeat(32), "b2".repeat(20));
        for tag in [format!("\"{sha256}\""), format!("W/\"{sha256}\""), sha256.clone()] {
            assert_eq!(Promise::parse(&tag), Some(Promise::Sha256(sha256.clone())));
        }
        assert_eq!(Promise::parse(&format!("\"{blob}\"")), Some(Promise::GitBlob(blob)));
        for tag in ["", "\"x\"", "\"d41d8cd98f00b204e9800998ecf8427e\"", "../../x", &"A1".repeat(32)] {
            assert_eq!(Promise::parse(tag), None, "{tag}");
        }
    }

    #[test]
    fn the_hashes_are_those_of_sha256sum_and_of_git_hash_object() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "what is up, doc?").unwrap();
        // the example of the book "Pro Git"
        let blob = Promise::GitBlob("bd9dbf5aae1a3862dd1526723246b20206e5fc37".into());
        assert!(blob.holds_for(&path).unwrap());
        std::fs::write(&path, "").unwrap();
        assert!(!blob.holds_for(&path).unwrap());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(Promise::Sha256(empty.into()).holds_for(&path).unwrap());
    }
}
