//! The file of `run --metrics`, compared with the run's own result and read by Prometheus's own client.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{LOCAL, Page, SERVED, file_of, run_with_metrics};
use crate::support::job::{IMAGES, Job, ended, parts, reaches, send, wait};

const LAST_SUCCESS: &str = "tresnet_batch_last_success_timestamp_seconds";
const LAST_EXIT: &str = "tresnet_batch_last_exit_code";
const RUNNING: &str = "tresnet_batch_running";

fn slow() -> Job {
    Job::slow(IMAGES.folder.to_str().unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_metrics_of_a_finished_run_say_what_its_result_says() {
    let (page, summary) = (&LOCAL.page, &LOCAL.summary);
    let used = &summary["utilisation"];
    for (name, labels, expected) in [
        ("images_total", &[("status", "ok")][..], &summary["rows"]["ok"]),
        ("images_total", &[("status", "error")], &summary["rows"]["error"]),
        ("images_planned", &[], &summary["rows"]["planned"]),
        ("images_resumed", &[], &summary["resumed_rows"]),
        ("parts_committed_total", &[], &summary["parts"]),
        ("parts_planned", &[], &summary["parts"]),
        ("read_bytes_total", &[], &used["fetch"]["bytes"]),
        ("written_bytes_total", &[], &used["commit"]["bytes"]),
        ("stage_workers", &[("stage", "decode")], &used["decode"]["workers"]),
    ] {
        assert_eq!(
            page.value(&format!("tresnet_batch_{name}"), labels),
            number(expected),
            "{name}{labels:?}"
        );
    }
    for (name, labels, expected) in [
        ("stage_busy_seconds_total", &[("stage", "decode")][..], &used["decode"]["busy_s"]),
        ("stage_busy_seconds_total", &[("stage", "engine")], &used["engine"]["busy_s"]),
        ("stage_busy_seconds_total", &[("stage", "commit")], &used["commit"]["busy_s"]),
        ("stage_busy_ratio", &[("stage", "decode")], &used["decode"]["busy"]),
        ("wait_ratio", &[("for", "batch")], &used["engine"]["waits_for_batch"]),
        ("cpu_busy_ratio", &[], &used["cpu"]["busy"]),
        ("images_per_second", &[], &summary["images_per_s"]),
    ] {
        let value = page.value(&format!("tresnet_batch_{name}"), labels);
        assert!((value - number(expected)).abs() < 0.006, "{name}{labels:?}: {value}, {expected}");
    }
    for (name, value) in [
        ("complete", 1.0),
        ("running", 0.0),
        ("plan_known", 1.0),
        ("last_exit_code", 0.0),
        ("remaining_seconds", 0.0),
    ] {
        assert_eq!(page.value(&format!("tresnet_batch_{name}"), &[]), value, "{name}");
    }
    for (label, expected) in [
        ("run_id", &summary["run_id"]),
        ("output", &summary["output"]),
        ("provider", &summary["provider"]),
        ("precision", &summary["engine"]["precision"]),
        ("onnxruntime", &summary["engine"]["onnxruntime"]),
    ] {
        assert_eq!(page.label("tresnet_batch_run_info", label), expected.as_str().unwrap(), "{label}");
    }
    assert_eq!(page.label("tresnet_batch_build_info", "version"), env!("CARGO_PKG_VERSION"));
}

#[test]
fn errors_are_counted_by_kind_and_kinds_without_one_are_0() {
    let by_kind = LOCAL.summary["errors_by_kind"].as_object().unwrap();
    assert!(by_kind.len() > 1, "{by_kind:?}");
    for sample in LOCAL.page.samples() {
        if sample["name"] == "tresnet_batch_image_errors_total" {
            let kind = sample["labels"]["kind"].as_str().unwrap();
            assert_eq!(
                sample["value"].as_f64(),
                by_kind.get(kind).map_or(Some(0.0), Value::as_f64),
                "{kind}"
            );
        }
    }
    for kind in by_kind.keys().map(String::as_str).chain(["denied", "decoder_panic"]) {
        LOCAL.page.value("tresnet_batch_image_errors_total", &[("kind", kind)]);
    }
}

#[test]
fn requests_refusals_and_retries_are_counted_by_location() {
    let page = &SERVED.page;
    for location in ["input", "output"] {
        let requests = &SERVED.summary["requests"][location];
        for (method, count) in requests["by_method"].as_object().unwrap() {
            let labels = [("location", location), ("method", method.as_str())];
            assert_eq!(
                page.value("tresnet_batch_requests_total", &labels),
                number(count),
                "{location} {method}"
            );
        }
        for (name, count) in [("throttled", &requests["throttled"]), ("retries", &requests["retried"])] {
            let value = page.value(&format!("tresnet_batch_{name}_total"), &[("location", location)]);
            assert_eq!(value, number(count), "{location} {name}");
        }
    }
    assert!(page.value("tresnet_batch_throttled_total", &[("location", "input")]) > 0.0);
}

#[test]
fn no_secret_stands_in_the_metrics() {
    assert!(SERVED.text.contains("s3://test/out"), "{}", SERVED.text);
    assert!(!SERVED.text.contains("canary"), "{}", SERVED.text);
}

#[test]
fn names_types_and_labels_keep_to_the_conventions() {
    for page in [&LOCAL.page, &SERVED.page] {
        for (family, facts) in page.0["families"].as_object().unwrap() {
            let (kind, help) = (facts["type"].as_str().unwrap(), facts["help"].as_str().unwrap());
            assert!(["counter", "gauge"].contains(&kind), "{family} is a {kind}");
            assert!(help.ends_with('.') && help.len() > 10, "{family}: {help}");
        }
        let mut seen = BTreeSet::new();
        for sample in page.samples() {
            let (name, labels) = (sample["name"].as_str().unwrap(), sample["labels"].as_object().unwrap());
            assert!(name.starts_with("tresnet_batch_"), "{name}");
            assert_eq!(sample["type"] == "counter", name.ends_with("_total"), "{name}");
            assert!(labels.contains_key("job_name") && labels["share"] == "all", "{sample}");
            // Prometheus sets these itself
            assert!(!labels.contains_key("job") && !labels.contains_key("instance"), "{sample}");
            // a run's id would make every series of it a new one
            assert_eq!(labels.contains_key("run_id"), name == "tresnet_batch_run_info", "{sample}");
            assert!(seen.insert(format!("{name}{labels:?}")), "{sample} exists twice");
        }
    }
}

#[test]
fn the_file_is_whole_whenever_it_is_read_and_no_counter_falls() {
    let job = slow();
    let (file, folder) = (file_of(&job), tempfile::tempdir().unwrap());
    let mut child = job.command("run").arg("--metrics").arg(&file).spawn().unwrap();
    let mut copies: Vec<PathBuf> = Vec::new();
    let mut before = String::new();
    let mut look = || {
        // the file does not exist before its first whole text
        let Ok(text) = std::fs::read_to_string(&file) else { return };
        if text != before {
            let copy = folder.path().join(format!("{:04}.prom", copies.len()));
            std::fs::write(&copy, &text).unwrap();
            copies.push(copy);
            before = text;
        }
    };
    while child.try_wait().unwrap().is_none() {
        look();
        std::thread::sleep(Duration::from_millis(5));
    }
    look();
    wait(child).exits(0);
    let pages = Page::read_all(copies.iter().map(PathBuf::as_path));
    println!("{} texts seen", pages.len());
    let running: Vec<f64> = pages.iter().map(|page| page.value(RUNNING, &[])).collect();
    let (last, others) = running.split_last().unwrap();
    assert!(
        *last == 0.0 && !others.is_empty() && others.iter().all(|running| *running == 1.0),
        "{running:?}"
    );
    for pair in pages.windows(2) {
        for sample in pair[1].samples().iter().filter(|sample| sample["type"] == "counter") {
            let same =
                |other: &&Value| other["name"] == sample["name"] && other["labels"] == sample["labels"];
            let earlier = pair[0].samples().iter().find(same).map_or(0.0, |other| number(&other["value"]));
            assert!(number(&sample["value"]) >= earlier, "{earlier} before {sample}");
        }
    }
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let names: Vec<String> = beside.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.ends_with(".part")), "{names:?}");
}

