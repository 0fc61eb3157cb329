//! Distinguishes an image's fault from the store's: a refusal counts only while another object can still be read.
//!
//! Expired credentials and an unmounted disk look like a hundred million bad images. So a `denied` or
//! `not_found` becomes a row only when an object that was read well before can still be read after it.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};

use crate::store::{Location, StoreError};

use super::{DatasetError, ReadError};

/// How long the first refusals wait for anything at all to be read. Not for ever: they hold rows that the
/// reads they wait for may need.
const FIRST_SUCCESS: Duration = Duration::from_secs(15);
/// An answer counts for refusals that came before it, so one question a second serves them all.
const ONE_QUESTION: Duration = Duration::from_secs(1);
/// Objects of a part that are tried until a first one can be read.
const PROBES: usize = 16;
/// Keys of objects that were read, which are kept: several, because the latest may itself be deleted or fail just now.
const KEPT: usize = 4;
/// How long one object is waited for when a part's first one is looked for.
const ONE_ANSWER: Duration = Duration::from_secs(10);

/// Keeps the objects that were read last, and reads one again to learn whether the input still answers.
#[derive(Debug)]
pub(super) struct InputProbe {
    /// The objects that were read well last, latest first.
    seen: watch::Sender<Vec<String>>,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    at: Option<Instant>,
    gone: bool,
}

impl InputProbe {
    pub fn new() -> Self {
        InputProbe { seen: watch::Sender::new(Vec::new()), asked: Mutex::default() }
    }

    /// Records that an object of this many bytes was read. An empty one cannot be asked for a byte again.
    pub fn record_read(&self, key: &str, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.seen.send_if_modified(|seen| {
            let first = seen.is_empty();
            seen.retain(|other| other != key);
            seen.truncate(KEPT - 1);
            seen.insert(0, key.to_owned());
            first
        });
    }

    /// Forgets an object that cannot be read any more.
    pub fn forget(&self, key: &str) {
        self.seen.send_if_modified(|seen| {
            seen.retain(|other| other != key);
            false
        });
    }

    /// The objects that were read well last, latest first, as they come.
    pub fn witnesses(&self) -> watch::Sender<Vec<String>> {
        self.seen.clone()
    }

    /// Whether any object was read.
    fn has_seen(&self) -> bool {
        !self.seen.borrow().is_empty()
    }

    /// Checks, after a large object was refused at `refused`, that this is the object's own fault: another one can
    /// still be read. If nothing was read yet, `others` are asked first: while one such object is read, no other is.
    ///
    /// # Errors
    /// If nothing else can be read either.
    pub async fn check_input(
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
            match input.without_retries().answers(other).await {
                Ok(true) => self.record_read(other, 1),
                Err(error) if error.unanswered().is_none() => return Err(error.into()),
                Ok(false) | Err(_) => {}
            }
        }
        let key = key.to_owned();
        match (self.has_seen(), denied) {
            (true, _) if self.can_still_read(input, refused).await? => Ok(()),
            (_, true) => Err(ReadError::AllDenied { key }),
            (true, false) => Err(ReadError::AllGone { key, hint: String::new() }),
            // nothing has ever been there
            (false, false) => Err(DatasetError::Missing { uri: format!("{}/{key}", input.uri()) }.into()),
        }
    }

    /// Tries objects along the keys of a part whose beginning may be gone until one can be read, before its refusals hold rows.
    /// An object for which the store does not answer is no evidence about the others; the reading itself waits for it.
    ///
    /// # Errors
    /// The store refuses a request for a reason that is no object's, such as expired credentials.
    pub async fn probe_part(
        &self,
        keys: &[impl AsRef<str> + Sync],
        input: &Location,
    ) -> Result<(), StoreError> {
        let (input, began) = (input.without_retries(), Instant::now());
        for key in keys.iter().step_by(keys.len().div_ceil(PROBES).max(1)).map(AsRef::as_ref) {
            if self.has_seen() || began.elapsed() > 3 * ONE_ANSWER {
                break;
            }
            match tokio::time::timeout(ONE_ANSWER, input.answers(key)).await {
                Ok(Ok(true)) => self.record_read(key, 1),
                Ok(Err(error)) if error.unanswered().is_none() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether an object that was read before can still be read after a refusal at `refused`. Asks the store at most
    /// once a second.
    ///
    /// # Errors
    /// If the store answers neither yes nor no.
    pub async fn can_still_read(&self, input: &Location, refused: Instant) -> Result<bool, StoreError> {
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
        let keys = self.seen.borrow().clone();
        for key in keys {
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

    #[tokio::test]
    async fn a_part_whose_beginning_is_gone_finds_an_object_further_on() {
        let (_root, input) = folder(&[("z.jpg", "image")]);
        let probe = InputProbe::new();
        let keys: Vec<String> = (0..8).map(|n| format!("{n}.jpg")).chain(["z.jpg".to_owned()]).collect();
        probe.probe_part(&keys, &input).await.unwrap();
        assert!(probe.can_still_read(&input, Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn the_object_before_the_last_is_asked_when_the_last_is_deleted() {
        let (root, input) = folder(&[("a.jpg", "image"), ("b.jpg", "image"), ("empty.jpg", "")]);
        let probe = InputProbe::new();
        probe.record_read("a.jpg", 5);
        probe.record_read("b.jpg", 5);
        probe.record_read("empty.jpg", 0);
        std::fs::remove_file(root.path().join("b.jpg")).unwrap();
        assert!(probe.can_still_read(&input, Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn an_input_that_is_gone_cannot_be_read() {
        let (root, input) = folder(&[("a.jpg", "image")]);
        let probe = InputProbe::new();
        probe.record_read("a.jpg", 5);
        std::fs::remove_file(root.path().join("a.jpg")).unwrap();
        assert!(!probe.can_still_read(&input, Instant::now()).await.unwrap());
    }
}
