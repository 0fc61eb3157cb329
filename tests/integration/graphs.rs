//! Third-party graphs: tensors by name, an embedding alone, free axes, other types, weights beside the graph, and
//! a softmax or sigmoid at the end. Rows are compared with the same arithmetic in numpy.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::support::job::{Ended, IMAGES, Job, ended, program};
use super::support::{ask_python, root, run_python, scratch};

/// What `foreign_graphs.py` makes.
static GRAPHS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = scratch().join("foreign_graphs");
    run_python("foreign_graphs.py", &["make", folder.to_str().unwrap()]);
    folder
});

/// A job over the test images, without its preprocessing's size.
fn any_size(graph: &str) -> Job {
    Job::new(IMAGES.folder.to_str().unwrap(), &GRAPHS.join(graph))
        .set("preprocess.crop_pct=0.875")
        .set("preprocess.interpolation=bilinear")
        .set("preprocess.mean=[0, 0, 0]")
        .set("preprocess.std=[1, 1, 1]")
        .set("output.rows_per_part=8")
        .set("limits.max_error_fraction=1.0")
}

fn on(graph: &str) -> Job {
    any_size(graph).set("preprocess.image_size=64")
}

fn with_logits(graph: &str) -> Job {
    on(graph).set("output.logits=true")
}

fn check(job: &Job, kind: &str) -> Value {
    let (out, images) = (job.output(), IMAGES.folder.clone());
    let found =
        ask_python("foreign_graphs.py", &["check", out.to_str().unwrap(), images.to_str().unwrap(), kind]);
    assert!(found["rows"].as_f64().unwrap() > 20.0, "{found}");
    found
}

#[track_caller]
fn below(found: &Value, name: &str, limit: f64) {
    assert!(found[name].as_f64().unwrap() < limit, "{name} of {found}");
}

/// What `_tresnet/job.json` has under a component.
fn component(job: &Job, name: &str) -> Value {
    frozen(&job.output())["components"][name].clone()
}

fn frozen(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("_tresnet/job.json")).unwrap()).unwrap()
}

