//! Checks an output from the outside in: the plan's chain, every committed part, row by row, and `_SUCCESS`.
//!
//! It reads what runs leave and trusts none of it: a count is a count of rows, and a row is right if it matches the
//! plan. A few parts are in memory at a time, whatever the number of rows.
//!
//! Objects are read in the reverse of the order in which a run writes them (`_SUCCESS` before the parts before the
//! plan), so that a running job is never taken for a defect: a part that is listed has its segment, and a `_SUCCESS`
//! that is read has its parts.

mod chain;
mod columns;
mod defect;
mod part;
mod rows;
mod success;

pub use defect::{Defect, Defects};

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::StreamExt;
use tokio::sync::Semaphore;

use crate::dataset::{DatasetError, Part, Segment};
use crate::ids::PartId;
use crate::store::{Location, StoreError};

use super::{Layout, Ranges, Totals};
use chain::Chain;
use part::{Checked, Job, check};
use success::Claims;

/// Parts of a store that are checked at a time; those of a local disk keep the cores busy.
const AT_ONCE: usize = 32;
const LOCAL_AT_ONCE: usize = 4;
/// Rows of all parts that are checked at a time: the plan's data of each takes about 200 bytes.
const MOST_ROWS: u32 = 1 << 18;
/// Rows that a part counts as if the plan does not know them, since its file is read batch by batch.
const UNKNOWN_ROWS: u32 = MOST_ROWS / 8;

/// The job that an output should hold.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedJob<'a> {
    /// Its fingerprint.
    pub fingerprint: &'a str,
    /// Version of the commit protocol.
    pub protocol: u32,
    /// True if keys strictly increase in plan order.
    pub ordered: bool,
    /// True if rows may have keys of a column of the input, so that the plan does not know them.
    pub has_own_keys: bool,
}

/// How far the check is.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// This number of further rows is planned.
    Planned(u64),
    /// There are no more.
    PlanEnds,
    /// The number of further rows that were checked, and of the error rows among them.
    Checked(u64, u64),
}

/// What was found.
#[derive(Debug)]
pub struct Verified {
    /// True if `_SUCCESS` exists.
    pub success: bool,
    /// True if the plan's last segment is committed.
    pub plan_is_whole: bool,
    /// Parts and rows of the plan, as far as it is committed.
    pub planned_parts: u64,
    /// Rows of those.
    pub planned_rows: u64,
    /// Planned parts that are committed and can be read.
    pub parts: u64,
    /// Their rows, by their own `status`.
    pub totals: Totals,
    /// Planned parts that are not committed.
    pub missing: Ranges,
    /// Names of the part files of this job that exist and are damaged or not planned.
    pub damaged: Vec<String>,
    /// Everything that is wrong.
    pub defects: Defects,
}

impl Verified {
    /// True if nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.success && self.plan_is_whole && self.missing.is_empty()
    }
}

