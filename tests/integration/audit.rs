//! `audit`: figures and findings of real outputs, compared with those of NumPy for the same rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, program};
use crate::support::{ask_python, run_python, scratch};

/// A finished run with logits, every class a row, and embeddings in half precision.
static DONE: LazyLock<Job> = LazyLock::new(|| done(Job::own()));

fn done(job: Job) -> Job {
    let job = job.set("output.embedding=f16").set("output.top_k=7");
    job.run().exits(0);
    job
}

fn audit(of: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("audit").arg(of).args(["--progress", "none"]).args(arguments))
}

fn folder() -> PathBuf {
    tempfile::tempdir_in(scratch()).unwrap().keep()
}

/// Audits an output, and returns the JSON that was written.
fn figures(of: &Path, arguments: &[&str]) -> Value {
    let file = folder().join("audit.json");
    let arguments = [arguments, &["--json-file", file.to_str().unwrap()]].concat();
    audit(of, &arguments).exits(0);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The findings of a kind that the JSON shows.
fn examples<'a>(figures: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = figures["examples"].as_array().unwrap();
    all.iter().filter(|found| found["kind"] == kind).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn assert_near(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (number(found), number(expected));
    assert!((found - expected).abs() <= 1e-5, "{what}: {found} is not {expected}");
}

#[test]
fn labels_are_judged_as_the_paper_of_confident_learning_has_it() {
    let ours = figures(&DONE.output(), &[]);
    let reference = ask_python("confident_learning.py", &[DONE.output().to_str().unwrap()]);
    let labels = &ours["labels"];
    for name in ["labelled", "confident", "unsure", "suspects", "agreeing"] {
        assert_eq!(labels[name], reference[name], "{name}");
    }
    assert_eq!((&labels["undecided"], &labels["from_logits"]), (&json!(0), &json!(true)));
    assert_near(&labels["noise"]["percent"], &reference["noise"], "noise");
    let classes = reference["classes"].as_array().unwrap();
    assert_eq!(labels["classes"].as_array().unwrap().len(), classes.len());
    for (class, expected) in labels["classes"].as_array().unwrap().iter().zip(classes) {
        assert_eq!((&class["index"], &class["labelled"]), (&expected["index"], &expected["labelled"]));
        assert_near(&class["threshold"], &expected["threshold"], "threshold");
        if expected["of"] != 0 {
            assert_eq!(
                (&class["noise"]["hits"], &class["noise"]["of"]),
                (&expected["hits"], &expected["of"])
            );
        }
    }
    let findings = reference["findings"].as_array().unwrap();
    let found = examples(&ours, "label");
    assert_eq!(found.len(), findings.len());
    for (found, expected) in found.iter().zip(findings) {
        assert_eq!((&found["key"], &found["proposed"]), (&expected["key"], &expected["proposed"]));
        assert_near(&found["score"], &expected["score"], "score");
    }
}

fn suspects(figures: &Value) -> BTreeSet<String> {
    examples(figures, "label").iter().map(|found| found["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn kept_classes_alone_give_the_same_suspects_as_far_as_they_reach() {
    let all = figures(&DONE.output(), &[]);
    let every = done(Job::own().set("output.logits=false"));
    let best = figures(&every.output(), &[]);
    assert_eq!((&best["labels"]["from_logits"], &best["labels"]["undecided"]), (&json!(false), &json!(0)));
    assert_eq!(suspects(&best), suspects(&all));
    let first = Job::own().set("output.logits=false").set("output.top_k=1");
    first.run().exits(0);
    let first = figures(&first.output(), &[]);
    let missing = suspects(&all).difference(&suspects(&first)).count() as f64;
    assert!(missing <= number(&first["labels"]["undecided"]), "{missing} of {first}");
    assert!(suspects(&first).is_subset(&suspects(&all)));
}

/// The pairs of a reference, with their cosines.
fn pairs(reference: &Value) -> BTreeMap<(String, String), f64> {
    let key = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = reference["pairs"].as_array().unwrap();
    pairs.iter().map(|pair| ((key(&pair[0]), key(&pair[1])), number(&pair[2]))).collect()
}

#[test]
fn near_duplicates_are_those_of_brute_force() {
    for threshold in ["0.9", "0.97", "0.995"] {
        let ours = figures(&DONE.output(), &["--threshold", threshold]);
        let reference = ask_python("near_duplicates.py", &[DONE.output().to_str().unwrap(), threshold]);
        let expected = pairs(&reference);
        let near = &ours["near"];
        assert_eq!((&near["images"], &near["without_embedding"]), (&reference["images"], &json!(0)));
        let (found, left_out) = (number(&near["pairs"]), number(&near["candidates_left_out"]));
        let all = expected.len() as f64;
        assert!(
            found <= all && found + left_out >= 0.97 * all,
            "{threshold}: {found} of {all}, {left_out} left out"
        );
        let pixels = |key: &str| number(&reference["pixels"][key]);
        let mut representatives = BTreeSet::new();
        let mut members = BTreeSet::new();
        for finding in examples(&ours, "near_duplicate") {
            let (key, other) = (finding["key"].as_str().unwrap(), finding["other_key"].as_str().unwrap());
            let pair = |a: &str, b: &str| expected.get(&(a.to_owned(), b.to_owned())).copied();
            let cosine = pair(key, other).or_else(|| pair(other, key)).expect("a pair of the reference");
            assert!((cosine - number(&finding["score"])).abs() < 1e-5);
            assert!(pixels(other) >= pixels(key), "the representative `{other}` is smaller than `{key}`");
            representatives.insert(other.to_owned());
            assert!(members.insert(key.to_owned()), "`{key}` is in two groups");
        }
        assert!(members.is_disjoint(&representatives));
        assert_eq!(
            (members.len() as f64, representatives.len() as f64),
            (number(&near["duplicates"]), number(&near["groups"]))
        );
    }
}

/// The test images, with copies of four of them under other names.
fn with_copies() -> (PathBuf, Vec<String>) {
    let folder = folder().join("images");
    let mut copies = Vec::new();
    for (key, (_, error)) in &IMAGES.expected {
        let to = folder.join(key);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(IMAGES.folder.join(key), &to).unwrap();
        let (class, name) = key.split_once('/').unwrap_or_default();
        if error.is_none() && copies.len() < 4 && !class.is_empty() {
            let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or("jpg");
            let copy = format!("{class}/zz-copy-{}.{ending}", copies.len());
            std::fs::copy(IMAGES.folder.join(key), folder.join(&copy)).unwrap();
            copies.push(copy);
        }
    }
    (folder, copies)
}

#[test]
fn copies_are_found_within_an_output_and_in_another() {
    let (images, copies) = with_copies();
    assert!(!copies.is_empty());
    let job = done(Job::on(images.to_str().unwrap()));
    let ours =
        figures(&job.output(), &["--threshold", "0.9999", "--against", DONE.output().to_str().unwrap()]);
    let members: Vec<&str> =
        examples(&ours, "near_duplicate").iter().map(|found| found["key"].as_str().unwrap()).collect();
    for copy in &copies {
        assert!(members.contains(&copy.as_str()), "`{copy}` is not among {members:?}");
    }
    // every image is in the other output, too, copies under another name
    assert_eq!(ours["leakage"]["leaked"], ours["leakage"]["images"]);
    assert_eq!(ours["leakage"]["others"], figures(&DONE.output(), &[])["near"]["images"]);
}

#[test]
fn an_output_is_compared_with_one_whose_embeddings_have_another_precision() {
    let other = Job::own().set("output.embedding=f32");
    other.run().exits(0);
    for (of, against) in [(DONE.output(), other.output()), (other.output(), DONE.output())] {
        let ours = figures(&of, &["--threshold", "0.99", "--against", against.to_str().unwrap()]);
        assert_eq!(ours["leakage"]["leaked"], ours["leakage"]["images"], "{}", ours["leakage"]);
    }
}

#[test]
fn outputs_whose_embeddings_differ_in_meaning_are_not_compared_and_the_reason_is_named() {
    let other = done(Job::own().set("preprocess.image_size=96"));
    let ours = figures(&DONE.output(), &["--against", other.output().to_str().unwrap()]);
    let why = ours["leakage"]["skipped"].as_str().unwrap();
    assert!(why.contains("preprocess.image_size"), "{why}");
    assert!(ours["near"]["images"].is_number());
}

#[test]
fn what_an_output_does_not_have_is_named_with_the_key_that_keeps_it() {
    let without = Job::own().set("output.embedding=none");
    without.run().exits(0);
    let ours = figures(&without.output(), &[]);
    assert!(ours["near"]["skipped"].as_str().unwrap().contains("output.embedding"));
    let nothing = Job::own().set("output.embedding=none").set("input.targets=none");
    nothing.run().exits(0);
    audit(&nothing.output(), &[]).fails(78, &["input.targets", "output.embedding"]);
    // predictions are enough for drift
    let drift = figures(&nothing.output(), &["--against", nothing.output().to_str().unwrap()]);
    assert_eq!(drift["drift"]["classes"]["psi"], json!(0.0));
    audit(&without.output(), &["--require", "near_duplicates == 0"]).fails(65, &["output.embedding"]);
}

#[test]
fn an_output_of_embeddings_alone_is_audited_without_labels_and_classes() {
    let graphs = folder();
    run_python("foreign_graphs.py", &["make", graphs.to_str().unwrap()]);
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &graphs.join("tower.onnx"))
        .set("preprocess.image_size=64")
        .set("preprocess.crop_pct=0.875")
        .set("preprocess.interpolation=bilinear")
        .set("preprocess.mean=[0, 0, 0]")
        .set("preprocess.std=[1, 1, 1]")
        .set("limits.max_error_fraction=1.0");
    job.run().exits(0);
    let ours = figures(&job.output(), &["--against", job.output().to_str().unwrap()]);
    assert!(ours["labels"]["skipped"].as_str().unwrap().contains("no classes"), "{}", ours["labels"]);
    assert_eq!((&ours["drift"]["classes"], &ours["drift"]["rows"]), (&Value::Null, &json!([0, 0])));
    assert_eq!(ours["leakage"]["leaked"], ours["near"]["images"]);
}

#[test]
fn gates_decide_the_exit_code() {
    let output = DONE.output();
    audit(&output, &["--require", "labelled > 0", "--require", "label_noise >= 0"]).exits(0);
    audit(&output, &["--require", "labelled == 0"]).fails(65, &["labelled"]);
    audit(&output, &["--require", "leaked == 0"]).fails(65, &["--against"]);
    audit(&output, &["--require", "top1 > 0"]).fails(78, &["no metric is called `top1`"]);
    audit(&output, &["--threshold", "1.5"]).exits(64);
}

#[test]
fn a_scratch_folder_changes_nothing_and_a_journal_that_is_cut_off_is_completed() {
    let (plain, scratch) = (figures(&DONE.output(), &[]), folder());
    let again = || {
        let mut figures = figures(&DONE.output(), &["--scratch", scratch.to_str().unwrap()]);
        figures["provenance"]["created"] = plain["provenance"]["created"].clone();
        figures
    };
    assert_eq!(again(), plain);
    let journal = std::fs::read_dir(&scratch).unwrap().map(|item| item.unwrap().path());
    let journal = journal.into_iter().find(|path| path.to_str().unwrap().contains("-pairs-")).unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(again(), plain);
    assert_eq!(std::fs::read(&journal).unwrap(), bytes);
}

#[test]
fn the_findings_are_read_by_pyarrow_and_the_page_asks_nothing_of_a_network() {
    let folder = folder();
    let (parquet, html) = (folder.join("findings.parquet"), folder.join("audit.html"));
    let arguments = ["--parquet", parquet.to_str().unwrap(), "--html", html.to_str().unwrap(), "--in-sample"];
    let summary = audit(&DONE.output(), &arguments).exits(0);
    let rows = ask_python("findings.py", &[parquet.to_str().unwrap()]);
    assert_eq!(rows["rows"], summary["findings"]);
    assert_eq!(rows["ranks_follow_scores"], json!(true));
    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.contains("was trained on these images"));
    assert!(page.contains("Content-Security-Policy") && !page.contains("http://"));
}

#[test]
fn hashes_are_those_of_the_files_and_equal_files_are_duplicates() {
    let (images, copies) = with_copies();
    let folder = images.to_str().unwrap();
    let job = done(Job::on(folder).set("output.content_hash=true"));
    let reference = ask_python("content_hashes.py", &[job.output().to_str().unwrap(), folder]);
    let hashed = number(&reference["rows"]) - number(&reference["without"]);
    assert_eq!(number(&reference["equal"]), hashed);
    let ours = figures(&job.output(), &["--against", job.output().to_str().unwrap()]);
    let duplicates = reference["duplicates"].as_array().unwrap();
    assert!(duplicates.len() >= copies.len());
    assert_eq!(number(&ours["exact"]["images"]), hashed);
    assert_eq!(number(&ours["exact"]["duplicates"]), duplicates.len() as f64);
    let found: BTreeSet<(String, String)> = examples(&ours, "duplicate")
        .iter()
        .map(|found| (found["key"].as_str().unwrap().into(), found["other_key"].as_str().unwrap().into()))
        .collect();
    let key = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(found, duplicates.iter().map(|pair| (key(&pair[0]), key(&pair[1]))).collect());
    assert_eq!(ours["copies"]["leaked"], ours["exact"]["images"]);
}

fn components(job: &Job) -> Value {
    let text = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["components"].clone()
}

#[test]
fn a_job_without_hashes_has_the_fingerprint_that_it_had_before_there_were_any() {
    let names = |job: &Job| components(job).as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert!(!names(&DONE).contains("output.content_hash"));
    let false_is_the_default = done(Job::own().set("output.content_hash=false"));
    assert_eq!(components(&false_is_the_default), components(&DONE));
    let with = done(Job::own().set("output.content_hash=true"));
    assert_eq!(components(&with)["output.content_hash"], json!(true));
    let without = with.command("run").args(["--set", "output.content_hash=false"]).spawn().unwrap();
    crate::support::job::wait(without).fails(78, &["output.content_hash"]);
}

#[test]
fn outputs_with_and_without_hashes_exclude_each_others_images() {
    let (images, _) = with_copies();
    let folder = images.to_str().unwrap();
    let source = images.join(
        IMAGES.expected.iter().find(|(key, (_, error))| error.is_none() && key.contains('/')).unwrap().0,
    );
    let first = done(Job::on(folder));
    let class = source.parent().unwrap();
    std::fs::copy(&source, class.join("zzz-later.jpg")).unwrap();
    let excluding = |outputs: &[&Job]| {
        let outputs: Vec<String> =
            outputs.iter().map(|job| format!("\"{}\"", job.output().display())).collect();
        Job::on(folder).set(format!("input.exclude_done=[{}]", outputs.join(",")))
    };
    let second = done(excluding(&[&first]).set("output.content_hash=true"));
    let rows = |job: &Job| figures(&job.output(), &[])["rows"].clone();
    assert_eq!(rows(&second), json!(1));
    std::fs::copy(&source, class.join("zzz-still-later.jpg")).unwrap();
    assert_eq!(rows(&done(excluding(&[&first, &second]))), json!(1));
}

#[test]
fn a_carried_column_may_be_called_content_hash_where_the_output_has_none() {
    let list = folder().join("list.csv");
    let whole = IMAGES.expected.iter().filter(|(_, (_, error))| error.is_none()).take(2);
    let rows: String = whole.map(|(key, _)| format!("{key},mine\n")).collect();
    std::fs::write(&list, format!("path,content_hash\n{rows}")).unwrap();
    let job = |hashes: bool| {
        Job::own()
            .set("input.format=manifest")
            .set("output.embedding=f16")
            .set("input.targets=none")
            .set(format!("input.manifest={}", list.display()))
            .set("input.carry_columns=[\"content_hash\"]")
            .set(format!("output.content_hash={hashes}"))
    };
    let carrying = job(false);
    carrying.run().exits(0);
    assert_eq!(carrying.rows()[0]["content_hash"], "mine");
    assert!(figures(&carrying.output(), &[])["exact"]["skipped"].is_string());
    job(true).run().fails(78, &["input.carry_columns", "content_hash"]);
}

#[test]
fn outliers_are_ranked_and_images_that_no_class_claims_are_those_of_the_reference() {
    let ours = figures(&DONE.output(), &[]);
    let reference = ask_python("confident_learning.py", &[DONE.output().to_str().unwrap()]);
    assert_eq!(ours["metrics"]["no_class"].as_f64(), reference["unsure"].as_f64());
    for kind in ["isolated", "far_from_class"] {
        let found = examples(&ours, kind);
        assert_eq!(json!(found.len()), ours["outliers"]["named"], "{kind}");
        let scores: Vec<f64> = found.iter().map(|found| number(&found["score"])).collect();
        assert!(scores.iter().all(|score| (0.0..1.0).contains(score)), "{kind}: {scores:?}");
        assert!(scores.is_sorted_by(|a, b| a >= b), "{kind}: {scores:?}");
    }
}

#[test]
fn an_output_has_not_drifted_from_itself_and_a_changed_one_has_the_figures_of_scipy() {
    let output = DONE.output();
    let against = |other: &Path| figures(&output, &["--against", other.to_str().unwrap(), "--by", "format"]);
    let same = against(&output);
    let drift = &same["drift"];
    assert_eq!((number(&drift["classes"]["chi_squared"]), number(&drift["confidence"]["ks"])), (0.0, 0.0));
    assert!(number(&drift["classes"]["p"]) > 0.99 && number(&drift["confidence"]["p"]) > 0.99);
    assert!(drift["embeddings"]["skipped"].is_string(), "fewer than 200 images");
    let other = done(Job::own().set("preprocess.image_size=96"));
    let ours = against(&other.output());
    let paths = [&output, &other.output()].map(|path| path.to_str().unwrap().to_owned());
    let reference = ask_python("drift.py", &[&paths[0], &paths[1]]);
    let drift = &ours["drift"];
    assert_eq!(drift["rows"], reference["rows"]);
    for name in ["psi", "chi_squared"] {
        assert_near(&drift["classes"][name], &reference[name], name);
    }
    assert_near(&drift["confidence"]["change"], &reference["change"], "change");
    // confidences are in bins
    assert!((number(&drift["confidence"]["ks"]) - number(&reference["ks"])).abs() < 0.03);
    let slices = drift["slices"].as_array().unwrap();
    assert!(slices.len() > 1 && slices.iter().all(|slice| slice["p_holm"].is_number()), "{slices:?}");
    let rows =
        [0, 1].map(|side| slices.iter().map(|slice| slice["rows"][side].as_u64().unwrap()).sum::<u64>());
    assert_eq!(json!(rows), drift["rows"]);
    audit(&output, &["--against", &paths[1], "--by", "camera"]).fails(64, &["--by `camera`", "format"]);
}
