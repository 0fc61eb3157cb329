//! The canary: the first images of a run show whether the network works, and until they do, no part is committed that
//! looks like the output of one that does not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use tokio::sync::watch;

use crate::dataset::ReadError;
use crate::failure::{Exit, Failure};
use crate::ids::AttemptId;
use crate::sample::ErrorKind;

use super::shutdown::Shutdown;

/// Images of the canary. A part with fewer is none.
const IMAGES: u32 = 16;
/// The attempt whose first rows are the canary: the first one of the process.
const WATCHED: AttemptId = AttemptId(0);

/// What the first images of a run have shown.
#[derive(Default)]
pub(crate) struct Canary {
    passed: watch::Sender<bool>,
    /// Error kinds of the first rows, by their offset in the part; `None` for a row without an error.
    seen: Mutex<BTreeMap<u32, Option<String>>>,
}

impl Canary {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<u32, Option<String>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an attempt at a part of `rows` rows, if that is known.
    pub fn begins(&self, attempt: AttemptId, rows: Option<u32>) {
        if rows.is_some_and(|rows| rows < IMAGES) {
            self.ends(attempt);
        }
    }

    /// Looks at the rows of a batch, in any order of batches. Call it before the rows count for their part.
    ///
    /// # Errors
    /// If these complete the first rows, and the network gave no finite numbers for any of them.
    pub fn rows(&self, attempt: AttemptId, first_offset: u32, batch: &RecordBatch) -> Result<(), Failure> {
        if attempt != WATCHED || first_offset >= IMAGES {
            return Ok(());
        }
        let mut seen = self.seen();
        seen.extend((first_offset..IMAGES).zip(kinds(batch)));
        if seen.len() == IMAGES as usize {
            judge(&seen)?;
            self.passed.send_replace(true);
        }
        Ok(())
    }

    /// True once the first rows have shown that the network works, or cannot show it.
    pub fn has_passed(&self) -> bool {
        *self.passed.borrow()
    }

    /// No more rows of an attempt come. Fewer than the canary has say nothing, and neither does damage.
    pub fn ends(&self, attempt: AttemptId) {
        if attempt == WATCHED && self.seen().len() < IMAGES as usize {
            self.passed.send_replace(true);
        }
    }

    /// Lets a part be committed: at once if its own first rows show that the network works, else once the canary has
    /// passed.
    ///
    /// # Errors
    /// [`ReadError::Stopped`] if the run ends before that.
    pub async fn lets_pass(&self, batches: &[RecordBatch], shutdown: &Shutdown) -> Result<(), Failure> {
        if !is_mute(batches) {
            return Ok(());
        }
        let mut passed = self.passed.subscribe();
        tokio::select! {
            biased;
            // the sender is in `self`, so this ends only with the verdict
            _ = passed.wait_for(|passed| *passed) => Ok(()),
            // what stopped it is known where it happened
            () = shutdown.draining() => Err(ReadError::Stopped.into()),
        }
    }
}

/// The error kind of each row.
fn kinds(batch: &RecordBatch) -> impl Iterator<Item = Option<String>> + '_ {
    let column = batch.column_by_name("error_kind").and_then(|column| column.as_string_opt::<i32>());
    (0..batch.num_rows()).map(move |row| {
        let column = column.filter(|column| column.is_valid(row))?;
        Some(column.value(row).to_owned())
    })
}

fn is_infinite(kind: &Option<String>) -> bool {
    kind.as_deref() == Some(ErrorKind::NonFinite.as_str())
}

/// True if the network gave no finite numbers for any of the first rows of a part.
fn is_mute(batches: &[RecordBatch]) -> bool {
    let mut first = batches.iter().flat_map(kinds).take(IMAGES as usize).peekable();
    first.peek().is_some() && first.all(|kind| is_infinite(&kind))
}

/// Judges the first rows. Errors of single images only inform: the budget of the run judges them.
fn judge(seen: &BTreeMap<u32, Option<String>>) -> Result<(), Failure> {
    if seen.values().all(is_infinite) {
        return Err(Failure::new(
            Exit::Config,
            format!(
                "the model gives no finite numbers for any of the first {IMAGES} images; are the weights whole, and does \
                 the network bear `model.precision`?"
            ),
        ));
    }
    let mut by_kind = BTreeMap::new();
    seen.values().flatten().for_each(|kind| *by_kind.entry(kind.as_str()).or_default() += 1);
    let errors: usize = by_kind.values().sum();
    if errors > 0 {
        tracing::warn!("{errors} of the first {IMAGES} images: {}", listed(&by_kind));
    }
    Ok(())
}

