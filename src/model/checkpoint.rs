//! The common form of a checkpoint, whatever layout it came in, and the choice of its reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::ModelError;
use super::safetensors;

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

/// The tensors of a network under timm's names, without the counters that only training reads.
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
/// Unreadable or oversized files, damaged ones, layouts that are not built yet (`.pth`, `.bin`), and tensors
/// that hold something other than floating-point weights.
pub fn load(path: &Path) -> Result<Checkpoint, ModelError> {
    let bytes = read_capped(path, MAX_CHECKPOINT_BYTES)?;
    // a safetensors file is eight bytes of length, then JSON
    if bytes.starts_with(b"PK\x03\x04") || bytes.get(8) != Some(&b'{') {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let pickle = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 0x02]);
        if pickle || matches!(extension, "pth" | "pt" | "bin" | "tar") {
            return Err(ModelError::NotBuilt { path: path.into(), layout: "a PyTorch pickle" });
        }
        if extension == "onnx" {
            return Err(ModelError::NotACheckpoint { path: path.into(), what: "an ONNX graph" });
        }
    }
    let tensors = safetensors::read(path, &bytes)?;
    Ok(Checkpoint { tensors, sha256: sha256_hex(&bytes) })
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
