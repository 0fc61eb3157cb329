//! From the bytes of a `.pth` to its tensors: the archive, its pickle, and the storages that the pickle describes.

use std::collections::BTreeMap;
use std::path::Path;

use super::archive::Archive;
use super::error::TorchError;
use super::pickle::{self, Heap};
use super::tensor::Storages;
use super::value::{Element, Id, Value, View};
use crate::model::checkpoint::weights::{Tensor, is_counter};
use crate::model::error::ModelError;
use crate::model::shorten::shorten;

/// A hundred times the pickle of TResNet-XL's weights.
const MAX_PICKLE_BYTES: usize = 16 << 20;

/// Keys under which training scripts put the weights among other things.
const WRAPPERS: [&str; 3] = ["model", "state_dict", "state_dict_ema"];

/// The floating-point tensors of a file; batch norm's counters are left out.
pub(in crate::model::checkpoint) fn read(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<String, Tensor>, ModelError> {
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
        if is_counter(name) {
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
