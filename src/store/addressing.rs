//! How an object is asked for by its key, byte for byte.
//!
//! The client's `Path` drops slashes at both ends and refuses two in a row; made of parts, it keeps them. What it cannot
//! express at all is never sent, since another object would be read.

use object_store::GetOptions;
use object_store::path::{Path, PathPart};

use super::entry::NOT_UTF8;
use super::key::{RawKey, has_bytes};
use super::traffic::FailingObject;
use super::{FetchError, Location, Uri};

impl Location {
    /// Why a key below this location cannot be asked for; `None` where it can.
    pub fn unaddressable(&self, key: &str) -> Option<&'static str> {
        let is_local = matches!(self.uri, Uri::Local(_));
        if key.split('/').any(|part| matches!(part, "." | "..")) {
            return Some("a folder or a name in it is `.` or `..`");
        }
        if is_local && has_bytes(key) {
            return Some(NOT_UTF8);
        }
        if key.bytes().any(|byte| byte.is_ascii_control()) {
            return Some("a control character is in it");
        }
        if is_local && key.split('/').any(str::is_empty) {
            return Some("a folder or a name in it is empty");
        }
        if self.prefix.as_ref().is_empty() && key.starts_with('/') {
            return Some("it begins with a slash, which requests cannot express");
        }
        let is_azure = matches!(self.uri, Uri::Remote { scheme: "az", .. });
        (is_azure && (key.is_empty() || key.ends_with('/')))
            .then_some("it ends with a slash, which is lost in requests to Azure")
    }

    /// The client's path of an object, its key taken as it is.
    pub(super) fn object(&self, key: &str) -> Result<Path, FetchError> {
        if let Some(why) = self.unaddressable(key) {
            return Err(FetchError::Unaddressable(why));
        }
        key.split('/').try_fold(self.prefix.clone(), |path, part| match PathPart::parse(part) {
            Ok(part) => Ok(path.join(part)),
            Err(_) => Err(FetchError::Unaddressable("requests cannot express it")),
        })
    }

    /// Options of a read that is sent for this object and for no other, marked where it failed before.
    pub(super) fn only(&self, path: &Path) -> GetOptions {
        let mut options = GetOptions::default();
        if let Uri::Remote { bucket, .. } = &self.uri {
            options.extensions.insert(RawKey { bucket: bucket.clone(), key: path.as_ref().to_owned() });
        }
        if self.is_for_failing_object {
            options.extensions.insert(FailingObject);
        }
        options
    }

    /// The whole key of a key below this location.
    pub(super) fn whole_key(&self, key: &str) -> String {
        match self.prefix.as_ref() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    fn open(uri: &str) -> Location {
        Location::over(std::sync::Arc::new(object_store::memory::InMemory::new()), uri, Default::default())
            .unwrap()
    }

    #[test]
    fn a_key_is_asked_for_as_it_is() {
        for (uri, key, path) in [
            ("s3://b/in", "a/b.jpg", "in/a/b.jpg"),
            ("s3://b/in", "a//b.jpg", "in/a//b.jpg"),
            ("s3://b/in", "/lead.jpg", "in//lead.jpg"),
            ("s3://b/in", "x.jpg/", "in/x.jpg/"),
            ("s3://b", "x.jpg/", "x.jpg/"),
            ("gs://b", "a//b", "a//b"),
            ("gs://b", " a ?#%2e\\ü", " a ?#%2e\\ü"),
            ("az://b", "a//b", "a//b"),
        ] {
            assert_eq!(open(uri).object(key).unwrap().as_ref(), path, "{uri} {key}");
        }
    }

    #[test]
    fn what_a_request_cannot_express_is_not_asked_for() {
        for (uri, key) in [
            ("s3://b", "/lead.jpg"),
            ("s3://b/in", "a/../b.jpg"),
            ("s3://b/in", "./b.jpg"),
            ("s3://b/in", "a\u{1}.jpg"),
            ("s3://b/in", "a\n.jpg"),
            ("az://b/in", "x.jpg/"),
            ("/data", "a//b.jpg"),
            ("/data", "a/"),
            ("/data", "../b.jpg"),
            ("/data", "\0ff.jpg"),
        ] {
            let location =
                if uri.starts_with('/') { Location::open(uri, Role::Input).unwrap() } else { open(uri) };
            assert!(matches!(location.object(key), Err(FetchError::Unaddressable(_))), "{uri} {key}");
        }
    }
}
