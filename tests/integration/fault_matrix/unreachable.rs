//! Row 68: a store that does not answer is 69 from every command.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::job::{IMAGES, ended, own_model, program};
use crate::support::scratch;

/// Far more than one operation is tried, and less than the default.
const AT_ONCE: Duration = Duration::from_secs(90);

/// Nothing listens at this address.
fn at_no_store(folder: &TempDir) -> Command {
    let mut command = program();
    command.current_dir(folder.path());
    command.envs([
        ("AWS_ENDPOINT", "http://127.0.0.1:9"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    command
}

/// A folder with a job file.
fn job(input: &str, output: &str) -> TempDir {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let text = format!(
        "[input]\nuri = \"{input}\"\n[model]\npath = \"{}\"\n[output]\nuri = \"{output}\"\n[storage]\nretry_seconds = 1\n",
        own_model("v1_odd.safetensors").display()
    );
    std::fs::write(folder.path().join("job.toml"), text).unwrap();
    folder
}

#[track_caller]
fn is_69(folder: &TempDir, line: &str) {
    let since = Instant::now();
    let ended = ended(at_no_store(folder).args(line.split(' ')));
    ended.fails(69, &["does not answer"]);
    assert!(since.elapsed() < AT_ONCE, "{line}: {:?}", since.elapsed());
}

#[test]
fn row_68_an_output_on_a_store_that_does_not_answer_is_69() {
    let folder = job(IMAGES.folder.to_str().unwrap(), "s3://test/out");
    for line in [
        "run job.toml",
        "plan job.toml",
        "plan job.toml --write",
        "report job.toml",
        "verify job.toml",
        "verify job.toml --repair --yes",
        "status job.toml",
        "compare job.toml job.toml",
        "doctor job.toml",
        "bench job job.toml",
    ] {
        is_69(&folder, line);
    }
}

#[test]
fn row_68_an_input_on_a_store_that_does_not_answer_is_69_and_not_an_empty_one() {
    let folder = job("s3://test/images", "out");
    for line in ["run job.toml", "plan job.toml", "doctor job.toml", "bench job job.toml"] {
        is_69(&folder, line);
    }
    for input in ["s3://test/images", "s3://test/images/list.csv", "s3://test/images/train.parquet"] {
        let model = own_model("v1_odd.safetensors");
        is_69(&folder, &format!("init {input} --model {} --output rows -o new.toml", model.display()));
        assert!(!folder.path().join("new.toml").exists(), "{input}");
    }
}
