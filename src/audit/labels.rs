//! Labels that are likely wrong: two passes over the rows of an output.

use std::sync::Arc;

use crate::evaluation::report_input::ReportInput;
use crate::evaluation::row_view::scoring_of;
use crate::evaluation::target_override::{activation, logits};
use crate::failure::Failure;
use crate::job::Frozen;
use crate::output::{Activation, Cursor};
use crate::pipeline::progress::Progress;
use crate::report::{ReportError, Scoring};

use super::confident::{ConfidentJoint, Counted, Known, SelfConfidence};
use super::finding::{Finding, FindingKind};
use super::label_figures::LabelFigures;
use super::label_rows::{LabelRow, LabelRows};
use super::ranking::Ranking;
use super::section::Section;

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// The same if logits are decoded too.
const LOGITS_BATCH: usize = 1024;

/// The figures, and the findings.
pub(super) struct Labels {
    pub figures: Section<LabelFigures>,
    pub findings: Vec<Ranking>,
}

impl Labels {
    fn skipped(why: impl Into<String>) -> Labels {
        Labels { figures: Section::skipped(why), findings: Vec::new() }
    }
}

/// How the probabilities of a row are read.
struct Probabilities {
    activation: Activation,
    has_logits: bool,
    /// Classes among which alone a row is scored.
    among: Option<Vec<i32>>,
    /// Of one row, in the order of the classes.
    values: Vec<f64>,
}

impl Probabilities {
    /// # Errors
    /// Why the labels of the job cannot be judged.
    fn of(frozen: &Frozen) -> Result<Probabilities, String> {
        if frozen.model.classes == 0 {
            return Err("the model gives an embedding and no classes".into());
        }
        let among = match scoring_of(frozen) {
            Scoring::Plain => None,
            Scoring::Sets => {
                return Err("an image has several labels, and confident learning takes one".into());
            }
            Scoring::Among(_) => frozen.truth.as_ref().and_then(|truth| truth.among.clone()),
        };
        let has_logits = logits(frozen).is_some();
        if let (Some(among), false) = (&among, has_logits) {
            return Err(format!(
                "images are scored among {} of the classes, which takes logits: set `output.logits = true`",
                among.len()
            ));
        }
        Ok(Probabilities {
            activation: activation(frozen).unwrap_or(Activation::Softmax),
            has_logits,
            among,
            values: Vec::new(),
        })
    }

    /// Reads the probabilities of a row's logits.
    fn read(&mut self, logits: &[f32]) -> &[f64] {
        self.values.clear();
        match &self.among {
            None => self.values.extend(logits.iter().map(|logit| f64::from(*logit))),
            Some(among) => {
                self.values.resize(logits.len(), f64::NEG_INFINITY);
                let known = among.iter().filter_map(|class| usize::try_from(*class).ok());
                for class in known.filter(|class| *class < logits.len()) {
                    self.values[class] = f64::from(logits[class]);
                }
            }
        }
        activate(&mut self.values, self.activation);
        &self.values
    }

    /// The probability of a row's label; `None` if the row does not have it.
    fn given(&mut self, row: &LabelRow<'_>) -> Option<f64> {
        match (self.among.is_some(), row.logits) {
            (true, Some(logits)) => self.read(logits).get(row.given).copied(),
            (true, None) => None,
            (false, _) => row.given_prob,
        }
    }

    /// What is known of a row, whose label has the probability `given_prob`.
    fn known<'a>(&'a mut self, row: &LabelRow<'a>, given_prob: f64) -> Known<'a> {
        match row.logits {
            Some(logits) => Known::All(self.read(logits)),
            None => Known::Top {
                index: row.index,
                prob: row.prob,
                given_prob,
                sum_to_one: self.activation == Activation::Softmax,
            },
        }
    }
}

/// Turns logits into probabilities.
fn activate(values: &mut [f64], activation: Activation) {
    match activation {
        Activation::Sigmoid => values.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp())),
        Activation::Softmax => {
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            values.iter_mut().for_each(|value| *value = (*value - highest).exp());
            let total: f64 = values.iter().sum();
            values.iter_mut().for_each(|value| *value /= total);
        }
    }
}

