//! What the readers of every kind of input share: where they read from, and whom they wait for.

use std::sync::Arc;

use crate::dataset::{Intake, Pass, ReadError};
use crate::sample::{ErrorKind, RowError};
use crate::store::{Location, Reason, StoreError, Unanswered};

use super::super::probe::InputProbe;
use super::noted::Noted;
use super::prober::Prober;
use super::waiting::{Next, Waiting};

/// Keys that may be given up in one process, by default.
const DEFAULT_MOST: usize = 10;

/// The input of a run with the keys that wait for it.
#[derive(Debug)]
pub(in crate::dataset) struct Patience {
    /// Refusals are judged by it, and it keeps the witnesses.
    pub probe: InputProbe,
    first: Location,
    again: Location,
    prober: Prober,
    /// Shared by the stores of one input.
    noted: Arc<Noted>,
    /// What comes before a key in texts and among the noted ones: nothing, or the address of another store's folder.
    address: String,
}

/// What a key that was waited for becomes.
pub(in crate::dataset) enum Verdict {
    /// It is tried again.
    Again,
    /// Its row.
    Row(RowError),
    /// Its part is given up.
    GivenUp,
}

impl Patience {
    /// `others` are objects that are asked whether the store answers while none was read yet.
    pub fn new(input: &Location, others: Vec<String>) -> Self {
        let probe = InputProbe::new();
        let prober = Prober::new(input, probe.witnesses(), others);
        let (first, again) = (input.without_retries(), input.for_failing_object());
        let noted = Arc::new(Noted::new(DEFAULT_MOST));
        Patience { probe, first, again, prober, noted, address: String::new() }
    }

    /// For another store of the same input, with separate witnesses. The keys that are given up count together.
    pub fn beside(&self, input: &Location, address: &str) -> Self {
        let (noted, address) = (self.noted.clone(), address.to_owned());
        Patience { noted, address, ..Patience::new(input, Vec::new()) }
    }

    /// A key with the address of its folder, if it is not the input's.
    pub fn named(&self, key: &str) -> String {
        format!("{}{key}", self.address)
    }

    /// With another number of keys that may be given up.
    pub fn with_most(self, most: usize) -> Self {
        Patience { noted: Arc::new(Noted::new(most)), ..self }
    }

    /// Where a key is read from: each operation is tried once.
    pub fn input(&self, waiting: Option<&Waiting>) -> &Location {
        if waiting.is_some() { &self.again } else { &self.first }
    }

    /// True if the key was given up before and is not to be tried in this pass.
    pub fn skips(&self, key: &str, pass: Pass) -> bool {
        pass == Pass::First && self.noted.contains(&self.named(key))
    }

    /// Waits after a try that failed, and decides what becomes of the key. Hold neither bytes nor a request.
    ///
    /// # Errors
    /// The store does not answer, or too many keys were given up.
    pub async fn after(
        &self,
        waiting: &mut Option<Waiting>,
        key: &str,
        error: StoreError,
        reading: (Pass, &dyn Intake),
    ) -> Result<Verdict, ReadError> {
        let (pass, intake) = reading;
        let Some(unanswered) = error.unanswered() else { return Err(error.into()) };
        self.probe.forget(key);
        let named = self.named(key);
        if let Some(unanswered) = self.noted.row(&named) {
            return Ok(Verdict::Row(row_error(unanswered)));
        }
        let is_noted = pass == Pass::Again && self.noted.contains(&named);
        let waiting = waiting.get_or_insert_with(|| Waiting::new(&self.prober, key, is_noted));
        match waiting.after(&error).await {
            Next::Again => {
                self.first.count_retry();
                tracing::warn!(%error, "storage: trying again");
                Ok(Verdict::Again)
            }
            Next::Unreadable => {
                self.count(&named, unanswered.reason, intake);
                self.noted.add_row(&named, unanswered);
                Ok(Verdict::Row(row_error(unanswered)))
            }
            Next::TooLong if pass == Pass::First => {
                tracing::warn!(key = named, %error, "an object cannot be read, although others can: its part is read again later");
                self.noted.add(&named)?;
                self.count(&named, unanswered.reason, intake);
                Ok(Verdict::GivenUp)
            }
            Next::TooLong | Next::Outage => Err(error.into()),
        }
    }

    fn count(&self, key: &str, reason: Reason, intake: &dyn Intake) {
        if self.noted.counts(key) {
            intake.unreadable(reason);
        }
    }
}

/// The row of an object that is not given.
fn row_error(unanswered: Unanswered) -> RowError {
    let why = format!("the store {} for this object, although others can be read", unanswered.text());
    RowError::new(ErrorKind::Unreadable, why)
}
