//! Keys as the store writes them.

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

/// A key fit for a row and a line of a log: control characters are written as escapes.
pub fn escaped(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for letter in key.chars() {
        match letter.is_ascii_control() {
            true => text.extend(letter.escape_default()),
            false => text.push(letter),
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
}
