//! Jobs that cannot be run: one clear error, the exit code that a scheduler acts on, and nothing written.

use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, serialize};
use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, Job, ended, own_model, program};

/// A job whose image folder is fine.
fn job() -> Job {
    Job::own()
}

/// Runs the job, checks its failure, and checks that the output was not begun.
#[track_caller]
fn refused(job: &Job, code: i32, words: &[&str]) -> Ended {
    let ended = job.run();
    ended.fails(code, words);
    assert!(!job.output().exists(), "something was written to the output");
    ended
}

/// Appends to the job file and returns the number of the line that was appended first.
fn append(job: &Job, text: &str) -> usize {
    let file = std::fs::read_to_string(job.file()).unwrap();
    std::fs::write(job.file(), format!("{file}{text}")).unwrap();
    file.lines().count() + 1
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    for (text, known) in [
        ("topk = 3\n", "`output.top_k`"),
        ("[limits]\nmax_error_fractoin = 0.1\n", "`limits.max_error_fraction`"),
        ("[reprot]\nformats = []\n", "`[report]`"),
    ] {
        let job = job();
        let line = append(&job, text) + usize::from(text.starts_with("[limits]"));
        let place = format!("job.toml:{line}: unknown key");
        refused(&job, 78, &[&place, "did you mean", known]);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_key() {
    for (assignment, key) in [
        ("engine.batch_size=0", "`engine.batch_size`"),
        ("engine.batch_size=\"many\"", "`engine.batch_size`"),
        ("output.top_k=8", "`output.top_k`"),
        ("output.rows_per_part=0", "`output.rows_per_part`"),
        ("output.embedding=\"f64\"", "`output.embedding`"),
        ("limits.max_encoded_bytes=\"64 parsecs\"", "`limits.max_encoded_bytes`"),
        ("limits.max_error_fraction=1.5", "`limits.max_error_fraction`"),
        ("limits.in_flight_bytes=\"1MiB\"", "`limits.in_flight_bytes`"),
        ("preprocess.crop_pct=0", "crop_pct"),
        ("report.require=[\"top1 >\"]", "top1 >"),
    ] {
        refused(&job().set(assignment), 78, &[key]);
    }
}

#[test]
fn a_job_file_that_is_none_is_told_as_such() {
    let job = job();
    let line = append(&job, "top_k = = 3\n");
    refused(&job, 78, &[&format!("job.toml:{line}"), "no valid TOML"]);
    let ended = ended(program().args(["run", "/nowhere/job.toml"]));
    ended.fails(78, &["/nowhere/job.toml"]);
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    refused(&job().set("input.uri=${NO_SUCH_VARIABLE}/x"), 78, &["`NO_SUCH_VARIABLE`", ":-"]);
}

#[test]
fn an_override_that_makes_no_sense_is_refused() {
    for (assignment, word) in [
        ("engine.batch_size", "table.key=value"),
        ("batch_size=3", "table.key=value"),
        ("engine.batchsize=3", "`engine.batch_size`"),
    ] {
        refused(&job().set(assignment), 78, &["--set", word]);
    }
}

#[test]
fn a_key_that_looks_like_a_credential_is_refused_and_its_value_is_not_repeated() {
    for key in ["aws_secret_access_key", "session_token", "password"] {
        let job = job();
        append(&job, &format!("{key} = \"canary-4711\"\n"));
        let ended = refused(&job, 78, &[key, "credential"]);
        assert!(!ended.stdout.contains("canary") && !ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}

#[test]
fn a_url_with_a_credential_is_refused_and_not_repeated() {
    for key in ["input.uri", "output.uri"] {
        for uri in
            ["s3://user:canary-4711@bucket/x", "https://user:canary-4711@host/x", "s3://b/x?sig=canary-4711"]
        {
            let ended = refused(&job().set(format!("{key}={uri}")), 78, &["no usable address"]);
            assert!(!ended.stdout.contains("canary") && !ended.stderr.contains("canary"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_model_that_is_missing_or_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.safetensors");
    std::fs::write(&text, "no model").unwrap();
    let graph = folder.path().join("text.onnx");
    std::fs::write(&graph, "no model").unwrap();
    for path in [Path::new("/nowhere/model.safetensors"), Path::new("/nowhere/model.onnx"), &text, &graph] {
        let job = job().set(format!("model.path={}", path.display()));
        refused(&job, 78, &["model", path.to_str().unwrap()]);
    }
}

/// The small network with one tensor under another name.
fn renamed(folder: &Path, from: &str, to: &str) -> PathBuf {
    let bytes = std::fs::read(own_model("v1_odd.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views = tensors.tensors().into_iter();
    let views = views.map(|(name, view)| (if name == from { to.to_owned() } else { name }, view));
    let path = folder.join("renamed.safetensors");
    std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
    path
}

#[test]
fn tensors_of_other_names_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("body.layer2.0.conv1.conv.weight", "body.layer2.0.conv9.conv.weight"),
        ("head.fc.weight", "head.linear.weight"),
    ] {
        let path = renamed(folder.path(), from, to);
        refused(&job().set(format!("model.path={}", path.display())), 78, &["`"]);
    }
}

/// An input folder with these files in it.
fn input(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text").unwrap();
    }
    folder
}

fn over(input: &Path) -> Job {
    Job::new(input.to_str().unwrap(), &own_model("v1_odd.safetensors")).set("preprocess.image_size=64")
}

#[test]
fn an_input_that_is_not_there_or_no_folder_is_66() {
    for targets in ["none", "folder"] {
        let job = over(Path::new("/nowhere/images")).set(format!("input.targets={targets}"));
        refused(&job, 66, &["/nowhere/images"]);
        let file = IMAGES.folder.join("beet-leaf.jpg");
        let job = over(&file).set(format!("input.targets={targets}"));
        refused(&job, 66, &[file.to_str().unwrap()]);
    }
}

#[test]
fn an_empty_input_is_66() {
    let folder = input(&[]);
    for targets in ["none", "folder"] {
        let job = over(folder.path()).set(format!("input.targets={targets}"));
        refused(&job, 66, &["no image below", folder.path().to_str().unwrap()]);
    }
}

#[test]
fn an_input_without_images_says_what_was_left_out() {
    let folder = input(&["a/1.txt", "a/2.txt", "b/3.tar", "README"]);
    for targets in ["none", "folder"] {
        let job = over(folder.path()).set(format!("input.targets={targets}"));
        refused(&job, 66, &["no image below", "2 .txt", "1 .tar", "extensions = \"any\""]);
    }
}

#[test]
fn folders_that_cannot_be_the_models_classes_are_78() {
    let job = job().set(format!("model.path={}", own_model("v2.safetensors").display()));
    refused(&job, 78, &["7 class folders", "5 classes", "targets = \"none\""]);
    let names = IMAGES.classes.display();
    let job = job.set(format!("input.classes={names}"));
    refused(&job, 78, &["7 classes", "5"]);
}

#[test]
fn a_date_that_is_none_is_64() {
    let job = job();
    let ended = ended(job.command("run").args(["--date", "2026-13-01"]));
    ended.fails(64, &["2026-13-01", "YYYY-MM-DD"]);
    assert!(!job.output().exists());
}

#[test]
fn a_command_line_that_makes_no_sense_is_64() {
    for arguments in [&["rum", "job.toml"][..], &["run"], &["run", "job.toml", "--no-such-flag"], &[]] {
        let ended = ended(program().args(arguments));
        ended.exits(64);
        assert!(ended.stderr.contains("--help") || ended.stderr.contains("Usage"), "{}", ended.stderr);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_73() {
    let file = own_model("v1_odd.safetensors");
    let job = job().set(format!("output.uri={}/out", file.display()));
    job.run().fails(73, &[file.to_str().unwrap()]);
}
