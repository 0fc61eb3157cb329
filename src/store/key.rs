//! Keys as the store writes them.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use object_store::path::Path;

/// Goes with a request to the connector, which sends nothing that asks for another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawKey {
    pub bucket: String,
    /// The whole key, prefix included.
    pub key: String,
}

impl RawKey {
    /// True where the path of an address is this object's: the bucket may be a part of the host's name.
    pub fn is_at(&self, path: &str) -> bool {
        let path = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
        let before = path.strip_suffix(self.key.as_bytes()).and_then(|before| before.strip_suffix(b"/"));
        before.is_some_and(|before| {
            before.is_empty() || before.ends_with(format!("/{}", self.bucket).as_bytes())
        })
    }
}

/// True where earlier versions read the same object: the client's path has the same text.
pub fn is_plain(key: &str) -> bool {
    Path::parse(key).is_ok_and(|path| path.as_ref() == key)
}

/// The name of a local file as a part of its key. A byte that is no UTF-8 becomes NUL, which no name has, and its two
/// hexadecimal digits, so that different names are different keys.
pub(super) fn name_in_key(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // writing to a `String` cannot fail
            let _ = write!(text, "{NO_TEXT}{byte:02x}");
        }
    }
    text
}

/// What is before the digits of a byte that is no text.
const NO_TEXT: char = '\0';

/// True for a key with bytes that are no text.
pub(super) fn has_bytes(key: &str) -> bool {
    key.contains(NO_TEXT)
}

/// A key fit for a row and a line of a log: control characters, and bytes that are no text, are written as escapes.
pub fn escaped(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    let mut letters = key.chars();
    while let Some(letter) = letters.next() {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = letters.as_str().get(..2).filter(|digits| digits.bytes().all(is_digit));
        match digits {
            Some(digits) if letter == NO_TEXT => {
                text.push_str("\\x");
                text.push_str(digits);
                letters.nth(1);
            }
            _ if letter.is_ascii_control() => text.extend(letter.escape_default()),
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_the_object_whose_key_its_path_ends_with() {
        let raw = |key: &str| RawKey { bucket: "b".into(), key: key.into() };
        for (key, path, expected) in [
            ("a/b.jpg", "/b/a/b.jpg", true),
            ("a/b.jpg", "/a/b.jpg", true),
            ("a/b.jpg", "/b/a%2Fb%2Ejpg", true),
            ("a//b.jpg", "/b/a/b.jpg", false),
            ("x.jpg/", "/b/x.jpg", false),
            ("x.jpg/", "/account/b/x.jpg/", true),
            ("b.jpg", "/b/other/b.jpg", false),
            ("ü", "/b/%C3%BC", true),
        ] {
            assert_eq!(raw(key).is_at(path), expected, "{key} {path}");
        }
    }

    #[test]
    fn keys_that_earlier_versions_read_as_they_are_are_plain() {
        for (key, expected) in [
            ("a/b.jpg", true),
            ("a//b", false),
            ("x/", false),
            ("/x", false),
            ("a/./b", false),
            ("a\n", false),
        ] {
            assert_eq!(is_plain(key), expected, "{key:?}");
        }
        assert_eq!(escaped("a\u{1}\n\\ü.jpg"), "a\\u{1}\\n\\ü.jpg");
    }

    #[test]
    fn a_name_that_is_no_text_is_a_key_that_no_other_name_has() {
        for (name, key, shown) in [
            (&b"a.jpg"[..], "a.jpg", "a.jpg"),
            (b"\xff.jpg", "\0ff.jpg", "\\xff.jpg"),
            (b"\\xff.jpg", "\\xff.jpg", "\\xff.jpg"),
            (b"caf\xe9\xe8", "caf\0e9\0e8", "caf\\xe9\\xe8"),
            // an escape of four bytes that is cut short
            (b"\xf0\x9f\x98!", "\0f0\09f\098!", "\\xf0\\x9f\\x98!"),
            ("é\u{1}".as_bytes(), "é\u{1}", "é\\u{1}"),
        ] {
            let found = name_in_key(OsStr::from_bytes(name));
            assert_eq!(found, key);
            assert_eq!(escaped(&found), shown);
            assert_eq!(has_bytes(&found), std::str::from_utf8(name).is_err());
        }
        // of a store that has such a key: nothing but the escape of NUL
        assert_eq!(escaped("\0.jpg"), "\\u{0}.jpg");
    }
}
