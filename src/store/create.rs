//! The write primitive: create an object that must not exist yet, and know for certain whether it does.

use std::future::Future;
use std::path::PathBuf;

use bytes::Bytes;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload};
use tokio::time::{Duration, Instant, timeout};

use crate::failpoints;
use crate::telemetry::Redacted;

use super::retry::RetryBudget;
use super::{Location, StoreError, Uri};

/// How long a local write whose draft vanishes is tried again.
const SWEPT: Duration = Duration::from_secs(2);

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The store confirmed this very write.
    Now,
    /// It is there: written before, or by us with the reply lost.
    Before,
}

impl Location {
    /// Creates `name`, or finds it there.
    ///
    /// A lost reply, a conflict and a timeout all look alike from here, and each may or may not have written;
    /// so after any of them the object itself is asked for, and only where it is absent the write is tried
    /// again. Errors that cannot have written (denied, disk full) are returned at once.
    ///
    /// Where conditional writes are switched off, the object is asked for first and then written plainly.
    pub async fn create_once(&self, name: &str, bytes: Bytes) -> Result<Created, StoreError> {
        let what = format!("writing `{}/{name}`", self.uri);
        let mut budget = RetryBudget::new(self.settings.write_budget(bytes.len()));
        let mut vanished = None;
        failpoints::reach("create.before", name);
        loop {
            if !self.settings.conditional_put && self.size(name).await?.is_some() {
                return Ok(Created::Before);
            }
            let mode = if self.settings.conditional_put { PutMode::Create } else { PutMode::Overwrite };
            let (conflict, error) = match self.put(name, &what, bytes.clone(), mode).await {
                Ok(()) => {
                    failpoints::reach("create.after", name);
                    return Ok(Created::Now);
                }
                Err(Refusal::Conflict) if failpoints::on("mutant.conflict_is_fatal") => {
                    return Err(StoreError::Unwritable { what, cause: Redacted::new("it exists") });
                }
                Err(Refusal::Conflict) => {
                    (true, StoreError::unavailable(&what, "conflicting writes do not end"))
                }
                Err(Refusal::Error(error)) => (false, error),
            };
            // on local disk: somebody swept our draft, which is no harm; the object may stand by now
            let swept = matches!(error, StoreError::Missing { .. });
            if !conflict && !swept && !error.is_transient() {
                return Err(error);
            }
            if self.size(name).await?.is_some() || failpoints::on("mutant.absent_is_done") {
                return Ok(Created::Before);
            }
            let swept_for_long = swept && vanished.get_or_insert_with(Instant::now).elapsed() > SWEPT;
            if swept_for_long || !budget.wait().await {
                return Err(match error {
                    StoreError::Missing { what, .. } => vanishing(what),
                    error => error,
                });
            }
            self.traffic.retried();
        }
    }

    /// One write within its time.
    pub(super) async fn put(
        &self,
        name: &str,
        what: &str,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<(), Refusal> {
        use object_store::Error as E;
        let path = self.path(name).map_err(Refusal::Error)?;
        let within = self.settings.write_time(bytes.len());
        let options = PutOptions { mode, ..PutOptions::default() };
        match timeout(within, self.store.put_opts(&path, PutPayload::from(bytes), options)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(E::AlreadyExists { .. } | E::Precondition { .. })) => Err(Refusal::Conflict),
            Ok(Err(error)) => Err(Refusal::Error(StoreError::from_store(error, what, true))),
            Err(_) => {
                let why = format!("no answer within {} s", within.as_secs());
                Err(Refusal::Error(StoreError::unavailable(what, why)))
            }
        }
    }

    /// Writes an object that decides no rows (a report), over an older one if need be.
    pub async fn overwrite(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let what = &format!("writing `{}/{name}`", self.uri);
        self.unswept(|| async {
            self.put(name, what, bytes.clone(), PutMode::Overwrite).await.map_err(|refusal| match refusal {
                Refusal::Error(error) => error,
                // nothing was asked of the older one: another write is in its way, and not for long
                Refusal::Conflict => {
                    StoreError::unavailable(what, "it reports a conflict with another write")
                }
            })
        })
        .await
    }

    /// True where the store refuses to create an object twice: without that, nothing here is safe.
    pub async fn refuses_to_create_again(&self, name: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let what = &format!("checking conditional writes on `{}/{name}`", self.uri);
        self.unswept(|| async {
            match self.put(name, what, bytes.clone(), PutMode::Create).await {
                Ok(()) => Ok(false),
                Err(Refusal::Conflict) => Ok(true),
                Err(Refusal::Error(error)) => Err(error),
            }
        })
        .await
    }

    /// Retries a write, also where its draft on local disk vanishes: another process swept it, which finishes the job.
    async fn unswept<T, F, Fut>(&self, write: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let has_drafts = matches!(self.uri, Uri::Local(_));
        let mut vanished = None;
        loop {
            match self.retry(&write).await {
                Err(StoreError::Missing { what, .. }) if has_drafts => {
                    if !vanished.get_or_insert_with(|| RetryBudget::new(SWEPT)).wait().await {
                        return Err(vanishing(what));
                    }
                    self.traffic.retried();
                }
                written => return written,
            }
        }
    }

