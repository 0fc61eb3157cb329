//! Compares two engines on the same images: how similar their rows are, and how fast they are.

use std::time::Instant;

use serde::Serialize;

use crate::engine::{Engine, Outputs, Slot};
use crate::failure::{Exit, Failure};
use crate::sample::Target;

use super::feeder::Feeder;
use crate::workbench::sampling::images::Image;

/// A graph compared with the fp32 graph that it was made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Images that both ran.
    pub images: u64,
    /// Images that could not be decoded.
    pub failed: u64,
    /// Images for which both name the same class first.
    pub agreed: u64,
    /// Images for which its outputs are not finite while fp32's are.
    pub non_finite: u64,
    /// Right answers, if images have targets.
    pub correct: Option<Correct>,
    /// Mean cosine of the two embeddings.
    pub cosine_mean: f64,
    /// The least cosine.
    pub cosine_min: f64,
    /// Relative difference of the logits, over all images.
    pub logits_error: f64,
    /// Images a second of the fp32 graph: the median batch.
    pub fp32_images_per_s: f64,
    /// The same of the other.
    pub images_per_s: f64,
    /// Median over the batches of fp32's time by the other's.
    pub speed: f64,
}

/// How many first answers are right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Correct {
    /// Images with targets.
    pub images: u64,
    /// Of fp32.
    pub fp32: u64,
    /// Of the other.
    pub other: u64,
}

impl Compared {
    /// The part of the images for which both name the same class first.
    pub fn agreement(&self) -> f64 {
        self.agreed as f64 / self.images.max(1) as f64
    }
}

impl Correct {
    /// Both accuracies: fp32's, the other's.
    pub fn accuracy(&self) -> (f64, f64) {
        let part = |right: u64| right as f64 / self.images.max(1) as f64;
        (part(self.fp32), part(self.other))
    }
}

/// Runs both in turn on all images, `batch` at a time (no more than the feeder takes), so that other load of the
/// machine affects both.
pub(super) async fn compare(
    feeder: &mut Feeder,
    images: &[Image],
    batch: usize,
    fp32: &mut dyn Engine,
    other: &mut dyn Engine,
) -> Result<Compared, Failure> {
    let (classes, dim) = (fp32.spec().classes, fp32.spec().dim);
    let mut sums = Sums::default();
    let mut ours = Outputs::new(fp32.spec(), batch);
    let mut theirs = Outputs::new(other.spec(), batch);
    let mut times: Vec<(f64, f64, usize)> = Vec::new();
    for (turn, images) in images.chunks(batch).enumerate() {
        let mut ready = feeder.fill(images).await?;
        let rows = ready.rows.len();
        let mut slot = ready.slot;
        let mut seconds = [0.0; 2];
        // each goes first in half of the batches; the very first batch warms both up
        let repeats = if turn == 0 { 2 } else { 1 };
        for _ in 0..repeats {
            for which in [turn % 2, 1 - turn % 2] {
                let engine: &mut dyn Engine = if which == 0 { &mut *fp32 } else { &mut *other };
                let outputs = if which == 0 { &mut ours } else { &mut theirs };
                (slot, seconds[which]) = run(engine, slot, outputs, rows)?;
            }
        }
        ready.slot = slot;
        times.push((seconds[0], seconds[1], rows));
        for (row, outcome) in ready.rows.iter().enumerate() {
            if outcome.error.is_some() {
                sums.result.failed += 1;
                continue;
            }
            let (logits, embedding) = (row * classes..(row + 1) * classes, row * dim..(row + 1) * dim);
            sums.logits(&ours.logits[logits.clone()], &theirs.logits[logits], outcome.sample.target.as_ref());
            sums.embedding(&ours.embedding[embedding.clone()], &theirs.embedding[embedding]);
        }
        feeder.give_back(ready);
    }
    sums.finish(&times)
}

fn run(
    engine: &mut dyn Engine,
    slot: Slot,
    outputs: &mut Outputs,
    rows: usize,
) -> Result<(Slot, f64), Failure> {
    let began = Instant::now();
    let taken = std::mem::replace(outputs, Outputs { logits: Vec::new(), embedding: Vec::new() });
    engine.submit(slot, taken, rows).map_err(|failed| failed.error)?;
    let (slot, given, result) =
        engine.finish().ok_or_else(|| Failure::new(Exit::Bug, "an engine lost its batch"))?;
    result?;
    *outputs = given;
    Ok((slot, began.elapsed().as_secs_f64()))
}

#[derive(Default)]
struct Sums {
    result: Compared,
    cosines: f64,
    least: Option<f64>,
    difference: f64,
    square: f64,
}

impl Sums {
    fn logits(&mut self, ours: &[f32], theirs: &[f32], target: Option<&Target>) {
        self.result.images += 1;
        let finite = |logits: &[f32]| logits.iter().all(|value| value.is_finite());
        if !finite(theirs) && finite(ours) {
            self.result.non_finite += 1;
            return;
        }
        for (a, b) in ours.iter().zip(theirs) {
            self.difference += f64::from(a - b).powi(2);
            self.square += f64::from(*a).powi(2);
        }
        let (fp32, other) = (first(ours), first(theirs));
        self.result.agreed += u64::from(fp32 == other);
        if let Some(classes) = target.map(Target::classes).filter(|classes| !classes.is_empty()) {
            let correct = self.result.correct.get_or_insert_default();
            let is_right = |class: usize| u64::from(classes.iter().any(|right| *right as usize == class));
            correct.images += 1;
            correct.fp32 += is_right(fp32);
            correct.other += is_right(other);
        }
    }

    fn embedding(&mut self, ours: &[f32], theirs: &[f32]) {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let lengths = (dot(ours, ours) * dot(theirs, theirs)).sqrt();
        let cosine = dot(ours, theirs) / lengths;
        // an embedding of zeros points nowhere
        let cosine = if cosine.is_finite() { cosine } else { 0.0 };
        self.cosines += cosine;
        self.least = Some(self.least.map_or(cosine, |least| least.min(cosine)));
    }

    fn finish(mut self, times: &[(f64, f64, usize)]) -> Result<Compared, Failure> {
        if self.result.images == 0 {
            return Err(Failure::new(Exit::Config, "none of the images to compare on can be decoded"));
        }
        let images = self.result.images as f64;
        self.result.cosine_mean = self.cosines / images;
        self.result.cosine_min = self.least.unwrap_or_default();
        self.result.logits_error = (self.difference / self.square.max(f64::MIN_POSITIVE)).sqrt();
        // the last batch may be a small one
        let most = times.iter().map(|(_, _, rows)| *rows).max().unwrap_or_default();
        let whole = || times.iter().filter(|(_, _, rows)| *rows == most);
        self.result.fp32_images_per_s = median(whole().map(|(fp32, _, rows)| *rows as f64 / fp32));
        self.result.images_per_s = median(whole().map(|(_, other, rows)| *rows as f64 / other));
        self.result.speed = median(whole().map(|(fp32, other, _)| fp32 / other));
        Ok(self.result)
    }
}

/// The class of the largest logit, the first of equals.
fn first(logits: &[f32]) -> usize {
    let best = logits.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (class, logit)| {
        if *logit > best.1 { (class, *logit) } else { best }
    });
    best.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
