//! Findings that `audit --parquet` wrote, read back.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, RecordBatch};

use crate::failure::{Exit, Failure};
use crate::store::{Location, ParquetObject, ParquetReadError, Role};

use super::finding::FindingKind;

/// The key of the file's footer with the fingerprint of the audited job.
pub(crate) const FINGERPRINT: &str = "tresnet.audit.fingerprint";
/// The key of the file's footer with the address of the other output.
pub(crate) const AGAINST: &str = "tresnet.audit.against";
/// The key of the file's footer with the fingerprint of the other output's job.
pub(crate) const AGAINST_FINGERPRINT: &str = "tresnet.audit.against_fingerprint";

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// Bytes of findings that are held, their keys included.
const MOST_BYTES: usize = 256 << 20;
const COLUMNS: [&str; 12] = [
    "kind",
    "rank",
    "score",
    "row_id",
    "key",
    "other_row_id",
    "other_key",
    "target",
    "target_label",
    "proposed",
    "proposed_label",
    "group",
];

/// Some of the findings of a file.
#[derive(Debug, Default)]
pub(crate) struct StoredFindings {
    /// The fingerprint of the audited job, if the file has it.
    pub fingerprint: Option<String>,
    /// The address of the other output, if there was one.
    pub against: Option<String>,
    /// The fingerprint of its job.
    pub against_fingerprint: Option<String>,
    /// By kind, the most suspicious first.
    pub findings: Vec<StoredFinding>,
    /// Findings of other kinds, or beyond the most suspicious ones.
    pub left_out: u64,
}

/// A row of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StoredFinding {
    pub kind: FindingKind,
    pub rank: u64,
    pub score: f64,
    pub image: Image,
    /// The other image, if two are concerned.
    pub other: Option<Image>,
    pub target: Option<u32>,
    pub proposed: Option<u32>,
    pub group: Option<u64>,
}

/// An image of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub row_id: i64,
    pub key: String,
}

/// Reads the findings of some kinds, all if there are none, and at most `most` of each.
///
/// # Errors
/// The file does not exist, cannot be read, or is none of findings.
pub(crate) async fn read_findings(
    address: &str,
    kinds: &[FindingKind],
    most: u64,
) -> Result<StoredFindings, Failure> {
    let (folder, name) = match address.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((folder, name)) => (folder, name),
        None => (".", address),
    };
    let location = Location::open(folder, Role::Input)?;
    let file = ParquetObject::open(&location, name).await.map_err(|error| unreadable(address, error))?;
    let missing = || Failure::new(Exit::NoInput, format!("there is no file of findings at `{address}`"));
    let file = file.ok_or_else(missing)?;
    let mut found = StoredFindings {
        fingerprint: file.value(FINGERPRINT).map(str::to_owned),
        against: file.value(AGAINST).map(str::to_owned),
        against_fingerprint: file.value(AGAINST_FINGERPRINT).map(str::to_owned),
        ..StoredFindings::default()
    };
    let mut bytes = 0;
    for group in 0..file.groups() {
        let batches = file.group_batches(&location, group, Some(&COLUMNS), BATCH).await;
        for batch in batches.map_err(|error| unreadable(address, error))? {
            let batch = batch.map_err(|why| unreadable(address, file.damaged(why)))?;
            for row in 0..batch.num_rows() {
                let finding = finding(&batch, row).ok_or_else(|| {
                    let what =
                        format!("`{address}` is no file of findings: write one with `audit --parquet`");
                    Failure::new(Exit::Config, what)
                })?;
                if finding.rank > most || !(kinds.is_empty() || kinds.contains(&finding.kind)) {
                    found.left_out += 1;
                    continue;
                }
                let other = finding.other.as_ref().map_or(0, |other| other.key.len());
                bytes += size_of::<StoredFinding>() + finding.image.key.len() + other;
                if bytes > MOST_BYTES {
                    let what =
                        format!("the findings in `{address}` do not fit in memory; give a lower --most");
                    return Err(Failure::new(Exit::Config, what));
                }
                found.findings.push(finding);
            }
        }
    }
    Ok(found)
}

fn unreadable(address: &str, error: ParquetReadError) -> Failure {
    match error {
        ParquetReadError::Store(error) => error.into(),
        error => {
            let what = format!("the findings `{address}` cannot be read; write them with `audit --parquet`");
            Failure::caused(Exit::Config, what, error)
        }
    }
}

/// Reads a row; `None` if it is no finding.
fn finding(batch: &RecordBatch, row: usize) -> Option<StoredFinding> {
    let class =
        |name: &str| number::<Int32Type>(batch, name, row).and_then(|class| u32::try_from(class).ok());
    let other = match (number::<Int64Type>(batch, "other_row_id", row), text(batch, "other_key", row)) {
        (Some(row_id), Some(key)) => Some(Image { row_id, key: key.to_owned() }),
        _ => None,
    };
    let kind = FindingKind::parse(text(batch, "kind", row)?)?;
    Some(StoredFinding {
        kind,
        rank: number::<UInt64Type>(batch, "rank", row)?,
        score: number::<Float64Type>(batch, "score", row).filter(|score| score.is_finite())?,
        image: Image {
            row_id: number::<Int64Type>(batch, "row_id", row)?,
            key: text(batch, "key", row)?.to_owned(),
        },
        other: if kind.is_of_two() { Some(other?) } else { None },
        target: class("target"),
        proposed: class("proposed"),
        group: number::<UInt64Type>(batch, "group", row),
    })
}

fn text<'a>(batch: &'a RecordBatch, name: &str, row: usize) -> Option<&'a str> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn number<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str, row: usize) -> Option<T::Native> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<T>()?;
    column.is_valid(row).then(|| column.value(row))
}
