//! How far an output is, from its files alone, while runs may go on elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow_array::cast::AsArray;
use futures::stream::{StreamExt, TryStreamExt};

use crate::dataset::{DatasetError, Segment, Unit};
use crate::failure::Failure;
use crate::ids::PartId;
use crate::store::{Dated, Location, ParquetObject, StoreError};
use crate::tasks::aside;

use super::committed::{PartsOf, footer, footers_at_once};
use super::{CommittedPart, Layout, LostParts, OutputError, Ranges, Success};

/// The rate is that of the last minutes of activity.
const WINDOW: Duration = Duration::from_secs(600);
/// Segments of the plan that are read at the same time.
const SEGMENTS_AT_ONCE: usize = 16;
/// The most error kinds that are counted separately; the set is closed, the bound is for files of other programs.
const MOST_KINDS: usize = 64;
/// The most unreadable files that are named.
const MOST_NAMED: usize = 10;

/// What is committed on an output.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// When it was finished, if `_SUCCESS` exists.
    pub finished: Option<String>,
    /// True once the plan's last segment is committed.
    pub plan_is_whole: bool,
    /// Parts of the plan, as far as it is committed.
    pub planned_parts: u64,
    /// Rows of those.
    pub planned_rows: u64,
    /// Parts that are committed.
    pub parts: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows with predictions.
    pub ok: u64,
    /// Error rows by kind.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Planned parts that are not committed.
    pub missing: Ranges,
    /// Parts that `_SUCCESS` lists and that are missing or have another size.
    pub lost: LostParts,
    /// True if a repair has begun and not ended.
    pub repairing: bool,
    /// Providers that computed them.
    pub providers: BTreeSet<String>,
    /// Bytes of the parts.
    pub bytes: u64,
    /// Part files that cannot be read or belong to another job: the first of them, with what is wrong.
    pub strange: Vec<String>,
    /// How many there are.
    pub strange_files: u64,
    /// When the last part was written, by the store's clock.
    pub last_part: Option<SystemTime>,
    /// Rows a second.
    pub rate: Option<f64>,
}

impl Status {
    /// Error rows of all kinds.
    pub fn errors(&self) -> u64 {
        self.rows.saturating_sub(self.ok)
    }

    /// True if the job is finished and nothing of it was lost.
    pub fn is_complete(&self) -> bool {
        self.finished.is_some() && self.lost.is_empty() && !self.repairing
    }

    /// Time that is left at this rate, once the plan is whole.
    pub fn left(&self) -> Option<Duration> {
        let rows = self.planned_rows.checked_sub(self.rows)?;
        let known = self.plan_is_whole && self.finished.is_none();
        known.then_some(self.rate?).and_then(|rate| Duration::try_from_secs_f64(rows as f64 / rate).ok())
    }

    /// Reads the status of an output. The order of reading is the reverse of a run's writing: a part that is listed has
    /// its segment, and what is written in the meantime is left to the next call.
    ///
    /// # Errors
    /// The store cannot be read; `_SUCCESS` is not ours, or a segment of the plan is damaged.
    pub async fn of(output: &Location, fingerprint: &str) -> Result<Status, Failure> {
        let success = Success::read(output).await?;
        let layout = Layout::new(fingerprint);
        let mut status = Status {
            finished: success.as_ref().map(|success| success.finished.clone()),
            ..Status::default()
        };
        let mut committed = BTreeMap::new();
        let files = output.dated_files("").await.map_err(OutputError::from)?;
        let sizes = files.iter().map(|file| (file.key.as_str(), file.size)).collect();
        status.lost = success.as_ref().map(|success| LostParts::find(success, &sizes)).unwrap_or_default();
        status.repairing = sizes.contains_key(Layout::REPAIR);
        drop(sizes);
        for file in files {
            match layout.part_id(&file.key) {
                Some(id) => {
                    committed.insert(id, file);
                }
                None if Layout::looks_like_part(&file.key) => {
                    status.is_strange(format!("`{}` belongs to another job", file.key));
                }
                None => {}
            }
        }
        status.plan(output, &committed).await?;
        status.parts(output, &layout, fingerprint, &committed, success).await?;
        Ok(status)
    }

    /// Counts the plan as far as it is committed.
    async fn plan(&mut self, output: &Location, committed: &BTreeMap<PartId, Dated>) -> Result<(), Failure> {
        let files = output.files(Layout::PLAN).await.map_err(OutputError::from)?;
        let mut indices: Vec<u32> =
            files.iter().filter_map(|file| Layout::segment_index(&file.key)).collect();
        indices.sort_unstable();
        let heads = indices.into_iter().map(|index| async move {
            let name = Layout::segment(index);
            match Segment::open(output, &name).await? {
                Some(segment) => Ok(Arc::new(segment)),
                None => Err(DatasetError::BadSegment { name, why: "vanished while it was read".into() }),
            }
        });
        let mut segments = futures::stream::iter(heads).buffered(SEGMENTS_AT_ONCE);
        while let Some(segment) = segments.try_next().await? {
            let head = segment.head();
            self.plan_is_whole |= head.last;
            self.planned_parts += head.parts.len() as u64;
            // what is in a shard is known when it has been read
            if head.unit != Unit::Shard {
                self.planned_rows += head.rows();
            }
            for id in head.first_part.and_after().take(head.parts.len()) {
                if !committed.contains_key(&id) {
                    self.missing.push(id);
                }
            }
        }
        Ok(())
    }

