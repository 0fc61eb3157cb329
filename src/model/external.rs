//! Weights that a graph keeps in other files beside its own.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::error::ModelError;
use super::file::sha256_hex;
use super::onnx::view::{self, DEEPEST, damaged, tag, text_in};
use super::onnx::wire::{Field, fields};
use super::shorten::shorten;
use crate::regular_file;

/// Bytes of all such files of a model, at most.
const MAX_BYTES: u64 = 16 << 30;
/// Such files of a model, at most; the older exporter writes one a tensor.
const MOST_FILES: usize = 4096;

// numbers of the fields
const TENSOR_EXTERNAL: u64 = 13;
const TENSOR_LOCATION: u64 = 14;
const ENTRY_KEY: u64 = 1;
const ENTRY_VALUE: u64 = 2;

/// A file of weights as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct WeightFile {
    /// Its path from the graph's folder, as the graph has it.
    pub location: String,
    /// All of it.
    pub bytes: Arc<[u8]>,
    /// SHA-256 of the bytes.
    pub sha256: String,
}

impl std::fmt::Debug for WeightFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "WeightFile({:?}, {} bytes, {})", self.location, self.bytes.len(), self.sha256)
    }
}

/// Reads the files that hold weights of the graph `model`, which was read from `path`; none where it holds all of them.
/// They are in the folder of `path`, or of the file that a link at `path` leads to.
///
/// # Errors
/// [`ModelError::WeightFile`] for a path out of that folder, by `..` or by a link as well, and for files that are not
/// there, too large or too short; [`ModelError::OnnxGraph`] for weights inside of nodes.
pub fn read_weight_files(path: &Path, model: &[u8]) -> Result<Vec<WeightFile>, ModelError> {
    let needed = needed(model)?;
    if needed.len() > MOST_FILES {
        let reason = format!("its weights are in {} files, more than {MOST_FILES}", needed.len());
        return Err(ModelError::OnnxGraph { reason });
    }
    let mut files = Vec::with_capacity(needed.len());
    let mut left = MAX_BYTES;
    for (location, needed) in needed {
        let bytes = read(path, location, left).map_err(|reason| wrong(location, reason))?;
        left -= bytes.len() as u64;
        if needed.end > bytes.len() as u64 {
            let reason = format!(
                "it has {} bytes, but `{}` ends at byte {}; it is cut short or another model's: copy it again",
                bytes.len(),
                shorten(needed.tensor),
                needed.end
            );
            return Err(wrong(location, reason));
        }
        files.push(WeightFile { location: location.to_owned(), sha256: sha256_hex(&bytes), bytes });
    }
    Ok(files)
}

/// What identifies a graph with its files: SHA-256 over the hash of the graph, and name and hash of each file.
pub fn identity(graph: &str, files: &[WeightFile]) -> String {
    let hashes = files.iter().map(|file| (file.location.as_str(), file.sha256.as_str()));
    let all: Vec<(&str, &str)> = std::iter::once(("", graph)).chain(hashes).collect();
    sha256_hex(serde_json::json!(all).to_string().as_bytes())
}

/// The tensor of a file that ends last.
struct Needed<'a> {
    tensor: &'a str,
    end: u64,
}

type Files<'a> = BTreeMap<&'a str, Needed<'a>>;

/// The files that a graph's weights are in. What ONNX Runtime would open by itself is refused: it gets bytes alone.
fn needed(model: &[u8]) -> Result<Files<'_>, ModelError> {
    let graph = view::check(model)?;
    let mut files = Files::new();
    for field in fields(graph) {
        let field = field.map_err(damaged)?;
        match field.number {
            tag::GRAPH_INITIALIZER => add(field.body, &mut files)?,
            tag::GRAPH_NODE => refuse_in_node(field.body, 0)?,
            tag::GRAPH_SPARSE => refuse_in_sparse(field.body)?,
            _ => {}
        }
    }
    for field in fields(model) {
        let function = field.map_err(damaged)?;
        if function.number == tag::MODEL_FUNCTION {
            for field in fields(function.body) {
                let field = field.map_err(damaged)?;
                match field.number {
                    tag::FUNCTION_NODE => refuse_in_node(field.body, 0)?,
                    tag::FUNCTION_ATTRIBUTE => refuse_in_attribute(field.body, 0)?,
                    _ => {}
                }
            }
        }
    }
    Ok(files)
}

