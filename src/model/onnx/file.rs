//! The bytes of an `.onnx` file, and its properties.

use std::collections::BTreeMap;

use prost::Message;

use super::proto::{Entry, Model};
use crate::model::error::ModelError;

/// Protobuf's own limit.
const MAX_BYTES: usize = i32::MAX as usize;

/// Keys and values as a file's properties.
pub(in crate::model) fn entries(properties: &[(String, String)]) -> Vec<Entry> {
    let entry =
        |(key, value): &(String, String)| Entry { key: Some(key.clone()), value: Some(value.clone()) };
    properties.iter().map(entry).collect()
}

/// A file's properties, by key.
pub(in crate::model) fn properties(entries: &[Entry]) -> BTreeMap<String, String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    entries.iter().map(|entry| (text(&entry.key), text(&entry.value))).collect()
}

/// The bytes of a file.
///
/// # Errors
///
/// [`ModelError::GraphTooLarge`] beyond 2 GiB.
pub(in crate::model) fn encode(model: &Model) -> Result<Vec<u8>, ModelError> {
    let bytes = model.encoded_len();
    if bytes > MAX_BYTES {
        return Err(ModelError::GraphTooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}
