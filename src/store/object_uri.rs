//! Addresses of single objects and of the folders below which they may be, as manifests and jobs name them.
//!
//! Such an address becomes the key of a row, so it has one normal form, and nothing in it may be a secret: a query and
//! user info are refused, and neither is quoted.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Uri, azure_address};

/// The address of an object on a store of any kind, or on a web server. On the latter, its key is percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUri(Uri);

impl ObjectUri {
    /// Reads the address of an object.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub fn parse(text: &str) -> Result<ObjectUri, String> {
        let found = ObjectUri::any(text)?;
        // requests to web servers cannot express a slash at the end
        if found.key().is_empty() || found.is_web() && found.key().ends_with('/') {
            return Err("names no object".into());
        }
        if found.key().split('/').any(|part| matches!(part, "." | "..")) {
            return Err("has a part `.` or `..`".into());
        }
        Ok(found)
    }

    /// Reads the address of a folder.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence.
    pub fn folder(text: &str) -> Result<ObjectUri, String> {
        let ObjectUri(mut found) = ObjectUri::any(text)?;
        if let Uri::Remote { prefix, .. } = &mut found {
            prefix.truncate(prefix.trim_end_matches('/').len());
            if prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.starts_with('/') {
                return Err("has an empty part, or a part `.` or `..`".into());
            }
        }
        Ok(ObjectUri(found))
    }

    fn any(text: &str) -> Result<ObjectUri, String> {
        let Some((scheme, rest)) = text.split_once("://") else { return Err("has no scheme".into()) };
        let scheme = scheme.to_ascii_lowercase();
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("has a control character".into());
        }
        if matches!(scheme.as_str(), "http" | "https") {
            return web(text);
        }
        let (scheme, account) = match scheme.as_str() {
            "s3" | "s3a" => ("s3", None),
            "gs" | "gcs" => ("gs", None),
            "az" | "abfs" | "abfss" | "azure" => ("az", azure_address::split(rest)),
            _ => return Err("has none of the schemes s3, gs, az, https".into()),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if account.is_none() && authority.contains(['@', ':']) {
            return Err("has user info; credentials belong into the environment".into());
        }
        if rest.contains('?') || scheme == "az" && rest.contains('#') {
            return Err("has a query; keys with a `?` are named relative to `input.uri`".into());
        }
        let (account, bucket, prefix) = match account {
            Some(found) => (Some(found.account), found.container, found.rest),
            None => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                (None, bucket.to_owned(), key.to_owned())
            }
        };
        if bucket.is_empty() {
            return Err("names no bucket".into());
        }
        Ok(ObjectUri(Uri::Remote { scheme, account, bucket, prefix }))
    }

    /// The object's whole key.
    fn key(&self) -> &str {
        match &self.0 {
            Uri::Remote { prefix, .. } => prefix,
            Uri::Local(_) => "",
        }
    }

    /// True for an object of a web server.
    pub fn is_web(&self) -> bool {
        matches!(&self.0, Uri::Remote { scheme: "http" | "https", .. })
    }

    /// What comes after the folder and its slash; `None` if the object is not below it.
    pub fn below(&self, folder: &ObjectUri) -> Option<String> {
        let below = self.0.below(&folder.0)?;
        below.strip_suffix('/').filter(|rest| !rest.is_empty()).map(str::to_owned)
    }

    /// The store's address.
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }

    /// The key of an object on the store of this folder, from what its address has after the folder.
    pub fn decoded<'a>(&self, rest: &'a str) -> Cow<'a, str> {
        match self.is_web() {
            true => percent_decode_str(rest).decode_utf8_lossy(),
            false => Cow::Borrowed(rest),
        }
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address on a web server. Those of Azure's are of the store.
fn web(text: &str) -> Result<ObjectUri, String> {
    if text.contains('\\') {
        return Err("has a backslash, which addresses do not have: write `/`, or `%5C` in a name".into());
    }
    let url = Url::parse(text).map_err(|error| format!("is no address ({error})"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has user info; credentials belong into the environment".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            "has a query or a fragment, which may be a signature; `?` and `#` in a name are written `%3F` \
                    and `%23`"
                .into(),
        );
    }
    let typed = text.split_once("://").map_or("", |(_, rest)| rest);
    let is_dots = |part: &str| matches!(&*percent_decode_str(part).decode_utf8_lossy(), "." | "..");
    if typed.split('/').skip(1).any(is_dots) {
        return Err("has a part `.` or `..`".into());
    }
    if let Some(found) = azure_address::split_url(typed) {
        let (account, bucket, prefix) = (Some(found.account), found.container, found.rest);
        return Ok(ObjectUri(Uri::Remote { scheme: "az", account, bucket, prefix }));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
    let bucket = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let prefix = normal(url.path().strip_prefix('/').unwrap_or_default())?;
    let scheme = if url.scheme() == "http" { "http" } else { "https" };
    Ok(ObjectUri(Uri::Remote { scheme, account: None, bucket, prefix }))
}

/// A path with one text for every octet (RFC 3986, section 6.2.2): escapes in capitals, and none where none is needed.
fn normal(path: &str) -> Result<String, String> {
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| "is not UTF-8 when it is decoded")?;
    if decoded.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("has an escaped control character".into());
    }
    let (mut text, mut rest) = (String::with_capacity(path.len()), path);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let digits =
            rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err(
                "has a `%` that is not followed by two hexadecimal digits; in a name it is written `%25`"
                    .into(),
            );
        };
        match octet {
            b'/' => return Err("has an escaped slash, which requests cannot express".into()),
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(octet)),
            octet if octet.is_ascii_alphanumeric() => text.push(char::from(octet)),
            octet => text.push_str(&format!("%{octet:02X}")),
        }
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    Ok(text)
}

