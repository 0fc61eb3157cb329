//! `[input] exclude_done`: which finished outputs are meant, and which images they have done.

use arrow::array::{Array, AsArray, RecordBatch};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::{DatasetError, DoneImage, DoneImages, split_address};
use crate::failure::{Exit, Failure};
use crate::job::{Excluded, Format, Frozen, JobError};
use crate::output::{StandingPart, Success};
use crate::sample::ErrorKind;
use crate::store::{Location, ParquetObject, Role, Settings, Uri};

/// Folders below a given one that are searched for outputs.
const MOST_FOLDERS: usize = 10_000;
/// Kinds of errors that another try may better: such images are not done.
const NOT_THE_IMAGES: [ErrorKind; 3] = [ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Changed];

/// Finds the outputs that `exclude_done` means: each address is an output itself, or stands for every finished
/// output below it but `own`.
pub(super) async fn discover(
    uris: &[String],
    own: &Location,
    settings: Settings,
) -> Result<Vec<Excluded>, Failure> {
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
            let Some(success) = Success::read(&place).await? else {
                return Err(Failure::new(
                    Exit::TryAgain,
                    format!(
                        "the output `{}`, which `input.exclude_done` means, was begun and is not finished; finish it first, \
                         or delete it",
                        place.uri()
                    ),
                ));
            };
            if success.fingerprint != frozen.fingerprint {
                return Err(JobError::Mismatch(format!("`{}` holds two jobs", place.uri())).into());
            }
            let excluded = Excluded { uri: place.uri(), fingerprint: frozen.fingerprint };
            if !found.contains(&excluded) {
                found.push(excluded);
            }
        }
    }
    Ok(found)
}

/// One output whose images are left out.
pub(super) struct DoneOutput {
    output: Location,
    parts: Vec<StandingPart>,
    /// What its keys begin with that the keys being planned do not.
    cut: String,
    /// What the keys being planned begin with that its keys do not.
    add: String,
    /// True where its keys and those being planned are both a folder's.
    ordered: bool,
    /// What stands behind the object's own key: `.tar!` of a shard's member, `.parquet!` of a file's row.
    member: Option<&'static str>,
}

/// Opens the outputs that a job froze, as far as they looked at the same images.
pub(super) async fn open(
    excluded: &[Excluded],
    input: String,
    format: Format,
    settings: Settings,
) -> Result<Vec<Box<dyn DoneImages>>, Failure> {
    let mut outputs: Vec<Box<dyn DoneImages>> = Vec::new();
    for Excluded { uri, fingerprint } in excluded {
        let output = Location::open_with(uri, Role::Input, settings)?;
        let (Some(frozen), Some(success)) = (Frozen::read(&output).await?, Success::read(&output).await?)
        else {
            let why = format!("the output `{uri}`, whose images this job leaves out, is gone");
            return Err(Failure::new(Exit::NoInput, why));
        };
        if frozen.fingerprint != *fingerprint || success.fingerprint != *fingerprint {
            let why = format!("the output `{uri}`, whose images this job leaves out, is another one now");
            return Err(JobError::Mismatch(why).into());
        }
        let Some((cut, add)) = rebase(&Uri::parse(folder_of(&frozen))?, &Uri::parse(&input)?) else {
            tracing::warn!(uri, input = frozen.input, "looked at other images: nothing of it is left out");
            continue;
        };
        let theirs = frozen.components.get("input.format").and_then(|format| format.as_str());
        let ordered = format == Format::Folder && theirs == Some("folder");
        let member = match theirs {
            Some("webdataset") => Some(".tar!"),
            Some("parquet") => Some(".parquet!"),
            _ => None,
        };
        outputs.push(Box::new(DoneOutput { output, parts: success.parts, cut, add, ordered, member }));
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

impl DoneOutput {
    fn images_of(&self, batch: &RecordBatch) -> Option<Vec<DoneImage>> {
        let key = batch.column_by_name("key")?.as_string_opt::<i32>()?;
        let etag = batch.column_by_name("etag")?.as_string_opt::<i32>()?;
        let kind = batch.column_by_name("error_kind")?.as_string_opt::<i32>()?;
        let done = |row: &usize| {
            kind.is_null(*row) || NOT_THE_IMAGES.iter().all(|other| other.as_str() != kind.value(*row))
        };
        let images = (0..batch.num_rows()).filter(done).filter_map(|row| {
            let key = key.value(row);
            let key = match self.member.and_then(|member| key.find(member).map(|at| at + member.len() - 1)) {
                Some(end) => &key[..end],
                None => key,
            };
            let below = key.strip_prefix(&self.cut)?;
            let etag = etag.is_valid(row).then(|| etag.value(row).to_owned());
            Some(DoneImage { key: format!("{}{below}", self.add), etag })
        });
        Some(images.collect())
    }

    async fn part(&self, part: &StandingPart) -> Result<Vec<DoneImage>, DatasetError> {
        let object = ParquetObject::open_sized(&self.output, &part.name, part.size).await?;
        let mut images = Vec::new();
        for group in 0..object.groups() {
            let columns = ["key", "etag", "error_kind"];
            for batch in object.read_group(&self.output, group, Some(&columns)).await? {
                images.extend(self.images_of(&batch).ok_or_else(|| DatasetError::BadSegment {
                    name: part.name.clone(),
                    why: "has other columns than rows have".into(),
                })?);
            }
        }
        Ok(images)
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