fn columns(job: &Job) -> Vec<String> {
    let types = ask_python("rows.py", &["types", job.output().to_str().unwrap()]);
    let columns = types[0].as_array().unwrap();
    columns.iter().map(|column| column[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn outputs_that_cannot_be_told_apart_are_listed_and_keys_choose_among_them() {
    let words = [
        "cannot be distinguished",
        "`a` F32 [batch, 5]",
        "`b` F32 [batch, 3]",
        "`model.logits`",
        "`model.embedding`",
    ];
    on("two.onnx").run().fails(78, &words);
    let job = with_logits("two.onnx").set("model.logits=a").set("model.embedding=b");
    job.run().exits(0);
    let found = check(&job, "single");
    below(&found, "logits", 1e-4);
    below(&found, "embedding", 1e-4);
    below(&found, "softmax", 1e-4);
    assert_eq!(found["order"], 0.0, "{found}");
    assert_eq!(
        (component(&job, "model.logits"), component(&job, "model.embedding")),
        (json!("a"), json!("b"))
    );
}

#[test]
fn a_name_that_no_tensor_has_is_refused_with_the_outputs() {
    for (key, words) in [
        ("model.logits=c", &["`model.logits` names no tensor", "`a` F32 [batch, 5]"][..]),
        ("model.input=c", &["`model.input` names none of its inputs", "`images` F32"]),
    ] {
        on("two.onnx").set("model.embedding=b").set(key).run().fails(78, words);
    }
    let weights = Job::own().set("model.embedding=embedding");
    weights.run().fails(78, &["`model.embedding`", "name tensors of an ONNX graph"]);
}

#[test]
fn a_graph_with_one_image_fixed_inside_names_the_batch_size_that_it_takes() {
    let words = ["runs on one image and not on a batch of", "`engine.batch_size = 1`"];
    for size in ["2", "\"auto\""] {
        on("baked.onnx").set(format!("engine.batch_size={size}")).run().fails(78, &words);
    }
    let job = with_logits("baked.onnx").set("engine.batch_size=1");
    job.run().exits(0);
    below(&check(&job, "single"), "logits", 1e-4);
}

#[test]
fn a_graph_that_gives_other_rows_than_images_is_refused() {
    on("doubled.onnx").run().fails(78, &["returns `twice` as [8, 5] for 4 images instead of [4, 5]"]);
}

#[test]
fn a_tensor_inside_of_the_graph_can_be_the_embedding() {
    let job = with_logits("plain.onnx").set("model.embedding=mean");
    let both = job.set("model.logits=score");
    both.run().exits(0);
    let found = check(&both, "single");
    below(&found, "logits", 1e-4);
    below(&found, "embedding", 1e-4);
    // the only output is the logits without the key too
    assert_eq!(component(&both, "model.logits"), Value::Null);
    assert_eq!(component(&both, "model.embedding"), "mean");
}

#[test]
fn an_embedding_alone_makes_rows_without_columns_of_classes() {
    let job = on("tower.onnx").set("report.formats=[\"json\", \"markdown\", \"html\", \"csv\"]");
    let summary = job.run().exits(0);
    assert_eq!(summary["complete"], true, "{summary}");
    below(&check(&job, "single"), "embedding", 1e-4);
    let columns = columns(&job);
    for column in ["index", "prob", "label", "target_prob", "target_rank", "logits"] {
        assert!(!columns.iter().any(|name| name == column), "{columns:?}");
    }
    assert!(columns.iter().any(|name| name == "embedding"), "{columns:?}");
    let model = frozen(&job.output())["model"].clone();
    assert_eq!((&model["classes"], &model["dim"]), (&json!(0), &json!(3)));
    ended(program().arg("verify").arg(job.output())).exits(0);
    let report = ended(program().arg("report").arg(job.output()));
    let metrics = report.exits(0)["metrics"].clone();
    assert!(metrics["errors"].as_f64().unwrap() > 0.0 && metrics.get("top1").is_none(), "{metrics}");
    let text = std::fs::read_to_string(job.output().join("_report/report.md")).unwrap();
    assert!(text.contains("no classes") && text.contains("## Throughput"), "{text}");
    let page = std::fs::read_to_string(job.output().join("_report/report.html")).unwrap();
    assert!(page.contains("embeddings and no classes"));
}

#[test]
fn what_needs_classes_is_refused_for_an_embedding_alone() {
    for (assignment, word) in [
        ("output.embedding=none", "`output.embedding = \"none\"`"),
        ("output.top_k=5", "`output.top_k`"),
        ("output.logits=true", "`output.logits = true`"),
        ("output.activation=softmax", "`output.activation`"),
        ("input.classes=imagenet-1k", "`input.classes`"),
        ("input.targets=folder", "`input.targets`"),
        ("report.require=[\"top1 >= 1\"]", "`top1 >= 1`"),
    ] {
        let job = on("tower.onnx").set(assignment);
        job.run().fails(78, &[word, "an embedding and no logits"]);
        assert!(!job.output().exists(), "{assignment}");
    }
    let gated = on("tower.onnx").set("report.require=[\"error_fraction <= 1\"]");
    gated.run().exits(0);
    let out = gated.output();
    let on_output =
        |arguments: &[&str]| -> Ended { ended(program().arg(arguments[0]).arg(&out).args(&arguments[1..])) };
    let to = scratch().join("no_classes");
    on_output(&["export", "--format", "timm-csv", "--to", to.to_str().unwrap()]).fails(78, &["no classes"]);
    on_output(&["report", "--require", "top1 >= 1"]).fails(78, &["`top1 >= 1` is about classes"]);
    let list = tempfile::Builder::new().suffix(".csv").tempfile_in(scratch()).unwrap();
    std::fs::write(list.path(), "path,label\na,0\n").unwrap();
    on_output(&["report", "--targets", list.path().to_str().unwrap()]).fails(78, &["no classes"]);
}

#[test]
fn outputs_of_embeddings_alone_are_compared_by_their_cosine() {
    let (a, b) = (on("tower.onnx"), on("tower.onnx").set("output.embedding=f16"));
    a.run().exits(0);
    b.run().exits(0);
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    let compared =
        ended(program().arg("compare").args([a.output(), b.output()]).arg("--json-file").arg(file.path()));
    compared.exits(0);
    let ours: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    assert!(ours["cosine"]["worst"].as_f64().unwrap() > 0.9999, "{}", ours["cosine"]);
    assert_eq!((&ours["agreement"], &ours["counts"]["changed"]), (&Value::Null, &json!(0)));
    let classes = on("plain.onnx").set("output.embedding=none");
    classes.run().exits(0);
    let refused = ended(program().arg("compare").args([a.output(), classes.output()]));
    refused.fails(78, &["A's model gives an embedding and no classes"]);
}

#[test]
fn inputs_that_the_chosen_outputs_do_not_need_are_left_out() {
    let job = on("clip.onnx");
    job.run().exits(0);
    below(&check(&job, "single"), "embedding", 1e-4);
    on("clip.onnx")
        .set("model.logits=text_embeds")
        .run()
        .fails(78, &["need more than the images", "`input_ids`"]);
}

#[test]
fn two_images_show_how_wide_outputs_are_that_the_graph_leaves_free() {
    let job = with_logits("free.onnx");
    job.run().exits(0);
    let found = check(&job, "single");
    below(&found, "logits", 1e-4);
    below(&found, "embedding", 1e-4);
    let model = frozen(&job.output())["model"].clone();
    assert_eq!((&model["classes"], &model["dim"]), (&json!(5), &json!(3)));
    // frozen values are not measured again, and the job is the same
    assert_eq!(job.run().exits(0)["complete"], true);
    let fixed = with_logits("named.onnx");
    fixed.run().exits(0);
    let outputs = [&job, &fixed].map(|job| job.output().to_str().unwrap().to_owned());
    assert_eq!(ask_python("foreign_graphs.py", &["bits", &outputs[0], &outputs[1]]), 0);
    any_size("free.onnx").run().fails(78, &["`preprocess.image_size`"]);
    let other = with_logits("free.onnx").set("preprocess.image_size=96");
    other.run().exits(0);
    ended(program().args(["model", "inspect"]).arg(GRAPHS.join("free.onnx"))).exits(0);
}

#[test]
fn interleaved_pixels_and_types_of_half_the_width_give_the_same_rows() {
    for (graph, kind, limit) in
        [("nhwc.onnx", "single", 1e-4), ("half.onnx", "half", 2e-2), ("bf16.onnx", "bf16", 3e-2)]
    {
        let job = with_logits(graph);
        job.run().exits(0);
        let found = check(&job, kind);
        below(&found, "logits", limit);
        below(&found, "softmax", limit);
    }
}

#[test]
fn weights_beside_the_graph_are_read_and_part_of_what_the_model_is() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let copy = |name: &str| {
        std::fs::copy(GRAPHS.join("external").join(name), folder.path().join(name)).unwrap();
    };
    copy("model.onnx");
    copy("weights.bin");
    let path = folder.path().join("model.onnx");
    let job = with_logits("plain.onnx").set(format!("model.path={}", path.display()));
    job.run().exits(0);
    below(&check(&job, "single"), "logits", 1e-4);
    let named = with_logits("plain.onnx");
    named.run().exits(0);
    let outputs = [&job, &named].map(|job| job.output().to_str().unwrap().to_owned());
    assert_eq!(ask_python("foreign_graphs.py", &["bits", &outputs[0], &outputs[1]]), 0);
    // other weights in the same file are another model
    let mut weights = std::fs::read(folder.path().join("weights.bin")).unwrap();
    weights[5] ^= 1;
    std::fs::write(folder.path().join("weights.bin"), weights).unwrap();
    job.run().fails(78, &["`model.graph`", "`model.sha256`"]);
}

#[test]
fn what_both_exporters_of_pytorch_write_gives_the_rows_of_the_file_itself() {
    for (graph, batch, limit) in [
        ("dynamo-fp32.onnx", 1, 1e-4),
        ("script-fp32.onnx", 1, 1e-4),
        ("dynamo-fp32-free.onnx", 4, 1e-4),
        ("script-fp32-free.onnx", 4, 1e-4),
        ("dynamo-fp16.onnx", 1, 1e-2),
        ("script-fp16.onnx", 1, 1e-2),
    ] {
        let path = root().join("tests/data/graphs").join(graph);
        let job = any_size("plain.onnx")
            .set(format!("model.path={}", path.display()))
            .set("preprocess.image_size=32")
            .set("output.logits=true")
            // the exporters' default is a batch of one
            .set(format!("engine.batch_size={batch}"));
        job.run().exits(0);
        let asked = [job.output(), IMAGES.folder.clone(), path].map(|path| path.to_str().unwrap().to_owned());
        let found = ask_python("foreign_graphs.py", &["exported", &asked[0], &asked[1], &asked[2]]);
        assert!(found["rows"].as_f64().unwrap() > 20.0, "{graph}: {found}");
        below(&found, "logits", limit);
    }
}

#[test]
fn weights_out_of_the_folder_are_refused() {
    for (graph, words) in [
        ("hostile/climbing.onnx", &["`../outside/weights.bin`", "out of the model's folder"][..]),
        ("hostile/absolute.onnx", &["out of the model's folder"]),
        ("hostile/linked.onnx", &["`link.bin`", "a link out of the model's folder"]),
        ("hostile/cut.onnx", &["`short.bin`", "63 bytes", "`matrix` ends at byte 64"]),
        ("hostile/address.onnx", &["_ORT_MEM_ADDR_", "out of the model's folder"]),
        ("hostile/missing.onnx", &["`nothing.bin`", "copy it beside the graph"]),
        ("external/inside.onnx", &["the weights of a node", "save it as one file"]),
    ] {
        let job = on(graph);
        job.run().fails(78, words);
        assert!(!job.output().exists(), "{graph}");
    }
}

#[test]
fn a_softmax_or_sigmoid_at_the_end_is_not_applied_twice() {
    for (graph, head, activation, limit) in [
        ("softmax.onnx", json!("softmax"), "softmax", 1e-4),
        ("softmax_cast.onnx", json!("softmax"), "softmax", 1e-4),
        ("softmax_qdq.onnx", json!("softmax"), "softmax", 1e-4),
        ("sigmoid.onnx", json!("sigmoid"), "sigmoid", 1e-4),
        // softmax of a logarithm of probabilities gives these again
        ("logsoftmax.onnx", Value::Null, "softmax", 1e-4),
        ("plain.onnx", Value::Null, "softmax", 1e-4),
    ] {
        let job = with_logits(graph);
        job.run().exits(0);
        let found = check(&job, "single");
        below(&found, activation, limit);
        assert_eq!(found["order"], 0.0, "{graph}: {found}");
        if graph != "logsoftmax.onnx" {
            below(&found, "logits", 1e-4);
        }
        assert_eq!(component(&job, "rules.head"), head, "{graph}");
        assert_eq!(component(&job, "output.activation"), activation, "{graph}");
    }
    let typed = with_logits("sigmoid.onnx").set("output.activation=softmax");
    typed.run().exits(0);
    below(&check(&typed, "single"), "softmax", 1e-4);
}

#[test]
fn a_softmax_over_the_batch_is_no_head() {
    let job = with_logits("softmax_batch.onnx");
    job.run().exits(0);
    assert_eq!(component(&job, "rules.head"), Value::Null);
}

#[test]
fn a_job_of_0_1_0_whose_graph_ends_in_a_softmax_is_not_resumed_and_a_finished_one_is_done() {
    let job = on("softmax.onnx");
    job.run().exits(0);
    let file = job.output().join("_tresnet/job.json");
    // as that version froze it: without the component, under the fingerprint of the others
    let mut earlier = frozen(&job.output());
    earlier["components"].as_object_mut().unwrap().remove("rules.head");
    let fingerprint = ask_python("fingerprint.py", &[file.to_str().unwrap(), "rules.head"]);
    earlier["fingerprint"] = fingerprint.clone();
    std::fs::write(&file, serde_json::to_vec_pretty(&earlier).unwrap()).unwrap();
    let success = job.output().join("_SUCCESS");
    let text = std::fs::read_to_string(&success).unwrap();
    let ours: Value = serde_json::from_str(&text).unwrap();
    let ours = ours["fingerprint"].as_str().unwrap().to_owned();
    std::fs::write(&success, text.replace(&ours, fingerprint.as_str().unwrap())).unwrap();
    assert_eq!(job.run().exits(0)["complete"], true);
    std::fs::remove_file(&success).unwrap();
    job.run().fails(78, &["version 0.1.0 began this job", "softmax", "another `output.uri`"]);
}
