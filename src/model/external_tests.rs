//! Files of weights beside a graph: which are read, and which paths are refused.

use std::path::Path;

use super::external::{identity, read_weight_files};
use super::onnx::wire::push;

/// A message of one field.
fn message(number: u64, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    push(&mut message, number, body);
    message
}

/// A tensor at a place in another file.
fn matrix(location: &str, offset: usize, length: usize) -> Vec<u8> {
    let mut tensor = message(8, b"matrix");
    for (key, text) in
        [("location", location), ("offset", &offset.to_string()), ("length", &length.to_string())]
    {
        push(&mut tensor, 13, &[message(1, key.as_bytes()), message(2, text.as_bytes())].concat());
    }
    [&tensor[..], &[14 << 3, 1]].concat()
}

/// A graph with such a tensor.
fn beside(location: &str, offset: usize, length: usize) -> Vec<u8> {
    message(7, &message(5, &matrix(location, offset, length)))
}

#[test]
fn weights_beside_a_graph_are_read_and_decide_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::create_dir(folder.path().join("below")).unwrap();
    std::fs::write(folder.path().join("below/weights.bin"), [7; 100]).unwrap();
    let read = |location: &str, end: usize| read_weight_files(&path, &beside(location, end - 10, 10));
    let files = read("below/weights.bin", 100).unwrap();
    assert_eq!((files.len(), files[0].bytes.len()), (1, 100));
    assert!(read("below/weights.bin", 101).unwrap_err().to_string().contains("`matrix` ends at byte 101"));
    assert!(read("other.bin", 10).unwrap_err().to_string().contains("copy it beside the graph"));
    let mut other = files.clone();
    other[0].location = "weights.bin".to_owned();
    assert_ne!(identity("a", &files), identity("a", &other));
    assert_ne!(identity("a", &files), identity("b", &files));
}

#[test]
fn weights_out_of_the_folder_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let [inner, outer] = ["model", "outside"].map(|name| folder.path().join(name));
    for made in [&inner, &outer] {
        std::fs::create_dir(made).unwrap();
    }
    let secret = outer.join("secret");
    std::fs::write(&secret, [7; 10]).unwrap();
    std::os::unix::fs::symlink(&secret, inner.join("link")).unwrap();
    std::os::unix::fs::symlink(&outer, inner.join("folder")).unwrap();
    std::fs::create_dir_all(inner.join("*/_ORT_MEM_ADDR_")).unwrap();
    std::fs::write(inner.join("*/_ORT_MEM_ADDR_/*"), [7; 10]).unwrap();
    let path = inner.join("model.onnx");
    for location in [
        "../outside/secret",
        secret.to_str().unwrap(),
        "link",
        "folder/secret",
        "*/_ORT_MEM_ADDR_/*",
        "",
        "a\0b",
        "..\\outside\\secret",
    ] {
        let error = read_weight_files(&path, &beside(location, 0, 10)).unwrap_err().to_string();
        assert!(error.contains("out of the model's folder"), "{location}: {error}");
    }
}

#[test]
fn weights_in_other_files_are_found_however_that_is_written() {
    let refusal = |model: &[u8]| read_weight_files(Path::new("model.onnx"), model).unwrap_err().to_string();
    // protobuf drops a value that it does not know, and the upper bits of one
    for more in [&[14 << 3, 2][..], &[14 << 3, 0x81, 0x80, 0x80, 0x80, 0x10]] {
        let tensor = [&matrix("nothing.bin", 0, 10)[..], more].concat();
        let error = refusal(&message(7, &message(5, &tensor)));
        assert!(error.contains("copy it beside the graph"), "{more:?}: {error}");
        // the default of a function's attribute
        let function = message(25, &message(11, &message(5, &tensor)));
        let error = refusal(&[message(7, b""), function].concat());
        assert!(error.contains("the weights of a node"), "{more:?}: {error}");
    }
}

#[test]
fn a_cache_of_links_into_one_folder_is_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [blobs, snapshot] = ["blobs", "snapshot"].map(|name| folder.path().join(name));
    for made in [&blobs, &snapshot] {
        std::fs::create_dir(made).unwrap();
    }
    std::fs::write(blobs.join("1"), "").unwrap();
    std::fs::write(blobs.join("2"), [7; 10]).unwrap();
    for (name, blob) in [("model.onnx", "1"), ("model.onnx_data", "2")] {
        std::os::unix::fs::symlink(Path::new("../blobs").join(blob), snapshot.join(name)).unwrap();
    }
    let files = read_weight_files(&snapshot.join("model.onnx"), &beside("model.onnx_data", 0, 10)).unwrap();
    assert_eq!(files[0].bytes.len(), 10);
}
