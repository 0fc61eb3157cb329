//! `[input] exclude_done`: which finished outputs it refers to, and which images they have done.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};

use crate::dataset::parquet::EARLIER_UNREAD;
use crate::dataset::{
    DatasetError, DoneImage, DoneImages, Part, Segment, group_key, shard_of, split_address,
};
use crate::failure::{Exit, Failure};
use crate::image;
use crate::job::{ExcludedOutput, Format, Frozen, JobError, ResolvedJob};
use crate::output::{CommittedPart, Layout, Repair, Success};
use crate::sample::ErrorKind;
use crate::store::{Location, ParquetObject, Role, Settings, Uri};

/// Folders below a given one that are searched for outputs.
const MOST_FOLDERS: usize = 10_000;
/// Kinds of errors that a retry may fix: such images are not done.
const NOT_THE_IMAGES: [ErrorKind; 6] = [
    ErrorKind::Denied,
    ErrorKind::Archived,
    ErrorKind::NotFound,
    ErrorKind::Changed,
    ErrorKind::Unaddressable,
    ErrorKind::Unreadable,
];

/// Kinds of errors, and whether an image that ended with one is done.
#[derive(Debug, Clone, Copy)]
struct Retries {
    /// Files of formats that are read by now are not done.
    formats: bool,
    /// Shards that were not read at all are tried again: version 0.1.0 read none that are compressed.
    shards: bool,
}

impl Retries {
    fn is_done(self, kind: &str, message: &str) -> bool {
        if kind == ErrorKind::Unsupported.as_str() {
            // version 0.1.0 read no image by its path
            return message != EARLIER_UNREAD && !(self.formats && image::is_read_by_now(message));
        }
        NOT_THE_IMAGES.iter().all(|other| other.as_str() != kind)
    }
}

/// Finds the outputs that `exclude_done` refers to: each address is an output itself, or refers to every finished
/// output below it except `own`.
pub(crate) async fn discover(
    uris: &[String],
    own: &Location,
    settings: Settings,
) -> Result<Vec<ExcludedOutput>, Failure> {
    let settings = Settings { anonymous_input: false, ..settings };
    let mut found = Vec::new();
    for uri in uris {
        let mut to_see = vec![Location::open_with(uri, Role::Input, settings)?];
        let mut seen = 0;
        while let Some(place) = to_see.pop() {
            seen += 1;
            if seen > MOST_FOLDERS {
                return Err(JobError::Mismatch(format!(
                    "`input.exclude_done` = `{uri}` has more than {MOST_FOLDERS} folders below it; name the outputs"
                ))
                .into());
            }
            if place.uri() == own.uri() {
                continue;
            }
            let Some(frozen) = Frozen::read(&place).await? else {
                let folders = match place.folders().await {
                    Err(crate::store::StoreError::Missing { .. }) => Vec::new(),
                    folders => folders?,
                };
                for folder in folders.iter().rev().filter(|folder| !folder.starts_with('_')) {
                    to_see.push(place.below(folder)?);
                }
                continue;
            };
            Repair::refuse_begun(&place).await?;
            let Some(success) = Success::read(&place).await? else {
                return Err(Failure::new(
                    Exit::TryAgain,
                    format!(
                        "the output `{}`, which `input.exclude_done` names, was begun and is not finished; finish it \
                         first (one that was refused for its errors with a higher limit), or delete it",
                        place.uri()
                    ),
                ));
            };
            if success.fingerprint != frozen.fingerprint {
                return Err(JobError::Mismatch(format!("`{}` holds two jobs", place.uri())).into());
            }
            let excluded = ExcludedOutput { uri: place.uri(), fingerprint: frozen.fingerprint };
            if !found.contains(&excluded) {
                found.push(excluded);
            }
        }
    }
    Ok(found)
}

/// One output whose images are left out.
struct DoneOutput {
    output: Location,
    parts: Vec<CommittedPart>,
    /// How its keys below its input become keys below the input being planned.
    rebase: Option<Rebase>,
    /// What its keys begin with that are addresses: they are the same whatever the input.
    roots: Vec<String>,
    /// True if its keys and those being planned are both a folder's.
    ordered: bool,
    /// A part is a shard or a row group, which is done as a whole or not at all.
    is_whole: bool,
    retries: Retries,
}

/// An output that was frozen with the job and cannot be read any more: an error for a process that still plans.
struct Gone {
    uri: String,
    why: &'static str,
}

impl DoneImages for Gone {
    fn is_ordered(&self) -> bool {
        false
    }

    fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>> {
        let error = DatasetError::Excluded { uri: self.uri.clone(), why: self.why };
        futures::stream::iter([Err(error)]).boxed()
    }
}

