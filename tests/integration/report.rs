//! Reports of rows that went through Parquet, against `tests/reference/accuracy.py` and a report kept as
//! text.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tresnet_batch::report::{Accumulator, Classes, Gate, Provenance, Report, Verdict};

use crate::support::{root, run_python};

/// SplitMix64: the same rows on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Default)]
struct TestRow {
    status: &'static str,
    error_kind: Option<&'static str>,
    target: Option<i32>,
    index: Option<Vec<i32>>,
    prob: Option<Vec<f32>>,
    target_prob: Option<f32>,
    target_rank: Option<i32>,
    size: Option<(i32, i32)>,
    format: Option<&'static str>,
}

/// How a table of rows is made.
struct Recipe {
    rows: usize,
    classes: usize,
    top_k: usize,
    /// Whether rows have `target_rank` and `target_prob`: all, some or none, and then without the columns.
    ranks: Ranks,
    /// Probabilities are multiples of 1/this: a small number makes ties.
    steps: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Ranks {
    All,
    Some,
    NoColumn,
}

fn random_row(noise: &mut Noise, recipe: &Recipe) -> TestRow {
    let classes = recipe.classes;
    // The last class is never a target; classes 1 modulo 4 fail half of the time.
    let target = (!noise.one_in(9)).then(|| noise.below(classes - 1));
    let mut row = TestRow { status: "ok", target: target.map(|t| t as i32), ..TestRow::default() };
    if noise.one_in(12) || target.is_some_and(|t| t % 4 == 1 && noise.one_in(2)) {
        row.status = "error";
        row.error_kind = [Some("corrupt"), Some("truncated"), Some("not_found"), None][noise.below(4)];
        row.size = noise.one_in(2).then_some((7, 9_999));
        return row;
    }
    let mut prob: Vec<f32> = (0..classes).map(|_| noise.below(recipe.steps) as f32).collect();
    if let Some(target) = target {
        prob[target] += noise.below(recipe.steps) as f32;
    }
    let sum: f32 = prob.iter().sum::<f32>().max(1.0);
    prob.iter_mut().for_each(|p| *p /= sum);
    let mut order: Vec<usize> = (0..classes).collect();
    order.sort_by(|&a, &b| prob[b].total_cmp(&prob[a]));
    row.index = Some(order.iter().take(recipe.top_k).map(|&i| i as i32).collect());
    row.prob = Some(order.iter().take(recipe.top_k).map(|&i| prob[i]).collect());
    if let Some(target) = target
        && (recipe.ranks == Ranks::All || noise.one_in(2))
    {
        row.target_prob = Some(prob[target]);
        // Not the stable order of `index`: on ties the rank is the best that the value allows.
        row.target_rank = Some(1 + prob.iter().filter(|&&p| p > prob[target]).count() as i32);
    }
    row.size = Some((1 + noise.below(4_000) as i32, 1 + noise.below(3_000) as i32));
    row.format = Some(["jpeg", "jpeg", "jpeg", "png", "webp"][noise.below(5)]);
    row
}

fn batch(rows: &[TestRow], ranks: Ranks) -> RecordBatch {
    let mut index = ListBuilder::new(Int32Builder::new());
    let mut prob = ListBuilder::new(Float32Builder::new());
    for row in rows {
        index.append_option(row.index.as_ref().map(|items| items.iter().copied().map(Some)));
        prob.append_option(row.prob.as_ref().map(|items| items.iter().copied().map(Some)));
    }
    let ints = |get: fn(&TestRow) -> Option<i32>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Int32Array>())
    };
    let texts = |get: fn(&TestRow) -> Option<&'static str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        // A column that a report does not use, in front.
        ("row_id", ints(|_| Some(0))),
        ("status", texts(|r| Some(r.status))),
        ("error_kind", texts(|r| r.error_kind)),
        ("target", ints(|r| r.target)),
        ("index", Arc::new(index.finish())),
        ("prob", Arc::new(prob.finish())),
        ("width", ints(|r| r.size.map(|s| s.0))),
        ("height", ints(|r| r.size.map(|s| s.1))),
        ("format", texts(|r| r.format)),
    ];
    if ranks != Ranks::NoColumn {
        let target_prob = rows.iter().map(|r| r.target_prob).collect::<Float32Array>();
        columns.push(("target_prob", Arc::new(target_prob)));
        columns.push(("target_rank", ints(|r| r.target_rank)));
    }
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns are of one length")
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn push_file(accumulator: &mut Accumulator, path: &Path) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let projection = ProjectionMask::columns(builder.parquet_schema(), Accumulator::COLUMNS);
    for batch in builder.with_projection(projection).with_batch_size(333).build().unwrap() {
        accumulator.push(&batch.unwrap()).unwrap();
    }
}

/// Compares every figure of the reference with the report's; the report may have more.
pub fn assert_same(reference: &Value, ours: &Value, at: &str) {
    match (reference, ours) {
        (Value::Object(fields), Value::Object(_)) => {
            fields.iter().for_each(|(name, value)| assert_same(value, &ours[name], &format!("{at}.{name}")));
        }
        (Value::Array(items), Value::Array(others)) => {
            assert_eq!(items.len(), others.len(), "{at}");
            items
                .iter()
                .zip(others)
                .enumerate()
                .for_each(|(i, (a, b))| assert_same(a, b, &format!("{at}[{i}]")));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-9, "{at}: {b} is not the reference's {a}");
        }
        _ => assert_eq!(ours, reference, "{at}"),
    }
}

