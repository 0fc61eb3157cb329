//! The numbers of a tensor, out of a storage that it may share, skip through, or read in another order.

use std::borrow::Cow;
use std::collections::HashMap;

use super::archive::Archive;
use super::error::TorchError;
use super::value::View;
use crate::model::checkpoint::floats::Float;
use crate::model::shorten::shorten;

/// Where the bytes of storages are, by their keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// Entries of an archive, below `data/` in the folder of the pickle.
    Archive { archive: &'a Archive<'a>, root: &'a str },
    /// Slices of the file.
    Slices(&'a HashMap<&'a str, &'a [u8]>),
}

impl<'a> Source<'a> {
    fn get(self, key: &str) -> Result<&'a [u8], TensorFault> {
        match self {
            Source::Archive { archive, root } => {
                let entry = format!("{root}data/{key}");
                let found = archive.get(&entry).map_err(TensorFault::Entry)?;
                found.ok_or_else(|| TensorFault::Damaged(format!("the archive has no `{}`", shorten(&entry))))
            }
            Source::Slices(slices) => slices
                .get(key)
                .copied()
                .ok_or_else(|| TensorFault::Damaged(format!("the file has no storage `{}`", shorten(key)))),
        }
    }
}

/// The storages of a file, and how much may still be read of them.
///
/// Views may repeat a storage, so a small file could ask for any amount of memory. Weights do not repeat: all
/// tensors together may have one value for each byte of the file, which still lets every half-precision value be
/// read twice.
pub(super) struct Storages<'a> {
    source: Source<'a>,
    limit: usize,
    left: usize,
}

/// What is wrong with a tensor whose name the caller knows.
pub(super) enum TensorFault {
    Entry(TorchError),
    Damaged(String),
    Limit(usize),
}

impl TensorFault {
    /// With the tensor's name.
    pub(super) fn of(self, tensor: &str) -> TorchError {
        match self {
            TensorFault::Entry(error) => error,
            TensorFault::Damaged(reason) => TorchError::Tensor { tensor: shorten(tensor), reason },
            TensorFault::Limit(limit) => {
                TorchError::Limit { what: "values for a file of its size", limit: limit as u64 }
            }
        }
    }
}

impl<'a> Storages<'a> {
    pub(super) fn new(source: Source<'a>, file_bytes: usize) -> Self {
        Self { source, limit: file_bytes, left: file_bytes }
    }

    /// All values of a view, row-major.
    pub(super) fn values(&mut self, view: &View<'_>, float: Float) -> Result<Vec<f32>, TensorFault> {
        let data = self.source.get(view.storage.key)?;
        if view.storage.length.checked_mul(float.size()) != Some(data.len()) {
            return Err(TensorFault::Damaged(format!(
                "its storage has {} bytes where {} values of {float:?} should be",
                data.len(),
                view.storage.length
            )));
        }
        let count = view.shape.iter().try_fold(1, |product: usize, axis| product.checked_mul(*axis));
        let left = count.and_then(|count| self.left.checked_sub(count));
        let (Some(count), Some(left)) = (count, left) else { return Err(TensorFault::Limit(self.limit)) };
        self.left = left;
        if count == 0 {
            return Ok(Vec::new());
        }
        let last =
            view.shape.iter().zip(&view.strides).try_fold(view.offset, |last, (axis, stride)| {
                last.checked_add((axis - 1).checked_mul(*stride)?)
            });
        if last.is_none_or(|last| last >= view.storage.length) {
            return Err(TensorFault::Damaged(format!(
                "shape {:?} with strides {:?} from {} on leaves its storage of {} values",
                view.shape, view.strides, view.offset, view.storage.length
            )));
        }
        Ok(float.decode(&row_major(data, view, count, float.size())))
    }
}

/// The bytes of a view in row-major order. The caller has checked that it stays within `data`.
fn row_major<'d>(data: &'d [u8], view: &View<'_>, count: usize, size: usize) -> Cow<'d, [u8]> {
    // the axes that move, with the stride that row-major order would give them
    let mut dense = 1;
    let mut is_dense = true;
    for (axis, stride) in view.shape.iter().zip(&view.strides).rev() {
        is_dense &= *axis == 1 || *stride == dense;
        dense *= axis;
    }
    if is_dense {
        return Cow::Borrowed(&data[view.offset * size..(view.offset + count) * size]);
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    for _ in 0..count {
        bytes.extend_from_slice(&data[at * size..(at + 1) * size]);
        // like an odometer: the last axis turns first, a full turn takes back what it added
        for (axis, position) in index.iter_mut().enumerate().rev() {
            *position += 1;
            at += view.strides[axis];
            if *position < view.shape[axis] {
                break;
            }
            at -= view.strides[axis] * view.shape[axis];
            *position = 0;
        }
    }
    Cow::Owned(bytes)
}
