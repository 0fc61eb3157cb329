//! int8 and fp16 graphs with measured ranges, compared with fp32 on pictures that the ranges did not see.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::support::job::{Ended, Job, ended, program};
use super::support::{ask_python, python, root, run_python, scratch, shared};

/// Pictures of the demo, which neither its training (seeds 101 and 102) nor each other's folder has seen.
struct Pictures {
    /// To measure ranges on.
    seen: PathBuf,
    /// To compare on.
    others: PathBuf,
    /// How many those are.
    count: u64,
}

/// Pictures to compare on: 200, or the number that `make test-long` sets.
static PICTURES: LazyLock<Pictures> = LazyLock::new(|| {
    let wanted = std::env::var("TRESNET_BATCH_INT8").ok().map(|count| count.parse::<u64>().unwrap());
    let (seen, others) = match wanted {
        Some(count) => (26, count.div_ceil(10)),
        None => (8, 20),
    };
    let draw = |name: &str, seed: &str, per_class: u64| {
        let folder = scratch().join(name);
        let made = Command::new(python())
            .arg(root().join("infra/demo/make_images.py"))
            .arg(&folder)
            .args(["--seed", seed, "--per-class", &per_class.to_string()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        folder
    };
    Pictures {
        seen: draw("int8_seen", "201", seen),
        others: draw("int8_others", "202", others),
        count: others * 10,
    }
});

fn demo() -> PathBuf {
    root().join("models/demo/model.safetensors")
}

fn model(command: &str, arguments: &[&str]) -> Ended {
    ended(program().args(["model", command]).args(arguments).args(["--progress", "none"]))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The demo's network in int8, made once, and what the command said of it.
static INT8: LazyLock<(PathBuf, Value)> = LazyLock::new(|| {
    let file = scratch().join("demo_int8.onnx");
    let (weights, checks) = (demo(), PICTURES.count.to_string());
    let ended = model(
        "quantize",
        &[
            text(&weights),
            "--calibrate",
            text(&PICTURES.seen),
            "--check",
            text(&PICTURES.others),
            "--checks",
            &checks,
            "-o",
            text(&file),
        ],
    );
    println!("{}", ended.stderr);
    (file, ended.exits(0))
});

#[test]
fn int8_is_as_right_as_fp32_on_pictures_that_nothing_has_seen() {
    let (_, summary) = &*INT8;
    let accuracy = &summary["accuracy"];
    assert_eq!(accuracy["images"], PICTURES.count, "{summary}");
    let (fp32, int8) = (accuracy["fp32"].as_f64().unwrap(), accuracy["int8"].as_f64().unwrap());
    // of few pictures, one more or less is half a point
    let bound = if PICTURES.count >= 1000 { 0.005 } else { 0.01 };
    assert!(fp32 > 0.85 && (fp32 - int8).abs() <= bound, "{accuracy}");
    assert!(summary["agreement"].as_f64().unwrap() >= 0.98, "{summary}");
    let compared = &summary["compared"];
    assert!(compared["cosine_mean"].as_f64().unwrap() > 0.999, "{compared}");
    assert!(compared["cosine_min"].as_f64().unwrap() > 0.9, "{compared}");
    assert_eq!((&compared["non_finite"], &summary["left_out"]), (&json!(0), &json!(0)));
    assert_eq!(summary["calibration"]["images"], if PICTURES.count >= 1000 { 256 } else { 80 });
}

#[test]
fn every_convolution_of_maps_runs_in_eight_bits() {
    let (file, _) = &*INT8;
    let operators = ask_python("quantized_graph.py", &[text(file)]);
    println!("{operators}");
    let count = |operator: &str| operators[operator].as_u64().unwrap_or(0);
    // the demo: a stem, 3 basic blocks of two and 3 bottlenecks of three, 4 shortcuts of which 3 shrink, 3 blurs
    assert_eq!(count("QLinearConv"), 1 + 3 * 2 + 3 * 3 + 3 + 3, "{operators}");
    // squeeze-and-excitation's layers, two a block, in all but the last
    assert_eq!(count("Conv"), 5 * 2, "{operators}");
    for (operator, expected) in [("QLinearAdd", 6), ("QLinearMul", 5), ("QLinearAveragePool", 3)] {
        assert_eq!(count(operator), expected, "{operator} in {operators}");
    }
    for operator in ["LeakyRelu", "QLinearLeakyRelu", "Add", "Mul", "AveragePool"] {
        assert_eq!(count(operator), 0, "{operator} in {operators}");
    }
}

#[test]
fn a_job_runs_the_file_as_int8_and_says_so_everywhere() {
    let (file, summary) = &*INT8;
    let job = Job::new(text(&PICTURES.others), file).set("input.targets=folder").set("engine.batch_size=32");
    let ended = job.run();
    ended.exits(0);
    let frozen: Value =
        serde_json::from_slice(&std::fs::read(job.output().join("_tresnet/job.json")).unwrap()).unwrap();
    assert_eq!(frozen["model"]["precision"], "int8", "{frozen}");
    assert_eq!(frozen["components"]["model.precision"], "int8", "{frozen}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(job.output().join("_report/report.json")).unwrap()).unwrap();
    assert_eq!(report["provenance"]["precision"], "int8", "{}", report["provenance"]);
    let rows = job.rows();
    let right = rows.iter().filter(|row| row["target_rank"] == 1).count() as f64;
    let said = summary["accuracy"]["int8"].as_f64().unwrap();
    assert_eq!(right / rows.len() as f64, said, "the comparison and a run count differently");
    // this file has no other precision
    let fp32 = Job::new(text(&PICTURES.others), file).set("model.precision=fp32");
    fp32.run().fails(78, &["`model.precision` is fp32, but the ONNX graph is int8"]);
}

#[test]
fn int8_is_never_chosen_without_ranges() {
    let job = Job::new(text(&PICTURES.seen), &demo()).set("model.precision=int8");
    job.run().fails(78, &["takes ranges measured on images", "model quantize WEIGHTS --calibrate JOB"]);
}

#[test]
fn a_job_gives_the_sample_too_and_what_is_left_of_its_input_is_compared_on() {
    let job = Job::new(text(&PICTURES.seen), &demo());
    let text_of_job = std::fs::read_to_string(job.file()).unwrap();
    std::fs::write(job.file(), text_of_job.replace("[model]", "targets = \"folder\"\n\n[model]")).unwrap();
    let file = scratch().join("from_job.onnx");
    let (weights, job_file) = (demo(), job.file());
    let arguments = [text(&weights), "--calibrate", text(&job_file), "--images", "30", "-o", text(&file)];
    let summary = model("quantize", &arguments).exits(0);
    let all = if PICTURES.count >= 1000 { 260 } else { 80 };
    assert_eq!(summary["calibration"]["images"], 30);
    assert_eq!(summary["compared"]["images"], all - 30);
    assert_eq!(summary["accuracy"]["images"], all - 30);
    // the same sample gives the same file
    let first = std::fs::read(&file).unwrap();
    model("quantize", &arguments).exits(0);
    assert!(first == std::fs::read(&file).unwrap(), "two runs over one sample give two graphs");
    assert!(!job.output().exists(), "the job's output was touched");
}

#[test]
fn what_cannot_be_quantized_says_why() {
    let (weights, out) = (demo(), scratch().join("refused.onnx"));
    let (half, plain) = (scratch().join("to_refuse_16.onnx"), scratch().join("to_refuse_32.onnx"));
    let imported = model("import", &[text(&weights), "--precision", "fp16", "-o", text(&half)]);
    imported.exits(0);
    assert!(imported.stderr.contains("no map was looked at"), "{}", imported.stderr);
    model("import", &[text(&weights), "-o", text(&plain)]).exits(0);
    let foreign = scratch().join("foreign.onnx");
    std::fs::write(&foreign, without_properties(&std::fs::read(&plain).unwrap())).unwrap();
    let (empty, int8) = (scratch().join("no_images"), &INT8.0);
    std::fs::create_dir_all(&empty).unwrap();
    let seen = &PICTURES.seen;
    for (weights, sample, words) in [
        (int8, seen, ["the graph is int8 already", "give the checkpoint"]),
        (&half, seen, ["the graph is fp16 already", "give the checkpoint"]),
        (&foreign, seen, ["is not one that `model import` wrote", "give the checkpoint"]),
        (&plain, &empty, ["no image below", "no_images"]),
    ] {
        let ended = model("quantize", &[text(weights), "--calibrate", text(sample), "-o", text(&out)]);
        ended.fails(78, &words);
        assert!(!out.exists());
    }
    let pointless = ["--calibrate", text(seen), "-o", text(&out)];
    let ended = model("import", &[&[text(&weights)], &pointless[..]].concat());
    ended.fails(64, &["goes with `--precision fp16`"]);
}

/// An ONNX file without its properties, which are its last field: 14 << 3 | 2, a length and that number of bytes.
fn without_properties(bytes: &[u8]) -> Vec<u8> {
    let needle = b"tresnet.format";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    // tag and length of the entry, tag and length of its key
    let start = at - 4;
    assert_eq!(bytes[start], 14 << 3 | 2);
    bytes[..start].to_vec()
}

#[test]
fn a_map_that_fp16_cannot_hold_stays_fp32_and_its_rows_are_finite() {
    let scaled = scratch().join("scaled").join("model.safetensors");
    std::fs::create_dir_all(scaled.parent().unwrap()).unwrap();
    std::fs::copy(root().join("models/demo/config.json"), scaled.with_file_name("config.json")).unwrap();
    run_python("scaled_layer.py", &[text(&demo()), text(&scaled), "16384"]);
    let [single, plain, kept] =
        ["single", "plain", "kept"].map(|name| scaled.with_file_name(format!("{name}.onnx")));
    model("import", &[text(&scaled), "-o", text(&single)]).exits(0);
    let half = [text(&scaled), "--precision", "fp16", "-o"];
    model("import", &[&half[..], &[text(&plain)]].concat()).exits(0);
    let measured =
        model("import", &[&half[..], &[text(&kept), "--calibrate", text(&PICTURES.seen)]].concat());
    let summary = measured.exits(0);
    assert_eq!(
        summary["calibration"]["fp32_maps"],
        json!(["layer2.1.conv1.conv", "layer2.1.conv1.leaky"]),
        "{summary}"
    );
    assert!(summary["largest"].as_f64().unwrap() > 65_504.0, "{summary}");

    let judged = ask_python(
        "half_by_node.py",
        &[text(&single), text(&plain), text(&kept), text(&PICTURES.others), "50"],
    );
    println!("{judged}");
    let (plain, kept) = (&judged[0], &judged[1]);
    assert!(plain["finite"].as_u64().unwrap() < 50, "fp16 holds it after all: {plain}");
    // embedding and logits, the map twice, the map before it and the map after it
    assert_eq!((&kept["finite"], &kept["fp32_maps"]), (&json!(50), &json!(6)), "{kept}");
    assert!(kept["agreed"].as_u64().unwrap() >= 49, "{kept}");
    assert!(kept["logits_error"].as_f64().unwrap() < 5e-3, "{kept}");
    assert!(kept["cosine_min"].as_f64().unwrap() > 0.9999, "{kept}");
}

#[test]
fn where_every_map_fits_calibrated_fp16_is_plain_fp16() {
    let weights = demo();
    let [single, plain, kept] = ["32", "16", "16c"].map(|name| scratch().join(format!("demo_{name}.onnx")));
    model("import", &[text(&weights), "-o", text(&single)]).exits(0);
    let half = [text(&weights), "--precision", "fp16", "-o"];
    model("import", &[&half[..], &[text(&plain)]].concat()).exits(0);
    model("import", &[&half[..], &[text(&kept), "--calibrate", text(&PICTURES.seen)]].concat()).exits(0);
    let count = PICTURES.count.to_string();
    let judged = ask_python(
        "half_by_node.py",
        &[text(&single), text(&plain), text(&kept), text(&PICTURES.others), &count],
    );
    println!("fp16 on {count} pictures: {}", judged[0]);
    assert_eq!(judged[0], judged[1]);
    assert_eq!(judged[0]["finite"], PICTURES.count);
    assert!(judged[0]["agreed"].as_u64().unwrap() as f64 >= 0.995 * PICTURES.count as f64, "{judged}");
    assert!(judged[0]["logits_error"].as_f64().unwrap() < 5e-3, "{judged}");
}

#[test]
fn fp16_of_random_weights_is_near_fp32() {
    let Some(golden) = shared("golden") else { return };
    for name in ["tiny_v1", "small_v1", "small_v2"] {
        let weights = golden.join(format!("{name}.safetensors"));
        let [single, half] = ["32", "16"].map(|kind| scratch().join(format!("{name}_{kind}.onnx")));
        let to = |file: &Path, precision: &str| {
            let arguments =
                [text(&weights), "--precision", precision, "--image-size", "224", "-o", text(file)];
            model("import", &arguments).exits(0);
        };
        to(&single, "fp32");
        to(&half, "fp16");
        let images = golden.join("inputs_224_u8.safetensors");
        let judged = ask_python("half_by_node.py", &[text(&single), text(&half), text(&images), "24"]);
        println!("{name} in fp16: {}", judged[0]);
        // logits of random weights hardly differ, so that one image in 24 may fall to a neighbour
        assert_eq!(judged[0]["finite"], 24, "{name}: {judged}");
        assert!(judged[0]["agreed"].as_u64().unwrap() >= 23, "{name}: {judged}");
        assert!(judged[0]["logits_error"].as_f64().unwrap() < 5e-3, "{name}: {judged}");
        assert!(judged[0]["embedding_error"].as_f64().unwrap() < 5e-3, "{name}: {judged}");
    }
}
