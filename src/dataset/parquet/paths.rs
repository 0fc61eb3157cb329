//! Images that a Parquet file has only the path of: which objects these may be, and how they are read.

use std::time::Instant;

use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::{Arrival, Intake, Pass, Ticket};
use crate::dataset::unreadable::{Patience, Verdict};
use crate::dataset::{ReadError, spelling};
use crate::sample::{ErrorKind, RowError};
use crate::store::{FetchError, Location, Planned, Uri};

/// What version 0.1.0 wrote into the row of an image that it did not read, because the file has only its path.
pub const EARLIER_UNREAD: &str = "its bytes are not in the file, only a path at best";

/// The keys of the objects that a path in the file `file` may name, in the order in which they are looked for: below the
/// input, then beside the file.
///
/// # Errors
/// Why no object of the input has such a path.
pub(super) fn keys_of(path: &str, file: &str, input: &str) -> Result<Vec<String>, RowError> {
    let refuse = |why: &str| Err(RowError::new(ErrorKind::Unaddressable, why));
    let path = match path.strip_prefix("file:") {
        // as Spark writes it
        Some(local) if local.starts_with('/') && !local.starts_with("//") => local,
        _ => path,
    };
    if path.split(['/', '\\']).any(|part| part == "..") {
        return refuse(
            "its path has a part `..`, by which it could leave the input: only paths below `input.uri`, or beside the \
             Parquet file, are read",
        );
    }
    if path.starts_with('/') || path.contains("://") {
        let below = || Uri::parse(path).ok()?.below(&Uri::parse(input).ok()?);
        // a path may hold a credential, which no row repeats
        return match below().filter(|key| !key.is_empty()) {
            Some(key) => Ok(vec![key.trim_end_matches('/').to_owned()]),
            None => refuse(
                "the file has only its path, which is not below `input.uri`: move `input.uri` up, or write the \
                            images into the file",
            ),
        };
    }
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let mut keys = vec![path.to_owned()];
    if let Some((folder, _)) = file.rsplit_once('/') {
        keys.push(format!("{folder}/{path}"));
    }
    Ok(keys)
}

/// Reads the objects that paths name.
#[derive(Clone, Copy)]
pub(super) struct PathReader<'a> {
    pub input: &'a Location,
    pub patience: &'a Patience,
    pub max_encoded_bytes: u64,
}

impl PathReader<'_> {
    /// Reads the first of some objects that is there into its row; false if its part is given up for it.
    ///
    /// # Errors
    /// The input as a whole cannot be read.
    pub async fn fetch(
        self,
        keys: Vec<String>,
        mut ticket: Box<dyn Ticket>,
        reading: (Pass, &dyn Intake),
    ) -> Result<bool, ReadError> {
        let (mut at, mut waiting) = (0, None);
        while let Some(key) = keys.get(at) {
            if self.patience.skips(key, reading.0) {
                return Ok(false);
            }
            let permit = self.input.permit().await;
            let input = self.patience.input(waiting.as_ref());
            let fetched = input.fetch(key, Planned::default(), self.max_encoded_bytes).await;
            drop(permit);
            let refused = Instant::now();
            let error = match fetched {
                Ok(fetched) => {
                    let length = fetched.bytes.len() as u64;
                    self.patience.probe.record_read(key, fetched.bytes.len());
                    if !ticket.fit(length) {
                        ticket.refit(length).await;
                    }
                    // the row has the tag of the Parquet file, as all rows of its part
                    ticket.deliver(Ok(Arrival { bytes: fetched.bytes, etag: None }));
                    return Ok(true);
                }
                Err(FetchError::Store(error)) => error,
                Err(FetchError::NotFound) if at + 1 < keys.len() => {
                    (at, waiting) = (at + 1, None);
                    continue;
                }
                Err(error) => {
                    ticket.deliver(Err(self.refusal(&keys, error, refused).await?));
                    return Ok(true);
                }
            };
            ticket.release();
            match self.patience.after(&mut waiting, key, error, reading).await? {
                Verdict::Again => ticket.refit(0).await,
                Verdict::Row(error) => {
                    ticket.deliver(Err(error));
                    return Ok(true);
                }
                Verdict::GivenUp => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The row of an image that the store refuses, if it gives others.
    async fn refusal(
        &self,
        keys: &[String],
        error: FetchError,
        refused: Instant,
    ) -> Result<RowError, ReadError> {
        let key = keys.last().cloned().unwrap_or_default();
        let (kind, why) = match error {
            FetchError::Store(error) => return Err(error.into()),
            FetchError::TooLarge { size } => {
                let most = self.max_encoded_bytes;
                (ErrorKind::Limit, format!("{size} bytes are more than `limits.max_encoded_bytes` = {most}"))
            }
            FetchError::Unaddressable(why) => {
                (ErrorKind::Unaddressable, format!("its path cannot be asked for: {why}"))
            }
            FetchError::Changed => (ErrorKind::Changed, "the object changed while it was read".to_owned()),
            FetchError::Corrupt(mismatch) => (ErrorKind::Corrupt, mismatch.to_string()),
            FetchError::Archived => {
                self.patience.probe.record_read(&key, 1);
                (ErrorKind::Archived, ARCHIVED.to_owned())
            }
            FetchError::NotFound | FetchError::Denied => {
                let denied = matches!(error, FetchError::Denied);
                match (self.patience.probe.can_still_read(self.input, refused).await?, denied) {
                    (false, true) => return Err(ReadError::AllDenied { key }),
                    (false, false) => return Err(ReadError::AllGone { key, hint: String::new() }),
                    (true, true) => {
                        (ErrorKind::Denied, "the store refuses to give the object of its path".to_owned())
                    }
                    (true, false) => {
                        let hint = spelling::hint(&key).map(|hint| format!("; {hint}")).unwrap_or_default();
                        let why = "the file has only its path, and there is no such object below `input.uri` or beside the \
                                   Parquet file";
                        (ErrorKind::NotFound, format!("{why}{hint}"))
                    }
                }
            }
        };
        Ok(RowError::new(kind, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_looked_for_below_the_input_and_beside_the_file() {
        let keys = |path, file| keys_of(path, file, "s3://b/data").unwrap();
        assert_eq!(keys("1.jpg", "a.parquet"), ["1.jpg"]);
        assert_eq!(keys("./img/1.jpg", "train/a.parquet"), ["img/1.jpg", "train/img/1.jpg"]);
        assert_eq!(keys("s3://b/data/img/1.jpg", "train/a.parquet"), ["img/1.jpg"]);
        assert_eq!(keys_of("/data/in/1.jpg", "a.parquet", "/data/in").unwrap(), ["1.jpg"]);
        assert_eq!(keys_of("file:/data/in/x/1.jpg", "a.parquet", "/data/in").unwrap(), ["x/1.jpg"]);
    }

    #[test]
    fn a_path_that_leaves_the_input_is_refused_and_not_repeated() {
        for (path, words) in [
            ("../secret.jpg", "`..`"),
            ("img/../../secret.jpg", "`..`"),
            ("..\\secret.jpg", "`..`"),
            ("/etc/passwd", "not below `input.uri`"),
            ("s3://other/data/1.jpg", "not below `input.uri`"),
            ("s3://b/database/1.jpg", "not below `input.uri`"),
            ("https://user:word@host/1.jpg?sig=word", "not below `input.uri`"),
        ] {
            let error = keys_of(path, "train/a.parquet", "s3://b/data").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unaddressable, "{path}");
            assert!(error.message.contains(words) && !error.message.contains("word"), "{}", error.message);
        }
    }
}
