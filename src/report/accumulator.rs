//! Rows in, a report out.

use arrow_array::RecordBatch;

use super::accuracy::{ClassCounts, MeanSum, mean};
use super::calibration::CalibrationSums;
use super::classes::Classes;
use super::confidence::ConfidenceSums;
use super::confusion::ConfusionSums;
use super::error::ReportError;
use super::examples::ExampleSums;
use super::extras::Extras;
use super::figures::Report;
use super::inputs::InputSums;
use super::judged::JudgedRow;
use super::macro_interval::{MacroClasses, mean_share_interval};
use super::provenance::Provenance;
use super::rows::Columns;
use super::shares::ShareSums;
use super::slice_by::SliceBy;
use super::slices::SliceSums;
use super::values::ClassFigures;
use super::worst::WorstSums;

/// Adds rows up: every row is checked against the contract and judged once, and each part of the report takes from the
/// judgement what it needs. A new figure is a file with its sums (`add` a row, `finish` into figures), a field
/// here, and one in [`Report`].
///
/// Memory: a few counters a class, a million confused pairs at most, a thousand values a slice; nothing grows with the
/// rows. The figures do not depend on how rows are cut into batches. Means add floating point numbers in the
/// order of the rows; the last digits of two reports agree when files are pushed in the same order.
#[derive(Debug)]
pub struct Accumulator {
    classes: Classes,
    extras: Extras,
    rows: u64,
    per_class: Vec<ClassCounts>,
    shares: ShareSums,
    target_prob: MeanSum,
    top1_prob: MeanSum,
    calibration: CalibrationSums,
    confidence: ConfidenceSums,
    confusion: ConfusionSums,
    slices: Vec<SliceSums>,
    inputs: InputSums,
    worst: WorstSums,
    examples: ExampleSums,
}

impl Accumulator {
    /// The columns that every report reads; a caller projects to these of them that a file has, and to those of its
    /// [`Extras`]: see [`columns`](Self::columns). `prob`, `target_prob` and `target_rank` may be absent,
    /// and `index` if the model has no classes; all others are needed.
    pub const COLUMNS: [&'static str; 10] = [
        "status",
        "error_kind",
        "target",
        "index",
        "prob",
        "target_prob",
        "target_rank",
        "width",
        "height",
        "format",
    ];

    /// Nothing counted yet, and no extras.
    pub fn new(classes: Classes) -> Self {
        Self::with(classes, Extras::default())
    }

    /// Nothing counted yet.
    pub fn with(classes: Classes, extras: Extras) -> Self {
        Self {
            per_class: vec![ClassCounts::default(); classes.count()],
            classes,
            rows: 0,
            shares: ShareSums::default(),
            target_prob: MeanSum::default(),
            top1_prob: MeanSum::default(),
            calibration: CalibrationSums::default(),
            confidence: ConfidenceSums::default(),
            confusion: ConfusionSums::default(),
            slices: extras.slices.iter().cloned().map(SliceSums::new).collect(),
            inputs: InputSums::default(),
            worst: WorstSums::default(),
            examples: ExampleSums::default(),
            extras,
        }
    }

    /// The columns that [`push`](Self::push) reads.
    pub fn columns(&self) -> Vec<&str> {
        let logits = self.extras.logits.then_some("logits");
        let slices = self.extras.slices.iter().filter_map(SliceBy::column);
        Self::COLUMNS.into_iter().chain(logits).chain(slices).collect()
    }