/// Checks an output. `defects` holds what is already known to be wrong.
///
/// # Errors
/// Those of the store, which are no defects of the output.
pub async fn verify(
    output: &Location,
    expected: ExpectedJob<'_>,
    mut defects: Defects,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<Verified, StoreError> {
    let ExpectedJob { fingerprint, protocol, ordered, has_own_keys } = expected;
    let (success, claims) = success::read(output, fingerprint, protocol, &mut defects).await?;
    let layout = Layout::new(fingerprint);
    let committed = committed_parts(output, &layout, &mut defects).await?;
    let job = Job { output: output.clone(), layout, fingerprint: fingerprint.into(), ordered, has_own_keys };
    let mut walk = Walk {
        job,
        committed,
        claims,
        success,
        last_key: None,
        unreadable: 0,
        parts: 0,
        totals: Totals::default(),
        missing: Ranges::default(),
        damaged: Vec::new(),
        defects,
    };
    let mut chain = Chain::default();
    for index in segments(output).await? {
        walk.segment(index, &mut chain, tell).await?;
    }
    if chain.ended {
        tell(Step::PlanEnds);
    }
    Ok(walk.finish(&chain))
}

/// Finds a file on the output that only a job can have written: a part, or `_SUCCESS`. Returns its name.
///
/// # Errors
/// The output cannot be listed.
pub async fn find_job_file(output: &Location) -> Result<Option<String>, StoreError> {
    let mut names = output.files("").await?.into_iter().map(|entry| entry.key);
    Ok(names.find(|name| Layout::looks_like_part(name) || name == Layout::SUCCESS))
}

/// Part files of this job by id; every other file that a reader of the directory would take for rows is a defect.
async fn committed_parts(
    output: &Location,
    layout: &Layout,
    defects: &mut Defects,
) -> Result<BTreeMap<PartId, u64>, StoreError> {
    let mut parts = BTreeMap::new();
    for entry in output.files("").await? {
        match layout.part_id(&entry.key) {
            Some(id) => {
                parts.insert(id, entry.size);
            }
            None if Layout::looks_like_part(&entry.key) => {
                defects.add(
                    &entry.key,
                    "belongs to another job",
                    format!("names like `{}`", layout.part(PartId(0))),
                );
            }
            None if entry.key.ends_with(".parquet") => {
                defects.add(&entry.key, "is no part, but readers take it for rows", "only parts");
            }
            None => {}
        }
    }
    Ok(parts)
}

/// Returns the indices of the committed plan segments, ascending.
async fn segments(output: &Location) -> Result<Vec<u32>, StoreError> {
    let files = output.files(Layout::PLAN).await?;
    let mut indices: Vec<u32> = files.iter().filter_map(|entry| Layout::segment_index(&entry.key)).collect();
    indices.sort_unstable();
    Ok(indices)
}

/// What is known on the way through the plan.
struct Walk {
    job: Job,
    /// Committed parts that were not found in the plan yet.
    committed: BTreeMap<PartId, u64>,
    claims: Option<Claims>,
    success: bool,
    /// The last key of the plan so far.
    last_key: Option<String>,
    unreadable: u64,
    parts: u64,
    totals: Totals,
    missing: Ranges,
    damaged: Vec<String>,
    defects: Defects,
}

impl Walk {
    async fn segment(
        &mut self,
        index: u32,
        chain: &mut Chain,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<(), StoreError> {
        let name = Layout::segment(index);
        chain.reach(index, &mut self.defects);
        let segment = match Segment::open(&self.job.output, &name).await {
            Ok(Some(segment)) => Arc::new(segment),
            Err(DatasetError::Store(error)) => return Err(error),
            found => {
                let what = match found {
                    Err(DatasetError::BadSegment { why, .. }) => why,
                    Err(error) => error.to_string(),
                    Ok(_) => "vanished while it was read".into(),
                };
                self.defects.add(name, what, "a whole plan segment");
                chain.lose();
                return Ok(());
            }
        };
        let head = segment.head();
        if !chain.add(&name, index, &self.job.fingerprint, head, &mut self.defects) {
            return Ok(());
        }
        tell(Step::Planned(head.rows()));
        let parts = segment.parts();
        let room = Arc::new(Semaphore::new(MOST_ROWS as usize));
        let checks = parts.into_iter().map(|part| {
            let size = self.committed.remove(&part.id);
            let (job, name, room) = (self.job.clone(), name.clone(), room.clone());
            async move {
                let rows = part.rows.unwrap_or(UNKNOWN_ROWS).clamp(1, MOST_ROWS);
                // a check waits for nothing but the store, so its room is free again in the end
                let _room = room.acquire_many_owned(rows).await;
                // a separate task: parts are decoded side by side, and a reader that panics on hostile bytes
                // fails its own part only
                let checked = {
                    let (name, part) = (name.clone(), part.clone());
                    tokio::spawn(async move { check(&job, &name, &part, size).await }).await
                };
                (part, size, checked)
            }
        });
        let at_once = if self.job.output.local_path().is_some() { LOCAL_AT_ONCE } else { AT_ONCE };
        let mut checks = futures::stream::iter(checks.collect::<Vec<_>>()).buffered(at_once);
        let mut last_key = None;
        while let Some((part, size, checked)) = checks.next().await {
            let checked = match checked {
                Ok(checked) => checked?,
                Err(_) => {
                    let mut checked = Checked::default();
                    let object = if size.is_some() { self.job.layout.part(part.id) } else { name.clone() };
                    checked.defects.add(object, "makes the Parquet reader panic", "a whole Parquet file");
                    checked
                }
            };
            if let Some((_, last)) = &checked.keys {
                last_key = Some(last.clone());
            }
            let (rows, errors) =
                checked.committed.as_ref().map_or((0, 0), |part| (part.rows, part.rows - part.ok));
            self.part(&name, &part, size.is_some(), checked);
            tell(Step::Checked(rows, errors));
        }
        // where the next segment's listing begins: with another key, rows would be planned twice or never
        if last_key.is_some() && head.last_key != last_key {
            let say = |key: &Option<String>| key.as_deref().map_or_else(|| "nothing".into(), defect::shown);
            let what = format!("has the last key `{}`", say(&head.last_key));
            self.defects.add(name, what, format!("`{}`", say(&last_key)));
        }
        Ok(())
    }

    fn part(&mut self, segment: &str, part: &Part, stands: bool, checked: Checked) {
        let file = self.job.layout.part(part.id);
        if stands && checked.defects.names(&file) {
            self.damaged.push(file);
        }
        self.defects.append(checked.defects);
        if let Some((first, last)) = checked.keys {
            if let Some(before) = self.last_key.take().filter(|before| self.job.ordered && *before >= first) {
                let what = format!(
                    "plans the key `{}` after `{}`, at the start of part {}",
                    defect::shown(&first),
                    defect::shown(&before),
                    part.id
                );
                self.defects.add(segment, what, "keys in strictly increasing byte order");
            }
            self.last_key = Some(last);
        }
        if !stands {
            self.missing.push(part.id);
            if self.success {
                let expected = match part.rows {
                    Some(rows) => format!("its {rows} rows, since `{}` exists", Layout::SUCCESS),
                    None => format!("its rows, since `{}` exists", Layout::SUCCESS),
                };
                self.defects.add(self.job.layout.part(part.id), "is missing", expected);
            }
        }
        if let Some(claims) = &mut self.claims {
            claims.part(part.id, checked.committed.as_ref(), &mut self.defects);
        }
        match checked.committed {
            Some(committed) => {
                self.parts += 1;
                self.totals.planned += committed.rows;
                self.totals.ok += committed.ok;
                self.totals.error += committed.rows - committed.ok;
            }
            None if stands => self.unreadable += 1,
            None => {}
        }
    }

    fn finish(mut self, chain: &Chain) -> Verified {
        let (lost, unplanned): (Vec<PartId>, Vec<PartId>) =
            self.committed.keys().partition(|id| chain.lost(**id));
        if let Some(first) = lost.first() {
            let others = match lost.len() {
                1 => String::new(),
                parts => format!(" (and {} more parts)", parts - 1),
            };
            let what = format!("cannot be checked{others}: its segment of the plan is missing");
            self.defects.add(self.job.layout.part(*first), what, "a plan for every part");
        }
        for id in unplanned {
            let what = format!("is not in the plan, which ends before part {}", chain.parts);
            self.defects.add(self.job.layout.part(id), what, "only parts of the plan");
            self.damaged.push(self.job.layout.part(id));
        }
        if self.success && !(chain.ended && self.missing.is_empty()) {
            let what = if chain.ended {
                format!(
                    "was written too early: {} of {} parts are missing ({})",
                    self.missing.count(),
                    chain.parts,
                    self.missing
                )
            } else {
                "was written too early: the plan has no last segment".to_owned()
            };
            self.defects.add(Layout::SUCCESS, what, "that it is written last of all");
        }
        if let Some(claims) = self.claims {
            let all_read = chain.ended && self.missing.is_empty() && self.unreadable == 0 && lost.is_empty();
            claims.finish(all_read.then(|| self.totals.clone()), |id| chain.lost(id), &mut self.defects);
        }
        Verified {
            success: self.success,
            plan_is_whole: chain.ended,
            planned_parts: chain.parts,
            planned_rows: chain.rows,
            parts: self.parts,
            totals: self.totals,
            missing: self.missing,
            damaged: self.damaged,
            defects: self.defects,
        }
    }
}
