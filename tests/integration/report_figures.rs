//! Every statistic of a report compared with scikit-learn, scipy and statsmodels, whose values are in
//! `tests/data/report/figures.json` with their rows.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field};
use serde_json::Value;
use tresnet_batch::report::{Accumulator, Classes, Extras, Provenance, Report, SliceBy};

use crate::support::root;

fn kept() -> Value {
    let path = root().join("tests/data/report/figures.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|item| item.as_f64().unwrap() as f32).collect()
}

/// The kept rows as a batch of the output's schema, with a text column of three values.
fn batch(kept: &Value) -> RecordBatch {
    let rows = kept["rows"].as_array().unwrap();
    let classes = kept["classes"].as_i64().unwrap() as i32;
    let (mut index, mut prob) =
        (ListBuilder::new(Int32Builder::new()), ListBuilder::new(Float32Builder::new()));
    for row in rows {
        let indices = row["index"].as_array().unwrap().iter();
        index.append_value(indices.map(|item| Some(item.as_i64().unwrap() as i32)));
        prob.append_value(floats(&row["prob"]).into_iter().map(Some));
    }
    let int = |name: &str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row[name].as_i64().map(|value| value as i32)).collect::<Int32Array>())
    };
    let logits: Float32Array = rows.iter().flat_map(|row| floats(&row["logits"])).map(Some).collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let none = || -> ArrayRef { Arc::new(StringArray::new_null(rows.len())) };
    let sizes: ArrayRef = Arc::new(Int32Array::from(vec![500; rows.len()]));
    let camera = (0..rows.len()).map(|i| [Some("left"), Some("right"), None][i % 3]).collect::<StringArray>();
    let columns: [(&str, ArrayRef); 13] = [
        ("status", Arc::new(StringArray::from(vec!["ok"; rows.len()]))),
        ("error_kind", none()),
        ("target", int("target")),
        ("index", Arc::new(index.finish())),
        ("prob", Arc::new(prob.finish())),
        (
            "target_prob",
            Arc::new(Float32Array::from_iter_values(
                rows.iter().map(|row| row["target_prob"].as_f64().unwrap() as f32),
            )),
        ),
        ("target_rank", int("target_rank")),
        ("width", sizes.clone()),
        ("height", sizes),
        ("format", none()),
        ("logits", Arc::new(FixedSizeListArray::new(item, classes, Arc::new(logits), None))),
        ("size", Arc::new((0..rows.len()).map(|i| Some(i as i64 * 100)).collect::<Int64Array>())),
        ("camera", Arc::new(camera)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn report(slices: &[SliceBy]) -> (Report, Value) {
    let kept = kept();
    let classes = Classes::Count(kept["classes"].as_u64().unwrap() as usize);
    let extras = Extras { slices: slices.to_vec(), logits: true };
    let mut accumulator = Accumulator::with(classes, extras);
    let batch = batch(&kept);
    // sliced, so that the offsets of every column matter
    for (from, rows) in [(0, 1), (1, 150), (151, batch.num_rows() - 151)] {
        accumulator.push(&batch.slice(from, rows)).unwrap();
    }
    (accumulator.finish(Provenance::default()), kept["figures"].clone())
}

#[track_caller]
fn same(ours: Option<f64>, theirs: &Value, what: &str) {
    let (ours, theirs) = (ours.unwrap_or_else(|| panic!("{what} is missing")), theirs.as_f64().unwrap());
    assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-6), "{what}: {ours} is not {theirs}");
}

#[test]
fn accuracy_its_wilson_interval_and_macro_figures_are_those_of_scikit_learn_and_statsmodels() {
    let (report, theirs) = report(&[]);
    let top1 = report.top1.unwrap();
    same(Some(top1.percent), &theirs["top1"], "top-1");
    same(Some(top1.low), &theirs["top1_low"], "low end");
    same(Some(top1.high), &theirs["top1_high"], "high end");
    same(report.top5.map(|share| share.percent), &theirs["top5"], "top-5");
    same(report.macro_accuracy, &theirs["macro"], "macro");
    same(report.f1_macro, &theirs["f1_macro"], "macro F1");
    for class in &report.classes {
        let at = class.index;
        same(Some(class.precision.unwrap_or_default()), &theirs["precision"][at], "precision");
        same(Some(class.recall.unwrap_or_default()), &theirs["recall"][at], "recall");
        same(Some(class.f1.unwrap_or_default()), &theirs["f1"][at], "F1");
        assert_eq!(class.support, theirs["support"][at].as_u64().unwrap());
    }
}

#[test]
fn ece_nll_and_brier_are_those_of_numpy_and_scikit_learn() {
    let (report, theirs) = report(&[]);
    same(report.calibration.ece, &theirs["ece"], "ECE");
    same(report.calibration.nll.mean, &theirs["nll"], "NLL");
    same(report.calibration.nll.mean, &theirs["nll_of_logits"], "NLL of the logits");
    same(report.calibration.brier.mean, &theirs["brier"], "Brier");
    for (name, value) in [("ece", &theirs["ece"]), ("nll", &theirs["nll"]), ("brier", &theirs["brier"])] {
        same(report.metrics().get(name), value, name);
    }
}

#[test]
fn the_macro_interval_is_that_of_resampling_row_by_row() {
    let (report, theirs) = report(&[]);
    let interval = report.macro_interval.unwrap();
    // a formula beside 20,000 resamples, whose own noise is about 0.1
    for (ours, at) in [(interval.low, 0), (interval.high, 1)] {
        let theirs = theirs["macro_interval"][at].as_f64().unwrap();
        assert!((ours - theirs).abs() < 0.3, "{ours} is not near {theirs}");
    }
}

#[test]
fn slices_add_up_to_the_whole_and_name_their_values() {
    let camera = SliceBy::parse("camera", ["camera"]).unwrap();
    let (report, _) = report(&[camera, SliceBy::Bytes, SliceBy::Pixels, SliceBy::Format]);
    for slices in &report.slices {
        let hits: u64 = slices.values.iter().map(|slice| slice.top1.unwrap().hits).sum();
        assert_eq!(hits, report.top1.unwrap().hits, "{}", slices.by);
        assert_eq!(slices.values.iter().map(|slice| slice.rows).sum::<u64>(), 400, "{}", slices.by);
    }
    let values = |at: usize| -> Vec<(Option<&str>, u64)> {
        let values = report.slices[at].values.iter();
        values.map(|slice| (slice.value.as_deref(), slice.rows)).collect()
    };
    assert_eq!(values(0), [(Some("left"), 134), (Some("right"), 133), (None, 133)]);
    assert_eq!(values(1)[0], (Some("up to 5 kB"), 51));
    assert_eq!(values(2), [(Some("0.1 – 0.25 MP"), 400)]);
    assert_eq!(values(3), [(None, 400)]);
}

#[test]
fn logits_of_another_width_are_refused() {
    let kept = kept();
    let extras = Extras { logits: true, ..Extras::default() };
    let mut accumulator = Accumulator::with(Classes::Count(9), extras);
    let error = accumulator.push(&batch(&kept)).unwrap_err().to_string();
    assert!(error.starts_with("column `logits` has type `FixedSizeList(8"), "{error}");
}
