//! From a file to a [`Checkpoint`]: the choice of the reader, the layout, and the checks that no reader makes.

use std::collections::BTreeMap;
use std::path::Path;

use super::sniff::known_kind;
use super::weights::{Checkpoint, Tensor};
use super::{layout, safetensors, torch};
use crate::model::error::ModelError;
use crate::model::file::{read_capped, sha256_hex};
use crate::model::shorten::shorten;

/// The most that is read of a checkpoint: three times what TResNet-XL takes in f64.
pub const MAX_CHECKPOINT_BYTES: u64 = 2 << 30;

/// Reads a checkpoint. The content decides how: a name ending in `.bin` proves nothing.
///
/// # Errors
///
/// Unreadable or oversized files, damaged ones, pickles that ask for more than tensors, formats of PyTorch before
/// 1.6, tensors that hold something other than floating-point weights, values that no training leaves behind (NaN,
/// infinity, a negative variance), and the authors' layout with names that it does not have.
pub fn load(path: &Path) -> Result<Checkpoint, ModelError> {
    Checkpoint::parse(path, &read_capped(path, MAX_CHECKPOINT_BYTES)?)
}

impl Checkpoint {
    /// What [`load`] makes of a file's bytes. `path` is for messages; its ending may tell what the bytes are not.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let tensors = if torch::is_zip(bytes) {
            torch::read(path, bytes)?
        } else {
            // a safetensors file is eight bytes of length, then JSON
            if bytes.get(8) != Some(&b'{') {
                refuse_others(path, bytes)?;
            }
            safetensors::read(path, bytes)?
        };
        let tensors = layout::to_timm(tensors)?;
        check_values(&tensors)?;
        Ok(Self { tensors, sha256: sha256_hex(bytes) })
    }
}

/// No weight is NaN or infinite, and no variance negative: said when the file is read, before anybody plans with it.
fn check_values(tensors: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
    for (name, tensor) in tensors {
        if !tensor.values.iter().all(|value| value.is_finite()) {
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

/// What is no safetensors file by its first bytes may be something that has a name.
fn refuse_others(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    if let Some(what) = known_kind(bytes) {
        return Err(ModelError::NotACheckpoint { path: path.into(), what });
    }
    if let Some(what) = torch::legacy_format(bytes) {
        return Err(ModelError::OldTorch { path: path.into(), what });
    }
    let what = match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "onnx" => "an ONNX graph",
        "pth" | "pt" | "bin" | "tar" => "neither PyTorch's zip archive nor safetensors",
        _ => return Ok(()),
    };
    Err(ModelError::NotACheckpoint { path: path.into(), what })
}
