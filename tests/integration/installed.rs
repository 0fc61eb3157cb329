//! An installation: the program in `bin`, ONNX Runtime in `lib/tresnet-batch`, the demo in `share`, and the Python module
//! of the wheel.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, by_hand, ended, own_model, program, program_at, rows};
use crate::support::{python, root, run_python, scratch};

/// An installation in a separate folder.
fn installed() -> (TempDir, PathBuf) {
    let prefix = tempfile::tempdir_in(scratch()).unwrap();
    for folder in ["bin", "lib/tresnet-batch", "share/tresnet-batch/demo/model"] {
        std::fs::create_dir_all(prefix.path().join(folder)).unwrap();
    }
    let program = prefix.path().join("bin/tresnet-batch");
    std::fs::copy(env!("CARGO_BIN_EXE_tresnet-batch"), &program).unwrap();
    let library = std::fs::canonicalize(root().join(".runtime/cpu/libonnxruntime.so")).unwrap();
    let name = library.file_name().unwrap();
    symlink(&library, prefix.path().join("lib/tresnet-batch").join(name)).unwrap();
    let demo = prefix.path().join("share/tresnet-batch/demo");
    for name in ["model.safetensors", "config.json"] {
        std::fs::copy(root().join("models/demo").join(name), demo.join("model").join(name)).unwrap();
    }
    let pictures = demo.join("images").join("blobs");
    std::fs::create_dir_all(&pictures).unwrap();
    for image in std::fs::read_dir(IMAGES.folder.join("yam")).unwrap() {
        let image = image.unwrap();
        // neither the damaged ones nor the folder below
        if IMAGES
            .expected
            .get(&format!("yam/{}", image.file_name().display()))
            .is_none_or(|(_, error)| error.is_some())
        {
            continue;
        }
        std::fs::copy(image.path(), pictures.join(image.file_name())).unwrap();
    }
    (prefix, program)
}

/// The program of an installation in a folder, without an option for the runtime.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = program_at(program, false);
    command.current_dir(folder);
    command
}

#[test]
fn the_library_of_the_installation_is_found_without_being_named() {
    let (prefix, program) = installed();
    let version = ended(command(&program, prefix.path()).arg("--version")).exits(0);
    let library = Path::new(version["onnxruntime"]["path"].as_str().unwrap()).parent().unwrap();
    let place = prefix.path().join("lib/tresnet-batch");
    assert_eq!(std::fs::canonicalize(library).unwrap(), std::fs::canonicalize(place).unwrap());
    let wanted = std::fs::read_to_string(root().join("infra/setup/onnxruntime-cpu.txt")).unwrap();
    let pin = format!("onnxruntime=={} ", version["onnxruntime"]["version"].as_str().unwrap());
    assert!(wanted.contains(&pin), "{pin}");
}

#[test]
fn a_library_where_anybody_may_write_is_not_taken() {
    let (prefix, program) = installed();
    let place = prefix.path().join("lib/tresnet-batch");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
    let version = ended(command(&program, prefix.path()).arg("--version")).exits(0);
    let taken = version["onnxruntime"]["path"].as_str().map(|path| Path::new(path).starts_with(&place));
    assert_ne!(taken, Some(true), "{version}");
}

#[test]
fn the_demo_copies_model_and_pictures_and_classifies_them_and_a_second_call_finds_it_done() {
    let (prefix, program) = installed();
    let first = ended(command(&program, prefix.path()).args(["demo", "try"])).exits(0);
    let pictures = std::fs::read_dir(prefix.path().join("try/images/blobs")).unwrap().count();
    assert_eq!(rows(&prefix.path().join("try/rows")).len(), pictures);
    assert_eq!(first["rows"]["planned"], pictures);
    assert_eq!(first["command"], "demo");
    let job = std::fs::read_to_string(prefix.path().join("try/job.toml")).unwrap();
    assert!(job.contains("[model]"), "{job}");
    let second = ended(command(&program, prefix.path()).args(["demo", "try"])).exits(0);
    assert_eq!(second["output"], first["output"]);
}

#[test]
fn the_demo_takes_no_folder_that_has_other_files() {
    let (prefix, program) = installed();
    std::fs::create_dir(prefix.path().join("mine")).unwrap();
    std::fs::write(prefix.path().join("mine/notes.txt"), b"").unwrap();
    let refused = ended(command(&program, prefix.path()).args(["demo", "mine"]));
    refused.fails(73, &["`notes.txt`", "tresnet-batch demo"]);
}

#[test]
fn without_an_installed_demo_the_error_names_make_demo() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let refused = ended(program().current_dir(folder.path()).arg("demo"));
    refused.fails(66, &["no demo is installed", "`make demo`"]);
}

#[test]
fn the_version_names_commit_target_features_and_library() {
    let Ended { code, stdout, stderr, .. } = ended(by_hand().arg("--version"));
    assert_eq!(code, Some(0), "{stderr}");
    let names: Vec<&str> = stdout.lines().map(|line| line.split("  ").next().unwrap()).collect();
    let first = concat!("tresnet-batch ", env!("CARGO_PKG_VERSION"));
    assert_eq!(names, [first, "commit", "target", "features", "ONNX Runtime"]);
    assert!(stdout.contains("-linux-"), "{stdout}");
    let short = ended(by_hand().arg("-V"));
    assert_eq!(short.stdout, format!("{first}\n"));
}

#[test]
fn the_python_module_runs_a_job_and_reads_its_rows_and_its_report() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let environment = [
        ("TRESNET_BATCH", env!("CARGO_BIN_EXE_tresnet-batch").into()),
        ("ORT_DYLIB_PATH", root().join(".runtime/cpu")),
        ("PYTHONPATH", root().join("infra/wheel")),
    ];
    let script = root().join("tests/reference/python_module.py");
    let arguments = [folder.path().to_owned(), IMAGES.folder.clone(), own_model("v1_odd.safetensors")];
    let ran = Command::new(python()).arg(script).args(arguments).envs(environment).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "all of the module was used", "{said}");
}

#[test]
fn the_wheel_pins_what_make_setup_cuda_pins() {
    let pins = root().join("infra/setup/onnxruntime-cuda.txt");
    let project = root().join("infra/wheel/pyproject.toml");
    run_python("wheel_pins.py", &[project.to_str().unwrap(), pins.to_str().unwrap()]);
}