    /// True where writes are conditional, as `[storage]` says.
    pub fn conditional_put(&self) -> bool {
        self.settings.conditional_put
    }

    /// Removes a part file of a local disk that is not whole. Nothing else that decides rows is ever removed.
    pub async fn remove_torn(&self, name: &str) -> Result<(), StoreError> {
        let Uri::Local(root) = &self.uri else { return Ok(()) };
        let path = root.join(name);
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
        let what = || format!("removing the torn `{}/{name}`", self.uri);
        match removed {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::from_io(error, what(), true))
            }
            Err(error) => Err(StoreError::local(what(), error)),
            Ok(_) => Ok(()),
        }
    }

    /// Removes the drafts (`name#1`) that a killed writer leaves in these folders of a local disk; readers that
    /// take every file of a folder would stumble over them. A writer at work loses nothing but one try; drafts
    /// younger than `age` are left to theirs.
    pub async fn sweep_drafts(&self, folders: &[&str], age: Duration) -> Result<(), StoreError> {
        let Uri::Local(root) = &self.uri else { return Ok(()) };
        let folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
        let sweep = move || -> std::io::Result<()> {
            for folder in folders {
                let items = match std::fs::read_dir(&folder) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    items => items?,
                };
                for item in items {
                    let item = item?;
                    let is_draft = item.file_name().to_str().is_some_and(is_draft);
                    if is_draft && is_file_of_age(&item, age) {
                        match std::fs::remove_file(item.path()) {
                            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                            _ => {}
                        }
                    }
                }
            }
            Ok(())
        };
        let what = || format!("sweeping drafts of `{}`", self.uri);
        match tokio::task::spawn_blocking(sweep).await {
            Ok(swept) => swept.map_err(|error| StoreError::from_io(error, what(), true)),
            Err(error) => Err(StoreError::local(what(), error)),
        }
    }
}

/// False for what vanished meanwhile, too.
fn is_file_of_age(item: &std::fs::DirEntry, age: Duration) -> bool {
    let Ok(found) = item.metadata() else { return false };
    let old = found.modified().ok().and_then(|modified| modified.elapsed().ok());
    found.is_file() && (age.is_zero() || old.is_some_and(|old| old >= age))
}

/// Why a write was not confirmed.
pub(super) enum Refusal {
    /// It exists, or somebody else is writing it; or it was our own try, whose reply was lost.
    Conflict,
    Error(StoreError),
}

fn vanishing(what: String) -> StoreError {
    StoreError::Unwritable { what, cause: Redacted::new("its draft vanishes again and again") }
}

fn is_draft(name: &str) -> bool {
    let digits = name.rsplit_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::Role;

    fn output() -> (tempfile::TempDir, Location) {
        let root = tempfile::tempdir().unwrap();
        let location = Location::open(root.path().to_str().unwrap(), Role::Output).unwrap();
        (root, location)
    }

    #[tokio::test]
    async fn the_second_creation_finds_the_first() {
        let (_root, output) = output();
        assert_eq!(output.create_once("a/b", Bytes::from("first")).await.unwrap(), Created::Now);
        assert_eq!(output.create_once("a/b", Bytes::from("second")).await.unwrap(), Created::Before);
        assert_eq!(output.read("a/b").await.unwrap().unwrap(), "first");
        assert!(output.refuses_to_create_again("a/b", Bytes::from("first")).await.unwrap());
    }

    /// Writes again and again until another thread has swept the draft of one.
    fn swept<Fut>(draft: &std::path::Path, write: impl Fn() -> Fut)
    where
        Fut: Future<Output = Result<(), StoreError>>,
    {
        let (swept, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let sweep = || {
            while !done.load(Ordering::SeqCst) && std::fs::remove_file(draft).is_err() {
                std::hint::spin_loop();
            }
            swept.store(true, Ordering::SeqCst);
        };
        let writes = async {
            while !swept.load(Ordering::SeqCst) {
                write().await?;
            }
            Ok::<_, StoreError>(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let written = std::thread::scope(|scope| {
            scope.spawn(sweep);
            let written = runtime.block_on(writes);
            done.store(true, Ordering::SeqCst);
            written
        });
        written.unwrap();
    }

    #[test]
    fn a_write_whose_draft_another_process_sweeps_is_made_again() {
        let (root, output) = output();
        let bytes = Bytes::from(vec![7; 1 << 20]);
        let draft = root.path().join("report#1");
        swept(&draft, || output.overwrite("report", bytes.clone()));
        assert_eq!(std::fs::read(root.path().join("report")).unwrap(), bytes);
        swept(&draft, || async {
            assert!(output.refuses_to_create_again("report", bytes.clone()).await?);
            Ok(())
        });
    }

    #[tokio::test]
    async fn drafts_are_swept_and_nothing_else() {
        let (root, output) = output();
        for name in ["part-0.parquet#1", "part-0.parquet", "notes#x", "part-0.parquet#"] {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        output.sweep_drafts(&["", "not/there"], Duration::ZERO).await.unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes#x", "part-0.parquet", "part-0.parquet#"]);
    }
}
