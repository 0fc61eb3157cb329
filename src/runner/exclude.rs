//! `[input] exclude_done`: which finished outputs are meant, and which images they have done.

use arrow::array::{Array, AsArray, RecordBatch};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::{DatasetError, DoneImage, DoneImages, group_key, split_address};
use crate::failure::{Exit, Failure};
use crate::job::{ExcludedOutput, Format, Frozen, JobError};
use crate::output::{CommittedPart, Repair, Success};
use crate::sample::ErrorKind;
use crate::store::{Location, ParquetObject, Role, Settings, Uri};

/// Folders below a given one that are searched for outputs.
const MOST_FOLDERS: usize = 10_000;
/// Kinds of errors that another try may better: such images are not done.
const NOT_THE_IMAGES: [ErrorKind; 5] = [
    ErrorKind::Denied,
    ErrorKind::NotFound,
    ErrorKind::Changed,
    ErrorKind::Unaddressable,
    ErrorKind::Unreadable,
];

/// Finds the outputs that `exclude_done` means: each address is an output itself, or stands for every finished
/// output below it but `own`.
pub(crate) async fn discover(
    uris: &[String],
    own: &Location,
    settings: Settings,
) -> Result<Vec<ExcludedOutput>, Failure> {
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
                        "the output `{}`, which `input.exclude_done` means, was begun and is not finished; finish it \
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

/// What one part of an output stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartOf {
    /// Images, each with a key of its own.
    Images,
    /// A whole shard.
    Shard,
    /// A whole row group.
    Group,
}

/// One output whose images are left out.
struct DoneOutput {
    output: Location,
    parts: Vec<CommittedPart>,
    /// What its keys begin with that the keys being planned do not.
    cut: String,
    /// What the keys being planned begin with that its keys do not.
    add: String,
    /// True where its keys and those being planned are both a folder's.
    ordered: bool,
    unit: PartOf,
}

/// An output that was frozen with the job and cannot be read any more: an error for whoever still plans.
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

/// Opens the outputs that a job froze, as far as they looked at the same images.
pub(crate) async fn open(
    excluded: &[ExcludedOutput],
    input: String,
    format: Format,
    settings: Settings,
) -> Result<Vec<Box<dyn DoneImages>>, Failure> {
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
        let Some((cut, add)) = rebase(&Uri::parse(folder_of(&frozen))?, &Uri::parse(&input)?) else {
            tracing::warn!(
                uri,
                input = frozen.input,
                "an excluded output looked at other images: nothing of it is left out"
            );
            continue;
        };
        let theirs = frozen.components.get("input.format").and_then(|format| format.as_str());
        let ordered = format == Format::Folder && theirs == Some("folder");
        let unit = match theirs {
            Some("webdataset") => PartOf::Shard,
            Some("parquet") => PartOf::Group,
            _ => PartOf::Images,
        };
        outputs.push(Box::new(DoneOutput { output, parts: success.parts, cut, add, ordered, unit }));
    }
    Ok(outputs)
}

/// The folder below which the keys of a job stand.
fn folder_of(frozen: &Frozen) -> &str {
    match frozen.components.get("input.format").and_then(|format| format.as_str()) {
        Some("webdataset") => split_address(&frozen.input, "tar").0,
        Some("parquet") => split_address(&frozen.input, "parquet").0,
        _ => &frozen.input,
    }
}

/// How keys below `theirs` become keys below `ours`: what to cut off and what to put in front; `None` where no
/// object lies below both.
fn rebase(theirs: &Uri, ours: &Uri) -> Option<(String, String)> {
    if let Some(rest) = theirs.below(ours) {
        Some((String::new(), rest))
    } else {
        ours.below(theirs).map(|rest| (rest, String::new()))
    }
}

/// A row of a finished output, as far as it matters here.
struct DoneRow {
    key: String,
    etag: Option<String>,
    /// False where another try may better it.
    done: bool,
}

fn done_rows(batch: &RecordBatch) -> Option<Vec<DoneRow>> {
    let key = batch.column_by_name("key")?.as_string_opt::<i32>()?;
    let etag = batch.column_by_name("etag")?.as_string_opt::<i32>()?;
    let kind = batch.column_by_name("error_kind")?.as_string_opt::<i32>()?;
    let rows = (0..batch.num_rows()).map(|row| DoneRow {
        key: key.value(row).to_owned(),
        etag: etag.is_valid(row).then(|| etag.value(row).to_owned()),
        done: kind.is_null(row) || NOT_THE_IMAGES.iter().all(|other| other.as_str() != kind.value(row)),
    });
    Some(rows.collect())
}

impl DoneOutput {
    async fn part(&self, part: &CommittedPart) -> Result<Vec<DoneImage>, DatasetError> {
        let object = ParquetObject::open_sized(&self.output, &part.name, part.size).await?;
        let mut rows = Vec::new();
        for group in 0..object.groups() {
            let columns = ["key", "etag", "error_kind"];
            for batch in object.read_group(&self.output, group, Some(&columns)).await? {
                rows.extend(done_rows(&batch).ok_or_else(|| DatasetError::BadSegment {
                    name: part.name.clone(),
                    why: "has other columns than rows have".into(),
                })?);
            }
        }
        Ok(self.done_of(rows))
    }

    /// What of a part is done. A shard or a row group is so only as a whole.
    fn done_of(&self, rows: Vec<DoneRow>) -> Vec<DoneImage> {
        let whole = rows.iter().all(|row| row.done);
        let rebased = |key: &str| Some(format!("{}{}", self.add, key.strip_prefix(&self.cut)?));
        let one = |key: Option<String>, etag: Option<String>| {
            key.map(|key| DoneImage { key, etag }).into_iter().collect()
        };
        match (self.unit, rows.first()) {
            (PartOf::Images, _) => {
                let done = rows.into_iter().filter(|row| row.done);
                done.filter_map(|row| Some(DoneImage { key: rebased(&row.key)?, etag: row.etag })).collect()
            }
            (PartOf::Shard, Some(first)) if whole => {
                let end = first.key.to_ascii_lowercase().find(".tar!").map(|at| at + ".tar".len());
                one(rebased(&first.key[..end.unwrap_or(first.key.len())]), first.etag.clone())
            }
            (PartOf::Group, Some(first)) if whole => {
                let group = first.key.rsplit_once('!').and_then(|(file, row)| {
                    Some(group_key(&rebased(file)?, row.parse().ok()?, u32::try_from(rows.len()).ok()?))
                });
                one(group, first.etag.clone())
            }
            _ => Vec::new(),
        }
    }
}

impl DoneImages for DoneOutput {
    fn is_ordered(&self) -> bool {
        self.ordered
    }

    fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>> {
        let parts = futures::stream::iter(&self.parts).map(|part| self.part(part)).buffered(2);
        parts.map_ok(|images| futures::stream::iter(images.into_iter().map(Ok))).try_flatten().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_inputs_that_lie_in_one_another_are_brought_together() {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
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
