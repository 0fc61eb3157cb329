//! Objects that hold many images each: those of a folder that end as they should, or those that a pattern names.

use std::future::ready;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::DatasetError;
use crate::dataset::plan::{LeftOut, LeftOutCounter, PlanRow, extension_of};
use crate::store::{ListingOrder, Location, StoreError, Unreadable, escaped};

use super::braces::expand;
use super::glob::{self, Glob};
use super::hidden::is_hidden;

/// Shards that are asked for their size at the same time.
const QUESTIONS_AT_ONCE: usize = 16;

/// Shards, or Parquet files.
pub(super) struct Objects {
    input: Location,
    /// How their names end.
    endings: Vec<String>,
    /// Their names, where the job gives them; else every one of the folder.
    names: Option<Vec<String>>,
    /// Which of the folder are meant, where the job gives a pattern with stars.
    glob: Option<Glob>,
    takes_hidden: bool,
    leaves_out_obstacles: bool,
    left_out: LeftOutCounter,
}

/// How the names of shards end, and those of the compressed ones.
const SHARDS: [&str; 4] = [".tar", ".tar.gz", ".tgz", ".tar.zst"];

/// How the names of objects end that are read as `.extension`.
fn endings(extension: &str) -> Vec<String> {
    match extension {
        "tar" => SHARDS.map(str::to_owned).to_vec(),
        other => vec![format!(".{other}")],
    }
}

