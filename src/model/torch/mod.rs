//! Reads what `torch.save` writes since PyTorch 1.6: a zip of one pickle and the raw numbers of each storage.
//!
//! A pickle can name any function and have it called, so a checkpoint from elsewhere is a program from elsewhere.
//! Here it is only ever data: [`pickle`] refuses every name but those of tensors, storages and dictionaries, and
//! calls nothing. A file that keeps more than weights (its optimizer is fine, its whole model or the arguments of
//! its training are not) is refused with the name that gave it away.

mod archive;
mod error;
mod pickle;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::TorchError;

use self::archive::Archive;
use self::pickle::Heap;
use self::tensor::Storages;
use self::value::{Element, Id, Value, View};
use super::checkpoint::Tensor;
use super::error::{ModelError, shorten};

/// What every file of this kind begins with.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";

/// A hundred times the pickle of TResNet-XL's weights.
const MAX_PICKLE_BYTES: usize = 16 << 20;

/// Keys under which training scripts put the weights among other things.
const WRAPPERS: [&str; 3] = ["model", "state_dict", "state_dict_ema"];

/// Counters that only training reads.
const COUNTERS: &str = "num_batches_tracked";

/// What kind of older file this is, which nothing here reads.
pub(super) fn legacy(bytes: &[u8]) -> Option<&'static str> {
    // the first pickle of such a file holds one number, which PyTorch calls its magic
    const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    if bytes.get(257..262) == Some(b"ustar") {
        Some("a tar archive, as PyTorch wrote before 0.2")
    } else if bytes.starts_with(&[0x80]) && bytes.get(2..).is_some_and(|rest| rest.starts_with(MAGIC)) {
        Some("a chain of pickles, as PyTorch wrote before 1.6")
    } else if matches!(bytes, [0x80, 2..=5, ..]) {
        Some("a bare pickle")
    } else {
        None
    }
}

/// The floating-point tensors of a file; batch norm's counters are left out.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let refused = |reason| ModelError::Torch { path: path.into(), reason };
    let archive = Archive::open(bytes).map_err(refused)?;
    let root = archive.root().map_err(refused)?;
    check_byte_order(&archive, root).map_err(refused)?;
    let pickle = archive.get(&format!("{root}data.pkl")).map_err(refused)?.unwrap_or_default();
    if pickle.len() > MAX_PICKLE_BYTES {
        let limit = MAX_PICKLE_BYTES as u64;
        return Err(refused(TorchError::Limit { what: "bytes of pickle", limit }));
    }
    let heap = pickle::read(pickle).map_err(refused)?;
    let views = views(&heap).map_err(refused)?;
    let mut storages = Storages::new(&archive, root, bytes.len());
    let mut tensors = BTreeMap::new();
    for (name, view) in views {
        if name.rsplit('.').next() == Some(COUNTERS) {
            continue;
        }
        let float = match view.storage.element {
            Element::Weights(float) => float,
            Element::Integers(dtype) => {
                return Err(ModelError::Dtype { tensor: shorten(name), dtype: dtype.to_owned() });
            }
        };
        let values = storages.values(view, float).map_err(|error| refused(error.of(name)))?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape.clone(), values });
    }
    Ok(tensors)
}

/// Files without a word on it are older than the word, and from little-endian machines.
fn check_byte_order(archive: &Archive<'_>, root: &str) -> Result<(), TorchError> {
    match archive.get(&format!("{root}byteorder"))? {
        None | Some(b"little") => Ok(()),
        Some(other) => {
            let order = shorten(&String::from_utf8_lossy(&other[..other.len().min(80)]));
            Err(TorchError::ByteOrder { order })
        }
    }
}

/// The tensors of the one dictionary that holds weights.
fn views<'h, 'a>(heap: &'h Heap<'a>) -> Result<BTreeMap<&'a str, &'h View<'a>>, TorchError> {
    let Value::Dict(top) = heap.get(heap.root) else { return Err(TorchError::NoDictionary) };
    let mut wrapped = Vec::new();
    for (key, value) in top {
        if let (Value::Text(key), Value::Dict(inner)) = (heap.get(*key), heap.get(*value))
            && WRAPPERS.contains(key)
        {
            wrapped.push((*key, inner));
        }
    }
    let chosen: &[(Id, Id)] = match wrapped.as_slice() {
        [] => top,
        [(_, inner)] => inner,
        several => {
            let keys = several.iter().take(WRAPPERS.len()).map(|(key, _)| (*key).to_owned()).collect();
            return Err(TorchError::Several { keys });
        }
    };
    let mut views = BTreeMap::new();
    for (key, value) in chosen {
        let name = match heap.get(*key) {
            Value::Text(name) => *name,
            _ => return Err(TorchError::NoDictionary),
        };
        let Value::Tensor(view) = heap.get(*value) else {
            let wrappers = WRAPPERS.map(str::to_owned).into();
            return Err(TorchError::NoTensor { entry: shorten(name), wrappers });
        };
        if views.insert(name, view).is_some() {
            let reason = "the file holds two of this name".to_owned();
            return Err(TorchError::Tensor { tensor: shorten(name), reason });
        }
    }
    Ok(views)
}
