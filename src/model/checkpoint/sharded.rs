//! Weights in several safetensors files, with an index that names the file of each tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::sniff::refuse_others;
use super::weights::{Contents, is_counter};
use super::{safetensors, torch};
use crate::model::error::ModelError;
use crate::model::file::{read_capped, sha256_hex};
use crate::model::shorten::shorten;

/// How the name of an index ends.
const INDEX: &str = ".index.json";
/// Twenty times what TResNet-XL needs.
const MAX_INDEX_BYTES: u64 = 4 << 20;
/// The hub's shards have gigabytes each.
const MAX_SHARDS: usize = 256;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether a path is that of an index.
pub(super) fn is_index(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(INDEX))
}

/// The tensors of all files of an index, and a hash of all of them. The files have `limit` bytes in all, at most.
///
/// # Errors
///
/// [`ModelError::Index`] for an index that names a file outside its folder, or other tensors than the files have.
pub(super) fn read(path: &Path, limit: u64) -> Result<(Contents, String), ModelError> {
    let refused = |reason| ModelError::Index { path: path.into(), reason };
    let bytes = read_capped(path, MAX_INDEX_BYTES)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| refused(format!("it is no index of weights: {error}")))?;
    let files = files(path, &index).map_err(refused)?;
    let mut contents = Contents::default();
    let mut hashes = BTreeMap::from([(file_name(path), sha256_hex(&bytes))]);
    let mut left = limit;
    for (name, file) in files {
        let bytes = read_capped(&file, left).map_err(|error| match error {
            ModelError::TooLarge { .. } => ModelError::TooLarge { path: path.into(), limit },
            other => other,
        })?;
        left -= bytes.len() as u64;
        if torch::is_zip(&bytes) || torch::is_chain(&bytes) {
            return Err(refused(format!(
                "its file `{}` is a PyTorch file, and the files of an index have to be safetensors files: save the model \
                 with `safe_serialization=True`, or in one `.pth`",
                shorten(name)
            )));
        }
        refuse_others(&file, &bytes)?;
        let shard = safetensors::read(&file, &bytes)?;
        for (tensor, values) in shard.tensors {
            if index.weight_map.get(&tensor).map(String::as_str) != Some(name) {
                return Err(refused(format!(
                    "`{}` has the tensor `{}`, which is not in it",
                    shorten(name),
                    shorten(&tensor)
                )));
            }
            contents.tensors.insert(tensor, values);
        }
        contents.unreadable = contents.unreadable.or(shard.unreadable);
        hashes.insert(name.to_owned(), sha256_hex(&bytes));
    }
    let missing = index
        .weight_map
        .keys()
        .find(|tensor| !(is_counter(tensor) || contents.tensors.contains_key(*tensor)));
    match missing {
        Some(missing) if contents.unreadable.is_none() => {
            let file = shorten(&index.weight_map[missing]);
            Err(refused(format!("`{file}` does not have its tensor `{}`", shorten(missing))))
        }
        _ => Ok((contents, hash(&hashes))),
    }
}

/// The files of an index, by their names in it. None is outside its folder.
fn files<'i>(path: &Path, index: &'i Index) -> Result<BTreeMap<&'i str, PathBuf>, String> {
    let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(format!("it names {} files; it may name from 1 to {MAX_SHARDS}", names.len()));
    }
    let place = |name: &'i str| {
        let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !is_inside || name.contains('\\') {
            return Err(format!("it names the file `{}`, which is not in its folder", shorten(name)));
        }
        Ok((name, path.with_file_name(name)))
    };
    names.into_iter().map(place).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The hash of several files: that of what `sha256sum` prints for them, in the order of their names.