#[test]
fn figures_are_those_of_the_python_reference() {
    let recipe = |rows, classes, top_k, ranks, steps| Recipe { rows, classes, top_k, ranks, steps };
    // (recipe, expects a top-5, expects contradicting ranks)
    let cases = [
        (recipe(5_000, 40, 5, Ranks::All, 10_000_000), true, false),
        (recipe(5_000, 40, 5, Ranks::All, 4), true, true),
        (recipe(3_000, 40, 3, Ranks::All, 10_000_000), true, false),
        (recipe(3_000, 40, 3, Ranks::All, 3), true, true),
        (recipe(3_000, 40, 1, Ranks::Some, 10_000_000), false, false),
        (recipe(3_000, 40, 10, Ranks::NoColumn, 1_000), true, false),
        (recipe(3_000, 40, 2, Ranks::NoColumn, 1_000), false, false),
        (recipe(2_000, 3, 3, Ranks::NoColumn, 1_000), true, false),
        (recipe(1, 40, 5, Ranks::All, 1_000), true, false),
        (recipe(0, 40, 5, Ranks::All, 1_000), false, false),
    ];
    for (seed, (recipe, has_top5, has_conflicts)) in cases.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let mut noise = Noise(seed as u64);
        let rows: Vec<TestRow> = (0..recipe.rows).map(|_| random_row(&mut noise, &recipe)).collect();
        let mut accumulator = Accumulator::new(Classes::Count(recipe.classes));
        let cut = recipe.rows / 3;
        for (name, part) in [("part-000000.parquet", &rows[..cut]), ("part-000001.parquet", &rows[cut..])] {
            let path = folder.path().join(name);
            write(&path, &batch(part, recipe.ranks));
            push_file(&mut accumulator, &path);
        }
        let report = accumulator.finish(Provenance::default());
        let ours: Value = serde_json::from_str(&report.to_json(&[]).unwrap()).unwrap();
        let classes = recipe.classes.to_string();
        let arguments = [folder.path().to_str().unwrap(), "--classes", &classes];
        let reference: Value = serde_json::from_str(&run_python("accuracy.py", &arguments)).unwrap();
        assert_same(&reference, &ours, &format!("case {seed}"));
        assert_eq!(report.top5.is_some(), has_top5, "case {seed}");
        assert_eq!(report.counts.rank_conflicts > 0, has_conflicts, "case {seed}");
        assert!(recipe.rows < 2 || report.top1.is_some_and(|p| p.low < p.percent), "case {seed}");
    }
}

fn sample_report() -> Report {
    let names = ["tench", "goldfish", "pipe | cat", "line\nbreak", "<b>bold</b>", "crane"];
    let ok = |target: i32, index: &[i32], rank: i32, format| TestRow {
        status: "ok",
        target: Some(target),
        index: Some(index.to_vec()),
        prob: Some((1..=index.len()).map(|i| 0.5 / i as f32).collect()),
        target_prob: Some(0.5 / rank as f32),
        target_rank: Some(rank),
        size: Some((500 + target, 375)),
        format: Some(format),
        ..TestRow::default()
    };
    let failed =
        |kind, target| TestRow { status: "error", error_kind: Some(kind), target, ..TestRow::default() };
    let rows = [
        ok(0, &[0, 1, 2, 3, 4], 1, "jpeg"),
        ok(0, &[0, 4, 2, 3, 1], 1, "jpeg"),
        ok(0, &[1, 0, 2, 3, 4], 2, "jpeg"),
        ok(1, &[1, 0, 2, 3, 4], 1, "png"),
        ok(2, &[0, 1, 3, 4, 5], 6, "jpeg"),
        ok(2, &[2, 1, 3, 4, 5], 1, "jpeg"),
        ok(3, &[3, 1, 2, 4, 5], 1, "webp"),
        ok(4, &[3, 1, 2, 4, 5], 4, "jpeg"),
        // Tied with the winner: first by `target_rank`, second in the list.
        ok(1, &[0, 1, 2, 3, 4], 1, "jpeg"),
        TestRow { target: None, target_prob: None, target_rank: None, ..ok(0, &[0, 1, 2, 3, 4], 1, "jpeg") },
        failed("corrupt", Some(4)),
        failed("corrupt", Some(5)),
        failed("limit", None),
    ];
    let mut accumulator = Accumulator::new(Classes::Named(names.map(str::to_owned).to_vec()));
    accumulator.push(&batch(&rows, Ranks::All)).unwrap();
    accumulator.finish(Provenance {
        job: "imagenet-val".to_owned(),
        targets: "folder".to_owned(),
        tool_version: "0.1.0".to_owned(),
        model_arch: "tresnet_m".to_owned(),
        model_sha256: "00112233".repeat(8),
        precision: "fp32".to_owned(),
        providers: vec!["CPUExecutionProvider".to_owned()],
        devices: Vec::new(),
        preprocess: "224 crop 0.875 bilinear mean 0,0,0 std 1,1,1".to_owned(),
        input_uri: "s3://datasets/imagenet/val/".to_owned(),
        output_uri: "s3://results/imagenet-val-tresnet-m/".to_owned(),
        created: "2026-01-31".to_owned(),
        fingerprint: "f00d".repeat(16),
        complete: false,
    })
}

#[test]
fn a_report_reads_as_the_one_that_was_kept() {
    let report = sample_report();
    let metrics = report.metrics();
    let gates = ["top1 >= 50", "top5>=99.5", "error_fraction <= 0.01", "rows == 13"];
    let verdicts: Vec<Verdict> = gates.iter().map(|g| Gate::parse(g).unwrap().check(&metrics)).collect();
    for (name, text) in [
        ("accuracy.md", report.to_markdown(&verdicts)),
        ("accuracy.json", report.to_json(&verdicts).unwrap()),
    ] {
        let path = root().join("tests/data/report").join(name);
        if std::env::var_os("TRESNET_BATCH_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, kept, "{} differs; TRESNET_BATCH_BLESS=1 writes it anew", path.display());
    }
}
