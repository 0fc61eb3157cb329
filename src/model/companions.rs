//! Files that a model's file names and that must be beside it: the shards of an index, the external data of a graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::error::ModelError;
use super::file::read_capped;
use super::onnx::wire::fields;

const INDEX: &str = ".index.json";
/// An index of 100,000 tensors fits in it.
const MAX_INDEX_BYTES: u64 = 16 << 20;
/// What protobuf can hold.
const MAX_GRAPH_BYTES: u64 = 2 << 30;
/// Files that one model names.
const MOST: usize = 4096;

/// `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.external_data`, and key and value of its entries.
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
const EXTERNAL_DATA: u64 = 13;
const KEY: u64 = 1;
const VALUE: u64 = 2;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The names that a model's file gives of other files, as they are written there: they are not checked.
///
/// # Errors
/// Unreadable and oversized files, and an index that is none. A graph that is none names nothing here.
pub fn companions(path: &Path) -> Result<Vec<String>, ModelError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names: BTreeSet<String> = if name.ends_with(INDEX) {
        let bytes = read_capped(path, MAX_INDEX_BYTES)?;
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|source| ModelError::ConfigSyntax { path: path.into(), source })?;
        index.weight_map.into_values().collect()
    } else if name.ends_with(".onnx") {
        external(&read_capped(path, MAX_GRAPH_BYTES)?)
    } else {
        BTreeSet::new()
    };
    Ok(names.into_iter().take(MOST).collect())
}

/// The locations of a graph's external data.
fn external(model: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let tensors = bodies(model, GRAPH).flat_map(|graph| bodies(graph, INITIALIZER));
    for entry in tensors.flat_map(|tensor| bodies(tensor, EXTERNAL_DATA)) {
        let last = |number| bodies(entry, number).last();
        if last(KEY) == Some(&b"location"[..])
            && let Some(location) = last(VALUE).and_then(|value| std::str::from_utf8(value).ok())
            && names.len() < MOST
        {
            names.insert(location.to_owned());
        }
    }
    names
}

/// The contents of a message's fields of one number, up to the first damage.
fn bodies(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    let whole = fields(message).map_while(Result::ok);
    whole.filter(move |field| field.number == number).map(|field| field.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> Result<Vec<String>, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        companions(&path)
    }

    /// A message with one field that has a length.
    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    #[test]
    fn the_shards_of_an_index_are_named_once() {
        let index = br#"{"metadata":{},"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}"#;
        let names = written("model.safetensors.index.json", index).unwrap();
        assert_eq!(names, ["m-1.safetensors", "m-2.safetensors"]);
        assert!(written("model.safetensors.index.json", b"[]").is_err());
        assert!(written("model.safetensors", b"[]").unwrap().is_empty());
    }

    #[test]
    fn the_external_data_of_a_graph_is_found_among_its_other_fields() {
        let entry =
            |key: &str, value: &str| [message(1, key.as_bytes()), message(2, value.as_bytes())].concat();
        let tensor = |location: &str| {
            let dims = vec![1 << 3, 3];
            [dims, message(13, &entry("location", location)), message(13, &entry("offset", "0"))].concat()
        };
        let graph =
            [message(2, b"name"), message(5, &tensor("w.data")), message(5, &tensor("w.data"))].concat();
        let model = [vec![1 << 3, 8], message(7, &graph)].concat();
        assert_eq!(written("m.onnx", &model).unwrap(), ["w.data"]);
        for cut in 0..model.len() {
            written("m.onnx", &model[..cut]).unwrap();
        }
        assert!(written("m.onnx", &[0xff; 40]).unwrap().is_empty());
    }
}