fn hash(hashes: &BTreeMap<String, String>) -> String {
    let lines: String = hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    sha256_hex(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use ::safetensors::tensor::{Dtype, TensorView, serialize};
    use tempfile::TempDir;

    use super::*;

    /// Writes a file of one value for each of these names.
    fn shard(folder: &TempDir, name: &str, tensors: &[&str]) {
        let data = 1.0f32.to_le_bytes();
        let views = tensors.iter().map(|name| (*name, TensorView::new(Dtype::F32, vec![1], &data).unwrap()));
        std::fs::write(folder.path().join(name), serialize(views, None).unwrap()).unwrap();
    }

    fn index(folder: &TempDir, map: &[(&str, &str)]) -> PathBuf {
        let map: BTreeMap<_, _> = map.iter().copied().collect();
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(&path, serde_json::json!({"metadata": {}, "weight_map": map}).to_string()).unwrap();
        path
    }

    fn two_files() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        shard(&folder, "1.safetensors", &["a", "b"]);
        shard(&folder, "2.safetensors", &["c", "n.num_batches_tracked"]);
        folder
    }

    const WHOLE: [(&str, &str); 4] = [
        ("a", "1.safetensors"),
        ("b", "1.safetensors"),
        ("c", "2.safetensors"),
        ("n.num_batches_tracked", "2.safetensors"),
    ];

    #[test]
    fn the_tensors_of_all_files_are_read_and_each_file_decides_the_hash() {
        let folder = two_files();
        let path = index(&folder, &WHOLE);
        assert!(is_index(&path) && !is_index(Path::new("config.json")));
        let (contents, sha256) = read(&path, 1 << 20).unwrap();
        assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(read(&path, 1 << 20).unwrap().1, sha256);
        shard(&folder, "2.safetensors", &["c"]);
        assert_ne!(read(&path, 1 << 20).unwrap().1, sha256);
    }

    #[test]
    fn an_index_stays_within_its_folder_and_agrees_with_its_files() {
        let folder = two_files();
        let mut cases = vec![
            (vec![WHOLE[0], WHOLE[1], ("d", "2.safetensors")], "has the tensor `c`"),
            ([&WHOLE[..], &[("d", "2.safetensors")]].concat(), "does not have its tensor `d`"),
            (
                vec![("a", "1.safetensors"), ("b", "2.safetensors"), ("c", "2.safetensors")],
                "has the tensor `b`",
            ),
            (vec![], "names 0 files"),
        ];
        for outside in ["/etc/passwd", "../1.safetensors", "x/../../y", "./1.safetensors", "..", "", "a\\b"] {
            cases.push((vec![("a", outside)], "which is not in its folder"));
        }
        for (map, words) in cases {
            let error = read(&index(&folder, &map), 1 << 20).unwrap_err().to_string();
            assert!(error.contains(words), "{map:?}: {error}");
        }
        for (bytes, words) in [
            (&b"PK\x03\x04"[..], "`3.safetensors` is a PyTorch file"),
            (b"version https://git-lfs.github.com/spec/v1\n", "looks like a Git LFS pointer"),
        ] {
            std::fs::write(folder.path().join("3.safetensors"), bytes).unwrap();
            let error = read(&index(&folder, &[("a", "3.safetensors")]), 1 << 20).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        std::fs::remove_file(folder.path().join("3.safetensors")).unwrap();
        let gone = read(&index(&folder, &[("a", "3.safetensors")]), 1 << 20).unwrap_err();
        assert!(matches!(gone, ModelError::Read { .. }), "{gone}");
        let large = read(&index(&folder, &WHOLE), 200).unwrap_err();
        assert!(matches!(large, ModelError::TooLarge { limit: 200, .. }), "{large}");
        let path = index(&folder, &WHOLE);
        for text in ["", "[]", "{}", "{\"weight_map\": {\"a\": 1}}"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path, 1 << 20), Err(ModelError::Index { .. })), "{text}");
        }
        let names: Vec<String> = (0..=MAX_SHARDS).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
        let many = read(&index(&folder, &many), 1 << 20).unwrap_err().to_string();
        assert!(many.contains("names 257 files"), "{many}");
    }
}
