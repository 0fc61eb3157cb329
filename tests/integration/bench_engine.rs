//! `bench engine`: the network alone, each row in turn with its control; and `model new`, which makes weights for it.

use serde_json::Value;

use crate::support::job::{Ended, ended, own_model, program};

fn bench(arguments: &[&str]) -> Ended {
    let quick = ["bench", "engine", "--device", "cpu", "--seconds", "0.01", "--batch-size", "2"];
    let rounds: &[&str] = if arguments.contains(&"--rounds") { &[] } else { &["--rounds", "2"] };
    ended(program().args(quick).args(rounds).args(arguments))
}

fn names(summary: &Value) -> Vec<&str> {
    summary["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// Every row has a rate, and every row but the controls a ratio within its range.
fn hold(summary: &Value, controls: usize) {
    let rows = summary["rows"].as_array().unwrap();
    for row in rows {
        assert!(row["images_per_s"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["peak_bytes"].as_u64().is_some(), "{row}");
    }
    let ratios = rows.iter().filter_map(|row| row["ratio"].as_f64().map(|ratio| (ratio, row)));
    let mut count = 0;
    for (ratio, row) in ratios {
        let range: Vec<f64> =
            row["ratio_range"].as_array().unwrap().iter().map(|end| end.as_f64().unwrap()).collect();
        assert!(range[0] <= ratio && ratio <= range[1] && ratio > 0.0, "{row}");
        count += 1;
    }
    assert_eq!(count, rows.len() - controls, "{summary}");
}

#[test]
fn models_are_measured_in_turn_with_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let (first, second) = (own_model("v2.safetensors"), own_model("v1_odd.safetensors"));
    let [first, second, file] = [&first, &second, &file].map(|path| path.to_str().unwrap());
    let ended = bench(&[first, second, "--image-size", "64", "--json-file", file]);
    let summary = ended.exits(0);
    assert_eq!(names(&summary), [first, second]);
    hold(&summary, 1);
    let written: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(written["rows"], summary["rows"]);
}

#[test]
fn the_papers_networks_stand_beside_its_figures() {
    let summary = bench(&["--table", "basic", "--image-size", "64", "--rounds", "1"]).exits(0);
    assert_eq!(names(&summary), ["tresnet_m", "tresnet_l", "tresnet_xl"]);
    hold(&summary, 3);
    let gflops = summary["rows"][0]["gflops"].as_f64().unwrap();
    let rate = summary["rows"][0]["images_per_s"].as_f64().unwrap();
    // 5.75 GMACs at 224 pixels, a twelfth of them at 64
    assert!((gflops / rate / (2.0 * 5.75 * 64.0 * 64.0 / 224.0 / 224.0) - 1.0).abs() < 0.05, "{summary}");
    // the paper measured at 224
    assert!(summary["rows"][0]["paper_images_per_s"].is_null(), "{summary}");
}

#[test]
fn every_form_refinement_and_optimisation_has_a_row() {
    for (table, rows) in [("forms", 15), ("ablation", 9), ("optimisations", 7)] {
        let ended = bench(&["--table", table, "--image-size", "64", "--arch", "tresnet[1,1,1,1]x12"]);
        let summary = ended.exits(0);
        assert_eq!(names(&summary).len(), rows, "{summary}");
        hold(&summary, 1);
        let says = ended.stderr.contains("accuracy needs a training");
        assert_eq!(says, table == "ablation", "{}", ended.stderr);
    }
}

#[test]
fn a_graph_of_another_exporter_can_be_the_control() {
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("other.onnx");
    let (weights, graph) = (own_model("v2.safetensors"), graph.to_str().unwrap().to_owned());
    let import = ["model", "import", weights.to_str().unwrap(), "--image-size", "64", "-o", &graph];
    ended(program().args(import)).exits(0);
    let summary = bench(&[
        "--table",
        "forms",
        "--image-size",
        "64",
        "--arch",
        "tresnet[1,1,1,1]x12",
        "--against",
        &graph,
    ])
    .exits(0);
    assert_eq!((names(&summary)[0], names(&summary).len()), (graph.as_str(), 16));
    hold(&summary, 1);
}

#[test]
fn random_weights_are_the_network_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("l.safetensors");
    let path = file.to_str().unwrap();
    let new = |seed: &str| {
        let arch = "tresnet_v2[1,1,2,1]x16";
        let arguments = ["model", "new", "--arch", arch, "--classes", "10", "--seed", seed, "-o", path];
        ended(program().args(arguments)).exits(0)["sha256"].clone()
    };
    let (first, other, again) = (new("1"), new("2"), new("1"));
    assert!(first == again && first != other);
    let summary = ended(program().args(["model", "inspect", path])).exits(0);
    assert_eq!(
        (&summary["arch"], &summary["classes"]),
        (&Value::from("tresnet_v2[1,1,2,1]x16"), &Value::from(10))
    );
    assert_eq!(summary["sha256"], first);
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is() {
    bench(&["--arch", "resnet50"]).fails(64, &["resnet50", "tresnet_m", "tresnet[1,1,1,1]x16"]);
    bench(&["--set", "pined=false"]).fails(64, &["pined", "pinned"]);
    bench(&["--image-size", "66"]).fails(78, &["66"]);
    ended(program().args(["model", "new", "--arch", "resnet50", "-o", "x.safetensors"]))
        .fails(64, &["resnet50", "tresnet_xl"]);
}