/// Finds labels that the model contradicts with confidence.
///
/// # Errors
/// The rows cannot be read, or break the output's contract.
pub(super) async fn likely_wrong(
    input: ReportInput<'_>,
    in_sample: bool,
    progress: &Arc<Progress>,
) -> Result<Labels, Failure> {
    let frozen = input.frozen;
    let mut probabilities = match Probabilities::of(frozen) {
        Ok(probabilities) => probabilities,
        Err(why) => return Ok(Labels::skipped(why)),
    };
    let planned = 2 * input.parts.iter().map(|part| part.rows).sum::<u64>();
    progress.plan(planned, planned);
    let mut sums = SelfConfidence::new(frozen.model.classes);
    let needs_logits = probabilities.among.is_some();
    read(input, needs_logits, progress, |_, row| {
        if let Some(given_prob) = probabilities.given(row) {
            sums.add(row.given, given_prob);
        }
        Ok(())
    })
    .await?;
    if sums.rows() == 0 {
        return Ok(Labels::skipped("no row that is ok has a target: set `input.targets`"));
    }
    let mut joint = ConfidentJoint::new(sums.finish());
    let (mut suspects, mut no_class) = (Ranking::new(FindingKind::Label), Ranking::new(FindingKind::NoClass));
    read(input, probabilities.has_logits, progress, |number, row| {
        let Some(given_prob) = probabilities.given(row) else { return Ok(()) };
        let given = Some(row.given as u32);
        match joint.add(row.given, probabilities.known(row, given_prob)) {
            Counted::Suspect { class, margin } => {
                let proposed = Some(class as u32);
                suspects.add(Finding { row: number, score: margin, given, proposed, ..Finding::default() });
            }
            Counted::NoClass { gap } => {
                no_class.add(Finding { row: number, score: gap, given, ..Finding::default() });
            }
            Counted::Agrees => {}
        }
        Ok(())
    })
    .await?;
    let figures = joint.finish(frozen.model.labels.as_deref(), (in_sample, probabilities.has_logits));
    Ok(Labels { figures: Section::Done(figures), findings: vec![suspects, no_class] })
}

/// Hands every row that is ok and has a label to `take`, with its number.
async fn read(
    input: ReportInput<'_>,
    logits: bool,
    progress: &Progress,
    mut take: impl FnMut(u64, &LabelRow<'_>) -> Result<(), ReportError>,
) -> Result<(), Failure> {
    let mut columns = LabelRows::COLUMNS.map(str::to_owned).to_vec();
    let mut batch_rows = BATCH;
    if logits {
        columns.push("logits".into());
        batch_rows = LOGITS_BATCH;
    }
    let classes = input.frozen.model.classes;
    let mut cursor = Cursor::new(input.output, input.parts, columns, batch_rows);
    let mut first = 0;
    while cursor.fill().await? {
        let Some(batch) = cursor.take(batch_rows) else { break };
        let rows = LabelRows::of(&batch, classes, first)?;
        rows.rows().try_for_each(|row| row.and_then(|row| take(first + row.at as u64, &row)))?;
        first += batch.num_rows() as u64;
        progress.rows(batch.num_rows() as u64, 0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities_also_among_some_classes_alone() {
        // scipy 1.16: softmax([1, 2, 3]) and expit([1, -2])
        let mut values = vec![1.0, 2.0, 3.0];
        activate(&mut values, Activation::Softmax);
        for (value, expected) in
            values.iter().zip([0.090_030_573_170_380_46, 0.244_728_471_054_797_67, 0.665_240_955_774_821_9])
        {
            assert!((value - expected).abs() < 1e-15, "{value}");
        }
        let mut values = vec![1.0, -2.0];
        activate(&mut values, Activation::Sigmoid);
        for (value, expected) in values.iter().zip([0.731_058_578_630_004_9, 0.119_202_922_022_117_56]) {
            assert!((value - expected).abs() < 1e-15, "{value}");
        }
        let mut among = Probabilities {
            activation: Activation::Softmax,
            has_logits: true,
            among: Some(vec![0, 2]),
            values: Vec::new(),
        };
        let values = among.read(&[1.0, 50.0, 1.0]);
        assert_eq!(values, [0.5, 0.0, 0.5]);
    }
}