/// An address as an error may quote it: without a query, and without what may be user info.
pub fn without_secrets(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    match rest.contains('@') {
        // a secret may have a slash, and then its end cannot be determined
        true => format!("{scheme}://***"),
        false if end < rest.len() => format!("{scheme}://{}…", &rest[..end]),
        false => address.to_owned(),
    }
}

/// True for an address with a signature in its query.
pub fn has_signature(address: &str) -> bool {
    const NAMES: [&str; 4] = ["sig", "signature", "x-amz-signature", "x-goog-signature"];
    let query = address.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| {
        pair.split_once('=')
            .is_some_and(|(name, _)| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal_form(text: &str) -> String {
        ObjectUri::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).to_string()
    }

    #[test]
    fn an_address_has_one_normal_form() {
        for (text, expected) in [
            ("S3://b/a//b.jpg", "s3://b/a//b.jpg"),
            ("s3a://b/a%20b#1.jpg", "s3://b/a%20b#1.jpg"),
            ("gcs://b/x.jpg/", "gs://b/x.jpg/"),
            ("abfss://c@acme1.dfs.core.windows.net/x.jpg", "az://acme1.blob.core.windows.net/c/x.jpg"),
            ("https://acme1.blob.core.windows.net/c/a%20b.jpg", "az://acme1.blob.core.windows.net/c/a b.jpg"),
            ("HTTPS://Host.Example:443/p/a.jpg", "https://host.example/p/a.jpg"),
            ("https://host.example:8443/p/a b.jpg", "https://host.example:8443/p/a%20b.jpg"),
            ("https://host/%7euser/%e4%b8%ad.jpg", "https://host/~user/%E4%B8%AD.jpg"),
            ("https://host/~user/中.jpg", "https://host/~user/%E4%B8%AD.jpg"),
            ("https://host/a%2ejpg", "https://host/a.jpg"),
            ("https://host/a+b%3F%23.jpg", "https://host/a+b%3F%23.jpg"),
            ("http://2130706433/a.jpg", "http://127.0.0.1/a.jpg"),
            ("http://[0:0:0:0:0:0:0:1]:80/a.jpg", "http://[::1]/a.jpg"),
        ] {
            assert_eq!(normal_form(text), expected, "{text}");
            assert_eq!(normal_form(expected), expected, "{text}");
        }
    }

    #[test]
    fn what_may_be_a_secret_or_another_object_is_refused_and_not_quoted() {
        for text in [
            "https://host/a.jpg?X-Amz-Signature=s3cret",
            "https://host/a.jpg#s3cret",
            "https://user:s3cret@host/a.jpg",
            "https://s3cret@host/a.jpg",
            "https://acme1.blob.core.windows.net/c/a.jpg?sig=s3cret",
            "s3://key:s3cret@b/a.jpg",
            "s3://b/a.jpg?s3cret",
            "az://c/a.jpg?sig=s3cret",
            "https://host/s3cret/../a.jpg",
            "https://host/s3cret/%2e%2E/a.jpg",
            "https://host/a%2fs3cret.jpg",
            "https://host/a%zzs3cret.jpg",
            "https://host/%ffs3cret.jpg",
            "https://host/%00s3cret.jpg",
            "https://host\\s3cret/a.jpg",
            "https://ho\nst/s3cret.jpg",
            "https://host/",
            "https://host/s3cret/",
            "https:///s3cret",
            "s3://b",
            "s3://b/a/../s3cret",
            "s3:///s3cret",
            "ftp://host/s3cret",
            "file:///s3cret",
            "s3cret",
        ] {
            let why = ObjectUri::parse(text).map(|found| found.to_string()).unwrap_err();
            assert!(!why.contains("s3cret"), "{text}: {why}");
        }
        for (text, shown) in [
            ("https://host/a.jpg?sig=s3cret", "https://host/a.jpg…"),
            ("https://user:s3/cret@host/a.jpg", "https://***"),
            ("s3://b/a.jpg", "s3://b/a.jpg"),
            ("a.jpg", "a.jpg"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn an_object_is_below_its_folder_and_not_below_a_namesake_another_host_or_port() {
        let below = |object: &str, folder: &str| {
            ObjectUri::parse(object).unwrap().below(&ObjectUri::folder(folder).unwrap())
        };
        for (object, folder, expected) in [
            ("s3://b/in/x.jpg", "s3://b/in/", Some("x.jpg")),
            ("s3://b/in/x.jpg", "s3a://b/in", Some("x.jpg")),
            ("s3://b/in//x.jpg/", "s3://b/in", Some("/x.jpg/")),
            ("s3://b/inner/x.jpg", "s3://b/in/", None),
            ("s3://c/in/x.jpg", "s3://b/in/", None),
            ("s3://b/x.jpg", "s3://b", Some("x.jpg")),
            ("gs://b/x.jpg", "s3://b", None),
            ("https://host/p/a%20b.jpg", "https://HOST:443/p/", Some("a%20b.jpg")),
            ("https://host/a.jpg", "https://host", Some("a.jpg")),
            ("https://host:8443/p/a.jpg", "https://host/p/", None),
            ("http://host/p/a.jpg", "https://host/p/", None),
            ("https://host.evil/p/a.jpg", "https://host/p/", None),
            ("http://127.0.0.1/p/a.jpg", "http://localhost/p/", None),
        ] {
            assert_eq!(below(object, folder).as_deref(), expected, "{object} {folder}");
        }
    }

    #[test]
    fn only_the_key_on_a_web_server_is_decoded() {
        for (folder, expected) in [("https://host/p", "a b+c"), ("s3://b/p", "a%20b+c")] {
            assert_eq!(ObjectUri::folder(folder).unwrap().decoded("a%20b+c"), expected, "{folder}");
        }
    }

    #[test]
    fn a_query_is_a_signature_by_its_names() {
        for (text, expected) in [
            ("az://c/a.jpg?sv=1&sig=x", true),
            ("s3://b/a.jpg?X-Amz-Signature=x", true),
            ("s3://b/a?b.jpg", false),
            ("s3://b/sig=x.jpg", false),
        ] {
            assert_eq!(has_signature(text), expected, "{text}");
        }
    }
}