/// Adds the file of a tensor, where it has one.
fn add<'a>(tensor: &'a [u8], files: &mut Files<'a>) -> Result<(), ModelError> {
    if !is_external(tensor)? {
        return Ok(());
    }
    let (mut location, mut offset, mut length) = (None, 0, 0);
    for field in fields(tensor) {
        let field = field.map_err(damaged)?;
        if field.number != TENSOR_EXTERNAL {
            continue;
        }
        let value = text_in(field.body, ENTRY_VALUE)?.unwrap_or_default();
        let number = || value.parse::<u64>().map_err(|_| damaged(super::onnx::wire::Damaged));
        match text_in(field.body, ENTRY_KEY)?.unwrap_or_default() {
            "location" => location = Some(value),
            "offset" => offset = number()?,
            "length" => length = number()?,
            _ => {}
        }
    }
    let name = text_in(tensor, tag::TENSOR_NAME)?.unwrap_or_default();
    let Some(location) = location else {
        let reason = format!("the weights `{}` are in another file that it does not name", shorten(name));
        return Err(ModelError::OnnxGraph { reason });
    };
    if files.len() > MOST_FILES {
        return Ok(());
    }
    let end = offset.saturating_add(length);
    let needed = files.entry(location).or_insert(Needed { tensor: name, end });
    if end > needed.end {
        *needed = Needed { tensor: name, end };
    }
    Ok(())
}

/// Whether a tensor may be in another file: of several locations, protobuf drops those that it does not know, and it reads
/// the lower 32 bits alone.
fn is_external(tensor: &[u8]) -> Result<bool, ModelError> {
    let mut is_external = false;
    for field in fields(tensor) {
        let Field { number, value, .. } = field.map_err(damaged)?;
        is_external |= number == TENSOR_LOCATION && value != 0;
    }
    Ok(is_external)
}

fn refuse_in_node(node: &[u8], depth: usize) -> Result<(), ModelError> {
    if depth > DEEPEST {
        return Err(view::too_deep());
    }
    for attribute in fields(node) {
        let attribute = attribute.map_err(damaged)?;
        if attribute.number == tag::NODE_ATTRIBUTE {
            refuse_in_attribute(attribute.body, depth)?;
        }
    }
    Ok(())
}

fn refuse_in_attribute(attribute: &[u8], depth: usize) -> Result<(), ModelError> {
    for field in fields(attribute) {
        let field = field.map_err(damaged)?;
        if tag::ATTRIBUTE_TENSORS.contains(&field.number) {
            refuse(field.body)?;
        } else if tag::ATTRIBUTE_SPARSE.contains(&field.number) {
            refuse_in_sparse(field.body)?;
        } else if tag::ATTRIBUTE_GRAPHS.contains(&field.number) {
            for field in fields(field.body) {
                let field = field.map_err(damaged)?;
                match field.number {
                    tag::GRAPH_INITIALIZER => refuse(field.body)?,
                    tag::GRAPH_SPARSE => refuse_in_sparse(field.body)?,
                    tag::GRAPH_NODE => refuse_in_node(field.body, depth + 1)?,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn refuse_in_sparse(sparse: &[u8]) -> Result<(), ModelError> {
    for field in fields(sparse) {
        let field = field.map_err(damaged)?;
        if tag::SPARSE_TENSORS.contains(&field.number) {
            refuse(field.body)?;
        }
    }
    Ok(())
}

fn refuse(tensor: &[u8]) -> Result<(), ModelError> {
    match is_external(tensor)? {
        false => Ok(()),
        true => Err(ModelError::OnnxGraph {
            reason: "the weights of a node, and not the graph's, are in another file: save it as one file"
                .to_owned(),
        }),
    }
}

/// Reads a file of at most `left` bytes.
fn read(model: &Path, location: &str, left: u64) -> Result<Arc<[u8]>, String> {
    let path = inside(model, location)?;
    let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file = regular_file::open(&path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > left {
        return Err(format!("it has {length} bytes; all such files have {} GiB at most", MAX_BYTES >> 30));
    }
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    // in place: these files are as large as memory allows
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    match Arc::get_mut(&mut bytes) {
        Some(buffer) => file.read_exact(buffer).map_err(failed)?,
        None => return Err("it is in use".to_owned()),
    }
    Ok(bytes)
}

/// Where a location is, if that is in the model's folder.
fn inside(model: &Path, location: &str) -> Result<PathBuf, String> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    // ONNX Runtime takes names with a star for addresses in memory
    let is_path = !location.is_empty() && !location.contains(['*', '\0', '\\']);
    if !is_path || !Path::new(location).components().all(plain) {
        return Err("its path leads out of the model's folder; move it beside the graph and save that with the file's \
                    name alone"
            .to_owned());
    }
    let folder = |file: &Path| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let path = folder(model).join(location);
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("`{}` is not there; copy it beside the graph", path.display())
        }
        _ => format!("`{}`: {error}", path.display()),
    };
    let real = path.canonicalize().map_err(missing)?;
    // a cache may hold both as links into one folder
    let folders = [folder(model).canonicalize(), model.canonicalize().map(|file| folder(&file))];
    match folders.iter().flatten().any(|folder| real.starts_with(folder)) {
        true => Ok(real),
        false => Err("it is a link out of the model's folder; copy the file itself there".to_owned()),
    }
}

fn wrong(location: &str, reason: String) -> ModelError {
    ModelError::WeightFile { location: shorten(location), reason }
}
