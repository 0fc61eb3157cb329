//! `compare A B`: comparisons of two real outputs, checked with numpy, scipy and statsmodels.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tresnet_batch::report::Paired;

use crate::report::assert_same;
use crate::support::job::{Ended, IMAGES, Job, ended, own_model, program};
use crate::support::{ask_python, root, scratch};

/// A finished job on the test images.
fn done(job: Job) -> Job {
    job.run().exits(0);
    job
}

/// The baseline, its half precision, and the same weights at another size, which count as another network.
static FP32: LazyLock<Job> = LazyLock::new(|| done(Job::own()));
static FP16: LazyLock<Job> = LazyLock::new(|| done(Job::own().set("model.precision=fp16")));
static OTHER: LazyLock<Job> = LazyLock::new(|| done(Job::own().set("preprocess.image_size=96")));

pub(crate) fn compare(a: &Path, b: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("compare").arg(a).arg(b).args(arguments))
}

/// Compares, and checks every figure against `compared.py`; returns the JSON that was written.
pub(crate) fn held(a: &Path, b: &Path, column: Option<&str>) -> Value {
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    let path = file.path().to_str().unwrap();
    let by = column.map(|column| ["--by", column]);
    let arguments: Vec<&str> = by.iter().flatten().copied().chain(["--json-file", path]).collect();
    compare(a, b, &arguments).exits(0);
    let ours: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let asked = [a.to_str(), b.to_str(), column];
    let reference = ask_python("compared.py", &asked.into_iter().flatten().collect::<Vec<_>>());
    let mut figures = reference["figures"].clone();
    let mut cosine = reference["cosine"].clone();
    if ours["join"]["method"] == "key_table" {
        cosine = json!({ "rows": 0, "mean": null, "worst": null });
    }
    for (spread, ours, from) in
        [(&mut figures["prob_drift"], &ours["prob_drift"], 0.0), (&mut cosine, &ours["cosine"], 1.0)]
    {
        let spread = spread.as_object_mut().unwrap();
        for name in ["p50", "p95", "p99", "p999"] {
            // percentiles come from bins that are a 65,536th wide
            let Some(exact) = spread.remove(name).and_then(|value| value.as_f64()) else { continue };
            let found = ours[name].as_f64().unwrap();
            let scale = (exact - from).abs();
            assert!((found - exact).abs() <= 1e-5 * scale + 1e-15, "{name}: {found} is not {exact}");
        }
    }
    assert_same(&figures, &ours, "figures");
    assert_same(&cosine, &ours["cosine"], "cosine");
    if column.is_some() {
        assert_same(&reference["slices"], &ours["slices"]["values"], "slices");
    }
    for kind in ["lost", "gained"] {
        let keys: Vec<&Value> = ours[kind].as_array().unwrap().iter().map(|flip| &flip["key"]).collect();
        let mut keys: Vec<&str> = keys.into_iter().map(|key| key.as_str().unwrap()).collect();
        keys.sort_unstable();
        assert_eq!(json!(keys), reference["flips"][kind], "{kind}");
    }
    ours
}

#[test]
fn statistics_are_those_of_scipy_and_statsmodels() {
    let text = std::fs::read_to_string(root().join("tests/data/compare/statistics.json")).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    let near = |found: f64, wanted: &Value, what: &str| {
        let wanted = wanted.as_f64().unwrap();
        let scale = wanted.abs().max(if what == "p" { 0.0 } else { 1.0 });
        assert!((found - wanted).abs() <= 1e-6 * scale, "{what}: {found} is not {wanted}");
    };
    let cases = kept["cases"].as_array().unwrap();
    for case in cases {
        let cell = |at: usize| case["cells"][at].as_u64().unwrap();
        let paired = Paired { both: cell(0), only_a: cell(1), only_b: cell(2), neither: cell(3) };
        for (share, wanted) in [(paired.a(), &case["a"]), (paired.b(), &case["b"])] {
            let share = share.unwrap();
            near(share.low, &wanted[0], "low");
            near(share.high, &wanted[1], "high");
        }
        let drop = paired.drop().unwrap();
        near(drop.points, &case["drop"]["points"], "points");
        near(drop.low, &case["drop"]["low"], "drop low");
        near(drop.high, &case["drop"]["high"], "drop high");
        let test = paired.mcnemar().unwrap();
        let wanted = &case["mcnemar"];
        assert_eq!(serde_json::to_value(test.method).unwrap(), wanted["method"]);
        assert_eq!(test.discordant, wanted["discordant"].as_u64().unwrap());
        if let Some(statistic) = test.statistic {
            near(statistic, &wanted["statistic"], "statistic");
        }
        near(test.p, &wanted["p"], "p");
    }
    assert!(cases.len() >= 15);
}

