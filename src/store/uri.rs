//! Where a folder is, as the user types it: `s3://`, `gs://`, `az://` and the other names of these, `file://` or a path.

use std::borrow::Cow;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use url::Url;

use super::azure_address::{self, AccountAddress};
use super::{StoreError, azure};
use crate::telemetry::{Redacted, redact};

/// A checked address of a folder, on an object store or on local disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// A folder on local disk, absolute.
    Local(PathBuf),
    /// `scheme://bucket/prefix`, without a slash at the end.
    Remote {
        /// `s3`, `gs` or `az`; for folders of `input.roots` also `http` and `https`.
        scheme: &'static str,
        /// The Azure storage account, if the address names it. Else it is the environment's.
        account: Option<String>,
        /// Bucket or container; of a web server, the host.
        bucket: String,
        /// Key prefix, possibly empty.
        prefix: String,
    },
}

impl Uri {
    /// Reads what was typed; a credential in it is refused.
    ///
    /// # Errors
    /// [`StoreError::BadUri`]: `text` is empty, has an unknown scheme, a credential or a query, or names no bucket or
    /// no path.
    pub fn parse(text: &str) -> Result<Uri, StoreError> {
        // a query may be a signature
        let shown = if text.contains("://") { text.split('?').next().unwrap_or(text) } else { text };
        let refuse = |why: &str| StoreError::BadUri { uri: redact(shown), cause: Redacted::new(why) };
        if text.trim().is_empty() {
            return Err(refuse("it is empty"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Uri::local(Path::new(&*expand_home(text)));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
            let path = url.to_file_path().map_err(|()| refuse("it names no local path"))?;
            return Uri::local(&path);
        }
        let is_url = scheme == "https";
        let (scheme, found) = match scheme.as_str() {
            "s3" | "s3a" => ("s3", None),
            "gs" | "gcs" => ("gs", None),
            "az" | "abfs" | "abfss" | "azure" => ("az", azure_address::split(rest)),
            "https" => ("az", azure_address::split_url(rest)),
            _ => return Err(refuse("its scheme is none of s3, gs, az, file")),
        };
        if found.is_none() {
            let authority = rest.split('/').next().unwrap_or_default();
            if authority.contains(['@', ':']) {
                // not echoed: a secret may hold a slash, and then its end cannot be determined
                return Err(StoreError::BadUri {
                    uri: format!("{}://***", if is_url { "https" } else { scheme }),
                    cause: Redacted::new(
                        "credentials belong into the environment, not into a URL (an Azure account is written \
                         `abfss://container@account.dfs.core.windows.net/folder`)",
                    ),
                });
            }
        }
        if rest.contains('?') || rest.contains('#') && scheme == "az" {
            return Err(refuse("a query or signature has no place in it"));
        }
        let (account, bucket, prefix) = match found {
            Some(AccountAddress { account, container, rest }) => (Some(account), container, rest),
            None if is_url => {
                return Err(refuse(
                    "of https addresses, only `https://account.blob.core.windows.net/container/folder` is known; \
                     write s3://, gs:// or az://, and another endpoint into the environment",
                ));
            }
            None => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                (None, bucket.to_owned(), prefix.to_owned())
            }
        };
        if bucket.is_empty() {
            return Err(refuse("it names no bucket"));
        }
        if prefix.starts_with('/') {
            return Err(refuse("an empty folder name has no place in it"));
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        object_store::path::Path::parse(&prefix).map_err(|error| refuse(&error.to_string()))?;
        Ok(Uri::Remote { scheme, account, bucket, prefix })
    }

    /// True where this is `other` or lies below it.
    pub fn is_within(&self, other: &Uri) -> bool {
        self.below(other).is_some()
    }

    /// What keys below this have in front of them when seen from `outer`: empty, or a path and its slash; `None`
    /// where this does not lie within `outer`.
    pub fn below(&self, outer: &Uri) -> Option<String> {
        self.below_in(outer, azure::account)
    }

    /// As [`Uri::below`]; an address that names no account is in the account of `environment`.
    fn below_in(&self, outer: &Uri, environment: impl Fn() -> Option<String>) -> Option<String> {
        let rest = match (self, outer) {
            (Uri::Local(inner), Uri::Local(outer)) => inner.strip_prefix(outer).ok()?.to_str()?,
            (
                Uri::Remote { scheme, account, bucket, prefix },
                Uri::Remote {
                    scheme: outer_scheme,
                    account: outer_account,
                    bucket: outer_bucket,
                    prefix: outer,
                },
            ) => {
                if scheme != outer_scheme || bucket != outer_bucket {
                    return None;
                }
                match (account, outer_account) {
                    (Some(named), None) | (None, Some(named)) if environment().as_ref() != Some(named) => {
                        return None;
                    }
                    (Some(one), Some(other)) if one != other => return None,
                    _ => {}
                }
                match prefix.strip_prefix(outer.as_str())? {
                    "" => "",
                    rest if outer.is_empty() => rest,
                    rest => rest.strip_prefix('/')?,
                }
            }
            _ => return None,
        };
        Some(if rest.is_empty() { String::new() } else { format!("{rest}/") })
    }

    fn local(path: &Path) -> Result<Uri, StoreError> {
        let absolute = std::path::absolute(path).map_err(|error| StoreError::BadUri {
            uri: path.display().to_string(),
            cause: Redacted::new(error),
        })?;
        // without a slash at the end, which would be another text for the same folder
        let absolute: PathBuf = without_dots(&absolute).components().collect();
        if absolute.to_str().is_none() {
            return Err(StoreError::BadUri {
                uri: path.display().to_string(),
                cause: Redacted::new("the path is not UTF-8"),
            });
        }
        Ok(Uri::Local(absolute))
    }
}

/// A path that begins with `~/`, below the home folder (`HOME`); any other text as it is. A shell expands `~` only at
/// the beginning of an unquoted word, and never in a job file.
pub fn expand_home(text: &str) -> Cow<'_, str> {
    in_home(text, std::env::var("HOME").ok().as_deref())
}

fn in_home<'a>(text: &'a str, home: Option<&str>) -> Cow<'a, str> {
    let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (rest, home.filter(|home| home.starts_with('/'))) {
        (Some(rest), Some(home)) => Cow::Owned(format!("{}{rest}", home.trim_end_matches('/'))),
        _ => Cow::Borrowed(text),
    }
}

