//! From files to a [`Checkpoint`]: the choice of the reader, the layout, and the checks that no reader makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::inference::{closest, compare};
use super::sniff::refuse_others;
use super::weights::{Checkpoint, Contents, TakenSet, Tensor, WeightSet};
use super::{family, layout, prefixes, safetensors, sharded, torch};
use crate::model::error::ModelError;
use crate::model::file::{read_capped, sha256_hex};
use crate::model::shorten::shorten;

/// The most that is read of a checkpoint: three times what TResNet-XL takes in f64.
pub const MAX_CHECKPOINT_BYTES: u64 = 2 << 30;

/// Names under which the weights in a folder are published, in the order in which they are looked for.
pub const PUBLISHED_NAMES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "model.onnx"];

/// A checkpoint, and which of a file's weights it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenCheckpoint {
    /// The tensors.
    pub checkpoint: Checkpoint,
    /// What was chosen of a training checkpoint; none where there is only one dictionary of tensors.
    pub taken: Option<TakenSet>,
}

/// Reads a checkpoint. The content decides how: a name ending in `.bin` proves nothing. An index of safetensors files
/// (`*.index.json`), or a folder, is read with all its files; the hash is then that of what `sha256sum` prints for them
/// in the order of their names.
///
/// # Errors
///
/// Unreadable or oversized files, damaged ones, pickles that make tensors with names that are not on the list, tar
/// archives of PyTorch before 0.2, tensors that hold something other than floating-point weights, values that no
/// training produces (NaN, infinity, a negative variance), two networks in one file, and the authors' layout with
/// names that it does not have.
pub fn load(path: &Path) -> Result<Checkpoint, ModelError> {
    load_set(path, None).map(|chosen| chosen.checkpoint)
}

/// Reads a checkpoint as [`load`] does; `wanted` chooses among the weights of a training checkpoint.
///
/// # Errors
///
/// Those of [`load`], and a set that the file does not have.
pub fn load_set(path: &Path, wanted: Option<WeightSet>) -> Result<ChosenCheckpoint, ModelError> {
    let path = &published_in(path).unwrap_or_else(|| path.to_owned());
    if sharded::is_index(path) {
        let (contents, sha256) = sharded::read(path, MAX_CHECKPOINT_BYTES)?;
        return finish(path, contents, sha256, wanted);
    }
    Checkpoint::parse_set(path, &read_capped(path, MAX_CHECKPOINT_BYTES)?, wanted)
}

/// The weights in a folder, where it has a file of a published name.
pub fn published_in(folder: &Path) -> Option<PathBuf> {
    if !folder.is_dir() {
        return None;
    }
    PUBLISHED_NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

impl Checkpoint {
    /// Reads a checkpoint from a file's bytes, as [`load`]. `path` is for messages, and its extension for the message
    /// about bytes that are no checkpoint.
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::parse_set(path, bytes, None).map(|chosen| chosen.checkpoint)
    }

    /// What [`load_set`] makes of a file's bytes.
    ///
    /// # Errors
    ///
    /// Those of [`load_set`].
    pub fn parse_set(
        path: &Path,
        bytes: &[u8],
        wanted: Option<WeightSet>,
    ) -> Result<ChosenCheckpoint, ModelError> {
        let contents = || {
            if torch::is_zip(bytes) || torch::is_chain(bytes) {
                return torch::read(path, bytes, wanted);
            }
            refuse_others(path, bytes)?;
            safetensors::read(path, bytes)
        };
        // neither needs the other, and both go over all weights
        let (contents, sha256) = beside(contents, || sha256_hex(bytes));
        finish(path, contents?, sha256, wanted)
    }
}

/// Does two things at the same time, if the system has a thread for the second one, else one after the other.
fn beside<A, B: Send>(first: impl FnOnce() -> A, second: impl Fn() -> B + Sync) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, &second);
        let first = first();
        let second = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => second(),
        };
        (first, second)
    })
}

