//! The variables of `huggingface_hub`: which hub, whose token, which cache.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;
use url::{Host, Url};

use crate::regular_file;
use crate::store::expand_home;

use super::error::HubError;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Bytes of a token's file.
const LARGEST_TOKEN: u64 = 4096;
/// What is wrong with a text in place of a token.
const NO_TOKEN: &str = "holds no token: it has characters that no token has";

/// Which hub, whose token, which cache.
#[derive(Debug, Clone)]
pub(super) struct HubSettings {
    /// Where the hub answers.
    pub endpoint: Url,
    /// The header that carries the token; its debug output does not show it.
    pub token: Option<HeaderValue>,
    /// The folder of the cache.
    pub cache: PathBuf,
    /// Nothing is asked of the hub.
    pub is_offline: bool,
    /// Addresses with `http` are used on any host.
    pub allows_http: bool,
}

impl HubSettings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// Those of [`HubSettings::of`].
    pub fn from_environment() -> Result<HubSettings, HubError> {
        Self::of(&|name| std::env::var_os(name))
    }

    /// Reads the variables as `lookup` returns them.
    ///
    /// # Errors
    /// [`HubError::Environment`]: a folder, the address of the hub or the token cannot be used, or there is no folder
    /// for a cache.
    pub fn of(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<HubSettings, HubError> {
        let allows_http = flag(lookup, "HF_ALLOW_HTTP");
        let home = match folder(lookup, "HF_HOME")? {
            Some(home) => home,
            None => match folder(lookup, "XDG_CACHE_HOME")? {
                Some(cache) => cache.join("huggingface"),
                None => user_cache(lookup)?,
            },
        };
        let cache = match folder(lookup, "HF_HUB_CACHE")? {
            Some(cache) => Some(cache),
            None => folder(lookup, "HUGGINGFACE_HUB_CACHE")?,
        };
        Ok(HubSettings {
            endpoint: endpoint(lookup, allows_http)?,
            token: token(lookup, &home)?,
            cache: cache.unwrap_or_else(|| home.join("hub")),
            is_offline: flag(lookup, "HF_HUB_OFFLINE") || flag(lookup, "TRANSFORMERS_OFFLINE"),
            allows_http,
        })
    }

    /// True if a request may go there. `http` is for a hub on this machine, or needs HF_ALLOW_HTTP.
    pub fn may_ask(&self, url: &Url) -> bool {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_near = is_loopback(&self.endpoint) && is_loopback(url);
        is_plain
            && match url.scheme() {
                "https" => true,
                "http" => self.allows_http || is_near,
                _ => false,
            }
    }
}

fn refuse<T>(name: &'static str, why: impl Into<String>) -> Result<T, HubError> {
    Err(HubError::Environment { name, why: why.into() })
}

/// A variable that is set to more than white space.
fn text(lookup: &dyn Fn(&str) -> Option<OsString>, name: &'static str) -> Result<Option<String>, HubError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    match value.into_string() {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(_) => refuse(name, "is not UTF-8"),
    }
}

