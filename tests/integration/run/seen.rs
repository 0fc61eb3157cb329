//! Reports of a run on itself: how busy its stages were, what it cost, and its timeline.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::job::{IMAGES, Job, ended, parts, reaches, send, wait};

/// A run with a timeline.
struct Traced {
    summary: Value,
    printed: String,
    events: Vec<Value>,
}

static TRACED: LazyLock<Traced> = LazyLock::new(|| {
    let job = Job::own().set("job.price_per_hour=3.6");
    let path = job.output().with_file_name("trace.json");
    let run = ended(job.command("run").arg("--trace").arg(&path));
    Traced { summary: run.exits(0), printed: run.stderr.clone(), events: read(&path) }
});

fn read(path: &Path) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn spans(name: &str) -> impl Iterator<Item = &'static Value> {
    TRACED.events.iter().filter(move |event| event["ph"] == "X" && event["name"] == name)
}

/// Begin and end, in nanoseconds.
fn times(span: &Value) -> (i64, i64) {
    let nanos = |field: &str| (span[field].as_f64().unwrap() * 1e3).round() as i64;
    (nanos("ts"), nanos("ts") + nanos("dur"))
}

#[test]
fn the_summary_counts_what_went_through_each_stage() {
    let used = &TRACED.summary["utilisation"];
    let images = IMAGES.expected.len();
    let bytes: u64 =
        IMAGES.expected.keys().map(|key| IMAGES.folder.join(key).metadata().unwrap().len()).sum();
    assert_eq!(used["fetch"]["images"], images, "{used}");
    assert_eq!(used["fetch"]["bytes"], bytes, "{used}");
    assert_eq!(used["decode"]["images"], images, "{used}");
    assert_eq!(used["commit"]["parts"], images.div_ceil(8), "{used}");
    let engine = &used["engine"];
    let rows = engine["batches"].as_f64().unwrap() * engine["images_per_batch"].as_f64().unwrap();
    assert!((rows - images as f64).abs() < 0.01, "{used}");
    for stage in ["decode", "engine", "rows", "encode"] {
        assert!(used[stage]["busy_s"].as_f64().unwrap() > 0.0, "{stage} of {used}");
    }
    assert!(used["cpu"]["busy_s"].as_f64().unwrap() >= 0.0, "{used}");
}

#[test]
fn the_bottleneck_is_named_with_what_to_do_about_it() {
    let named = TRACED.summary["utilisation"]["bottleneck"].as_str();
    let line = match named {
        Some(named) => format!("  bottleneck: {named}; "),
        None => "  bottleneck: not known, the run was too short".to_owned(),
    };
    assert!(TRACED.printed.contains(&line), "no `{line}` in:\n{}", TRACED.printed);
}

#[test]
fn with_a_price_the_summary_has_the_cost_of_the_run_and_of_a_million_images() {
    let cost = &TRACED.summary["cost"];
    let run = 3.6 * TRACED.summary["seconds"].as_f64().unwrap() / 3600.0;
    // the seconds are rounded to hundredths
    assert!((cost["run"].as_f64().unwrap() - run).abs() <= 3.6 * 0.006 / 3600.0, "{cost}");
    let million = cost["run"].as_f64().unwrap() * 1e6 / IMAGES.expected.len() as f64;
    assert!((cost["per_million_images"].as_f64().unwrap() / million - 1.0).abs() < 1e-9, "{cost}");
    assert!(TRACED.printed.contains(" at 3.6 an hour, "), "{}", TRACED.printed);
}

#[test]
fn a_price_below_nothing_is_refused() {
    Job::own().set("job.price_per_hour=-1").run().fails(78, &["job.price_per_hour"]);
}

#[test]
fn a_trace_has_the_decoding_and_the_reading_of_every_image_once() {
    for name in ["decode", "fetch"] {
        let mut keys: Vec<&str> = spans(name).map(|span| span["args"]["key"].as_str().unwrap()).collect();
        keys.sort_unstable();
        assert_eq!(keys, IMAGES.expected.keys().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_trace_has_every_batch_on_the_device_and_its_rows() {
    let images = IMAGES.expected.len() as i64;
    for name in ["infer", "rows"] {
        let rows: i64 = spans(name).map(|span| span["args"]["rows"].as_i64().unwrap()).sum();
        assert_eq!(rows, images, "{name}");
    }
    assert!(spans("batch wait").count() > 0);
}

#[test]
fn a_trace_has_every_part_with_its_steps_inside() {
    let by_part = |name: &str| -> BTreeMap<i64, (i64, i64)> {
        spans(name).map(|span| (span["args"]["part"].as_i64().unwrap(), times(span))).collect()
    };
    let parts = by_part("part");
    assert_eq!(parts.len(), IMAGES.expected.len().div_ceil(8));
    for name in ["read", "last rows", "encode", "commit"] {
        let steps = by_part(name);
        assert_eq!(steps.len(), parts.len(), "{name}");
        for (part, (began, ended)) in steps {
            let whole = parts[&part];
            assert!(whole.0 <= began && ended <= whole.1 + 2, "{name} of part {part}");
        }
    }
}

#[test]
fn the_spans_of_a_track_lie_in_one_another_or_apart() {
    let mut tracks: BTreeMap<u64, Vec<(i64, i64, &str)>> = BTreeMap::new();
    for span in TRACED.events.iter().filter(|event| event["ph"] == "X") {
        let (began, ended) = times(span);
        tracks.entry(span["tid"].as_u64().unwrap()).or_default().push((
            began,
            ended,
            span["name"].as_str().unwrap(),
        ));
    }
    assert!(tracks.len() >= 5, "{} tracks", tracks.len());
    for spans in tracks.values_mut() {
        spans.sort_unstable_by_key(|(began, ended, _)| (*began, -*ended));
        let mut open: Vec<(i64, i64, &str)> = Vec::new();
        for span in spans.iter() {
            // times are written in thousandths of a microsecond, and rounded there
            while open.last().is_some_and(|outer| outer.1 <= span.0 + 2) {
                open.pop();
            }
            if let Some(outer) = open.last() {
                assert!(span.1 <= outer.1 + 2, "{span:?} leaves {outer:?}");
            }
            open.push(*span);
        }
    }
}

#[test]
fn the_tracks_are_named_after_the_workers() {
    let names: Vec<&str> = TRACED
        .events
        .iter()
        .filter(|event| event["ph"] == "M")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    for name in ["decode-0", "engine-0", "fetch 0", "part 0", "device 0"] {
        assert!(names.contains(&name), "no `{name}` in {names:?}");
    }
}

#[test]
fn the_trace_of_a_run_that_is_stopped_is_whole() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let path = job.output().with_file_name("trace.json");
    let mut child = job.command("run").arg("--trace").arg(&path).spawn().unwrap();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    send(child.id(), "TERM");
    wait(child).exits_somehow();
    read(&path);
}

#[test]
fn a_trace_that_cannot_be_written_is_refused_before_anything_is_done() {
    let job = Job::own();
    let run = ended(job.command("run").args(["--trace", "/no/such/folder/trace.json"]));
    run.fails(74, &["/no/such/folder/trace.json"]);
    assert!(!job.output().exists());
}
