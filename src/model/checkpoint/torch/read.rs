//! From the bytes of a `.pth` to its tensors: the container, its pickle, and the storages that the pickle describes.

use std::path::Path;

use super::archive::{Archive, is_zip};
use super::chain::Chain;
use super::choice::choose;
use super::error::TorchError;
use super::pickle::{self, Heap};
use super::tensor::{Source, Storages};
use super::value::Element;
use crate::model::checkpoint::weights::{Contents, Tensor, WeightSet, is_counter};
use crate::model::error::ModelError;
use crate::model::shorten::shorten;

/// The floating-point tensors of a file; counters are left out.
pub(in crate::model::checkpoint) fn read(
    path: &Path,
    bytes: &[u8],
    wanted: Option<WeightSet>,
) -> Result<Contents, ModelError> {
    let refused = |reason| ModelError::Torch { path: path.into(), reason };
    if is_zip(bytes) {
        let archive = Archive::open(bytes).map_err(refused)?;
        let root = archive.root().map_err(refused)?;
        check_byte_order(&archive, root).map_err(refused)?;
        let pickle = archive.get(&format!("{root}data.pkl")).map_err(refused)?.unwrap_or_default();
        let heap = pickle::read(pickle).map_err(refused)?;
        let storages = Storages::new(Source::Archive { archive: &archive, root }, bytes.len());
        contents(&heap, storages, wanted).map_err(refused)
    } else {
        let chain = Chain::open(bytes).map_err(refused)?;
        let storages = Storages::new(Source::Slices(&chain.storages), bytes.len());
        contents(&chain.heap, storages, wanted).map_err(refused)
    }
}

/// The weights that a pickle describes.
fn contents(
    heap: &Heap<'_>,
    mut storages: Storages<'_>,
    wanted: Option<WeightSet>,
) -> Result<Contents, TorchError> {
    let chosen = choose(heap, wanted)?;
    let mut contents = Contents { taken: chosen.taken, ..Contents::default() };
    for (name, view) in chosen.views {
        if is_counter(name) {
            continue;
        }
        let float = match view.storage.element {
            Element::Weights(float) => float,
            Element::Others(dtype, _) => {
                contents.unreadable.get_or_insert((shorten(name), dtype.to_owned()));
                continue;
            }
        };
        let values = storages.values(view, float).map_err(|error| error.of(name))?;
        contents.tensors.insert(name.to_owned(), Tensor { shape: view.shape.clone(), values });
    }
    Ok(contents)
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