fn ends_as(name: &str, ending: &str) -> bool {
    name.len()
        .checked_sub(ending.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

/// Whether an object's name is that of a shard.
pub fn is_shard(name: &str) -> bool {
    SHARDS.iter().any(|ending| ends_as(name, ending))
}

/// Whether an object's name is that of a compressed shard.
pub(super) fn is_packed_shard(name: &str) -> bool {
    SHARDS[1..].iter().any(|ending| ends_as(name, ending))
}

/// The shard of a row's key: all of it, or what is before the `!` after the first name of a shard.
pub fn shard_of(key: &str) -> &str {
    let is_end = |at: &usize| is_shard(&key[..*at]);
    key.match_indices('!').map(|(at, _)| at).find(is_end).map_or(key, |at| &key[..at])
}

/// An address of such objects as its folder and the names below it: `s3://b/train/{000..150}.tar` is
/// `s3://b/train` and a pattern, `s3://b/train/` is a folder.
/// A star makes a pattern, too, and one of images where `extension` is empty.
pub fn split_address<'a>(uri: &'a str, extension: &str) -> (&'a str, Option<&'a str>) {
    // an address with a question mark is none of a store, and may hold a signature that must not be printed
    if let Some((folder, pattern)) = glob::split(uri).filter(|_| !(uri.contains("://") && uri.contains('?')))
    {
        return (folder, Some(pattern));
    }
    if extension.is_empty() {
        return (uri, None);
    }
    let pattern = uri.contains('{') || endings(extension).iter().any(|ending| ends_as(uri, ending));
    if !pattern {
        return (uri, None);
    }
    let end = uri.find('{').unwrap_or(uri.len());
    match uri[..end].rfind('/') {
        Some(0) => ("/", Some(&uri[1..])),
        Some(slash) => (&uri[..slash], Some(&uri[slash + 1..])),
        None => (".", Some(uri)),
    }
}

impl Objects {
    /// The objects below a folder, or those of it that `pattern` names.
    ///
    /// # Errors
    /// Where the pattern means nothing, or one object twice.
    pub fn new(
        input: Location,
        extension: &'static str,
        pattern: Option<&str>,
    ) -> Result<Self, DatasetError> {
        let bad =
            |why: String| DatasetError::Pattern { pattern: pattern.unwrap_or_default().to_owned(), why };
        let (stars, plain) = match pattern {
            Some(pattern) if pattern.contains('*') => (Some(pattern), None),
            plain => (None, plain),
        };
        let glob = stars.map(Glob::parse).transpose().map_err(bad)?;
        let names = plain.map(expand).transpose().map_err(bad)?;
        let mut sorted: Vec<&String> = names.iter().flatten().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(bad(format!("it names `{}` twice", twice[0])));
        }
        for name in names.iter().flatten() {
            input.check_key(name)?;
        }
        let left_out = LeftOutCounter::default();
        let (endings, takes_hidden, leaves_out_obstacles) = (endings(extension), false, false);
        Ok(Objects { input, endings, names, glob, takes_hidden, leaves_out_obstacles, left_out })
    }

    /// Takes hidden files as well, as version 0.1.0 did. Those that are named without a star are always taken.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        Objects { takes_hidden, ..self }
    }

    /// Leaves out, and counts, what a local disk lists and cannot give, as version 0.1.0 did.
    pub fn without_obstacles(self, leaves_out_obstacles: bool) -> Self {
        Objects { leaves_out_obstacles, ..self }
    }

    /// True if a key is hidden and no pattern names it.
    fn hides(&self, key: &str) -> bool {
        let is_named = || self.glob.as_ref().is_some_and(|glob| glob.names_hidden(key));
        !self.takes_hidden && is_hidden(key) && !is_named()
    }

    /// Whether their listing is sorted; `None` if their names are given.
    pub fn order(&self) -> Option<&ListingOrder> {
        self.names.is_none().then(|| self.input.order())
    }

    /// Where they lie.
    pub fn input(&self) -> &Location {
        &self.input
    }

    /// True for an object that is listed and that no request can ask for. One that is listed without a size is a link that
    /// leads to no file; one that is not listed has no tag either.
    pub fn is_unaddressable(&self, object: &PlanRow) -> bool {
        self.input.unaddressable(&object.key).is_some() || object.size.is_none() && object.etag.is_some()
    }

    /// The names of some of them that can be asked for, to learn whether the input is still there.
    ///
    /// # Errors
    /// The listing fails. With names instead of a listing, there is no error.
    pub async fn some_keys(&self, count: usize) -> Result<Vec<String>, DatasetError> {
        match &self.names {
            Some(names) => Ok(names.iter().step_by(names.len().div_ceil(count).max(1)).cloned().collect()),
            None => {
                let rows = self.rows(None).try_filter(|row| ready(!self.is_unaddressable(row)));
                let rows = rows.take(count).map_ok(|row| row.key).try_collect().await;
                drop(self.take_left_out());
                rows
            }
        }
    }

    fn named<'a>(
        &'a self,
        names: &'a [String],
        after: Option<&str>,
    ) -> BoxStream<'a, Result<PlanRow, DatasetError>> {
        let begin = after.and_then(|after| names.iter().position(|name| name == after));
        let rest = &names[begin.map_or(0, |last| last + 1)..];
        futures::stream::iter(rest)
            .map(move |name| async move {
                match self.input.stat(name).await {
                    Ok(found) => Ok(PlanRow {
                        key: name.clone(),
                        size: found.as_ref().map(|found| found.size),
                        etag: found.and_then(|found| found.etag),
                        ..PlanRow::default()
                    }),
                    // it becomes its part's one row, if anything else can be read
                    Err(StoreError::Denied { .. }) => Ok(PlanRow { key: name.clone(), ..PlanRow::default() }),
                    // so does one that the store does not give, although it gives others
                    Err(error) if error.unanswered().is_some() && self.gives_another(names, name).await => {
                        Ok(PlanRow { key: name.clone(), ..PlanRow::default() })
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .buffered(QUESTIONS_AT_ONCE)
            .boxed()
    }

    /// True if the store gives any of some objects but this one.
    async fn gives_another(&self, names: &[String], but: &str) -> bool {
        let input = self.input.without_retries();
        let others = names.iter().step_by(names.len().div_ceil(QUESTIONS_AT_ONCE).max(1));
        for other in others.filter(|other| *other != but) {
            if matches!(input.answers(other).await, Ok(true)) {
                return true;
            }
        }
        false
    }

    /// The objects after `after`, in order.
    ///
    /// # Errors
    /// An item is an error if the listing fails, or if the store does not answer for a named object.
    pub fn rows(&self, after: Option<&str>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        if let Some(names) = &self.names {
            return self.named(names, after);
        }
        let tell: Box<dyn Fn(Unreadable) + Send + Sync + '_> =
            Box::new(|file: Unreadable| self.left_out.refuse(&file.path, file.why));
        let entries = self.input.entries(after, tell);
        entries
            .map_err(DatasetError::from)
            .try_filter_map(|entry| {
                if let Some(obstacle) = entry.obstacle.filter(|_| self.leaves_out_obstacles) {
                    self.left_out.refuse(&escaped(&entry.key), obstacle.why());
                    return futures::future::ready(Ok(None));
                }
                if entry.is_marker() {
                    self.left_out.count(|left_out| left_out.markers += 1);
                    return futures::future::ready(Ok(None));
                }
                let meant = self.glob.as_ref().is_none_or(|glob| glob.matches(&entry.key));
                if meant && self.hides(&entry.key) {
                    self.left_out.count(|left_out| left_out.hidden += 1);
                    return futures::future::ready(Ok(None));
                }
                let name = entry.key.trim_end_matches('/');
                let wanted = meant && self.endings.iter().any(|ending| ends_as(name, ending));
                if meant && !wanted {
                    let extension = extension_of(&entry.key);
                    self.left_out.count_extension(extension.as_deref());
                    if self.glob.is_some() {
                        self.left_out.name(extension.as_deref(), &entry.key);
                    }
                }
                futures::future::ready(Ok(wanted.then(|| PlanRow::listed(entry))))
            })
            .boxed()
    }

    /// What was left out since the last call.
    pub fn take_left_out(&self) -> LeftOut {
        self.left_out.take()
    }

    /// The error for a folder without any.
    pub fn empty_error(&self) -> DatasetError {
        DatasetError::Nothing {
            what: match self.endings.split_last() {
                Some((last, [])) => format!("{last} file"),
                Some((last, others)) => format!("{} or {last} file", others.join(", ")),
                None => "file".to_owned(),
            },
            uri: self.input.uri(),
            left_out: self.take_left_out().in_brackets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{shard_of, split_address};

    #[test]
    fn the_shard_of_a_row_is_told_by_how_its_name_ends() {
        for (key, shard) in [
            ("a/0.tar!x.jpg", "a/0.tar"),
            ("0.TGZ!a.tar!x.jpg", "0.TGZ"),
            ("a!b.tar.zst!x.jpg", "a!b.tar.zst"),
            ("0.tar.gz", "0.tar.gz"),
        ] {
            assert_eq!(shard_of(key), shard);
        }
    }

    #[test]
    fn an_address_is_a_folder_and_a_pattern() {
        for (uri, folder, pattern) in [
            ("s3://b/train/{000..150}.tar", "s3://b/train", Some("{000..150}.tar")),
            ("s3://b/{train,val}/{0..3}.tar", "s3://b", Some("{train,val}/{0..3}.tar")),
            ("s3://b/train/", "s3://b/train/", None),
            ("/data/one.tar", "/data", Some("one.tar")),
            ("/data/one.TAR.gz", "/data", Some("one.TAR.gz")),
            ("s3://b/x/one.tgz", "s3://b/x", Some("one.tgz")),
            ("s3://b/x/one.tar.zst", "s3://b/x", Some("one.tar.zst")),
            ("s3://b/x/one.gz", "s3://b/x/one.gz", None),
            ("{0..3}.tar", ".", Some("{0..3}.tar")),
            ("/{0..3}.tar", "/", Some("{0..3}.tar")),
            ("s3://b/**/*.tar", "s3://b", Some("**/*.tar")),
            ("s3://b/*.tar?sig=x", "s3://b/*.tar?sig=x", None),
        ] {
            assert_eq!(split_address(uri, "tar"), (folder, pattern), "{uri}");
        }
    }
}
