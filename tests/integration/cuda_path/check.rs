//! `infra/gpu/check.py` as it runs on a machine with a GPU, over the recording libraries. Its numbers mean nothing
//! there; the test checks that each of its commands is accepted and each of its lines is printed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::folder;
use crate::support::{python, root};

/// Reports until it is ended if it is started in a loop, as nvidia-smi does.
const NVIDIA_SMI: &str = "#!/bin/sh\ncase \"$*\" in\n  *loop-ms*) while :; do echo '97, 1980, 3201, 612.5, 55'; \
                          sleep 0.05; done ;;\n  *) echo 'Recorder, 580, 1980 MHz, 700 W, 81920 MiB' ;;\nesac\n";
/// Runs the command that it is given.
const SANITIZER: &str = "#!/bin/sh\nshift 4\n\"$@\" || exit 9\necho '========= ERROR SUMMARY: 0 errors'\n";

fn tool(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_line_of_the_check_for_a_gpu_comes() {
    let Some(libraries) = folder() else { return };
    let scratch = tempfile::tempdir().unwrap();
    tool(scratch.path(), "nvidia-smi", NVIDIA_SMI);
    tool(scratch.path(), "compute-sanitizer", SANITIZER);
    let path = format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap());
    let network = root().join("tests/data/model/v1_odd.safetensors");
    let out = Command::new(python())
        .arg(root().join("tests/support/gpu_check/rehearsal.py"))
        .args(["--program", env!("CARGO_BIN_EXE_tresnet-batch"), "--onnxruntime"])
        .arg(&libraries)
        .arg("--work")
        .arg(scratch.path().join("work"))
        .arg("--networks")
        .arg(network)
        .args([
            "--sizes",
            "64",
            "92",
            "--batches",
            "4",
            "8",
            "--batch",
            "8",
            "--parity-batch",
            "9",
            "--count",
            "40",
        ])
        .args(["--images", "60", "--seconds", "0.2", "--sustained", "0.5"])
        .env("PATH", path)
        .env("LD_LIBRARY_PATH", &libraries)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let [said, told] = [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let all = format!("{said}{told}");
    // kernels compute nothing, so numbers do not hold
    assert!(said.contains("22 of 22 lines measured"), "{all}");
    assert!(
        !said.contains(" FAILED ") && !told.contains("missing") && !told.contains("not measured"),
        "{all}"
    );
    for words in [
        "sanitizer                          ERROR SUMMARY: 0 errors",
        "torch.compile max-autotune not measured (it does not compile)",
        "torch.compile freezing 1009 at 8; ",
        "torch.compile freezing not measured in full (it took too long)",
        "clocks.sm 1980/1980/1980",
        "fp32 without TF32 ",
    ] {
        assert!(said.contains(words), "no `{words}` in:\n{all}");
    }
}
