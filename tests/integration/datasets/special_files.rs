//! FIFOs, sockets and devices in place of a file: no process writes into them, so a reader that waits would hang.

use std::fs::{copy, create_dir_all, remove_file, write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{PACKED, manifest_job, named_classes, parquet_job, shard_job};
use crate::support::job::{IMAGES, Job, ended, parts, program, wait};
use crate::support::scratch;

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A socket without a listener stays in the folder.
fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

fn device(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

const KINDS: [fn(&Path); 3] = [fifo, socket, device];

/// A copy of a folder of packs or of the images.
fn copied(from: &Path) -> TempDir {
    let to = tempfile::tempdir_in(scratch()).unwrap();
    let status = Command::new("cp").arg("-rp").arg(from.join(".")).arg(to.path()).status();
    assert!(status.unwrap().success());
    to
}

fn kinds(job: &Job, prefix: &str) -> Vec<Value> {
    let rows = job.rows().into_iter().filter(|row| row["key"].as_str().unwrap().starts_with(prefix));
    rows.map(|row| row["error_kind"].clone()).collect()
}

fn verified(job: &Job) {
    ended(&mut job.command("verify")).exits(0);
}

#[test]
fn an_image_that_is_replaced_by_something_else_after_the_plan_is_a_row_changed() {
    let folder = copied(&IMAGES.folder);
    let job = named_classes(Job::on(folder.path().to_str().unwrap()));
    ended(job.command("plan").arg("--write")).exits(0);
    let whole: Vec<&String> =
        IMAGES.expected.iter().filter(|(_, (_, error))| error.is_none()).map(|(key, _)| key).collect();
    for (turn_into, key) in KINDS.iter().zip(&whole) {
        let path = folder.path().join(key);
        remove_file(&path).unwrap();
        turn_into(&path);
    }
    assert_eq!(job.run().exits(0)["errors_by_kind"]["changed"], 3);
    assert_eq!(kinds(&job, whole[0]), ["changed"]);
    verified(&job);
}

#[test]
fn what_a_manifest_names_and_is_no_file_is_a_row_not_found() {
    let folder = copied(&IMAGES.folder);
    create_dir_all(folder.path().join("odd")).unwrap();
    let mut lines: String = IMAGES.expected.keys().map(|key| format!("{key}\n")).collect();
    for (number, turn_into) in KINDS.iter().enumerate() {
        turn_into(&folder.path().join(format!("odd/{number}.jpg")));
        lines += &format!("odd/{number}.jpg\n");
    }
    let manifest = folder.path().join("rows.txt");
    write(&manifest, lines).unwrap();
    let job = named_classes(Job::on(folder.path().to_str().unwrap()))
        .set("input.format=manifest")
        .set("input.targets=none")
        .set(format!("input.manifest={}", manifest.display()));
    assert_eq!(job.run().exits(0)["rows"]["planned"], 93);
    assert_eq!(kinds(&job, "odd/"), ["not_found"; 3]);
    verified(&job);
}

#[test]
fn a_shard_that_is_no_file_is_one_row_whether_it_was_planned_so_or_not() {
    let folder = copied(&PACKED.join("shards"));
    for (number, turn_into) in KINDS.iter().enumerate() {
        turn_into(&folder.path().join(format!("odd-{number}.tar")));
    }
    let address = format!("{}/{{train-000,train-001,odd-0,odd-1,odd-2}}.tar", folder.path().display());
    let job = shard_job(&address).set("limits.max_error_fraction=0.5").set("limits.max_damaged_inputs=4");
    ended(job.command("plan").arg("--write")).exits(0);
    let replaced = folder.path().join("train-001.tar");
    remove_file(&replaced).unwrap();
    fifo(&replaced);
    assert_eq!(job.run().exits(0)["damaged_inputs"], 4);
    assert_eq!(kinds(&job, "odd-"), ["not_found"; 3]);
    assert_eq!(kinds(&job, "train-001"), ["changed"]);
    verified(&job);
}

#[test]
fn a_parquet_file_that_is_replaced_after_the_plan_is_rows_changed_and_one_that_is_none_is_refused() {
    let folder = copied(&PACKED.join("parquet"));
    let job = parquet_job(folder.path().to_str().unwrap())
        .set("limits.max_error_fraction=0.6")
        .set("limits.max_damaged_inputs=9");
    ended(job.command("plan").arg("--write")).exits(0);
    let second = folder.path().join("train-00001-of-00002.parquet");
    remove_file(&second).unwrap();
    fifo(&second);
    job.run().exits(0);
    let found = kinds(&job, "train-00001");
    assert!(!found.is_empty() && found.iter().all(|kind| kind == "changed"), "{found:?}");
    verified(&job);
    parquet_job(&format!("{}/train-{{00000..00001}}-of-00002.parquet", folder.path().display()))
        .run()
        .fails(66, &["train-00001-of-00002.parquet"]);
}

#[test]
fn a_manifest_a_model_a_class_list_or_a_job_file_that_is_no_file_is_an_error_that_says_so() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for (number, (turn_into, word)) in KINDS.iter().zip(["a FIFO", "a socket", "a device"]).enumerate() {
        let at = |name: &str| {
            let path = folder.path().join(format!("{number}-{name}"));
            turn_into(&path);
            path.display().to_string()
        };
        for manifest in [at("rows.csv"), at("rows.parquet")] {
            let job = manifest_job("rows.csv").set(format!("input.manifest={manifest}"));
            job.run().fails(78, &[&manifest, word]);
        }
        for model in [at("model.safetensors"), at("model.pth"), at("model.onnx")] {
            Job::own().set(format!("model.path={model}")).run().fails(78, &[&model, word]);
        }
        let classes = at("classes.txt");
        Job::own().set(format!("input.classes={classes}")).run().fails(78, &[&classes, word]);
        let file = at("job.toml");
        ended(program().args(["run", &file])).fails(78, &[&file, word]);
        let library = at("libonnxruntime.so");
        ended(Job::own().command("run").args(["--onnxruntime", &library])).fails(78, &[&library]);
    }
}

#[test]
fn a_job_file_may_be_a_pipe_that_the_caller_opened() {
    let job = Job::own();
    let mut command = program();
    command.args(["plan", "/dev/stdin", "--progress", "none"]).stdin(Stdio::piped());
    command.args(job.overrides().iter().flat_map(|assignment| ["--set", assignment]));
    let mut child = command.spawn().unwrap();
    std::io::copy(&mut std::fs::File::open(job.file()).unwrap(), &mut child.stdin.take().unwrap()).unwrap();
    wait(child).exits(0);
    let mut endless = program();
    endless.args(["plan", "/dev/stdin"]).stdin(std::fs::File::open("/dev/zero").unwrap());
    ended(&mut endless).fails(78, &["/dev/stdin", "a device"]);
}

#[test]
fn a_file_of_an_output_that_is_replaced_is_an_error_of_report_and_verify() {
    let job = Job::own();
    job.run().exits(0);
    let whole = copied(&job.output());
    for (name, commands) in [
        ("_SUCCESS", &["report", "verify", "run"][..]),
        ("_tresnet/job.json", &["report", "verify", "run"]),
        ("_tresnet/plan/000000", &["verify"]),
        (&parts(&job.output())[0], &["report", "verify"]),
    ] {
        let path = job.output().join(name);
        remove_file(&path).unwrap();
        fifo(&path);
        for command in commands {
            let code = ended(&mut job.command(command)).exits_somehow();
            assert_ne!(code, 0, "{command} with another {name}");
        }
        remove_file(&path).unwrap();
        copy(whole.path().join(name), &path).unwrap();
    }
    verified(&job);
}
