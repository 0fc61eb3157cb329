//! Providers: the one that a job requests, the messages if it is missing, and the sizes of batches.

mod cuda_path;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, Job, ended, program};
use crate::support::{ask_python, root, run_python, scratch};

/// A folder that looks like `.runtime/cuda` from outside. Its ONNX Runtime is the one for the CPU, and nothing else in
/// it is a library, so it only shows what happens before anything is opened.
fn like_cuda(without: &str) -> TempDir {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    symlink(root().join(".runtime/cpu/libonnxruntime.so"), folder.path().join("libonnxruntime.so")).unwrap();
    for name in [
        "libonnxruntime_providers_cuda.so",
        "libcudart.so.13",
        "libcublasLt.so.13",
        "libcublas.so.13",
        "libcurand.so.10",
        "libcudnn.so.9",
    ] {
        if name != without {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
    }
    folder
}

/// A job on that folder where no device answers, also on a machine that has some.
fn without_device(job: Job, folder: &Path) -> Job {
    job.env("ORT_DYLIB_PATH", folder).env("CUDA_VISIBLE_DEVICES", "")
}

fn plan(job: &Job) -> Ended {
    ended(&mut job.command("plan"))
}

#[test]
fn cuda_by_name_without_its_library_is_78_and_names_the_command_that_fetches_it() {
    let job = Job::own().set("engine.device=cuda");
    let words = ["the provider `cuda` is not there", "libonnxruntime_providers_cuda.so", "make setup-cuda"];
    job.run().fails(78, &words);
    assert!(!job.output().exists());
}

#[test]
fn cuda_by_name_without_a_library_of_nvidias_is_78_and_names_the_library() {
    let folder = like_cuda("libcublasLt.so.13");
    let job = without_device(Job::own().set("engine.device=cuda"), folder.path());
    let ended = job.run();
    if ended.stderr.contains("no CUDA device answers") {
        return println!("skipped: the system has libcublasLt.so.13");
    }
    ended.fails(78, &["`libcublasLt.so.13` is neither beside", "make setup-cuda"]);
    assert!(!job.output().exists());
}

#[test]
fn cuda_by_name_where_no_device_answers_is_69() {
    let folder = like_cuda("");
    let job = without_device(Job::own().set("engine.device=cuda"), folder.path());
    job.run().fails(69, &["no CUDA device answers", "driver"]);
    assert!(!job.output().exists());
}

#[test]
fn auto_runs_on_the_cpu_and_says_why() {
    let job = Job::own();
    let ended = job.run();
    let summary = ended.exits(0);
    assert_eq!((&summary["provider"], &summary["engine"]["provider"]), (&json!("cpu"), &json!("cpu")));
    let why = summary["engine"]["why"].as_str().unwrap();
    assert!(why.contains("make setup-cuda"), "{why}");
    // nothing here was made for a GPU, so the user needs no message
    if !Path::new("/dev/nvidiactl").exists() {
        assert!(!ended.stderr.contains("`auto` took the CPU"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("engine.device"), "{}", ended.stderr);
    }
}

#[test]
fn auto_warns_where_the_gpu_library_is_there_and_no_device_answers() {
    let folder = like_cuda("");
    let ended = without_device(Job::own(), folder.path()).run();
    let summary = ended.exits(0);
    assert_eq!(summary["provider"], "cpu");
    let why = summary["engine"]["why"].as_str().unwrap();
    assert!(why.contains("no CUDA device answers"), "{summary}");
    assert!(ended.stderr.contains(&format!("`auto` took the CPU: {why}\n")), "{}", ended.stderr);
    assert!(ended.stderr.contains("`engine.device = \"auto\"` takes the CPU"), "{}", ended.stderr);
}

#[test]
fn the_cpu_by_name_needs_no_explanation() {
    let summary = Job::own().set("engine.device=cpu").run().exits(0);
    assert_eq!(summary["engine"].get("why"), None, "{summary}");
}

#[test]
fn plan_says_what_will_compute_and_bears_that_it_is_not_there() {
    let planned = plan(&Job::own());
    assert_eq!(planned.exits(0)["device"]["provider"], "cpu");
    for words in ["device      cpu (", "batches of 4", "`tresnet-batch doctor` shows what a GPU would need"] {
        assert!(planned.stderr.contains(words), "no `{words}` in\n{}", planned.stderr);
    }
    let planned = plan(&Job::own().set("engine.device=cuda"));
    assert_eq!(planned.exits(0)["device"]["provider"], Value::Null);
    assert!(planned.stderr.contains("device      none here: the provider `cuda`"), "{}", planned.stderr);
}

#[test]
fn half_precision_is_the_default_on_cuda_and_holds_wherever_the_job_goes_on() {
    let on_cuda = Job::own().set("engine.device=cuda");
    let planned = ended(on_cuda.command("plan").arg("--write")).exits(0);
    let job = std::fs::read_to_string(on_cuda.output().join("_tresnet/job.json")).unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["components"]["model.precision"], "fp16");
    // the job file of another machine does not set the precision either
    let done = on_cuda.set("engine.device=cpu").run().exits(0);
    assert_eq!(
        (&done["fingerprint"], &done["engine"]["precision"]),
        (&planned["fingerprint"], &json!("fp16"))
    );
    assert!(plan(&Job::own()).stderr.contains(" fp32 from "));
}

#[test]
fn nothing_of_engine_decides_rows() {
    let plain = plan(&Job::own()).exits(0)["fingerprint"].clone();
    for assignment in [
        "device=cpu",
        "device_ids=[0, 1]",
        "batch_size=auto",
        "threads=1",
        "spinning=true",
        "memory_limit=4GiB",
        "nhwc=false",
        "conv_search=heuristic",
        "conv_search=default",
        "cuda_graph=false",
        "fuse_conv_bias=true",
        "tf32=false",
    ] {
        let planned = plan(&Job::own().set(format!("engine.{assignment}")));
        assert_eq!(planned.exits(0)["fingerprint"], plain, "{assignment}");
    }
}

#[test]
fn settings_that_cannot_be_are_told_before_anything_is_loaded() {
    for (assignments, words) in [
        (&["engine.device_ids=[]"][..], "`engine.device_ids` is empty"),
        (&["engine.device_ids=[0, 1, 0]"], "names device 0 twice"),
        (&["engine.batch_size=0"], "`engine.batch_size` is 0"),
        (&["engine.batch_size=automatic"], "give a number or \"auto\""),
        (&["engine.memory_limit=1MiB"], "`engine.memory_limit`"),
        (&["engine.fuse_conv_bias=true", "engine.nhwc=false"], "`engine.fuse_conv_bias`"),
        (
            &["engine.tf32=false", "engine.conv_search=exhaustive", "model.precision=fp32"],
            "leave `engine.conv_search` out",
        ),
    ] {
        let job = assignments.iter().fold(Job::own(), |job, assignment| job.set(*assignment));
        plan(&job).fails(78, &[words]);
    }
}

#[test]
fn footers_and_the_result_say_what_ran() {
    let job = Job::own().set("engine.threads=1").set("engine.batch_size=3");
    let engine = job.run().exits(0)["engine"].clone();
    assert_eq!(engine["options"], "threads=1 spinning=false");
    assert_eq!((&engine["batch_size"], &engine["precision"]), (&json!(3), &json!("fp32")));
    assert!(!engine["devices"][0].as_str().unwrap().is_empty());
    let footers = ask_python("rows.py", &["footers", job.output().to_str().unwrap()]);
    for footer in footers.as_array().unwrap() {
        assert_eq!(footer["provider"], "cpu");
        assert_eq!((&footer["devices"], &footer["batch_size"]), (&engine["devices"][0], &json!("3")));
        assert_eq!((&footer["engine"], &footer["precision"]), (&engine["options"], &json!("fp32")));
        assert_eq!(footer["onnxruntime"], engine["onnxruntime"]);
    }
    let report = std::fs::read_to_string(job.output().join("_report/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["provenance"]["devices"], engine["devices"]);
    let markdown = std::fs::read_to_string(job.output().join("_report/report.md")).unwrap();
    assert!(markdown.contains(&format!("cpu ({})", engine["devices"][0].as_str().unwrap())), "{markdown}");
}

#[test]
fn auto_batches_are_measured_told_and_change_no_row() {
    let fixed = Job::own();
    fixed.run().exits(0);
    let job = Job::own().set("engine.batch_size=auto");
    let ended = job.run();
    let engine = ended.exits(0)["engine"].clone();
    let tried = engine["tried"].as_array().unwrap();
    let sizes: Vec<u64> = tried.iter().map(|tried| tried["batch_size"].as_u64().unwrap()).collect();
    assert!(sizes.len() >= 2 && [8, 16, 32, 64, 128].starts_with(&sizes), "{engine}");
    assert!(tried.iter().all(|tried| tried["images_per_s"].as_f64().unwrap() > 0.0), "{engine}");
    let taken = engine["batch_size"].as_u64().unwrap();
    assert!(sizes.contains(&taken), "{engine}");
    assert!(ended.stderr.contains("batch sizes tried: 8 "), "{}", ended.stderr);
    let (ours, theirs) = (job.output(), fixed.output());
    run_python("rows.py", &["same", ours.to_str().unwrap(), theirs.to_str().unwrap()]);
}

#[test]
fn a_batch_that_memory_does_not_hold_is_78_and_names_its_key() {
    let job = Job::own().set("preprocess.image_size=448").set("engine.batch_size=65536");
    let words = ["a batch of 65536 does not fit", "MiB", "lower `engine.batch_size`"];
    job.run().fails(78, &words);
    assert!(!job.output().exists());
}

#[test]
fn maps_that_memory_does_not_hold_are_found_out_before_the_first_image() {
    let job = foreign("heavy.onnx").set("engine.batch_size=64");
    let run = job.command("run");
    // the slots are small, but one map of 64 images takes 4 GiB
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 3000000; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    limited.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let words = ["a batch of 64 does not fit", "4294967296", "lower `engine.batch_size`"];
    ended(&mut limited).fails(78, &words);
    assert!(!job.output().exists());
    job.set("engine.batch_size=1").set("input.limit=3").run().exits(0);
}

static FOREIGN: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = scratch().join("foreign_models");
    run_python("foreign_models.py", &[folder.to_str().unwrap()]);
    folder
});

fn foreign(name: &str) -> Job {
    Job::new(IMAGES.folder.to_str().unwrap(), &FOREIGN.join(name))
        .set("preprocess.image_size=64")
        .set("preprocess.crop_pct=0.875")
        .set("preprocess.interpolation=bilinear")
        .set("preprocess.mean=[0, 0, 0]")
        .set("preprocess.std=[1, 1, 1]")
        .set("output.rows_per_part=8")
        .set("limits.max_error_fraction=1.0")
}

#[test]
fn a_model_that_does_not_fit_the_job_is_refused_when_it_is_planned() {
    let names = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    std::fs::write(names.path(), "one\ntwo\nthree\n").unwrap();
    let three = format!("input.classes={}", names.path().display());
    for (name, assignments, words) in [
        ("plain.onnx", &["preprocess.image_size=96"][..], &["image_size` is 96", "takes 64"][..]),
        ("plain.onnx", &[&three], &["names 3 classes", "has 2"]),
        ("plain.onnx", &["input.targets=imagenet-v2"], &["1000 classes", "has 2"]),
        ("plain.onnx", &["output.top_k=3"], &["`output.top_k` is 3", "2 classes"]),
        ("plain.onnx", &["model.precision=fp16"], &["`model.precision` is fp16", "is fp32"]),
        ("plain.onnx", &["output.embedding=f32"], &["no output `embedding`"]),
        ("batch_4.onnx", &["engine.batch_size=8"], &["`engine.batch_size` is 8", "batches of 4 only"]),
    ] {
        let job = assignments.iter().fold(foreign(name), |job, assignment| job.set(*assignment));
        plan(&job).fails(78, words);
        job.run().fails(78, words);
        assert!(!job.output().exists(), "{name} {assignments:?}");
    }
}

#[test]
fn a_graph_for_one_batch_size_runs_with_that_one() {
    for auto in [false, true] {
        let job =
            foreign("batch_4.onnx").set(if auto { "engine.batch_size=auto" } else { "engine.batch_size=4" });
        let engine = job.run().exits(0)["engine"].clone();
        assert_eq!((&engine["batch_size"], engine.get("tried")), (&json!(4), None), "{engine}");
    }
}

#[test]
fn images_for_which_the_network_gives_no_number_are_rows_that_say_so() {
    let (plain, logarithm) = (foreign("plain.onnx"), foreign("logarithm.onnx"));
    plain.run().exits(0);
    let summary = logarithm.run().exits(0);
    let (mut finite, mut infinite) = (0, 0);
    for (plain, row) in plain.rows().iter().zip(logarithm.rows()) {
        assert_eq!(plain["key"], row["key"]);
        if plain["status"] == "error" {
            assert_eq!(plain["error_kind"], row["error_kind"], "{row}");
        } else if plain["index"][0] == 0 {
            finite += 1;
            assert_eq!(row["status"], "ok", "{row}");
        } else {
            infinite += 1;
            assert_eq!(
                (&row["status"], &row["error_kind"]),
                (&json!("error"), &json!("non_finite")),
                "{row}"
            );
            assert_eq!(row["index"], Value::Null, "{row}");
        }
    }
    assert!(finite >= 10 && infinite >= 10, "{finite} and {infinite}");
    assert_eq!(summary["errors_by_kind"]["non_finite"], infinite);
}

#[test]
fn doctor_tells_what_there_is_for_cuda_and_what_to_do() {
    let ended = ended(program().arg("doctor"));
    let summary = ended.exits(0);
    assert_eq!(summary["auto"]["provider"], "cpu");
    assert_eq!(summary["cuda"]["library"], Value::Null);
    for words in [
        "CUDA provider: ",
        "make setup-cuda",
        "NVIDIA driver: ",
        "`engine.device = \"auto\"` takes the CPU here",
    ] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}

#[test]
fn doctor_names_the_library_that_the_cuda_provider_lacks() {
    let folder = like_cuda("libcudnn.so.9");
    let mut command = program();
    command.arg("doctor").env("ORT_DYLIB_PATH", folder.path()).env("CUDA_VISIBLE_DEVICES", "");
    let ended = ended(&mut command);
    let summary = ended.exits(0);
    let there = |name: &str| {
        let libraries = summary["cuda"]["libraries"].as_array().unwrap();
        libraries.iter().find(|library| library["name"] == name).unwrap()["there"] == true
    };
    assert!(there("libcublas.so.13"), "{summary}");
    if !there("libcudnn.so.9") {
        assert!(
            ended.stderr.contains("CUDA libraries: ") && ended.stderr.contains("libcudnn.so.9"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(summary["cuda"]["devices"], json!([]));
}
