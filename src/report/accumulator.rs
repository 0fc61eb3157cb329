//! Rows in, a report out.

use arrow::array::RecordBatch;

use super::accuracy::{ClassCounts, MeanSum, Score, mean};
use super::error::ReportError;
use super::figures::{Counts, Provenance, Report};
use super::inputs::{InputSums, Tally};
use super::proportion::Proportion;
use super::rows::{Columns, Row};

/// Where an `error` row that names no kind is counted.
const UNSPECIFIED: &str = "unspecified";

/// The classes of the model that made the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classes {
    /// Their names; the position is the index.
    Named(Vec<String>),
    /// Their number, where names are not known.
    Count(usize),
}

impl Classes {
    /// Number of classes.
    pub fn count(&self) -> usize {
        match self {
            Self::Named(names) => names.len(),
            Self::Count(count) => *count,
        }
    }
}

/// Adds rows up. Memory: a few counters a class.
///
/// The figures do not depend on how rows are cut into batches. The means add floating point numbers in the
/// order of the rows; the last digits of two reports agree when files are pushed in the same order.
#[derive(Debug)]
pub struct Accumulator {
    classes: Classes,
    per_class: Vec<ClassCounts>,
    counts: Counts,
    error_kinds: Tally,
    top1: u64,
    top5: u64,
    target_prob: MeanSum,
    top1_prob: MeanSum,
    inputs: InputSums,
}

impl Accumulator {
    /// The columns that [`push`](Self::push) reads; a caller projects to these of them that a file has.
    /// `prob`, `target_prob` and `target_rank` may be absent, all others are needed.
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

    /// Nothing counted yet.
    pub fn new(classes: Classes) -> Self {
        Self {
            per_class: vec![ClassCounts::default(); classes.count()],
            classes,
            counts: Counts::default(),
            error_kinds: Tally::default(),
            top1: 0,
            top5: 0,
            target_prob: MeanSum::default(),
            top1_prob: MeanSum::default(),
            inputs: InputSums::default(),
        }
    }

    /// Counts the rows of a batch. Columns are found by name, others are ignored.
    ///
    /// # Errors
    /// A needed column is missing, a column has another type, or a row breaks the output's contract. The
    /// batch may then be counted in part: drop the accumulator.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ReportError> {
        let columns = Columns::of(batch)?;
        (0..batch.num_rows()).try_for_each(|i| self.add(&columns.row(i)))
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), ReportError> {
        let number = self.counts.rows;
        let target = row.target.map(|target| self.check_target(target, number)).transpose()?;
        self.counts.rows += 1;
        self.inputs.add(row);
        match target {
            Some(_) => self.counts.with_target += 1,
            None => self.counts.unknown_target += 1,
        }
        match row.status {
            Some("ok") => {
                self.counts.ok += 1;
                target.map_or(Ok(()), |target| self.score(row, number, target))
            }
            Some("error") => {
                self.counts.errors += 1;
                self.error_kinds.add(row.error_kind.unwrap_or(UNSPECIFIED));
                if let Some(target) = target {
                    self.per_class[target].errors += 1;
                }
                Ok(())
            }
            other => Err(ReportError::Status { row: number, found: other.map(str::to_owned) }),
        }
    }

    fn check_target(&self, target: i32, row: u64) -> Result<usize, ReportError> {
        let classes = self.per_class.len();
        let index = usize::try_from(target).ok().filter(|&index| index < classes);
        index.ok_or(ReportError::Target { row, target, classes })
    }

    fn score(&mut self, row: &Row<'_>, number: u64, target: usize) -> Result<(), ReportError> {
        let score = Score::of(row, number, target, self.per_class.len())?;
        self.counts.scored += 1;
        self.counts.top5_unknown += u64::from(score.top5.is_none());
        self.counts.rank_conflicts += u64::from(score.conflict);
        self.top1 += u64::from(score.top1);
        self.top5 += u64::from(score.top5 == Some(true));
        self.per_class[target].support += 1;
        self.per_class[target].correct += u64::from(score.top1);
        self.per_class[score.predicted].predicted += 1;
        self.target_prob.add(row.target_prob, "target_prob", number)?;
        self.top1_prob.add(row.first_prob, "prob", number)
    }

    /// The figures of everything pushed so far.
    pub fn finish(self, provenance: Provenance) -> Report {
        let counts = Counts { errors_by_kind: self.error_kinds.finish(), ..self.counts };
        let top5 = |of| (counts.top5_unknown == 0).then(|| Proportion::new(self.top5, of)).flatten();
        let mut names = match self.classes {
            Classes::Named(names) => names,
            Classes::Count(_) => Vec::new(),
        }
        .into_iter();
        Report {
            top1: Proportion::new(self.top1, counts.scored),
            top5: top5(counts.scored),
            top1_all: Proportion::new(self.top1, counts.with_target),
            top5_all: top5(counts.with_target),
            macro_accuracy: mean(self.per_class.iter().filter_map(ClassCounts::recall)),
            macro_accuracy_all: mean(self.per_class.iter().filter_map(ClassCounts::recall_all)),
            target_prob: self.target_prob.finish(),
            top1_prob: self.top1_prob.finish(),
            classes: self
                .per_class
                .iter()
                .enumerate()
                .map(|(index, class)| class.figures(index, names.next()))
                .collect(),
            inputs: self.inputs.finish(),
            provenance,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::*;

    fn report(rows: &[TestRow], classes: usize) -> Report {
        let mut accumulator = Accumulator::new(Classes::Count(classes));
        accumulator.push(&batch(rows)).unwrap();
        accumulator.finish(Provenance::default())
    }

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
        let replaced = |name: &str, array: arrow::array::ArrayRef| {
            let at = schema.index_of(name).unwrap();
            let columns = (0..good.num_columns()).map(|i| {
                (schema.field(i).name(), if i == at { array.clone() } else { good.column(i).clone() })
            });
            RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap()
        };
        let ints = Arc::new(arrow::array::Int64Array::from(vec![1]));
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