/// Kinds of errors, with their numbers if they are several.
fn listed(by_kind: &BTreeMap<&str, usize>) -> String {
    let kinds = by_kind.iter().map(|(kind, count)| match by_kind.len() {
        1 => (*kind).to_owned(),
        _ => format!("{count} {kind}"),
    });
    kinds.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};
    use futures::FutureExt;

    use super::*;

    const MUTE: Option<&str> = Some("non_finite");

    /// Rows of these kinds.
    fn batch(kinds: &[Option<&str>]) -> RecordBatch {
        let kinds: ArrayRef = Arc::new(StringArray::from(kinds.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("error_kind", kinds, true)]).unwrap()
    }

    /// Whether a part of mute rows may be committed now.
    fn lets_a_mute_part_pass(canary: &Canary) -> bool {
        let (batches, shutdown) = ([batch(&[MUTE; 20])], Shutdown::default());
        let passes = canary.lets_pass(&batches, &shutdown).now_or_never();
        passes.is_some_and(|passes| passes.is_ok())
    }

    #[test]
    fn one_kind_is_named_and_several_are_counted() {
        assert_eq!(listed(&BTreeMap::from([("unsupported", 16)])), "unsupported");
        let several = BTreeMap::from([("truncated", 1), ("unsupported", 3)]);
        assert_eq!(listed(&several), "1 truncated, 3 unsupported");
    }

    #[test]
    fn the_first_rows_are_judged_together_in_whatever_order_their_batches_come() {
        for offsets in [[0, 6, 12, 18], [18, 12, 6, 0], [6, 0, 18, 12]] {
            let canary = Canary::default();
            let failed: Vec<bool> =
                offsets.map(|offset| canary.rows(WATCHED, offset, &batch(&[MUTE; 6])).is_err()).to_vec();
            // the last of the batches that hold the first rows
            let last = offsets.iter().rposition(|offset| *offset < IMAGES).unwrap();
            let expected: Vec<bool> = (0..offsets.len()).map(|index| index == last).collect();
            assert_eq!(failed, expected, "{offsets:?}");
            assert!(!lets_a_mute_part_pass(&canary), "{offsets:?}");
        }
    }

    #[test]
    fn one_finite_row_or_an_image_that_is_damaged_is_enough_to_pass() {
        for kind in [None, Some("truncated")] {
            let canary = Canary::default();
            canary.rows(WATCHED, 0, &batch(&[MUTE; 15])).unwrap();
            assert!(!lets_a_mute_part_pass(&canary));
            // rows after the first ones do not count
            canary.rows(WATCHED, 15, &batch(&[kind, MUTE, MUTE])).unwrap();
            assert!(lets_a_mute_part_pass(&canary), "{kind:?}");
        }
    }

    #[test]
    fn the_rows_of_other_attempts_are_not_the_canary() {
        let canary = Canary::default();
        canary.rows(AttemptId(1), 0, &batch(&[None; 32])).unwrap();
        canary.begins(AttemptId(1), Some(3));
        canary.ends(AttemptId(1));
        assert!(!lets_a_mute_part_pass(&canary));
        assert!(canary.rows(AttemptId(1), 0, &batch(&[MUTE; 32])).is_ok());
    }

    #[test]
    fn a_first_part_that_has_too_few_rows_says_nothing() {
        let (short, damaged, known) = (Canary::default(), Canary::default(), Canary::default());
        short.begins(WATCHED, None);
        short.rows(WATCHED, 0, &batch(&[MUTE; 15])).unwrap();
        assert!(!lets_a_mute_part_pass(&short));
        short.ends(WATCHED);
        damaged.ends(WATCHED);
        known.begins(WATCHED, Some(15));
        for canary in [short, damaged, known] {
            assert!(lets_a_mute_part_pass(&canary));
        }
        let enough = Canary::default();
        enough.begins(WATCHED, Some(16));
        assert!(!lets_a_mute_part_pass(&enough));
    }

    #[test]
    fn a_verdict_stays_when_the_first_part_ends() {
        let canary = Canary::default();
        assert!(canary.rows(WATCHED, 0, &batch(&[MUTE; 32])).is_err());
        canary.ends(WATCHED);
        assert!(!lets_a_mute_part_pass(&canary));
    }

    #[tokio::test]
    async fn a_part_with_a_finite_row_among_its_first_waits_for_nothing_and_a_mute_one_for_the_verdict_or_the_end()
     {
        let (canary, shutdown) = (Canary::default(), Shutdown::default());
        let mut kinds = [MUTE; 20];
        kinds[15] = None;
        for batches in
            [vec![batch(&kinds)], vec![batch(&kinds[..3]), batch(&kinds[3..])], vec![], vec![batch(&[])]]
        {
            canary.lets_pass(&batches, &shutdown).await.unwrap();
        }
        kinds.swap(15, 16);
        let mute = [batch(&kinds)];
        let mut waits = Box::pin(canary.lets_pass(&mute, &shutdown));
        assert!((&mut waits).now_or_never().is_none());
        canary.rows(WATCHED, 0, &batch(&[None; 16])).unwrap();
        waits.await.unwrap();
        let stopped = Canary::default();
        let waits = stopped.lets_pass(&mute, &shutdown);
        shutdown.interrupt();
        assert!(waits.await.is_err());
    }
}
