//! The key of a row: relative to the input, or the address of an object below one of the job's roots.

use url::Url;

use crate::dataset::Roots;
use crate::store::{Uri, has_signature, without_secrets};

/// Makes keys from the values of the rows.
pub(super) struct Keys {
    /// The address of the input.
    input: String,
    roots: Roots,
}

impl Keys {
    /// Keys below `input` only.
    pub fn new(input: String) -> Self {
        Keys { input, roots: Roots::default() }
    }

    /// Keys below these folders too.
    pub fn with_roots(self, roots: Roots) -> Self {
        Keys { roots, ..self }
    }

    /// The address of the input.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The key of an address that names the input otherwise than the job: `file://`, `gcs://`, or the host of an account.
    fn in_other_form(&self, text: &str) -> Option<String> {
        if self.input.starts_with('/') && text.starts_with("file://") {
            let file =
                Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none())?;
            let path = file.to_file_path().ok()?;
            return path.strip_prefix(&self.input).ok()?.to_str().map(str::to_owned);
        }
        if !text.contains("://") || !self.input.contains("://") {
            return None;
        }
        let below = Uri::parse(text).ok()?.below(&Uri::parse(&self.input).ok()?)?;
        below.strip_suffix('/').map(str::to_owned)
    }

    /// The key of an image.
    ///
    /// # Errors
    /// What is wrong with the row. Quotes no query and no user info.
    pub fn key(&self, text: &str) -> Result<String, String> {
        let below = |root: &str| text.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/');
        let other_form = self.in_other_form(text);
        let is_address = text.contains("://");
        let key = match below(&self.input).or(other_form.as_deref()) {
            Some(_) if is_address && has_signature(text) => {
                return Err(format!(
                    "`{}` has a signature, which would be in the key of its row; leave the query out",
                    without_secrets(text)
                ));
            }
            Some(key) => key,
            None if is_address && !self.roots.is_empty() => return self.below_a_root(text),
            None if is_address || text.starts_with('/') => {
                return Err(format!(
                    "`{}` does not lie below `input.uri` ({}); `input.roots` names more folders of stores",
                    without_secrets(text),
                    self.input
                ));
            }
            None => text.strip_prefix("./").unwrap_or(text),
        };
        if key.split('/').any(|part| part == "..") {
            return Err(format!("`{text}` leaves `input.uri` with `..`"));
        }
        if key.is_empty() {
            return Err("the key is empty".into());
        }
        if self.roots.find(key).is_some() {
            return Err(format!(
                "the key `{key}` below `input.uri` reads like an address below `input.roots`"
            ));
        }
        Ok(key.to_owned())
    }

    fn below_a_root(&self, text: &str) -> Result<String, String> {
        let named = |(address, _)| format!("`{address}`");
        self.roots.key(text).map_err(|why| {
            let roots: Vec<String> = self.roots.all().map(named).collect();
            let text = without_secrets(text);
            format!(
                "`{text}` {why} (`input.uri` is `{}`, `input.roots` are {})",
                self.input,
                roots.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Location, ObjectUri, Role};

    fn keys(input: &str, roots: &[&str]) -> Keys {
        let folders: Vec<ObjectUri> = roots.iter().map(|root| ObjectUri::folder(root).unwrap()).collect();
        let roots = Roots::open(&folders, &Location::open("/", Role::Input).unwrap()).unwrap();
        Keys::new(input.to_owned()).with_roots(roots)
    }

    #[tokio::test]
    async fn an_address_below_the_input_is_a_relative_key_and_any_other_its_normal_form() {
        let keys = keys("gs://b/in", &["https://host/p/", "http://127.0.0.1:8000"]);
        for (text, expected) in [
            ("a/x.jpg", "a/x.jpg"),
            ("./a/x.jpg", "a/x.jpg"),
            ("gs://b/in/a/x.jpg", "a/x.jpg"),
            ("GCS://b/in/a/x.jpg", "a/x.jpg"),
            ("https://HOST:443/p/a%20b.jpg", "https://host/p/a%20b.jpg"),
            ("https://host/p/a b.jpg", "https://host/p/a%20b.jpg"),
            ("http://127.0.0.1:8000/x.jpg", "http://127.0.0.1:8000/x.jpg"),
        ] {
            assert_eq!(keys.key(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_file_uri_below_a_local_input_is_a_relative_key() {
        let keys = Keys::new("/data/in".into());
        for (text, expected) in [
            ("file:///data/in/a/x.jpg", Some("a/x.jpg")),
            ("file://localhost/data/in/a%20b%231.jpg", Some("a b#1.jpg")),
            ("file:///data/in/../x.jpg", None),
            ("file:///data/inner/x.jpg", None),
            ("file:///data/in/x.jpg?y", None),
            ("file://host/data/in/x.jpg", None),
        ] {
            assert_eq!(keys.key(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_what_is_allowed_and_no_secret() {
        let keys = keys("az://c/in", &["https://host/p/"]);
        for text in [
            "https://host/p/x.jpg?sig=s3cret",
            "https://user:s3cret@host/p/x.jpg",
            "https://host/p/../x.jpg#s3cret",
            "https://169.254.169.254/x.jpg?s3cret",
            "s3://b/x.jpg",
            "ftp://user:s3cret@host/x.jpg",
            "az://c/in/x.jpg?sv=1&sig=s3cret",
        ] {
            let why = keys.key(text).unwrap_err();
            assert!(!why.contains("s3cret"), "{why}");
            assert!(why.contains("https://host/p/") || why.contains("signature"), "{why}");
        }
        assert!(keys.key("https://host/p").is_err());
        assert!(keys.key("az://c/in/https://host/p/x.jpg").unwrap_err().contains("reads like an address"));
    }

    #[test]
    fn without_roots_an_address_elsewhere_is_refused_without_its_query() {
        let keys = Keys::new("s3://b/in".to_owned());
        let why = keys.key("https://host/x.jpg?sig=s3cret").unwrap_err();
        assert!(why.contains("does not lie below") && why.contains("input.roots"), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
        assert_eq!(keys.key("s3://b/in/a?b.jpg").as_deref(), Ok("a?b.jpg"));
    }
}
