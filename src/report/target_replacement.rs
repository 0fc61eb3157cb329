//! Rows with other targets than they were written with: targets by key, and the columns that depend on them.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{Array, ArrayRef, Float32Array, Int32Array, ListArray, RecordBatch, StringArray};

use super::error::ReportError;
use super::rows::{Lists, Logits, needed, optional};
use super::with_columns::with_columns;
use crate::output::{Activation, Odds};
use crate::sample::Target;

const INDEX: &str = "List(Int32)";
const PROB: &str = "List(Float32)";

/// Replaces the targets of rows. Rank and probability are those in the row's own list; beyond its end they come from
/// the logits, and if those were not kept they are not known.
#[derive(Debug)]
pub struct TargetReplacement {
    classes: usize,
    logits: Option<Activation>,
    /// Rows that have a new target.
    pub known: u64,
    /// The first key that was seen.
    pub first: Option<String>,
}

impl TargetReplacement {
    /// For rows of this many classes; `logits` is how they became probabilities, if the rows keep them.
    pub fn new(classes: usize, logits: Option<Activation>) -> TargetReplacement {
        TargetReplacement { classes, logits, known: 0, first: None }
    }

    /// The columns that it reads beside those of the report.
    pub fn columns(&self) -> &'static [&'static str] {
        if self.logits.is_some() { &["key", "logits"] } else { &["key"] }
    }

    /// Returns the batch with the targets that `truth` gives its keys.
    ///
    /// # Errors
    /// The rows break the output's contract.
    pub fn apply(
        &mut self,
        batch: &RecordBatch,
        truth: &dyn Fn(&str) -> Option<Target>,
    ) -> Result<RecordBatch, ReportError> {
        let keys: &StringArray = needed(batch, "key", "Utf8")?;
        let index: Lists<'_, Int32Array> =
            Lists::of(needed::<ListArray>(batch, "index", INDEX)?, "index", INDEX)?;
        let prob = optional::<ListArray>(batch, "prob", PROB)?;
        let prob: Option<Lists<'_, Float32Array>> =
            prob.map(|prob| Lists::of(prob, "prob", PROB)).transpose()?;
        let logits = match self.logits {
            Some(activation) => Some((activation, Logits::of(batch, self.classes)?)),
            None => None,
        };
        let mut class = Int32Builder::new();
        let mut sets = ListBuilder::new(Int32Builder::new());
        let mut target_prob = Float32Builder::new();
        let mut target_rank = Int32Builder::new();
        for row in 0..batch.num_rows() {
            let key = keys.value(row);
            self.first.get_or_insert_with(|| key.to_owned());
            let target = truth(key);
            self.known += u64::from(target.is_some());
            class.append_option(target.as_ref().and_then(Target::class));
            let set = target.as_ref().filter(|target| target.class().is_none());
            sets.append_option(set.map(|set| set.classes().iter().copied().map(Some)));
            let best = &index.items.values()[index.range(row)];
            let listed = |target: &Target| best.iter().position(|class| target.classes().contains(class));
            let at = target.as_ref().and_then(listed);
            let in_list = at.map(|at| {
                let told = prob.as_ref().and_then(|prob| {
                    let at = prob.range(row).nth(at).filter(|at| prob.items.is_valid(*at))?;
                    Some(prob.items.value(at))
                });
                (told, at as i32 + 1)
            });
            let beyond = || {
                let (activation, logits) = logits.as_ref()?;
                let (prob, rank) = Odds::of(logits.row(row)?, *activation).of_target(target.as_ref()?)?;
                Some((Some(prob), rank))
            };
            let standing = in_list.or_else(beyond);
            target_prob.append_option(standing.and_then(|(prob, _)| prob));
            target_rank.append_option(standing.map(|(_, rank)| rank));
        }
        let columns: [(&str, ArrayRef); 4] = [
            ("target", Arc::new(class.finish())),
            ("targets", Arc::new(sets.finish())),
            ("target_prob", Arc::new(target_prob.finish())),
            ("target_rank", Arc::new(target_rank.finish())),
        ];
        with_columns(batch, &columns)
    }
}
