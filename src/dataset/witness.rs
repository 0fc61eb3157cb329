//! Tells an image's fault from the store's: a refusal counts only while something else can still be read.
//!
//! Expired credentials and an unmounted disk look like a hundred million bad images. So a `denied` or
//! `not_found` becomes a row only when an object that was read well before can still be read after it.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};

use crate::sample::Sample;
use crate::store::{Location, StoreError};

use super::{DatasetError, ReadError};

/// How long the first refusals wait for anything at all to be read. Not for ever: they hold rows that the
/// reads they wait for may need.
const FIRST_SUCCESS: Duration = Duration::from_secs(15);
/// An answer counts for refusals that came before it, so one question a second serves them all.
const ONE_QUESTION: Duration = Duration::from_secs(1);
/// Objects of a part that are tried in search of a first witness.
const PROBES: usize = 16;
/// Witnesses that are kept: two, because the latest may itself be deleted just now.
const WITNESSES: usize = 2;

pub(super) struct Witness {
    /// The objects that were read well last, latest first.
    seen: watch::Sender<Vec<String>>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    gone: bool,
}

impl Witness {
    pub fn new() -> Self {
        Witness { seen: watch::Sender::new(Vec::new()), asked: Mutex::default() }
    }

    /// An object of this many bytes was read well. An empty one cannot be asked for a byte again.
    pub fn saw(&self, key: &str, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.seen.send_if_modified(|seen| {
            let first = seen.is_empty();
            seen.truncate(WITNESSES - 1);
            seen.insert(0, key.to_owned());
            first
        });
    }

    /// Has anything been read well?
    fn has_seen(&self) -> bool {
        !self.seen.borrow().is_empty()
    }

    /// After a refusal of a large object at `refused`: is it the object's own fault? Where nothing was read yet,
    /// `others` are asked first: while one such object is read, no other is.
    ///
    /// # Errors
    /// Where it is not: nothing else can be read either.
    pub async fn blames(
        &self,
        input: &Location,
        key: &str,
        others: &[String],
        denied: bool,
        refused: Instant,
    ) -> Result<(), ReadError> {
        for other in others.iter().filter(|other| *other != key) {
            if self.has_seen() {
                break;
            }
            if input.answers(other).await? {
                self.saw(other, 1);
            }
        }
        let key = key.to_owned();
        match (self.has_seen(), denied) {
            (true, _) if self.vouches(input, refused).await? => Ok(()),
            (_, true) => Err(ReadError::AllDenied { key }),
            (true, false) => Err(ReadError::AllGone { key }),
            // nothing has ever been there
            (false, false) => Err(DatasetError::Missing { uri: format!("{}/{key}", input.uri()) }.into()),
        }
    }

    /// Looks for a first witness along a part whose beginning may be gone, before its refusals hold rows.
    pub async fn look_along(&self, samples: &[Sample], input: &Location) -> Result<(), StoreError> {
        if !self.seen.borrow().is_empty() {
            return Ok(());
        }
        for sample in samples.iter().step_by(samples.len().div_ceil(PROBES).max(1)) {
            if sample.size != Some(0) && input.answers(&sample.key).await? {
                self.saw(&sample.key, 1);
                break;
            }
        }
        Ok(())
    }

    /// After a refusal at `refused`: is the store itself still well? Asks it, at most once a second.
    ///
    /// # Errors
    /// Where the store gives neither yes nor no.
    pub async fn vouches(&self, input: &Location, refused: Instant) -> Result<bool, StoreError> {
        let mut seen = self.seen.subscribe();
        let first = seen.wait_for(|seen| !seen.is_empty());
        if tokio::time::timeout(FIRST_SUCCESS, first).await.is_err() {
            return Ok(false);
        }
        let mut asked = self.asked.lock().await;
        if asked.gone {
            return Ok(false);
        }
        if asked.at.is_some_and(|at| at >= refused) {
            return Ok(true);
        }
        if let Some(at) = asked.at {
            tokio::time::sleep(ONE_QUESTION.saturating_sub(at.elapsed())).await;
        }
        let now = Instant::now();
        let witnesses = self.seen.borrow().clone();
        for key in witnesses {
            if input.answers(&key).await? {
                asked.at = Some(now);
                return Ok(true);
            }
        }
        asked.gone = true;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Location) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(root.path().join(name), text).unwrap();
        }
        let location = Location::open(root.path().to_str().unwrap(), Role::Input).unwrap();
        (root, location)
    }

    fn sample(key: &str) -> Sample {
        Sample { row_id: 0, key: key.into(), etag: None, size: None, target: None, carried: Vec::new() }
    }

    #[tokio::test]
    async fn a_part_whose_beginning_is_gone_finds_a_witness_further_on() {
        let (_root, input) = folder(&[("z.jpg", "image")]);
        let witness = Witness::new();
        let samples: Vec<Sample> =
            (0..8).map(|n| sample(&format!("{n}.jpg"))).chain([sample("z.jpg")]).collect();
        witness.look_along(&samples, &input).await.unwrap();
        assert!(witness.vouches(&input, Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn the_witness_before_the_last_still_speaks_when_the_last_is_deleted() {
        let (root, input) = folder(&[("a.jpg", "image"), ("b.jpg", "image"), ("empty.jpg", "")]);
        let witness = Witness::new();
        witness.saw("a.jpg", 5);
        witness.saw("b.jpg", 5);
        witness.saw("empty.jpg", 0);
        std::fs::remove_file(root.path().join("b.jpg")).unwrap();
        assert!(witness.vouches(&input, Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn an_input_that_is_gone_vouches_for_nothing() {
        let (root, input) = folder(&[("a.jpg", "image")]);
        let witness = Witness::new();
        witness.saw("a.jpg", 5);
        std::fs::remove_file(root.path().join("a.jpg")).unwrap();
        assert!(!witness.vouches(&input, Instant::now()).await.unwrap());
    }
}