#[test]
fn half_precision_is_accepted_by_gates_that_hold_and_refused_by_one_that_does_not() {
    let (a, b) = (FP32.output(), FP16.output());
    let good =
        ["--require", "top1_drop <= 0.2", "--require", "cosine_min >= 0.999", "--require", "agreement >= 95"];
    let accepted = compare(&a, &b, &good);
    let summary = accepted.exits(0);
    assert_eq!((&summary["join"], &summary["complete"]), (&json!("same_plan"), &json!(true)));
    assert!(accepted.stderr.contains("top1_drop <= 0.2 holds: top1_drop is 0 points"), "{}", accepted.stderr);
    // with so few images, a drop of several points cannot be ruled out
    let refused = compare(&a, &b, &[&good[..], &["--require", "top1_drop_high <= 0.2"]].concat());
    let summary = refused.fails(65, &["top1_drop_high <= 0.2 does not hold: top1_drop_high is"]);
    let passed: Vec<bool> =
        summary["gates"].as_array().unwrap().iter().map(|gate| gate["passed"].as_bool().unwrap()).collect();
    assert_eq!(passed, [true, true, true, false]);
    held(&a, &b, Some("format"));
}

#[test]
fn another_network_differs_by_what_numpy_counts() {
    let ours = held(&FP32.output(), &OTHER.output(), Some("format"));
    assert_eq!(ours["join"]["method"], "same_plan");
    let changed = ours["counts"]["changed"].as_u64().unwrap();
    assert!(changed > 5, "{changed} rows changed: too few to mean anything");
    assert_eq!(compare(&FP32.output(), &FP32.output(), &[]).exits(0)["metrics"]["agreement"], 100.0);
}

#[test]
fn parts_of_another_size_and_missing_images_are_merged_by_key() {
    let few = done(Job::own().set("output.rows_per_part=32").set("input.limit=61"));
    for (a, b, only_a, only_b) in
        [(FP32.output(), few.output(), 29, 0), (few.output(), OTHER.output(), 0, 29)]
    {
        let ours = held(&a, &b, Some("format"));
        assert_eq!(ours["join"]["method"], "key_order");
        assert_eq!((&ours["counts"]["only_a"], &ours["counts"]["only_b"]), (&json!(only_a), &json!(only_b)));
        assert!(ours["cosine"]["rows"].as_u64().unwrap() > 50);
    }
}

/// A job over a manifest of the test images in the order that `sort` gives them.
fn manifest(name: &str, sort: impl Fn(&mut Vec<&String>), rows_per_part: u32) -> Job {
    let mut keys: Vec<&String> = IMAGES.expected.keys().collect();
    sort(&mut keys);
    let path = scratch().join(name);
    let lines: Vec<String> = keys.iter().map(|key| serde_json::json!({ "path": key }).to_string()).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &own_model("v1_odd.safetensors"))
        .set("input.format=manifest")
        .set(format!("input.manifest={}", path.display()))
        .set("input.targets=none")
        .set("preprocess.image_size=64")
        .set("limits.max_error_fraction=0.2")
        .set(format!("output.rows_per_part={rows_per_part}"));
    done(job)
}