    /// Counts the rows of a batch. Columns are found by name, others are ignored.
    ///
    /// # Errors
    /// A needed column is missing, a column has another type, or a row breaks the output's contract. The
    /// batch may then be counted in part: drop the accumulator.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ReportError> {
        let columns = Columns::of(batch, self.per_class.len(), &self.extras)?;
        for i in 0..batch.num_rows() {
            let row = columns.row(i);
            let judged = JudgedRow::of(&row, self.rows, self.per_class.len())?;
            self.rows += 1;
            self.add(&judged)?;
            for (slice, column) in self.slices.iter_mut().zip(&columns.slices) {
                slice.add(&judged, column.cell(i));
            }
        }
        Ok(())
    }

    fn add(&mut self, judged: &JudgedRow<'_>) -> Result<(), ReportError> {
        self.shares.add(judged);
        self.inputs.add(judged.row);
        self.confidence.add(judged);
        self.calibration.add(judged)?;
        self.confusion.add(judged);
        self.worst.add(judged);
        self.examples.add(judged);
        if let Some((target, score)) = judged.scored() {
            self.per_class[target].support += 1;
            self.per_class[target].correct += u64::from(score.top1);
            self.per_class[score.predicted].predicted += 1;
            judged.row.target_prob.into_iter().for_each(|p| self.target_prob.add(f64::from(p)));
            judged.row.first_prob.into_iter().for_each(|p| self.top1_prob.add(f64::from(p)));
        } else if let Some(target) = judged.target {
            self.per_class[target].errors += 1;
        }
        Ok(())
    }

    /// The figures of everything pushed so far.
    pub fn finish(self, provenance: Provenance) -> Report {
        let mut names = match self.classes {
            Classes::Named(names) => names,
            Classes::Count(_) => Vec::new(),
        }
        .into_iter();
        let classes: Vec<ClassFigures> = self
            .per_class
            .iter()
            .enumerate()
            .map(|(index, class)| class.figures(index, names.next()))
            .collect();
        let shares = self.shares.finish();
        let (confusion, worst) = (self.confusion.finish(&classes), self.worst.finish());
        let examples = self.examples.finish(&worst, &confusion, &classes);
        Report {
            top1: shares.top1,
            top5: shares.top5,
            top1_all: shares.top1_all,
            top5_all: shares.top5_all,
            macro_accuracy: mean(self.per_class.iter().filter_map(ClassCounts::recall)),
            macro_accuracy_all: mean(self.per_class.iter().filter_map(ClassCounts::recall_all)),
            macro_interval: mean_share_interval(self.per_class.iter().map(|c| (c.correct, c.support))),
            macro_all_interval: mean_share_interval(
                self.per_class.iter().map(|c| (c.correct, c.support + c.errors)),
            ),
            macro_classes: MacroClasses::of(self.per_class.iter().map(|c| c.support)),
            macro_all_classes: MacroClasses::of(self.per_class.iter().map(|c| c.support + c.errors)),
            f1_macro: mean(classes.iter().filter_map(|class| class.f1)),
            target_prob: self.target_prob.finish(),
            top1_prob: self.top1_prob.finish(),
            calibration: self.calibration.finish(),
            confidence: self.confidence.finish(),
            confusion,
            slices: self.slices.into_iter().map(SliceSums::finish).collect(),
            classes,
            inputs: self.inputs.finish(),
            throughput: None,
            masked: None,
            target_sets: false,
            multi_label: None,
            worst,
            examples,
            provenance,
            counts: shares.counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch, report};
    use super::*;

    #[test]
    fn failed_rows_are_left_out_of_one_figure_and_wrong_in_the_other() {
        let report = report(
            &[
                TestRow::ok(0, &[0, 1]),
                TestRow::ok(0, &[0, 1]),
                TestRow::ok(1, &[0, 1]),
                TestRow::error("corrupt").target(1),
                TestRow::error("limit"),
                TestRow::ok(None, &[1, 0]),
            ],
            2,
        );
        assert_eq!(report.top1.map(|p| (p.hits, p.of)), Some((2, 3)));
        assert_eq!(report.top1_all.map(|p| (p.hits, p.of)), Some((2, 4)));
        assert_eq!(report.top5.map(|p| p.percent), Some(100.0));
        assert_eq!(report.top5_all.map(|p| p.percent), Some(75.0));
        assert_eq!((report.macro_accuracy, report.macro_accuracy_all), (Some(50.0), Some(50.0)));
        let c = &report.counts;
        assert_eq!((c.rows, c.ok, c.errors, c.scored), (6, 4, 2, 3));
        assert_eq!((c.with_target, c.unknown_target), (4, 2));
        assert_eq!(
            Vec::from_iter(&c.errors_by_kind),
            [(&"corrupt".to_owned(), &1), (&"limit".to_owned(), &1)]
        );
    }

    #[test]
    fn a_class_whose_images_all_failed_counts_only_where_failing_is_wrong() {
        let report = report(&[TestRow::ok(0, &[0]), TestRow::error("corrupt").target(1)], 3);
        assert_eq!((report.macro_accuracy, report.macro_accuracy_all), (Some(100.0), Some(50.0)));
        let failed = &report.classes[1];
        assert_eq!((failed.support, failed.errors, failed.recall), (0, 1, None));
    }

    #[test]
    fn figures_do_not_depend_on_where_batches_are_cut() {
        let rows: Vec<TestRow> = (0..97)
            .map(|i| match i % 7 {
                0 => TestRow::error("truncated").target(i % 5),
                n => {
                    TestRow::ok(i % 5, &[n % 5, (n + 1) % 5]).probs(&[0.1 * n as f32, 0.01]).target_prob(0.3)
                }
            })
            .collect();
        let whole = report(&rows, 5);
        for size in [1, 2, 13, 96] {
            let mut cut = Accumulator::new(Classes::Count(5));
            rows.chunks(size).for_each(|chunk| cut.push(&batch(chunk)).unwrap());
            assert_eq!(cut.finish(Provenance::default()), whole, "batches of {size}");
        }
        // The same rows as a slice of a longer batch: offsets inside arrays are minded.
        let long = batch(&[vec![TestRow::ok(4, &[0, 1, 2])], rows].concat());
        let mut sliced = Accumulator::new(Classes::Count(5));
        sliced.push(&long.slice(1, 97)).unwrap();
        assert_eq!(sliced.finish(Provenance::default()), whole);
    }

    #[test]
    fn an_unknown_best_five_is_not_guessed() {
        let report = report(&[TestRow::ok(0, &[0]), TestRow::ok(9, &[0])], 10);
        assert_eq!(report.top1.map(|p| p.percent), Some(50.0));
        assert_eq!((report.top5, report.top5_all, report.counts.top5_unknown), (None, None, 1));
    }

    #[test]
    fn rows_without_targets_give_counts_and_no_accuracy() {
        let report = report(&[TestRow::ok(None, &[1])], 10);
        assert_eq!((report.counts.ok, report.counts.scored), (1, 0));
        assert_eq!((report.top1, report.top1_all, report.macro_accuracy), (None, None, None));
        assert_eq!(report.target_prob.mean, None);
    }

    #[test]
    fn rows_of_a_model_without_classes_are_counted_and_not_scored() {
        let full = batch(&[TestRow::ok(None, &[0]), TestRow::error("limit")]);
        let without = ["index", "prob", "target_prob", "target_rank"];
        let is_kept = |&i: &usize| !without.contains(&full.schema_ref().field(i).name().as_str());
        let kept: Vec<usize> = (0..full.num_columns()).filter(is_kept).collect();
        let mut accumulator = Accumulator::new(Classes::Count(0));
        accumulator.push(&full.project(&kept).unwrap()).unwrap();
        let report = accumulator.finish(Provenance::default());
        assert_eq!((report.counts.rows, report.counts.ok, report.counts.errors), (2, 1, 1));
        assert_eq!((report.counts.scored, report.top1, report.top1_prob.mean), (0, None, None));
        let text = report.to_markdown(&[]);
        assert!(text.contains("no classes") && !text.contains("`[input] targets`"), "{text}");
    }

    #[test]
    fn columns_that_only_add_to_the_list_may_be_absent() {
        let full = batch(&[TestRow::ok(3, &[3, 4]).rank(1).probs(&[0.5, 0.2]).target_prob(0.5)]);
        for column in Accumulator::COLUMNS {
            let kept: Vec<usize> =
                (0..full.num_columns()).filter(|&i| full.schema_ref().field(i).name() != column).collect();
            let result = Accumulator::new(Classes::Count(10)).push(&full.project(&kept).unwrap());
            if ["prob", "target_prob", "target_rank"].contains(&column) {
                result.unwrap();
            } else {
                let text = result.unwrap_err().to_string();
                assert!(
                    text.starts_with(&format!("column `{column}` is missing; the rows have: ")),
                    "{text}"
                );
                assert!(text.contains("target_prob"), "{text}");
            }
        }
    }

    #[test]
    fn rows_that_break_the_contract_are_errors_that_name_them() {
        let cases = [
            (TestRow::ok(10, &[0]), "row 1: target `10` is outside the model's 10 classes"),
            (TestRow::error("limit").target(-1), "row 1: target `-1` is outside"),
            (TestRow::ok(1, &[]), "row 1: `index` is null, empty"),
            (TestRow::ok(1, &[1]).status(Some("OK\n")), "row 1: status is `OK\\n` where"),
            (TestRow::ok(1, &[1]).status(None), "row 1: status is null where"),
            (TestRow::ok(1, &[1]).target_prob(f32::NAN), "row 1: `target_prob` is `NaN`"),
            (TestRow::ok(1, &[1]).probs(&[f32::INFINITY]), "row 1: `prob` is `inf`"),
            (TestRow::ok(1, &[1]).probs(&[1.5]), "row 1: `prob` is `1.5` where a probability from 0 to 1"),
            (TestRow::ok(None, &[1]).probs(&[-0.5]), "row 1: `prob` is `-0.5` where a probability"),
        ];
        for (bad, expected) in cases {
            let mut accumulator = Accumulator::new(Classes::Count(10));
            accumulator.push(&batch(&[TestRow::ok(0, &[0])])).unwrap();
            let text = accumulator.push(&batch(&[bad])).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn a_column_of_another_type_is_an_error_that_names_both() {
        use std::sync::Arc;
        let good = batch(&[TestRow::ok(0, &[0])]);
        let schema = good.schema();
        let replaced = |name: &str, array: arrow_array::ArrayRef| {
            let at = schema.index_of(name).unwrap();
            let columns = (0..good.num_columns()).map(|i| {
                (schema.field(i).name(), if i == at { array.clone() } else { good.column(i).clone() })
            });
            RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap()
        };
        let ints = Arc::new(arrow_array::Int64Array::from(vec![1]));
        let floats = good.column_by_name("prob").unwrap().clone();
        for (batch, expected) in [
            (replaced("target", ints), "column `target` has type `Int64` where `Int32` is needed"),
            (replaced("index", floats), "column `index` has type `List("),
        ] {
            let text = Accumulator::new(Classes::Count(10)).push(&batch).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
