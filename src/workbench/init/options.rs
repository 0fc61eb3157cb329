//! What a person asks for.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};
use crate::model::{PUBLISHED_NAMES, published_in};

/// What a person asked for.
#[derive(Debug, Clone, Copy)]
pub struct InitOptions<'a> {
    /// Where the images are.
    pub input: &'a str,
    /// The folder that a list's images are below.
    pub below: Option<&'a str>,
    /// The model's file, or the folder that it is in.
    pub model: &'a Path,
    /// Where the rows go; default: beside the images.
    pub output: Option<&'a str>,
    /// The job file that will be written.
    pub file: &'a Path,
}

/// Returns the file of weights: `typed`, or the published file in that folder.
///
/// # Errors
/// The folder has none of the usual names.
pub fn weights(typed: &Path) -> Result<PathBuf, Failure> {
    if !typed.is_dir() {
        return Ok(typed.to_owned());
    }
    published_in(typed).ok_or_else(|| {
        Failure::new(
            Exit::Config,
            format!(
                "the folder `{}` has none of {}; name the model's file",
                typed.display(),
                PUBLISHED_NAMES.join(", ")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_weights_is_the_file_in_it() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(weights(root.path()).unwrap_err().exit, Exit::Config);
        std::fs::write(root.path().join("pytorch_model.bin"), "").unwrap();
        assert_eq!(weights(root.path()).unwrap(), root.path().join("pytorch_model.bin"));
        assert_eq!(weights(Path::new("x.pth")).unwrap(), Path::new("x.pth"));
    }
}
