//! Reads and writes safetensors files, such as timm's `model.safetensors`.
//!
//! The format's own crate checks that types, shapes and offsets agree. Two checks come before it, since it sums
//! offsets without looking for overflow and allows headers of 100 MB: the header has a cap of ours, and no
//! tensor may end beyond the file.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Deserialize;

use super::floats::Float;
use super::weights::{Checkpoint, Contents, Tensor, is_counter};
use crate::model::error::ModelError;
use crate::model::shorten::shorten;

/// Twenty times what TResNet-XL needs.
pub(super) const MAX_HEADER_BYTES: u64 = 4 << 20;

/// What to do about a header that speaks of more than there is.
const CUT: &str = "the file may be cut short, fetch it again";

/// The header's entry for one tensor, or for `__metadata__`, which has no offsets.
#[derive(Deserialize)]
struct Span {
    data_offsets: Option<(u64, u64)>,
}

/// The floating-point tensors of a file; counters are left out.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Contents, ModelError> {
    check_header(bytes).map_err(|reason| ModelError::Header { path: path.into(), reason })?;
    let file = SafeTensors::deserialize(bytes)
        .map_err(|source| ModelError::Safetensors { path: path.into(), source })?;
    let mut contents = Contents::default();
    for (name, view) in file.iter() {
        if is_counter(name) {
            continue;
        }
        let float = match view.dtype() {
            Dtype::F64 => Float::F64,
            Dtype::F32 => Float::F32,
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            other => {
                contents.unreadable.get_or_insert((shorten(name), format!("{other:?}")));
                continue;
            }
        };
        let values = float.decode(view.data());
        contents.tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok(contents)
}

impl Checkpoint {
    /// The bytes of a safetensors file, f32, under timm's names.
    ///
    /// # Errors
    ///
    /// [`ModelError::Write`] where the tensors do not fit their shapes.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let bytes: Vec<(&String, &Tensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                (name, tensor, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views: Result<Vec<_>, _> = bytes
            .iter()
            .map(|(name, tensor, bytes)| {
                Ok((name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
            })
            .collect();
        views.and_then(|views| serialize(views, None)).map_err(|source| ModelError::Write { source })
    }
}

fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("the file has {} bytes and no room for one; {CUT}", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(format!("it claims {length} bytes, more than {MAX_HEADER_BYTES}"));
    }
    let header = usize::try_from(length).ok().and_then(|length| rest.get(..length));
    let Some(header) = header else {
        return Err(format!("it claims {length} bytes where {} follow; {CUT}", rest.len()));
    };
    let spans: HashMap<String, Span> = serde_json::from_slice(header)
        .map_err(|error| format!("it is not the JSON that it should be: {error}"))?;
    let available = rest.len() as u64 - length;
    for (name, span) in &spans {
        if let Some((start, end)) = span.data_offsets
            && (start > end || end > available)
        {
            let name = shorten(name);
            return Err(format!("`{name}` lies at {start}..{end} of {available} bytes of data; {CUT}"));
        }
    }
    Ok(())
}
