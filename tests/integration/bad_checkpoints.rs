//! Wrong checkpoints, through the program: each is one error of configuration that names the fault, in little memory,
//! and nothing that a file contains is executed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use tresnet_batch::model::{Architecture, load};

use crate::support::job::{Ended, IMAGES, Job, ended, own_model, program};
use crate::support::{ask_python, root, scratch};

/// Address space in KiB. The largest file here would unpack to gigabytes.
const LIMIT: u64 = 1 << 20;

struct Bad {
    path: PathBuf,
    words: Vec<String>,
}

/// What `bad_checkpoints.py` and `harmful_checkpoints.py` make.
static BAD: LazyLock<Vec<Bad>> = LazyLock::new(|| {
    let folder = scratch().join("bad_checkpoints");
    std::fs::create_dir(&folder).unwrap();
    let data = root().join("tests/data/model");
    let wrong = ask_python("bad_checkpoints.py", &[data.to_str().unwrap(), folder.to_str().unwrap()]);
    let harmful = ask_python("harmful_checkpoints.py", &[folder.to_str().unwrap()]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let path = |file: &Value| PathBuf::from(text(&file["path"]));
    let wrong = wrong.as_array().unwrap().iter().map(|file| Bad {
        path: path(file),
        words: file["words"].as_array().unwrap().iter().map(text).collect(),
    });
    let harmful = harmful.as_array().unwrap().iter().map(|file| Bad {
        path: path(file),
        words: vec![format!("asks for `{}`", text(&file["global"])), "nothing was executed".to_owned()],
    });
    wrong.chain(harmful).collect()
});

/// The program with a limit on its address space.
fn limited(arguments: &[&str]) -> Ended {
    let like = program();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {LIMIT}; exec \"$0\" \"$@\"")]).arg(like.get_program());
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    ended(command.arg("--json").args(arguments))
}

#[test]
fn inspecting_each_is_one_error_that_says_what_is_wrong() {
    assert!(BAD.len() >= 30, "{} files", BAD.len());
    for bad in BAD.iter() {
        let words: Vec<&str> = bad.words.iter().map(String::as_str).collect();
        limited(&["model", "inspect", bad.path.to_str().unwrap()]).fails(78, &words);
    }
    assert!(!scratch().join("bad_checkpoints/executed").exists());
}

#[test]
fn planning_with_each_is_the_same_error_and_names_the_file() {
    for bad in BAD.iter() {
        let mut words: Vec<&str> = bad.words.iter().map(String::as_str).collect();
        words.push(bad.path.to_str().unwrap());
        let job = Job::new(IMAGES.folder.to_str().unwrap(), &bad.path);
        limited(&["plan", job.file().to_str().unwrap()]).fails(78, &words);
        assert!(!job.output().exists(), "{}", bad.path.display());
    }
}

/// Writes a checkpoint made of the small network's tensors: `head_of_classes.py DATA FILE CLASSES`.
fn with_classes(folder: &TempDir, classes: usize) -> PathBuf {
    let path = folder.path().join("classes.safetensors");
    let data = own_model("v1_odd.safetensors");
    let made = ask_python(
        "head_of_classes.py",
        &[data.to_str().unwrap(), path.to_str().unwrap(), &classes.to_string()],
    );
    assert_eq!(made, classes);
    path
}

#[test]
fn a_network_of_11221_classes_runs_to_its_last_class() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_classes(&folder, 11_221);
    let inspected = ended(program().args(["model", "inspect", path.to_str().unwrap()])).exits(0);
    assert_eq!(inspected["classes"], 11_221);
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &path)
        .set("preprocess.image_size=64")
        .set("limits.max_error_fraction=0.2")
        .set("output.logits=true");
    job.run().exits(0);
    let rows: Vec<Value> = job.rows().into_iter().filter(|row| row["status"] == "ok").collect();
    assert!(rows.len() > 50);
    for row in rows {
        // only the last class has a bias
        assert_eq!(row["index"][0], 11_220, "{row}");
    }
}