/// Opens the outputs that the job froze, as far as their jobs read the same images.
pub(crate) async fn open(
    excluded: &[ExcludedOutput],
    input: String,
    job: &ResolvedJob,
    settings: Settings,
) -> Result<Vec<Box<dyn DoneImages>>, Failure> {
    // they were written with credentials
    let settings = Settings { anonymous_input: false, ..settings };
    let mut outputs: Vec<Box<dyn DoneImages>> = Vec::new();
    for ExcludedOutput { uri, fingerprint } in excluded {
        let output = Location::open_with(uri, Role::Input, settings)?;
        Repair::refuse_begun(&output).await?;
        let gone = |why| Box::new(Gone { uri: uri.clone(), why });
        let (Some(frozen), Some(success)) = (Frozen::read(&output).await?, Success::read(&output).await?)
        else {
            outputs.push(gone("is gone"));
            continue;
        };
        if frozen.fingerprint != *fingerprint || success.fingerprint != *fingerprint {
            outputs.push(gone("is another one now"));
            continue;
        }
        let rebase = rebase(&Uri::parse(folder_of(&frozen))?, &Uri::parse(&input)?);
        let roots: Vec<String> = frozen.roots().iter().map(|root| format!("{root}/")).collect();
        if rebase.is_none() && roots.is_empty() {
            tracing::warn!(
                uri,
                input = frozen.input,
                "an excluded output is of other images: nothing of it is left out"
            );
            continue;
        }
        let theirs = frozen.components.get("input.format").and_then(|format| format.as_str());
        let ordered = job.format == Format::Folder && theirs == Some("folder");
        let is_whole = matches!(theirs, Some("webdataset" | "parquet"));
        let retries = Retries {
            formats: job.image.rules == image::Rules::Current,
            shards: theirs == Some("webdataset") && frozen.has_earlier_shards(),
        };
        let mut parts = success.parts;
        parts.sort_unstable_by_key(|part| part.id);
        outputs.push(Box::new(DoneOutput { output, parts, rebase, roots, ordered, is_whole, retries }));
    }
    Ok(outputs)
}

/// Returns the folder that the keys of a job are below.
fn folder_of(frozen: &Frozen) -> &str {
    match frozen.components.get("input.format").and_then(|format| format.as_str()) {
        Some("webdataset") => split_address(&frozen.input, "tar").0,
        Some("parquet") => split_address(&frozen.input, "parquet").0,
        _ => &frozen.input,
    }
}

/// How keys below one input become keys below another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rebase {
    /// The prefix that is removed.
    cut: String,
    /// The prefix that replaces it.
    add: String,
}

/// How keys below `theirs` become keys below `ours`; `None` if no object is below both.
fn rebase(theirs: &Uri, ours: &Uri) -> Option<Rebase> {
    match theirs.below(ours) {
        Some(add) => Some(Rebase { cut: String::new(), add }),
        None => ours.below(theirs).map(|cut| Rebase { cut, add: String::new() }),
    }
}

/// A row of a finished output, as far as it matters here.
struct DoneRow {
    key: String,
    etag: Option<String>,
    /// False if a retry may fix it.
    done: bool,
    is_unsupported: bool,
}

fn done_rows(batch: &RecordBatch, retries: Retries) -> Option<Vec<DoneRow>> {
    let key = batch.column_by_name("key")?.as_string_opt::<i32>()?;
    let etag = batch.column_by_name("etag")?.as_string_opt::<i32>()?;
    let kind = batch.column_by_name("error_kind")?.as_string_opt::<i32>()?;
    let message = batch.column_by_name("error_message")?.as_string_opt::<i32>()?;
    let rows = (0..batch.num_rows()).map(|row| DoneRow {
        key: key.value(row).to_owned(),
        etag: etag.is_valid(row).then(|| etag.value(row).to_owned()),
        is_unsupported: kind.is_valid(row) && kind.value(row) == ErrorKind::Unsupported.as_str(),
        done: kind.is_null(row) || retries.is_done(kind.value(row), message.value(row)),
    });
    Some(rows.collect())
}

impl DoneOutput {
    /// The images of a part that are done.
    async fn part(&self, part: &CommittedPart) -> Result<Vec<DoneImage>, DatasetError> {
        let done = self.rows(part).await?.into_iter().filter(|row| row.done);
        Ok(done.filter_map(|row| Some(DoneImage { key: self.rebased(&row.key)?, etag: row.etag })).collect())
    }