/// What `huggingface_hub` takes for true.
fn flag(lookup: &dyn Fn(&str) -> Option<OsString>, name: &'static str) -> bool {
    let value = lookup(name).and_then(|value| value.into_string().ok()).unwrap_or_default();
    matches!(value.trim().to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

fn folder(
    lookup: &dyn Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<PathBuf>, HubError> {
    let Some(typed) = text(lookup, name)? else { return Ok(None) };
    match std::path::absolute(&*expand_home(&typed)) {
        Ok(path) => Ok(Some(path)),
        Err(_) => refuse(name, "names no folder"),
    }
}

fn user_cache(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, HubError> {
    match folder(lookup, "HOME")? {
        Some(home) => Ok(home.join(".cache/huggingface")),
        None => {
            refuse("HF_HOME", "is not set, and neither is HOME: set one of them to have a cache of models")
        }
    }
}

fn endpoint(lookup: &dyn Fn(&str) -> Option<OsString>, allows_http: bool) -> Result<Url, HubError> {
    const NAME: &str = "HF_ENDPOINT";
    let typed = text(lookup, NAME)?;
    let typed = typed.as_deref().unwrap_or(DEFAULT_ENDPOINT).trim_end_matches('/');
    let Ok(url) = Url::parse(typed) else {
        return refuse(NAME, "is no URL: write it as https://host");
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || url.query().is_some() || url.fragment().is_some() {
        return refuse(
            NAME,
            "has a user, a query or a fragment: write it as https://host; the token is HF_TOKEN",
        );
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allows_http || is_loopback(&url) => Ok(url),
        "http" => refuse(
            NAME,
            "has the scheme http, which sends the token in the clear: use https, or set HF_ALLOW_HTTP=1",
        ),
        _ => refuse(NAME, "is no URL of a web server: write it as https://host"),
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// HF_TOKEN, or the file in which `hf auth login` leaves it.
fn token(lookup: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Result<Option<HeaderValue>, HubError> {
    if flag(lookup, "HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return Ok(None);
    }
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if let Some(token) = text(lookup, name)? {
            return bearer(&token).map_or_else(|| refuse(name, NO_TOKEN), |header| Ok(Some(header)));
        }
    }
    let path = folder(lookup, "HF_TOKEN_PATH")?.unwrap_or_else(|| home.join("token"));
    match regular_file::read_given(&path, LARGEST_TOKEN) {
        Ok(token) if token.trim().is_empty() => Ok(None),
        Ok(token) => match bearer(token.trim()) {
            Some(header) => Ok(Some(header)),
            None => {
                let path = path.display();
                refuse("HF_TOKEN_PATH", format!("or its default names `{path}`, which {NO_TOKEN}"))
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // most models need none
        Err(error) => {
            tracing::warn!("no token is sent to the hub: `{}` cannot be read ({error})", path.display());
            Ok(None)
        }
    }
}

/// The header with a token; `None` if it has characters that no token has.
fn bearer(token: &str) -> Option<HeaderValue> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| is_plain)?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<HubSettings, HubError> {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        HubSettings::of(&|name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        for (variables, cache) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/f/")], "/f/hub"),
            (&[("HF_HOME", "/f"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HOME", "/f"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", " /c ")], "/c"),
        ] {
            assert_eq!(settings(variables).unwrap().cache, Path::new(cache), "{variables:?}");
        }
        assert!(settings(&[]).unwrap_err().to_string().contains("HF_HOME"));
    }

    #[test]
    fn the_token_is_that_of_the_variable_then_that_of_the_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let token = |variables: &[(&str, &str)]| {
            let settings = settings(&[&[("HF_HOME", home)], variables].concat()).unwrap();
            assert!(!format!("{settings:?}").contains("hf_"), "{settings:?}");
            settings.token.map(|token| token.to_str().unwrap().to_owned())
        };
        assert_eq!(token(&[]), None);
        std::fs::write(Path::new(home).join("token"), "hf_file\n").unwrap();
        std::fs::write(Path::new(home).join("other"), " hf_other ").unwrap();
        assert_eq!(token(&[]).unwrap(), "Bearer hf_file");
        assert_eq!(token(&[("HF_TOKEN_PATH", &format!("{home}/other"))]).unwrap(), "Bearer hf_other");
        assert_eq!(token(&[("HF_TOKEN", "hf_set\n")]).unwrap(), "Bearer hf_set");
        assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        let wrong = settings(&[("HF_HOME", home), ("HF_TOKEN", "hf_se cret")]).unwrap_err().to_string();
        assert!(wrong.contains("HF_TOKEN") && !wrong.contains("cret"), "{wrong}");
    }

    #[test]
    fn http_is_for_this_machine_or_is_allowed_by_name() {
        let with = |endpoint: &str, more: &[(&str, &str)]| {
            settings(&[&[("HF_HOME", "/f"), ("HF_ENDPOINT", endpoint)], more].concat())
        };
        for endpoint in ["http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:1", "https://mirror/x"]
        {
            with(endpoint, &[]).unwrap();
        }
        for endpoint in
            ["http://hub.example", "hub.example", "ftp://hub", "https://u:p4ss@hub", "https://hub/?a=p4ss"]
        {
            let error = with(endpoint, &[]).unwrap_err().to_string();
            assert!(error.contains("HF_ENDPOINT") && !error.contains("p4ss"), "{error}");
        }
        with("http://hub.example", &[("HF_ALLOW_HTTP", "true")]).unwrap();
    }

    #[test]
    fn a_request_goes_to_https_or_stays_on_this_machine() {
        let may = |endpoint: &str, url: &str| {
            let settings = settings(&[("HF_HOME", "/f"), ("HF_ENDPOINT", endpoint)]).unwrap();
            settings.may_ask(&Url::parse(url).unwrap())
        };
        let [near, far] = ["http://127.0.0.1:1", "https://hub.example"];
        assert!(may(far, "https://cdn.example/x") && may(near, "http://localhost:2/x"));
        assert!(!may(far, "http://cdn.example/x") && !may(far, "http://127.0.0.1/x"));
        assert!(!may(near, "http://169.254.169.254/x") && !may(far, "https://u:p@cdn.example/x"));
        assert!(!may(near, "file:///etc/passwd"));
    }
}