#[test]
fn a_file_without_squeeze_and_excitation_is_told_by_its_name() {
    let path = own_model("small_timm.safetensors");
    assert!(load(&path).unwrap().tensors.keys().all(|name| !name.contains(".se.")));
    let inspected = ended(program().args(["model", "inspect", path.to_str().unwrap()])).exits(0);
    assert_eq!(inspected["arch"], "tresnet[1,1,1,1]x1+se[]");
}

#[test]
fn halves_and_brain_floats_are_the_networks_that_they_were_made_of() {
    for (name, dtype) in [("v1_odd.safetensors", "\"F16\""), ("v2.safetensors", "\"BF16\"")] {
        let path = own_model(name);
        assert!(header(&path).contains(dtype), "{name} holds no {dtype}");
        let network = Architecture::infer(&load(&path).unwrap()).unwrap().name();
        let inspected = ended(program().args(["model", "inspect", path.to_str().unwrap()])).exits(0);
        assert_eq!(inspected["arch"], Value::from(network));
    }
}

fn header(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    String::from_utf8(rest[..u64::from_le_bytes(*length) as usize].to_vec()).unwrap()
}

#[test]
fn a_file_of_another_kind_is_named_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, words) in [
        (
            "model.safetensors",
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            "is no checkpoint (it looks like a PNG image)",
        ),
        ("model.pth", b"<!DOCTYPE html><html></html>", "is no checkpoint (it looks like an HTML page)"),
        ("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        ended(program().args(["model", "inspect"]).arg(&path)).fails(78, &[name, words]);
    }
}

#[test]
fn a_folder_is_inspected_by_the_weights_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = || ended(program().args(["model", "inspect"]).arg(folder.path()));
    inspect().fails(78, &["has none of model.safetensors"]);
    std::fs::copy(own_model("v1_odd.safetensors"), folder.path().join("model.safetensors")).unwrap();
    assert_eq!(inspect().exits(0)["classes"], 7);
}

/// A job over a file with `model` and `model_ema`.
fn job_of_two_sets() -> Job {
    Job::new(IMAGES.folder.to_str().unwrap(), &own_model("training/legacy.pth"))
        .set("preprocess.image_size=64")
        .set("input.limit=4")
        .set("limits.max_error_fraction=1")
}

fn frozen(job: &Job) -> Value {
    let text = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn averaged_weights_are_taken_printed_and_frozen_unless_the_job_chooses() {
    let job = job_of_two_sets();
    let run = job.run();
    run.exits(0);
    assert!(run.stderr.contains("the ema weights (`model_ema`, not `model`) are used"), "{}", run.stderr);
    let frozen = frozen(&job);
    assert_eq!(frozen["components"]["model.weights"], "ema");
    assert_eq!(frozen["model"]["weights"], "ema");

    let run = job_of_two_sets().set("model.weights=ema").run();
    run.exits(0);
    assert!(!run.stderr.contains("weights (`"), "{}", run.stderr);
}

#[test]
fn a_job_with_the_weights_that_version_0_1_0_took_continues_only_if_it_says_raw() {
    let job = job_of_two_sets();
    let raw = || ended(job.command("run").args(["--set", "model.weights=raw"]));
    raw().exits(0);
    let frozen = frozen(&job);
    assert_eq!(frozen["components"]["model.weights"], Value::Null);
    assert_eq!(frozen["model"]["weights"], "raw");
    job.run().fails(78, &["`model.weights` is (absent) there, \"ema\" here"]);
    raw().exits(0);
}

#[test]
fn weights_that_a_file_does_not_have_cannot_be_chosen() {
    let images = IMAGES.folder.to_str().unwrap();
    let job = Job::new(images, &own_model("v1_odd.safetensors")).set("model.weights=ema");
    ended(&mut job.command("plan")).fails(78, &["`model.weights` is \"ema\"", "leave the key out"]);
    let job = Job::new(images, &own_model("training/legacy.pth")).set("model.weights=average");
    ended(&mut job.command("plan")).fails(78, &["model.weights", "`ema`", "`raw`"]);
}