#[test]
fn manifests_are_joined_row_by_row_or_by_a_table() {
    let forth = manifest("forth.jsonl", |keys| keys.sort_by_key(|key| key.len()), 8);
    let again = manifest("again.jsonl", |keys| keys.sort_by_key(|key| key.len()), 24);
    let back = manifest("back.jsonl", |keys| keys.reverse(), 8);
    let ours = held(&forth.output(), &again.output(), None);
    assert_eq!((&ours["join"]["method"], &ours["cosine"]["rows"]), (&json!("same_keys"), &json!(85)));
    for (a, b) in [(&forth, &back), (&back, &*OTHER), (&*OTHER, &forth)] {
        let ours = held(&a.output(), &b.output(), Some("format"));
        assert_eq!(ours["join"]["method"], "key_table");
        let why = ours["cosine_missing"].as_str().unwrap();
        assert!(why.starts_with("the outputs are in different orders"), "{why}");
    }
}

#[test]
fn every_changed_image_stands_in_the_file_of_flips() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (a, b) = (FP32.output(), OTHER.output());
    let reference = ask_python("compared.py", &[a.to_str().unwrap(), b.to_str().unwrap()]);
    for ending in ["csv", "parquet"] {
        let path = folder.path().join(format!("flips.{ending}"));
        compare(&a, &b, &["--flips", path.to_str().unwrap()]).exits(0);
        let found = ask_python("exports.py", &["flips", path.to_str().unwrap()]);
        assert_eq!(found, reference["flips"], "{ending}");
    }
    let names: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().path()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    compare(&a, &b, &["--flips", "flips.txt"]).fails(64, &["flips.txt", ".csv", ".parquet"]);
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let a = FP32.output();
    let begun = Job::own();
    let plan = ended(begun.command("plan").arg("--write"));
    plan.exits(0);
    compare(&a, &begun.output(), &[]).fails(75, &["B: the output", "is not finished", "--partial"]);
    compare(&a, &begun.output(), &["--partial"]).exits(0);
    compare(&a, &scratch().join("nothing"), &[]).fails(66, &["B: no job has begun"]);
    compare(&a, &a, &["--require", "top1 >= 80"])
        .fails(78, &["no metric is called `top1`", "top1_drop_high"]);
    compare(&a, &a, &["--require", "top1_drop"]).fails(78, &["has no comparison"]);
    compare(&a, &a, &["--by", "camera"]).fails(64, &["`camera`", "format, pixels, size"]);

    let named = done(Job::own().set(format!("input.classes={}", IMAGES.classes.display())));
    compare(&named.output(), &named.output(), &[]).exits(0);
    // names on one side only: index is index, and so targets by another order of folders show
    compare(&a, &named.output(), &[]).fails(78, &["has target", "in A and", "in B", "the same targets"]);
    let text = std::fs::read_to_string(&IMAGES.classes).unwrap();
    let other = scratch().join("other_classes.txt");
    std::fs::write(&other, text.replacen(text.lines().next().unwrap(), "zebra", 1)).unwrap();
    let zebra = done(Job::own().set(format!("input.classes={}", other.display())).set("input.targets=none"));
    compare(&named.output(), &zebra.output(), &[])
        .fails(78, &["class lists differ", "class 0 is", "`zebra` in B"]);
}

#[test]
fn a_job_file_stands_for_its_output_and_pages_are_written_whole() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let page = folder.path().join("compare.md");
    let mut command: Command = program();
    command.arg("compare").arg(FP32.file()).arg(FP16.output()).arg("--markdown").arg(&page);
    let html = folder.path().join("compare.html");
    command.arg("--html").arg(&html);
    ended(&mut command).exits(0);
    let text = std::fs::read_to_string(&page).unwrap();
    for words in ["# Comparison", "| **top-1** |", "Joined row by row", "| precision | fp32 | fp16 |"] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    let text = std::fs::read_to_string(&html).unwrap();
    for words in ["<h2>Accuracy</h2>", "<th scope=\"row\">top-1</th>", "<td class=\"t\">fp16</td>"] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    compare(&FP32.output(), &FP16.output(), &["--markdown", "/nowhere/at/all.md"])
        .fails(73, &["cannot write `/nowhere/at/all.md`"]);
}