    async fn rows(&self, part: &CommittedPart) -> Result<Vec<DoneRow>, DatasetError> {
        let object = ParquetObject::open_sized(&self.output, &part.name, part.size).await?;
        let mut rows = Vec::new();
        for group in 0..object.groups() {
            let columns = ["key", "etag", "error_kind", "error_message"];
            for batch in object.read_group(&self.output, group, Some(&columns)).await? {
                rows.extend(done_rows(&batch, self.retries).ok_or_else(|| DatasetError::BadSegment {
                    name: part.name.clone(),
                    why: "has other columns than rows have".into(),
                })?);
            }
        }
        Ok(rows)
    }

    /// A key as the plan has it, if what it names is below both inputs, or below a root.
    fn rebased(&self, key: &str) -> Option<String> {
        if self.roots.iter().any(|root| key.starts_with(root.as_str())) {
            return Some(key.to_owned());
        }
        let Rebase { cut, add } = self.rebase.as_ref()?;
        Some(format!("{add}{}", key.strip_prefix(cut.as_str())?))
    }

    /// The parts of its plan, segment by segment.
    fn planned(&self) -> impl Stream<Item = Result<Part, DatasetError>> + Send + '_ {
        let segments = futures::stream::try_unfold(Some(0), move |index| async move {
            let Some(index) = index else { return Ok(None) };
            let Some(segment) = Segment::open(&self.output, &Layout::segment(index)).await? else {
                return Ok(None);
            };
            let segment = Arc::new(segment);
            let parts = futures::stream::iter(segment.parts().into_iter().map(Ok));
            Ok::<_, DatasetError>(Some((parts, (!segment.head().last).then_some(index + 1))))
        });
        segments.try_flatten()
    }

    /// The shard or row group that a part is, by its plan, if all of its rows are done. Its rows may have keys of a column.
    async fn whole(&self, part: Part) -> Result<Option<DoneImage>, DatasetError> {
        let committed = self.parts.binary_search_by_key(&part.id, |committed| committed.id);
        let Ok(committed) = committed.map(|at| &self.parts[at]) else { return Ok(None) };
        let planned = part.plan_row(&self.output).await?;
        let mut etag = planned.etag;
        if committed.ok < committed.rows || etag.is_none() {
            let rows = self.rows(committed).await?;
            let is_unread = |row: &DoneRow| row.is_unsupported && shard_of(&row.key) == row.key;
            if rows.iter().any(|row| !row.done) || self.retries.shards && rows.first().is_some_and(is_unread)
            {
                return Ok(None);
            }
            etag = etag.or_else(|| rows.into_iter().next()?.etag);
        }
        let Some(file) = self.rebased(&planned.key) else { return Ok(None) };
        let key = match planned.group {
            Some(group) => {
                let first = i64::try_from(group.first).unwrap_or(i64::MAX);
                group_key(&file, first, group.rows)
            }
            None => file,
        };
        Ok(Some(DoneImage { key, etag }))
    }
}

impl DoneImages for DoneOutput {
    fn is_ordered(&self) -> bool {
        self.ordered
    }

    fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>> {
        match self.is_whole {
            true => {
                let wholes = self.planned().map_ok(|part| self.whole(part)).try_buffered(2);
                wholes.try_filter_map(|done| std::future::ready(Ok(done))).boxed()
            }
            false => {
                let parts = futures::stream::iter(&self.parts).map(|part| self.part(part)).buffered(2);
                parts.map_ok(|images| futures::stream::iter(images.into_iter().map(Ok))).try_flatten().boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_for_its_format_is_done_until_the_format_is_read() {
        let tiff = r"no format that is read here begins with II*\x00\x08\x00\x00\x00";
        for (kind, message, expected) in [
            ("unsupported", tiff, [true, false]),
            ("unsupported", "the file is HEIC; JPEG and PNG are read", [true, true]),
            ("corrupt", tiff, [true, true]),
            ("denied", "", [false, false]),
        ] {
            let found =
                [false, true].map(|formats| Retries { formats, shards: false }.is_done(kind, message));
            assert_eq!(found, expected, "{kind} {message}");
        }
    }

    #[test]
    fn keys_of_inputs_that_lie_in_one_another_are_brought_together() {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let pair = |cut: &str, add: &str| Some(Rebase { cut: cut.to_owned(), add: add.to_owned() });
        for (theirs, ours, expected) in [
            ("s3://b/in", "s3://b/in", pair("", "")),
            ("s3://b/in/day1", "s3://b/in", pair("", "day1/")),
            ("s3://b/in", "s3://b/in/day1", pair("day1/", "")),
            ("s3://b/in", "s3://b/inner", None),
            ("s3://b/in", "/in", None),
            ("/data", "/data/x/y", pair("x/y/", "")),
            ("s3://b", "s3://b/in", pair("in/", "")),
        ] {
            assert_eq!(rebase(&uri(theirs), &uri(ours)), expected, "{theirs} {ours}");
        }
    }
}
