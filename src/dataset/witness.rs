//! Tells an image's fault from the store's: a refusal counts only while something else can still be read.
//!
//! Expired credentials and an unmounted disk look like a hundred million bad images. So a `denied` or
//! `not_found` becomes a row only when the object that was last read well can still be read after it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::store::Location;

/// How long the first refusals wait for anything at all to be read.
const FIRST_SUCCESS: Duration = Duration::from_secs(15);
/// An answer counts for refusals that came before it, so one question a second serves them all.
const ONE_QUESTION: Duration = Duration::from_secs(1);

pub(super) struct Witness {
    last: watch::Sender<Option<String>>,
    /// When the last question was asked, and whether it was answered.
    asked: tokio::sync::Mutex<Option<Instant>>,
    failed: Mutex<bool>,
}

impl Witness {
    pub fn new() -> Self {
        Witness {
            last: watch::Sender::new(None),
            asked: tokio::sync::Mutex::new(None),
            failed: Mutex::new(false),
        }
    }

    /// An object was read well.
    pub fn saw(&self, key: &str) {
        self.last.send_if_modified(|last| {
            let first = last.is_none();
            match last {
                Some(last) => key.clone_into(last),
                None => *last = Some(key.to_owned()),
            }
            first
        });
    }

    /// After a refusal at `refused`: is the store itself still well? Asks it, at most once a second.
    pub async fn vouches(&self, input: &Location, refused: Instant) -> bool {
        let mut seen = self.last.subscribe();
        if tokio::time::timeout(FIRST_SUCCESS, seen.wait_for(Option::is_some)).await.is_err() {
            return false;
        }
        let mut asked = self.asked.lock().await;
        if self.failed.lock().is_ok_and(|failed| *failed) {
            return false;
        }
        if asked.is_some_and(|at| at >= refused) {
            return true;
        }
        if let Some(at) = *asked {
            tokio::time::sleep(ONE_QUESTION.saturating_sub(at.elapsed())).await;
        }
        let now = Instant::now();
        let Some(key) = self.last.borrow().clone() else { return false };
        let answers = input.answers(&key).await;
        *asked = Some(now);
        if !answers && let Ok(mut failed) = self.failed.lock() {
            *failed = true;
        }
        answers
    }
}