#[test]
fn a_run_that_is_stopped_leaves_75_and_the_next_one_counts_what_it_found() {
    let job = slow();
    let mut child = job.command("run").arg("--metrics").arg(file_of(&job)).spawn().unwrap();
    assert!(reaches(&mut child, 2, || parts(&job.output()).len()));
    send(child.id(), "TERM");
    wait(child).exits(75);
    let page = Page::read(&file_of(&job));
    assert_eq!((page.value(LAST_EXIT, &[]), page.value(RUNNING, &[])), (75.0, 0.0));
    assert_eq!((page.find(LAST_SUCCESS, &[]), page.value("tresnet_batch_complete", &[])), (None, 0.0));
    let standing = parts(&job.output()).len() as f64;
    assert_eq!(page.value("tresnet_batch_parts_committed_total", &[]), standing);
    let summary = run_with_metrics(&job).exits(0);
    let page = Page::read(&file_of(&job));
    assert_eq!(page.value("tresnet_batch_parts_resumed", &[]), standing);
    assert_eq!(page.value("tresnet_batch_images_resumed", &[]), number(&summary["resumed_rows"]));
    assert_eq!(page.value(LAST_EXIT, &[]), 0.0);
    page.value(LAST_SUCCESS, &[]);
}

#[test]
fn a_run_that_is_killed_still_says_that_it_runs_and_since_when_it_is_silent() {
    let job = slow();
    let mut child = job.command("run").arg("--metrics").arg(file_of(&job)).spawn().unwrap();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    child.kill().unwrap();
    child.wait().unwrap();
    let page = Page::read(&file_of(&job));
    assert_eq!((page.value(RUNNING, &[]), page.find(LAST_EXIT, &[])), (1.0, None));
    let updated = page.value("tresnet_batch_updated_timestamp_seconds", &[]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((0.0..60.0).contains(&(now - updated)), "{updated}, {now}");
}

#[test]
fn a_second_signal_still_leaves_75() {
    // large enough to run for longer than the metrics' two seconds
    let job = slow()
        .set("preprocess.image_size=896")
        .set("output.rows_per_part=90")
        .set("limits.grace_seconds=100");
    let mut child = job.command("run").arg("--metrics").arg(file_of(&job)).spawn().unwrap();
    let images = || {
        let text = std::fs::read_to_string(file_of(&job)).unwrap_or_default();
        let line =
            text.lines().find(|line| line.starts_with("tresnet_batch_images_total")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    };
    assert!(reaches(&mut child, 1, images));
    send(child.id(), "TERM");
    std::thread::sleep(Duration::from_millis(100));
    send(child.id(), "TERM");
    let ended = wait(child);
    let summary = ended.exits(75);
    let page = Page::read(&file_of(&job));
    assert_eq!((page.value(LAST_EXIT, &[]), page.value(RUNNING, &[])), (75.0, 0.0));
    assert_eq!(page.label("tresnet_batch_run_info", "run_id"), summary["run_id"].as_str().unwrap());
}

#[test]
fn the_time_of_the_last_success_survives_runs_that_fail_in_whatever_way() {
    let job = Job::own().set("job.name=\"nightly\"");
    run_with_metrics(&job).exits(0);
    let success = Page::read(&file_of(&job)).value(LAST_SUCCESS, &[("job_name", "nightly")]);
    let fails = |how: &str, command: &mut std::process::Command| {
        let code = ended(command.arg("--metrics").arg(file_of(&job))).exits_somehow();
        assert_ne!(code, 0, "{how}");
        let page = Page::read(&file_of(&job));
        let labels = [("job_name", "nightly")];
        assert_eq!(page.value(LAST_EXIT, &labels), f64::from(code), "{how}");
        assert_eq!(page.value(LAST_SUCCESS, &labels), success, "{how}");
        assert_eq!(page.value(RUNNING, &labels), 0.0, "{how}");
    };
    fails("no model", job.command("run").args(["--set", "model.path=/no/such/model.safetensors"]));
    fails("another job", job.command("run").args(["--set", "output.top_k=2"]));
    let text = std::fs::read_to_string(job.file()).unwrap();
    std::fs::write(job.file(), format!("{text}\n[engine\n")).unwrap();
    fails("a broken job file", &mut job.command("run"));
    std::fs::write(job.file(), text).unwrap();
    run_with_metrics(&job).exits(0);
    let page = Page::read(&file_of(&job));
    assert!(page.value(LAST_SUCCESS, &[]) > success, "a job that is found complete counts as a new success");
    assert_eq!(page.value("tresnet_batch_complete", &[]), 1.0);
}

#[test]
fn a_jobs_name_may_hold_anything() {
    let job = Job::own().set(r#"job.name="an \"odd\" name \\ of two\nlines, é""#).set("input.limit=3");
    run_with_metrics(&job).exits(0);
    let page = Page::read(&file_of(&job));
    assert_eq!(page.label("tresnet_batch_build_info", "job_name"), "an \"odd\" name \\ of two\nlines, é");
}

#[test]
fn the_files_of_several_workers_do_not_clash() {
    let job = Job::own();
    let mut texts = String::new();
    for worker in ["0/2", "1/2"] {
        let file = job.output().with_file_name(format!("{}.prom", &worker[..1]));
        ended(job.command("run").args(["--worker", worker, "--metrics"]).arg(&file)).exits(0);
        texts += &std::fs::read_to_string(file).unwrap();
    }
    let mut series: Vec<&str> = texts
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all);
    assert!(
        texts.contains("share=\"worker-0-of-2\"") && texts.contains("share=\"worker-1-of-2\""),
        "{texts}"
    );
}

#[test]
fn a_file_that_is_not_for_metrics_is_refused_before_anything_is_done() {
    let job = Job::own();
    let beside = |name: &str| job.output().with_file_name(name);
    std::fs::write(beside("node.prom"), "# HELP node_x Something else.\nnode_x 1\n").unwrap();
    for (file, code, words) in [
        (beside("metrics.txt"), 64, "end in .prom"),
        (beside("node.prom"), 73, "holds something else"),
        (beside("none/job.prom"), 73, "none/job.prom"),
    ] {
        ended(job.command("run").arg("--metrics").arg(file)).fails(code, &[words]);
        assert!(!job.output().exists());
    }
    assert!(std::fs::read_to_string(beside("node.prom")).unwrap().contains("node_x 1"));
}

#[test]
fn a_file_that_cannot_be_written_any_more_costs_no_row() {
    let job = slow();
    let folder = job.output().with_file_name("metrics");
    std::fs::create_dir(&folder).unwrap();
    let mut child = job.command("run").arg("--metrics").arg(folder.join("job.prom")).spawn().unwrap();
    assert!(reaches(&mut child, 1, || usize::from(folder.join("job.prom").exists())));
    std::fs::remove_dir_all(&folder).unwrap();
    let run = wait(child);
    let summary = run.exits(0);
    assert!(summary["metrics"]["error"].as_str().unwrap().contains("job.prom"), "{summary}");
    assert!(run.stderr.contains("metrics"), "{}", run.stderr);
}