/// From a file's tensors to those of a network.
fn finish(
    path: &Path,
    contents: Contents,
    sha256: String,
    wanted: Option<WeightSet>,
) -> Result<ChosenCheckpoint, ModelError> {
    let Contents { tensors, unreadable, taken } = contents;
    if wanted == Some(WeightSet::Ema) && taken.is_none() {
        return Err(ModelError::NoEma { path: path.into() });
    }
    let tensors = prefixes::strip(tensors)?;
    if let Some((tensor, dtype)) = unreadable {
        let found = Checkpoint { tensors, sha256 };
        // another network may count, ours does not
        return Err(match family::nearest(found.tensors.keys().map(String::as_str)) {
            Some(_) if !found.has_prefix("body.") => {
                ModelError::Tensors(Box::new(compare(&closest(&found), &found)))
            }
            _ => ModelError::Dtype { tensor, dtype },
        });
    }
    let tensors = layout::to_timm(tensors)?;
    check_values(&tensors)?;
    Ok(ChosenCheckpoint { checkpoint: Checkpoint { tensors, sha256 }, taken })
}

/// No weight is NaN or infinite, and no variance negative: checked when the file is read, before a job is planned with it.
fn check_values(tensors: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
    for (name, tensor) in tensors {
        if !tensor.is_finite() {
            return Err(ModelError::NonFinite { tensor: shorten(name) });
        }
        if name.ends_with(".running_var")
            && let Some(value) = tensor.values.iter().find(|value| **value < 0.0)
        {
            return Err(ModelError::Variance { tensor: shorten(name), value: *value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, bytes: &[u8]) -> String {
        Checkpoint::parse(Path::new(name), bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_checkpoint_is_named_as_what_it_looks_like() {
        for (name, bytes, kind) in [
            ("w.safetensors", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "a PNG image"),
            ("w.safetensors", b"path,target\na.jpg,1\n", "a CSV table"),
            // its ninth byte is the brace of a header
            ("w.safetensors", b"id,paths{,target\n1,2,3\n", "a CSV table"),
            ("w.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
            ("w", b"<!DOCTYPE html>", "an HTML page"),
            ("w.safetensors", b"{\"error\": \"not found\"}", "a JSON document"),
            ("w.safetensors", &[0xde; 64], "neither safetensors nor PyTorch's archive"),
            ("w.pth", &[0xde; 64], "neither PyTorch's archive nor safetensors"),
        ] {
            let refused = refusal(name, bytes);
            assert!(refused.contains(&format!("is no checkpoint (it looks like {kind}")), "{refused}");
        }
    }

    #[test]
    fn a_safetensors_file_is_one_whatever_its_length_looks_like() {
        // lengths that begin as UTF-16 and other kinds do, in files that are cut short
        for length in [0xfeffu64, 0x8b1f] {
            let bytes = [&length.to_le_bytes()[..], b"{\"w\":"].concat();
            assert!(refusal("w.safetensors", &bytes).contains("impossible safetensors header"));
        }
    }

    #[test]
    fn averaged_weights_are_not_in_a_file_of_one_set() {
        let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
        let read = |wanted| Checkpoint::parse_set(Path::new("w.safetensors"), &file, wanted);
        assert!(matches!(read(Some(WeightSet::Ema)), Err(ModelError::NoEma { .. })));
        assert_eq!(read(Some(WeightSet::Raw)).unwrap(), read(None).unwrap());
    }

    #[test]
    fn weights_of_another_network_that_counts_are_named_by_its_family() {
        let header = br#"{"layer1.0.conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
            "layer1.0.bn1.weight":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},
            "layer4.0.conv2.weight":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},
            "fc.weight":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},
            "index":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 24]].concat();
        let refused = refusal("w.safetensors", &file);
        assert!(refused.contains("a `resnet`") && refused.contains("ONNX export of it runs"), "{refused}");
    }
}
