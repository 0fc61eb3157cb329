//! The write primitive: create an object that must not exist yet, and know for certain whether it does.

use std::future::Future;

use bytes::Bytes;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload};
use tokio::time::{Duration, Instant, timeout};

use crate::failpoints;
use crate::telemetry::Redacted;

use super::error::Asked;
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
    ///
    /// # Errors
    /// `name` is no path, or the store denies the write, has no room, or does not know conditional writes. Conflicts,
    /// vanishing drafts or missing answers last longer than the time limit of the write.
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
            // on local disk: another process swept our draft, which is harmless; the object may exist by now
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
        let asked = if mode == PutMode::Create { Asked::Create } else { Asked::Write };
        let options = PutOptions { mode, ..PutOptions::default() };
        match timeout(within, self.store.put_opts(&path, PutPayload::from(bytes), options)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(E::AlreadyExists { .. } | E::Precondition { .. })) => Err(Refusal::Conflict),
            Ok(Err(error)) => Err(Refusal::Error(StoreError::from_answer(error, what, asked))),
            Err(_) => {
                let why = format!("no answer within {} s", within.as_secs());
                Err(Refusal::Error(StoreError::unavailable(what, why)))
            }
        }
    }

    /// Writes an object that decides no rows (a report), over an older one if need be.
    ///
    /// # Errors
    /// `name` is no path, or the store denies the write, has no room, or does not answer until the retries are spent.
    /// On a local disk, also a draft that vanishes again and again.
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
    ///
    /// # Errors
    /// As [`Location::overwrite`], and a store that does not know conditional writes.
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

    /// Returns whether writes are conditional, as `[storage]` sets.
    pub fn conditional_put(&self) -> bool {
        self.settings.conditional_put
    }

    /// Removes drafts (`name#1`) that a killed writer leaves in these folders of a local disk; readers that take every
    /// file of a folder would read them as data. `is_garbage` gets the name that was written and the draft's age, and
    /// decides. A writer whose draft is removed while it writes loses one try.
    ///
    /// # Errors
    /// A folder cannot be read, or a draft cannot be removed. One that does not exist is no error.
    pub async fn sweep_drafts(
        &self,
        folders: &[&str],
        is_garbage: impl Fn(&str, Duration) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let Uri::Local(root) = &self.uri else { return Ok(()) };
        let (root, folders) = (root.clone(), folders.iter().map(|folder| (*folder).to_owned()));
        let folders: Vec<String> = folders.collect();
        let sweep = move || -> std::io::Result<()> {
            for folder in folders {
                let items = match std::fs::read_dir(root.join(&folder)) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    items => items?,
                };
                for item in items {
                    let item = item?;
                    let name = item.file_name();
                    let Some(written) = name.to_str().and_then(name_of_draft) else { continue };
                    let written =
                        if folder.is_empty() { written.to_owned() } else { format!("{folder}/{written}") };
                    if age_of_file(&item).is_some_and(|age| is_garbage(&written, age)) {
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

/// Time since a file was written, zero where the clock went back; `None` for what is no file, or vanished meanwhile.
fn age_of_file(item: &std::fs::DirEntry) -> Option<Duration> {
    let found = item.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(found.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default())
}

/// Why a write was not confirmed.
pub(super) enum Refusal {
    /// It exists, or another process is writing it; or it was our own try, whose reply was lost.
    Conflict,
    Error(StoreError),
}

fn vanishing(what: String) -> StoreError {
    StoreError::Unwritable { what, cause: Redacted::new("its draft vanishes again and again") }
}

/// The name that a draft is written for; `None` for a name that no draft has.
fn name_of_draft(name: &str) -> Option<&str> {
    let (written, digits) = name.rsplit_once('#')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(written)
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
    async fn drafts_of_the_named_files_are_swept_and_nothing_else() {
        let (root, output) = output();
        std::fs::create_dir(root.path().join("sub")).unwrap();
        let kept = ["notes#1", "notes#x", "part-0.parquet", "part-0.parquet#", "sub/part-0.parquet#2"];
        for name in kept.iter().chain(&["part-0.parquet#1", "part-0.parquet#12", "sub/x#3"]) {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        let is_garbage = |name: &str, _| ["part-0.parquet", "sub/x"].contains(&name);
        output.sweep_drafts(&["", "sub", "not/there"], is_garbage).await.unwrap();
        let mut left: Vec<String> = Vec::new();
        for folder in ["", "sub"] {
            for item in std::fs::read_dir(root.path().join(folder)).unwrap() {
                let path = item.unwrap().path();
                let name = path.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned();
                left.extend(path.is_file().then_some(name));
            }
        }
        left.sort();
        assert_eq!(left, kept);
    }

    #[tokio::test]
    async fn a_draft_tells_its_age() {
        let (root, output) = output();
        std::fs::write(root.path().join("report#1"), "x").unwrap();
        output.sweep_drafts(&[""], |_, age| age >= Duration::from_secs(3600)).await.unwrap();
        assert!(root.path().join("report#1").exists());
        let old = std::time::SystemTime::now() - Duration::from_secs(7200);
        std::fs::File::open(root.path().join("report#1")).unwrap().set_modified(old).unwrap();
        output.sweep_drafts(&[""], |_, age| age >= Duration::from_secs(3600)).await.unwrap();
        assert!(!root.path().join("report#1").exists());
    }
}