    /// Adds up the committed parts. `_SUCCESS` has the numbers of the footers, but not the kinds of errors.
    async fn parts(
        &mut self,
        output: &Location,
        layout: &Layout,
        fingerprint: &str,
        committed: &BTreeMap<PartId, Dated>,
        success: Option<Success>,
    ) -> Result<(), Failure> {
        let known: BTreeMap<PartId, CommittedPart> =
            success.into_iter().flat_map(|success| success.parts).map(|part| (part.id, part)).collect();
        let of = PartsOf::new(output, layout, fingerprint);
        let reads = committed.iter().map(|(&id, file)| {
            let known = known.get(&id).filter(|part| part.size == file.size && part.name == file.key);
            let (of, known, size) = (of.clone(), known.cloned(), file.size);
            let look = aside(async move { look(&of, id, size, known).await });
            async move { (file, look.await) }
        });
        let mut reads = futures::stream::iter(reads).buffered(footers_at_once(output));
        let mut times = Vec::new();
        while let Some((file, looked)) = reads.next().await {
            match looked {
                Ok((part, kinds)) => {
                    self.parts += 1;
                    // `_SUCCESS` is trusted here; `verify` is the command that checks it
                    self.rows = self.rows.saturating_add(part.rows);
                    self.ok = self.ok.saturating_add(part.ok);
                    self.bytes += part.size;
                    self.providers.insert(part.provider);
                    kinds.into_iter().for_each(|(kind, rows)| self.add_errors(kind, rows));
                    times.push((file.modified, part.rows));
                }
                // removed or replaced meanwhile: the next call reports it
                Err(OutputError::Store(StoreError::Missing { .. })) => {}
                Err(OutputError::Store(error)) => return Err(error.into()),
                Err(error) => self.is_strange(error.to_string()),
            }
        }
        self.last_part = times.iter().map(|(time, _)| *time).max();
        self.rate = rate(&times);
        Ok(())
    }

    fn add_errors(&mut self, kind: String, rows: u64) {
        let full = self.errors_by_kind.len() >= MOST_KINDS && !self.errors_by_kind.contains_key(&kind);
        let kind = if full { "(other)".to_owned() } else { kind };
        *self.errors_by_kind.entry(kind).or_default() += rows;
    }

    fn is_strange(&mut self, what: String) {
        self.strange_files += 1;
        if self.strange.len() < MOST_NAMED {
            self.strange.push(what);
        }
    }
}

/// Returns a part as its footer describes it, or as it is known already, and its error rows by kind.
async fn look(
    of: &PartsOf,
    id: PartId,
    size: u64,
    known: Option<CommittedPart>,
) -> Result<(CommittedPart, BTreeMap<String, u64>), OutputError> {
    let output = &of.output;
    let (part, object) = match known {
        Some(part) if part.rows == part.ok => return Ok((part, BTreeMap::new())),
        Some(part) => {
            let object = ParquetObject::open_short(output, &part.name, size).await?;
            (part, object)
        }
        None => footer(of, id, size).await?,
    };
    let mut kinds = BTreeMap::new();
    if part.rows == part.ok {
        return Ok((part, kinds));
    }
    for group in 0..object.groups() {
        for batch in object.read_group(output, group, Some(&["error_kind"])).await? {
            let column = batch.column_by_name("error_kind").and_then(|column| column.as_string_opt::<i32>());
            let column = column.ok_or_else(|| OutputError::Inconsistent {
                name: part.name.clone(),
                why: "has no column `error_kind` of text".into(),
            })?;
            for kind in column.iter().flatten() {
                *kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }
    Ok((part, kinds))
}

/// Returns rows a second by the times at which parts were written: in the last minutes before the last of them, or
/// over all if too few were written in those. The rows of the first part were made before its time, so they only
/// start the clock; otherwise a pause in the window would count as work.
fn rate(parts: &[(SystemTime, u64)]) -> Option<f64> {
    let last = parts.iter().map(|(time, _)| *time).max()?;
    let since = |begin: Option<SystemTime>| {
        let within = || parts.iter().filter(|(time, _)| begin.is_none_or(|begin| *time >= begin));
        let first = within().map(|(time, _)| *time).min()?;
        let seconds = last.duration_since(first).ok()?.as_secs_f64();
        let rows: u64 = within().filter(|(time, _)| *time > first).map(|(_, rows)| rows).sum();
        (seconds > 0.0 && rows > 0).then(|| rows as f64 / seconds)
    };
    since(last.checked_sub(WINDOW)).or_else(|| since(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, rows: u64) -> (SystemTime, u64) {
        (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds), rows)
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_minutes() {
        let slow_then_fast = [at(0, 10), at(1000, 10), at(5000, 60), at(5200, 60), at(5300, 60)];
        assert_eq!(rate(&slow_then_fast), Some(120.0 / 300.0));
    }

    #[test]
    fn a_pause_before_the_window_does_not_count() {
        assert_eq!(rate(&[at(0, 50), at(10, 50), at(90_000, 50), at(90_100, 50)]), Some(0.5));
    }

    #[test]
    fn parts_that_come_more_slowly_are_seen_over_the_whole() {
        assert_eq!(rate(&[at(0, 1000), at(2000, 1000), at(4000, 1000)]), Some(0.5));
    }

    #[test]
    fn one_part_or_one_moment_give_no_rate() {
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[at(5, 100)]), None);
        assert_eq!(rate(&[at(5, 100), at(5, 100)]), None);
    }

    #[test]
    fn time_is_left_only_once_the_plan_is_whole() {
        let mut status =
            Status { planned_rows: 100, rows: 40, rate: Some(2.0), plan_is_whole: true, ..Status::default() };
        assert_eq!(status.left(), Some(Duration::from_secs(30)));
        status.plan_is_whole = false;
        assert_eq!(status.left(), None);
    }
}
