//! The commit of a hub that a model is from, as a job freezes it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::hub::HubAddress;

/// The commit of a hub that a model is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubOrigin {
    /// `org/name`
    pub repo: String,
    /// The branch, tag or commit that was typed, or `main`.
    pub revision: String,
    /// What it was when the job began.
    pub commit: String,
    /// The file of weights.
    pub file: String,
}

impl fmt::Display for HubOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HubOrigin { repo, revision, commit, file } = self;
        write!(f, "{file} of hf://{repo}@{revision}, commit {commit}")
    }
}

/// True if a job that began with this asks for the same again.
pub(super) fn is_of(begun: &HubOrigin, address: &HubAddress) -> bool {
    let is_same_file = address.file.as_ref().is_none_or(|file| *file == begun.file);
    begun.repo == address.repo && begun.revision == address.revision && is_same_file
}

/// The refusal of an address if a path is needed.
pub(super) fn refuse_address(path: &Path) -> Result<(), Failure> {
    match HubAddress::parse(path)? {
        None => Ok(()),
        Some(address) => {
            let why = format!(
                "this takes a file: `tresnet-batch model pull {}` fetches it and prints its path",
                path.display()
            );
            Err(Failure::new(Exit::Config, why).within(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> HubAddress {
        HubAddress::parse(Path::new(text)).unwrap().unwrap()
    }

    #[test]
    fn a_job_keeps_its_commit_for_the_same_address_alone() {
        let begun = HubOrigin {
            repo: "timm/x".into(),
            revision: "main".into(),
            commit: "ab".repeat(20),
            file: "model.safetensors".into(),
        };
        for same in ["hf://timm/x", "hf://timm/x@main", "hf://timm/x/model.safetensors"] {
            assert!(is_of(&begun, &address(same)), "{same}");
        }
        for other in ["hf://timm/y", "hf://timm/x@v2", "hf://timm/x/model.onnx"] {
            assert!(!is_of(&begun, &address(other)), "{other}");
        }
    }

    #[test]
    fn an_address_in_place_of_a_file_is_refused_with_the_command_that_fetches_it() {
        assert!(refuse_address(Path::new("a/model.pth")).is_ok());
        assert!(refuse_address(Path::new("hf://timm/x")).unwrap_err().explain().contains("model pull"));
    }
}
