//! The report's page in a real browser: `tests/reference/browser.py` opens it in headless Chromium, tries it out and takes
//! screenshots, which stay in `target/report-screenshots`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch, StringArray};
use serde_json::Value;
use tresnet_batch::report::html::{AttachedAudit, Exhibit, Gallery, Picture};
use tresnet_batch::report::{
    Accumulator, Classes, EmbeddingMap, Extras, Gate, MapPoint, Provenance, Report, SliceBy,
};

use crate::support::job::{Job, ended, program};
use crate::support::{ask_python, root};

/// The first browser that answers, or `None` with a reason; in CI there must be one.
fn browser() -> Option<String> {
    let named = std::env::var("TRESNET_BATCH_BROWSER").ok();
    let usual =
        ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let answers = |name: &String| {
        let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let found = named.into_iter().chain(usual.map(str::to_owned)).find(answers);
    if found.is_none() {
        let advice = "no Chromium answers: run `make browser`, or name one with TRESNET_BATCH_BROWSER";
        assert!(std::env::var("CI").is_ok_and(|ci| ci == "true").eq(&false), "{advice}");
        println!("skipped: {advice}");
    }
    found
}

const HOSTILE: &str = "</td><script>document.title = 'taken'; throw 1</script><img src=http://outside.invalid/x onerror=alert(1)>";

/// 60 classes, one with a hostile name, of 30 rows each: later classes are worse.
fn report() -> Report {
    let names: Vec<String> =
        (0..60).map(|i| if i == 17 { HOSTILE.to_owned() } else { format!("class of number {i}") }).collect();
    let (mut target, mut index, mut prob) =
        (Vec::new(), ListBuilder::new(Int32Builder::new()), ListBuilder::new(Float32Builder::new()));
    let (mut status, mut format) = (Vec::new(), Vec::new());
    for row in 0..1_800_i32 {
        let (class, turn) = (row / 30, row % 30);
        let failed = turn == 29 && class % 3 == 0;
        let wrong = turn < class / 4;
        target.push(Some(class));
        status.push(if failed { "error" } else { "ok" });
        format.push(if failed { None } else { Some(["jpeg", "png", HOSTILE][(row % 3) as usize]) });
        if failed {
            index.append_null();
            prob.append_null();
            continue;
        }
        let first = if wrong { (class * 7 + turn) % 60 } else { class };
        index.append_value(
            [first, (first + 1) % 60, (first + 2) % 60, (first + 3) % 60, (first + 4) % 60].map(Some),
        );
        let sure = if wrong { 0.3 + 0.6 * turn as f32 / 30.0 } else { 0.55 + 0.44 * turn as f32 / 30.0 };
        prob.append_value([sure, (1.0 - sure) / 2.0, 0.01, 0.01, 0.01].map(Some));
    }
    let rows = target.len();
    let kinds =
        status.iter().map(|status| (*status == "error").then_some("corrupt")).collect::<StringArray>();
    let columns: [(&str, ArrayRef); 9] = [
        ("status", Arc::new(StringArray::from(status))),
        ("error_kind", Arc::new(kinds)),
        ("target", Arc::new(Int32Array::from(target))),
        ("index", Arc::new(index.finish())),
        ("prob", Arc::new(prob.finish())),
        ("target_prob", Arc::new(Float32Array::from(vec![Some(0.25); rows]))),
        ("width", Arc::new(Int32Array::from(vec![640; rows]))),
        ("height", Arc::new(Int32Array::from(vec![480; rows]))),
        ("format", Arc::new(StringArray::from(format))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let extras = Extras { slices: vec![SliceBy::Format, SliceBy::Pixels], logits: false };
    let mut accumulator = Accumulator::with(Classes::Named(names), extras);
    accumulator.push(&batch).unwrap();
    accumulator.finish(Provenance {
        job: "a page to look at".to_owned(),
        model_arch: "tresnet_m".to_owned(),
        input_uri: HOSTILE.to_owned(),
        complete: true,
        ..Provenance::default()
    })
}

/// A square of one colour.
fn picture(shade: u8) -> Picture {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 96, 96);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[shade, 120, 200 - shade / 2].repeat(96 * 96)).unwrap();
    Picture::Shown("png", out.into())
}

fn gallery(report: &Report) -> Gallery {
    let exhibit = |number: u64, picture| Exhibit {
        number,
        key: format!("{HOSTILE}/{number}.jpg"),
        link: number.is_multiple_of(2).then(|| format!("https://outside.invalid/{number}.jpg")),
        message: Some(HOSTILE.to_owned()),
        picture,
    };
    let mistakes = report.worst.mistakes.iter().take(20);
    let failed = report.worst.failed.iter().take(4);
    let examples = report.examples.iter().take(60);
    let point = |i: usize| {
        let (x, y) = ((i as f64).sin() * 9.0, (i as f64 * 1.7).cos());
        MapPoint {
            x,
            y,
            key: format!("{HOSTILE}{i}"),
            target: (!i.is_multiple_of(3)).then_some(i % 60),
            predicted: i % 59,
        }
    };
    let points = (0..200).map(point).collect();
    Gallery {
        mistakes: mistakes.map(|row| exhibit(row.number, picture((row.number % 200) as u8))).collect(),
        failed: failed.map(|row| exhibit(row.number, Picture::Missing("corrupt".to_owned()))).collect(),
        note: None,
        examples: examples.map(|row| exhibit(row.number, picture((row.number % 90) as u8))).collect(),
        query: Some("SELECT key FROM read_parquet('out/part-*.parquet') WHERE".to_owned()),
        audit: Some(AttachedAudit {
            made: "2026-01-02T03:04:05Z".to_owned(),
            against: Some(HOSTILE.to_owned()),
            metrics: [("wrong_labels", 1234.0), ("label_noise", 2.5), ("leaked", 3.0)]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            page: Some("audit.html".to_owned()),
            address: None,
            note: None,
        }),
        map: Some(EmbeddingMap { points, explained: [40.0, 20.0], dimension: 64, of: 1_754 }),
    }
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

/// Checks that the opened pictures are of the class, or of the pair, that the link names, and so is the query.
#[track_caller]
fn assert_opens_its_pictures(opened: &Value) {
    assert_eq!(opened["open"], true, "{opened}");
    let href = opened["href"].as_str().unwrap();
    let (target, predicted) = match href[2..].split_once('-') {
        Some((target, predicted)) => (target, Some(predicted)),
        None => (&href[2..], None),
    };
    let pairs = opened["pairs"].as_array().unwrap();
    assert!(!pairs.is_empty(), "{opened}");
    for pair in pairs {
        let fits = match predicted {
            Some(predicted) => pair[0] == target && pair[1] == predicted,
            None => pair[0] == target || pair[1] == target,
        };
        assert!(fits, "{href}: {pair}");
    }
    let query = opened["query"].as_str().unwrap();
    assert!(query.contains(&format!("WHERE target = {target}")), "{query}");
}

#[test]
fn a_browser_shows_the_page_sorts_and_searches_it_and_asks_nothing_of_a_network() {
    let Some(browser) = browser() else { return };
    let folder: PathBuf = root().join("target/report-screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let report = report();
    let gates =
        ["top1 >= 50", "ece <= 0.001"].map(|gate| Gate::parse(gate).unwrap().check(&report.metrics()));
    let page = folder.join("report.html");
    std::fs::write(&page, report.to_html(&gates, &gallery(&report)).unwrap()).unwrap();
    let arguments = [page.to_str().unwrap(), folder.to_str().unwrap(), "--browser", &browser];
    let found = ask_python("browser.py", &arguments);

    assert_eq!(found["errors"], serde_json::json!([]), "the console has errors");
    assert_eq!(found["requests"].as_array().unwrap().len(), 1, "{}", found["requests"]);
    assert!(found["requests"][0].as_str().unwrap().starts_with("file://"), "{}", found["requests"]);
    assert_eq!(found["title"], "a page to look at: accuracy report");
    assert_eq!((&found["scripts"], &found["broken_pictures"]), (&1.into(), &0.into()));
    // 20 mistakes and 60 examples, and the copies beside the mistakes
    let beside = found["beside"].as_u64().unwrap();
    assert!(beside >= 10, "{beside} right examples beside 20 mistakes");
    assert_eq!(found["pictures"].as_u64(), Some(80 + beside));
    assert_eq!(found["clipped"], serde_json::json!([]), "labels end outside of their drawing");

    for column in ["F1", "images"] {
        let (up, down) = (numbers(&found[column]["up"]), numbers(&found[column]["down"]));
        assert_eq!(up.len(), 60, "{column}");
        assert!(up.is_sorted() && down.iter().rev().is_sorted(), "{column}: {up:?} {down:?}");
        assert_eq!(
            (&found[column]["upSort"], &found[column]["downSort"]),
            (&"ascending".into(), &"descending".into())
        );
    }
    assert_ne!(found["F1"]["before"], found["F1"]["up"], "a click changed nothing");
    // numbers in names count as numbers
    let names: Vec<&str> =
        found["class"]["up"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let place = |name: &str| names.iter().position(|other| *other == name);
    assert!(place("class of number 2") < place("class of number 10"), "{names:?}");
    assert_eq!((&found["search_nothing"]["shown"], &found["search_ended"]["shown"]), (&0.into(), &60.into()));
    assert!(found["search"]["shown"].as_u64().unwrap() >= 1);

    for place in ["cell", "class", "pair"] {
        assert_opens_its_pictures(&found["opened"][place]);
    }
    assert!(found["map"].as_u64().is_some_and(|dots| (1..200).contains(&dots)), "{}", found["map"]);

    assert_eq!(found["phone_width"], 390, "the page scrolls sideways on a phone");
    for scheme in ["contrast_light", "contrast_dark"] {
        assert!(found[scheme]["ratio"].as_f64().unwrap() >= 4.5, "{scheme}: {}", found[scheme]);
    }
    for shot in ["light.png", "dark.png", "phone.png", "print.pdf"] {
        assert!(std::fs::metadata(folder.join(shot)).unwrap().len() > 10_000, "{shot}");
    }
}

#[test]
fn a_browser_shows_the_page_of_an_audit_with_pairs_of_pictures_and_asks_nothing_of_a_network() {
    let Some(browser) = browser() else { return };
    let folder: PathBuf = root().join("target/audit-screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let job = Job::own().set("output.embedding=f16");
    job.run().exits(0);
    let page = folder.join("audit.html");
    let mut audit = program();
    audit.arg("audit").arg(job.output()).arg("--against").arg(job.output()).arg("--html").arg(&page);
    ended(audit.args(["--progress", "none"])).exits(0);
    let arguments = [page.to_str().unwrap(), folder.to_str().unwrap(), "--browser", &browser];
    let found = ask_python("browser.py", &arguments);
    assert_eq!(found["errors"], serde_json::json!([]), "the console has errors");
    assert_eq!(found["requests"].as_array().unwrap().len(), 1, "{}", found["requests"]);
    assert!(found["requests"][0].as_str().unwrap().starts_with("file://"), "{}", found["requests"]);
    assert!(found["pictures"].as_u64().unwrap() >= 24, "{}", found["pictures"]);
    assert_eq!((&found["scripts"], &found["broken_pictures"]), (&0.into(), &0.into()));
    assert_eq!(found["phone_width"], 390, "the page scrolls sideways on a phone");
    for scheme in ["contrast_light", "contrast_dark"] {
        assert!(found[scheme]["ratio"].as_f64().unwrap() >= 4.5, "{scheme}: {}", found[scheme]);
    }
}

#[test]
fn a_browser_shows_the_page_of_a_comparison_and_asks_nothing_of_a_network() {
    let Some(browser) = browser() else { return };
    let folder: PathBuf = root().join("target/compare-screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let (one, other) = (Job::own(), Job::own().set("preprocess.image_size=96"));
    for job in [&one, &other] {
        job.run().exits(0);
    }
    let page = folder.join("compare.html");
    let mut compare = program();
    compare.arg("compare").arg(one.output()).arg(other.output()).arg("--html").arg(&page);
    ended(&mut compare).exits(0);
    let arguments = [page.to_str().unwrap(), folder.to_str().unwrap(), "--browser", &browser];
    let found = ask_python("browser.py", &arguments);
    assert_eq!(found["errors"], serde_json::json!([]), "the console has errors");
    assert_eq!(found["requests"].as_array().unwrap().len(), 1, "{}", found["requests"]);
    assert!(found["requests"][0].as_str().unwrap().starts_with("file://"), "{}", found["requests"]);
    assert_eq!(found["phone_width"], 390, "the page scrolls sideways on a phone");
    for scheme in ["contrast_light", "contrast_dark"] {
        assert!(found[scheme]["ratio"].as_f64().unwrap() >= 4.5, "{scheme}: {}", found[scheme]);
    }
}
