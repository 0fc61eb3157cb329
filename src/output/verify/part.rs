//! One part: its rows in the plan, its file's footer, its file's rows.

use std::sync::Arc;

use crate::dataset::{DatasetError, Part};
use crate::output::{CommittedPart, Layout, PartTime};
use crate::sample::Sample;
use crate::store::{Location, ParquetObject, ParquetReadError, StoreError};

use super::columns::COLUMNS;
use super::defect::{Defects, shown};
use super::rows::{Planned, RowCheck};

/// Rows of a part that are decoded at a time.
const BATCH_ROWS: usize = 8192;

/// What every part is checked against.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub output: Location,
    pub layout: Layout,
    pub fingerprint: Arc<str>,
    /// Keys strictly increase in plan order.
    pub ordered: bool,
    /// Rows have keys of a column of their object.
    pub has_own_keys: bool,
}

/// A part of the plan, checked.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Its first and last key in the plan, if it has rows that can be read.
    pub keys: Option<(String, String)>,
    /// What is committed of it, by its rows, if its file is whole.
    pub committed: Option<CommittedPart>,
    /// What is wrong with it.
    pub defects: Defects,
}

/// Reads a part's plan and, if `size` is that of an existing file, the file. `segment` is the plan's name.
///
/// # Errors
/// The store's own, which are no defects of the output.
pub(super) async fn check(
    job: &Job,
    segment: &str,
    part: &Part,
    size: Option<u64>,
) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    let planned = match planned(job, part).await {
        Ok(planned) => Some(planned),
        Err(DatasetError::Store(error)) => return Err(error),
        Err(error) => {
            checked.defects.add(segment, told(error), "the rows that its footer hashes");
            None
        }
    };
    match &planned {
        Some(Planned::Images(samples)) => check_plan(job, segment, part, samples, &mut checked),
        Some(Planned::Whole { key, .. }) => checked.keys = Some((key.clone(), key.clone())),
        None => {}
    }
    let Some(size) = size else { return Ok(checked) };
    let name = job.layout.part(part.id);
    match check_file(job, part, &name, size, planned.as_ref(), &mut checked.defects).await {
        Ok(committed) => checked.committed = committed,
        Err(ParquetReadError::Damaged { why, .. }) => {
            let why = format!("is torn or damaged: {why}; `verify --repair` removes it");
            checked.defects.add(name, why, "a whole Parquet file");
        }
        Err(ParquetReadError::Store(StoreError::Missing { .. })) => {
            checked.defects.add(name, "vanished while it was read", "a committed part to stay");
        }
        Err(ParquetReadError::Store(error)) => return Err(error),
        Err(error @ ParquetReadError::Refused { .. }) => {
            checked.defects.add(name, error.to_string(), "a part that can be read");
        }
    }
    Ok(checked)
}

/// Reads the plan of a part's rows.
async fn planned(job: &Job, part: &Part) -> Result<Planned, DatasetError> {
    let mut rows = part.plan_rows(&job.output).await?;
    if part.rows.is_some() && rows.iter().all(|row| row.group.is_none()) {
        return Ok(Planned::Images(part.samples_of(rows)));
    }
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => {
            let (first, rows) = (part.first_row, part.rows);
            Ok(Planned::Whole { key: row.key, has_own_keys: job.has_own_keys, etag: row.etag, first, rows })
        }
        _ => Err(DatasetError::BadSegment {
            name: Layout::PLAN.into(),
            why: format!("has not one row in part {}", part.id),
        }),
    }
}

fn told(error: DatasetError) -> String {
    match error {
        DatasetError::BadSegment { why, .. } => why,
        error => error.to_string(),
    }
}

fn check_plan(job: &Job, segment: &str, part: &Part, samples: &[Sample], checked: &mut Checked) {
    if Some(samples.len()) != part.rows.map(|rows| rows as usize) {
        let what = format!("holds {} rows in part {}", samples.len(), part.id);
        checked.defects.add(segment, what, format!("{}, as in its footer", part.rows.unwrap_or_default()));
    }
    if job.ordered
        && let Some(pair) = samples.windows(2).find(|pair| pair[0].key >= pair[1].key)
    {
        let what = format!(
            "plans the key `{}` after `{}` in part {}",
            shown(&pair[1].key),
            shown(&pair[0].key),
            part.id
        );
        checked.defects.add(segment, what, "keys in strictly increasing byte order");
    }
    if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
        checked.keys = Some((first.key.clone(), last.key.clone()));
    }
}

/// Checks the footer and the rows of a part's file. Returns what is committed, by the plan and the file's own rows.
async fn check_file(
    job: &Job,
    part: &Part,
    name: &str,
    size: u64,
    planned: Option<&Planned>,
    defects: &mut Defects,
) -> Result<Option<CommittedPart>, ParquetReadError> {
    let object = ParquetObject::open_short(&job.output, name, size).await?;
    let value = |key: &str| object.value(&format!("tresnet.{key}")).unwrap_or("(nothing)");
    for (key, wanted) in [
        ("fingerprint", job.fingerprint.to_string()),
        ("part", part.id.to_string()),
        ("first_row", part.first_row.to_string()),
        ("plan", part.plan.clone()),
    ] {
        if value(key) != wanted {
            let what = format!("has `tresnet.{key}` = `{}` in its footer", shown(value(key)));
            defects.add(name, what, format!("`{wanted}`"));
        }
    }
    let rare =
        |key: &str| object.value(&format!("tresnet.{key}")).and_then(|text| text.parse().ok()).unwrap_or(0);
    // a file far longer than its part is not read into memory: the count alone is a defect
    if let Some(rows) = part.rows.filter(|rows| object.rows() > 2 * u64::from(*rows) + 1024) {
        let what = format!("holds {} rows", object.rows());
        defects.add(name, what, format!("the {rows} rows of its plan"));
        return Ok(None);
    }
    let mut rows = RowCheck::new(name, planned);
    for group in 0..object.groups() {
        for batch in object.group_batches(&job.output, group, Some(&COLUMNS), BATCH_ROWS).await? {
            if !rows.push(&batch.map_err(|why| object.damaged(why))?) {
                defects.append(rows.give_up());
                return Ok(None);
            }
        }
    }
    let (counts, of_rows) = rows.finish();
    defects.append(of_rows);
    for (key, count) in [("rows", counts.rows), ("ok", counts.ok), ("errors", counts.errors)] {
        if value(key) != count.to_string() {
            let what = format!("has `tresnet.{key}` = `{}` in its footer", shown(value(key)));
            defects.add(name, what, format!("{count}, as its rows are"));
        }
    }
    Ok(Some(CommittedPart {
        id: part.id,
        name: name.to_owned(),
        size,
        rows: counts.rows,
        ok: counts.ok,
        damaged: rare("damaged"),
        skipped: rare("skipped"),
        further: rare("further"),
        plan: part.plan.clone(),
        provider: value("provider").to_owned(),
        devices: value("devices").to_owned(),
        time: PartTime::of(&object),
    }))
}
