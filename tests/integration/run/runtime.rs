//! Folders in which ONNX Runtime is found, and folders in which it never is.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::job::{Job, ended, program, program_at};
use crate::support::process::install;
use crate::support::root;

/// The program in a folder with nothing around it that could be a runtime.
fn alone() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let executable = folder.path().join("tresnet-batch");
    install(env!("CARGO_BIN_EXE_tresnet-batch").as_ref(), &executable);
    (folder, executable)
}

fn text_as_library(folder: &Path) -> PathBuf {
    let library = folder.join("libonnxruntime.so");
    std::fs::write(&library, "no library at all\n").unwrap();
    library
}

#[test]
fn a_library_that_is_not_there_is_told_with_what_to_do() {
    let job = Job::own().env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    job.run().fails(78, &["/nowhere/libonnxruntime.so", "ORT_DYLIB_PATH", "make setup"]);
    assert!(!job.output().exists());
}

#[test]
fn a_text_file_is_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let library = text_as_library(folder.path());
    let job = Job::own().env("ORT_DYLIB_PATH", &library);
    job.run().fails(78, &[library.to_str().unwrap(), "make setup"]);
    assert!(!job.output().exists());
    let mut command = job.command("run");
    ended(command.arg("--onnxruntime").arg("/nowhere")).fails(78, &["`--onnxruntime`", "make setup"]);
}

#[test]
fn another_library_is_no_runtime() {
    // it loads, but it is not ONNX Runtime
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc =
        libc.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libm.so"));
    let Some(library) = libc else { return println!("skipped: no libm.so is loaded here") };
    let ended = Job::own().env("ORT_DYLIB_PATH", library).run();
    ended.fails(78, &[library, "OrtGetApiBase", "make setup"]);
}

#[test]
fn the_current_folder_is_never_looked_into() {
    let (_folder, executable) = alone();
    let here = tempfile::tempdir().unwrap();
    text_as_library(here.path());
    std::fs::create_dir_all(here.path().join(".runtime/cpu")).unwrap();
    text_as_library(&here.path().join(".runtime/cpu"));
    let ended = ended(program_at(&executable, false).arg("doctor").current_dir(here.path()));
    if ended.stderr.contains("\nONNX Runtime ") {
        // the system itself has one
        ended.exits(0);
    } else {
        ended.fails(78, &["no ONNX Runtime library was found", "make setup"]);
    }
    let here = here.path().to_str().unwrap();
    assert!(!ended.stdout.contains(here) && !ended.stderr.contains(here), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_runtime_beside_the_program_is_found_from_anywhere() {
    let (folder, executable) = alone();
    std::os::unix::fs::symlink(root().join(".runtime"), folder.path().join(".runtime")).unwrap();
    let here = tempfile::tempdir().unwrap();
    text_as_library(here.path());
    let ended = ended(program_at(&executable, false).arg("doctor").current_dir(here.path()));
    let found = ended.exits(0)["onnxruntime"]["path"].as_str().unwrap().to_owned();
    assert!(found.starts_with(folder.path().to_str().unwrap()), "{found}");
}

#[test]
fn doctor_says_which_library_it_found() {
    let ended = ended(program().arg("doctor"));
    let summary = ended.exits(0);
    let version = summary["onnxruntime"]["version"].as_str().unwrap();
    assert!(ended.stderr.contains(&format!("ONNX Runtime {version}")), "{}", ended.stderr);
    assert!(summary["onnxruntime"]["providers"].as_array().unwrap().contains(&"cpu".into()), "{summary}");
}
