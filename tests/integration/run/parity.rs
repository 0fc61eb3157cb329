//! The numbers in the rows compared with chains that share no code with the program: Pillow and Python's ONNX Runtime,
//! timm, numpy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::rows::DONE;
use crate::support::job::{IMAGES, Job, ended, own_model, program};
use crate::support::{ask_python, shared};

/// The bound of fp32.
const FP32: f64 = 1e-5;

/// Runs `model import` as a person types it; returns the graph's path.
fn import(weights: &Path, folder: &Path, size: u32) -> PathBuf {
    let graph = folder.join("model.onnx");
    let mut command = program();
    command.args(["model", "import"]).arg(weights).arg("-o").arg(&graph);
    ended(command.args(["--image-size", &size.to_string()])).exits(0);
    graph
}

fn predictions(output: &Path, images: &Path, more: &[&str]) -> Value {
    let mut arguments = vec![output.to_str().unwrap(), images.to_str().unwrap()];
    arguments.extend(more);
    ask_python("predictions.py", &arguments)
}

#[track_caller]
fn assert_parity(found: &Value, rows: u64) {
    println!("{found}");
    assert_eq!((&found["compared"], &found["top1"]), (&json!(rows), &json!(rows)), "{found}");
    for output in ["embedding", "logits"] {
        assert!(found[output].as_f64().unwrap() <= FP32, "{output}: {found}");
    }
}

/// The finished run of all test images, compared with its own graph in Python's ONNX Runtime.
static OWN: LazyLock<Value> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let graph = import(&own_model("v1_odd.safetensors"), folder.path(), 64);
    predictions(&DONE.output(), &IMAGES.folder, &["--model", graph.to_str().unwrap(), "--size", "64"])
});

#[test]
fn embeddings_and_logits_are_those_of_pillow_and_pythons_runtime() {
    // 85 rows are ok, 7 of them WebP
    assert_parity(&OWN, 78);
}

#[test]
fn probabilities_order_and_ranks_follow_from_the_logits() {
    assert_eq!((&OWN["ok"], &OWN["targets"]), (&json!(85), &json!(84)));
    assert_eq!((&OWN["order"], &OWN["target_rank"]), (&json!(0), &json!(0)));
    // rounded once to single precision
    for column in ["prob", "target_prob"] {
        assert!(OWN[column].as_f64().unwrap() <= 6e-8, "{column}: {}", *OWN);
    }
}

#[test]
fn an_imported_graph_gives_the_rows_of_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let graph = import(&own_model("v1_odd.safetensors"), folder.path(), 64);
    let job = Job::own()
        .set(format!("model.path={}", graph.display()))
        .set(format!("input.classes={}", IMAGES.classes.display()))
        .set("output.top_k=3");
    job.run().exits(0);
    let (theirs, ours) = (DONE.output(), job.output());
    ask_python("rows.py", &["same", ours.to_str().unwrap(), theirs.to_str().unwrap()]);
}

/// The 24 images of `golden.json` in a separate folder, and the folder of the reference values.
fn golden() -> Option<(PathBuf, TempDir)> {
    let golden = shared("golden")?;
    let photos = shared("data/imagenet_sample")?;
    let text = std::fs::read_to_string(golden.join("golden.json")).unwrap();
    let listed: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> =
        listed["images"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.is_sorted(), "row i of the reference must be the i-th key");
    let mut files = BTreeMap::new();
    for class in std::fs::read_dir(photos).unwrap() {
        for file in std::fs::read_dir(class.unwrap().path()).unwrap() {
            let file = file.unwrap();
            files.insert(file.file_name().into_string().unwrap(), file.path());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for name in &names {
        std::os::unix::fs::symlink(&files[*name], folder.path().join(name)).unwrap();
    }
    Some((golden, folder))
}

#[test]
fn the_golden_networks_agree_with_timm_through_the_whole_run() {
    let Some((golden, images)) = golden() else { return };
    for name in ["tiny_v1", "small_v1", "small_v2"] {
        let job = Job::new(images.path().to_str().unwrap(), &golden.join(format!("{name}.safetensors")))
            .set("output.logits=true")
            .set("output.rows_per_part=10");
        job.run().exits(0);
        let expected = golden.join(format!("{name}_expected.safetensors"));
        let found = predictions(&job.output(), images.path(), &["--expected", expected.to_str().unwrap()]);
        print!("{name}: ");
        assert_parity(&found, 24);
    }
}

#[test]
fn photographs_in_wnid_folders_have_their_fixed_imagenet_targets() {
    let (Some(photos), Some(golden), Some(list)) =
        (shared("data/imagenet_sample"), shared("golden"), shared("data/imagenet_classes.tsv"))
    else {
        return;
    };
    let list = std::fs::read_to_string(list).unwrap();
    let wnids: Vec<&str> =
        list.lines().filter_map(|line| line.split('\t').find(|field| is_wnid(field))).collect();
    assert_eq!(wnids.len(), 1000);
    let job = Job::new(photos.to_str().unwrap(), &golden.join("small_v1.safetensors"))
        .set("input.targets=folder")
        .set("preprocess.image_size=64");
    assert_eq!(job.run().exits(0)["rows"], json!({"planned": 100, "ok": 100, "error": 0}));
    for row in job.rows() {
        let folder = row["key"].as_str().unwrap().split('/').next().unwrap();
        let index = wnids.iter().position(|wnid| *wnid == folder);
        assert_eq!(row["target"], json!(index), "{row}");
        assert!(row["label"][0].is_string(), "{row}");
    }
}

fn is_wnid(text: &str) -> bool {
    text.len() == 9 && text.starts_with('n') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn half_precision_runs_on_the_cpu_and_mostly_agrees() {
    let job = Job::own().set("model.precision=fp16").set("output.top_k=3");
    job.run().exits(0);
    let (mut same, mut rows) = (0, 0);
    for (half, single) in job.rows().iter().zip(&DONE.rows) {
        assert_eq!(half["error_kind"], single["error_kind"]);
        if half["status"] == "ok" {
            rows += 1;
            same += usize::from(half["index"][0] == single["index"][0]);
        }
    }
    println!("fp16 agrees with fp32 on the best class of {same} of {rows} images");
    assert_eq!(rows, 85);
    // weights are random, so that some images are between two classes
    assert!(same >= 82, "{same} of {rows}");
}
