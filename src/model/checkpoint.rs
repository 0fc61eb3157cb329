//! The common form of a checkpoint, whatever layout it came in, and the choice of its reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::{ModelError, shorten};
use super::{layout, safetensors, torch};

/// The most that is read of a checkpoint: three times what TResNet-XL takes in f64.
pub const MAX_CHECKPOINT_BYTES: u64 = 2 << 30;

/// One tensor of weights, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lengths of its axes, outermost first.
    pub shape: Vec<usize>,
    /// As many values as the shape says. Wider types were rounded to f32, narrower ones are exact.
    pub values: Vec<f32>,
}

/// The tensors of a network under timm's names (the authors' were translated), without the counters that only training reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of the file, 64 hexadecimal digits: the identity of the weights.
    pub sha256: String,
}

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
        let tensors = if bytes.starts_with(torch::ZIP) {
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
    if let Some(what) = torch::legacy(bytes) {
        return Err(ModelError::OldTorch { path: path.into(), what });
    }
    let what = match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "onnx" => "an ONNX graph",
        "pth" | "pt" | "bin" | "tar" => "neither PyTorch's zip archive nor safetensors",
        _ => return Ok(()),
    };
    Err(ModelError::NotACheckpoint { path: path.into(), what })
}

/// Reads a whole file, unless it holds more than `limit` bytes; also one that grows meanwhile, or is a device.
pub(super) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > limit {
        return Err(ModelError::TooLarge { path: path.into(), limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ModelError::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}