/// Resolves `..`: through the file system as far as the path exists (a link's parent is its target's), by name after
/// that.
fn without_dots(path: &Path) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path.to_owned();
    }
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                resolved = resolved.canonicalize().unwrap_or(resolved);
                resolved.pop();
            }
            part => resolved.push(part),
        }
    }
    resolved
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Local(path) => write!(f, "{}", path.display()),
            Uri::Remote { scheme, account, bucket, prefix } => {
                write!(f, "{scheme}://")?;
                if let Some(account) = account {
                    write!(f, "{account}.blob.core.windows.net/")?;
                }
                write!(f, "{bucket}")?;
                if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Uri, in_home};

    #[test]
    fn a_path_that_begins_with_a_tilde_is_below_the_home_folder() {
        for (text, path) in [
            ("~/pictures", "/home/me/pictures"),
            ("~", "/home/me"),
            ("~other/pictures", "~other/pictures"),
            ("./~/pictures", "./~/pictures"),
            ("s3://b/~/x", "s3://b/~/x"),
        ] {
            assert_eq!(in_home(text, Some("/home/me/")), path);
        }
        for home in [None, Some(""), Some("relative")] {
            assert_eq!(in_home("~/pictures", home), "~/pictures");
        }
    }

    #[test]
    fn addresses_are_normalised() {
        let cases = [
            ("s3://b/a/b/", "s3://b/a/b"),
            ("gs://b", "gs://b"),
            ("S3://b/A", "s3://b/A"),
            ("gcs://b/x", "gs://b/x"),
            ("az://container/x", "az://container/x"),
            ("abfss://container/x", "az://container/x"),
            ("abfss://c@acme1.dfs.core.windows.net/x/", "az://acme1.blob.core.windows.net/c/x"),
            ("az://acme1.blob.core.windows.net/c/x", "az://acme1.blob.core.windows.net/c/x"),
            ("https://acme1.blob.core.windows.net/c/a%20b", "az://acme1.blob.core.windows.net/c/a b"),
            ("HTTPS://acme1.dfs.core.windows.net/c", "az://acme1.blob.core.windows.net/c"),
            ("file:///tmp/a%20b", "/tmp/a b"),
            ("/tmp/x", "/tmp/x"),
            ("/tmp/x/", "/tmp/x"),
            ("/no/such/../folder/../x", "/no/x"),
        ];
        for (text, expected) in cases {
            let uri = Uri::parse(text).unwrap();
            assert_eq!(uri.to_string(), expected);
            assert_eq!(Uri::parse(expected).unwrap(), uri);
        }
    }

    #[test]
    fn a_folder_lies_within_itself_and_what_is_above_it_and_not_within_a_namesake() {
        for (inner, outer, expected) in [
            ("/a/b", "/a", true),
            ("/a", "/a", true),
            ("/ab", "/a", false),
            ("s3://b/x/y", "s3://b/x", true),
            ("s3://b/xy", "s3://b/x", false),
            ("s3://b/x", "s3://b", true),
            ("s3://c/x", "s3://b", false),
            ("/a", "s3://b", false),
        ] {
            assert_eq!(
                Uri::parse(inner).unwrap().is_within(&Uri::parse(outer).unwrap()),
                expected,
                "{inner} {outer}"
            );
        }
    }

    #[test]
    fn an_address_without_an_account_is_in_the_account_of_the_environment() {
        let [plain, named, other] =
            ["az://c/x", "abfss://c@acme1.dfs.core.windows.net/x", "https://acme2.blob.core.windows.net/c/x"]
                .map(|text| Uri::parse(text).unwrap());
        let within = |one: &Uri, outer: &Uri, account: Option<&str>| {
            one.below_in(outer, || account.map(str::to_owned)).is_some()
        };
        for account in [None, Some("acme1"), Some("acme2")] {
            assert!(within(&plain, &plain, account) && within(&named, &named, account));
            assert!(!within(&named, &other, account));
            let same = account == Some("acme1");
            assert_eq!((within(&named, &plain, account), within(&plain, &named, account)), (same, same));
        }
    }

    #[test]
    fn credentials_and_unknown_schemes_are_refused() {
        for text in [
            "s3://key:secret@bucket/x",
            "s3://key:sec/ret@bucket/x",
            "az://c/x?sig=abc",
            "abfss://c@acme1.dfs.core.windows.net/x?sig=abc",
            "https://acme1.blob.core.windows.net/c/x?sv=1&sig=abc",
            "https://sec:abc@acme1.blob.core.windows.net/c/x",
            "https://user:sec/abc@acme1.blob.core.windows.net/c",
            "abfss://SEC:abc@acme1.dfs.core.windows.net/x",
            "https://acme1.blob.core.windows.net",
            "https://example.org/c/x",
            "https://example.org/c/x?token=abc",
            "http://acme1.blob.core.windows.net/c/x",
            "ftp://host/x",
            "",
            "s3:///x",
            "s3://b//x",
        ] {
            let error = Uri::parse(text).unwrap_err().to_string();
            assert!(!error.contains("sec") && !error.contains("abc"), "{error}");
        }
    }
}
