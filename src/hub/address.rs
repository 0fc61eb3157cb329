//! Where a model is on a hub, as the user types it: `hf://org/name`, with `@revision` and a file where they are needed.

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;

use super::error::HubError;
use super::names::{is_id, is_relative, shown};

const SCHEME: &str = "hf://";
/// The branch that is taken where none is typed.
const DEFAULT_REVISION: &str = "main";
/// Kinds of repositories that hold no models.
const OTHER_KINDS: [&str; 4] = ["datasets", "spaces", "buckets", "kernels"];

/// A model of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    /// `org/name`
    pub repo: String,
    /// A branch, a tag or a commit; `main` if none is typed.
    pub revision: String,
    /// A file of the repository, if one is typed.
    pub file: Option<String>,
}

impl HubAddress {
    /// Reads what was typed for a model; `None` if it is no address of a hub but a path.
    ///
    /// # Errors
    /// An address that names no repository of models, or has a name that cannot be one.
    pub fn parse(typed: &Path) -> Result<Option<HubAddress>, HubError> {
        let Some(rest) = typed.to_str().and_then(after_scheme) else { return Ok(None) };
        Self::of(rest).map(Some)
    }

    fn of(rest: &str) -> Result<HubAddress, HubError> {
        let refuse = |why: &str| {
            // what is before an `@` or in a query may be a secret that was pasted
            let has_user = rest.split('/').next().is_some_and(|part| part.contains(['@', ':']));
            let shown = match rest.split_once('?') {
                _ if has_user => "***".to_owned(),
                Some((before, _)) => format!("{before}?***"),
                None => rest.to_owned(),
            };
            Err(HubError::Address {
                address: format!("{SCHEME}{}", shown.escape_debug()),
                why: why.to_owned(),
            })
        };
        let rest = rest.strip_prefix("models/").unwrap_or(rest);
        let Some((org, rest)) = rest.split_once('/') else {
            return refuse("write hf://ORG/NAME, as the page of the model shows it");
        };
        if OTHER_KINDS.contains(&org) {
            return refuse("only repositories of models are read");
        }
        let (name, rest) = match rest.find(['/', '@']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        if !is_id(org) || !is_id(name) {
            return refuse(
                "ORG and NAME have letters, digits, `-`, `_` and `.`, at most 96 each; credentials come from HF_TOKEN",
            );
        }
        let (revision, file) = match rest.strip_prefix('@') {
            Some(rest) => split_revision(rest),
            None => (None, rest.strip_prefix('/').unwrap_or_default()),
        };
        let revision = revision.unwrap_or_else(|| DEFAULT_REVISION.to_owned());
        if !is_relative(&revision) || revision.contains([' ', '~', '^', ':', '?', '*', '[']) {
            return refuse("the text after `@` is no branch, tag or commit");
        }
        let file = Some(file.trim_end_matches('/')).filter(|file| !file.is_empty());
        if file.is_some_and(|file| !is_relative(file)) {
            return refuse("the file's path has a part that is empty, `.` or `..`");
        }
        Ok(HubAddress { repo: format!("{org}/{name}"), revision, file: file.map(str::to_owned) })
    }

    /// The repository and its revision, for messages.
    pub fn repository(&self) -> String {
        format!("{SCHEME}{}@{}", self.repo, self.revision)
    }

    /// The repository's own name, without its organisation's.
    pub(super) fn name(&self) -> &str {
        self.repo.split_once('/').map_or(&*self.repo, |(_, name)| name)
    }

    /// The organisation.
    pub(super) fn organisation(&self) -> &str {
        self.repo.split_once('/').map_or("", |(org, _)| org)
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository())?;
        match &self.file {
            Some(file) => write!(f, " ({})", shown(file)),
            None => Ok(()),
        }
    }
}

fn after_scheme(typed: &str) -> Option<&str> {
    let head = typed.get(..SCHEME.len())?;
    head.eq_ignore_ascii_case(SCHEME).then(|| &typed[SCHEME.len()..])
}

/// The revision after an `@`, and the file after it. A slash in a revision is typed as `%2F`; the references of pull
/// requests and of conversions (`refs/pr/1`) are known as they are.
fn split_revision(rest: &str) -> (Option<String>, &str) {
    let slashes: Vec<usize> = rest.match_indices('/').map(|(at, _)| at).collect();
    let is_reference = rest.starts_with("refs/pr/") || rest.starts_with("refs/convert/");
    let end = slashes.get(if is_reference { 2 } else { 0 }).copied().unwrap_or(rest.len());
    let revision = percent_decode_str(&rest[..end]).decode_utf8_lossy().into_owned();
    (Some(revision), rest[end..].strip_prefix('/').unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> HubAddress {
        HubAddress::parse(Path::new(text)).unwrap().unwrap()
    }

    #[test]
    fn an_address_has_a_repository_and_may_have_a_revision_and_a_file() {
        for (text, repo, revision, file) in [
            ("hf://timm/tresnet_m.in1k", "timm/tresnet_m.in1k", "main", None),
            ("HF://timm/x/", "timm/x", "main", None),
            ("hf://models/timm/x", "timm/x", "main", None),
            ("hf://timm/x@v1.0", "timm/x", "v1.0", None),
            ("hf://timm/x/onnx/model.onnx", "timm/x", "main", Some("onnx/model.onnx")),
            ("hf://timm/x@a%2Fb/m.bin", "timm/x", "a/b", Some("m.bin")),
            ("hf://timm/x@refs/pr/7/m.bin", "timm/x", "refs/pr/7", Some("m.bin")),
            ("hf://timm/x@refs/pr/7", "timm/x", "refs/pr/7", None),
        ] {
            let address = parsed(text);
            assert_eq!(
                (&*address.repo, &*address.revision, address.file.as_deref()),
                (repo, revision, file),
                "{text}"
            );
        }
    }

    #[test]
    fn paths_are_no_addresses() {
        for path in ["model.safetensors", "/hf:/x", "hf/x", "s3://b/x"] {
            assert_eq!(HubAddress::parse(Path::new(path)).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_names_no_model_is_refused_and_a_secret_is_not_quoted() {
        for text in [
            "hf://",
            "hf://gpt2",
            "hf://datasets/a/b",
            "hf://a b/c",
            "hf://timm/x@",
            "hf://timm/x@../y",
            "hf://timm/x@a b",
            "hf://timm/x/../y",
            "hf://timm/x//y",
            "hf://user:hf_secret@timm/x",
            "hf://hf_secret@timm/x",
            "hf://timm/x?token=hf_secret",
        ] {
            let error = HubAddress::parse(Path::new(text)).unwrap_err().to_string();
            assert!(!error.contains("hf_secret"), "{error}");
        }
    }
}
