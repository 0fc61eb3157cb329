//! Cuts an input's rows into parts and parts into segments, and freezes each segment by creating it.

use std::sync::Arc;

use futures::stream::{BoxStream, TryStreamExt};
use tokio::time::{Duration, Instant};

use crate::dataset::DatasetError;
use crate::failpoints;
use crate::ids::PartId;
use crate::store::{ListingOrder, Location, StoreError};

use super::left_out::LeftOut;
use super::row::{PlanRow, Unit};
use super::segment::{Segment, SegmentHead, encode_aside, images_of};
use super::source::PlanSource;

/// Parts of the first segments: small ones first, so that inference starts long before a long listing ends.
const PARTS_BY_SEGMENT: [usize; 4] = [1, 4, 16, 64];
const PARTS_OF_LATER_SEGMENTS: usize = 256;
/// No segment holds more rows, whatever its parts; it bounds the planner's memory.
const MOST_ROWS: usize = 1 << 20;

/// How often a follower looks for the next segment.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a process does if the next segment does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// It makes it: there is one such process, or several that list the same input.
    Make,
    /// It waits for the planning process, so long after the last new one.
    Follow(Duration),
    /// It goes without: the walk ends there.
    Look,
}

/// What a planner needs to know of the job.
#[derive(Debug, Clone)]
pub struct PlannerOptions {
    /// Fingerprint of the job, written into each segment.
    pub fingerprint: String,
    /// Rows of each part but the last.
    pub rows_per_part: u32,
    /// Rows in all, at most.
    pub limit: Option<u64>,
    /// Who makes segments.
    pub planning: Planning,
    /// The input's whole listing is collected and sorted.
    pub sorted: bool,
    /// Name of the object that records that the input's listing is out of order after the plan's beginning.
    pub disorder: &'static str,
}

/// Returns the number of segments of a plan of `parts` parts; a shard or row group is a part of one row.
pub fn segments_of(parts: u64, rows_per_part: u32) -> u64 {
    let most = (MOST_ROWS / rows_per_part.max(1) as usize).max(1);
    let size = |parts: usize| parts.min(most) as u64;
    let (mut left, mut segments) = (parts, 0);
    for parts in PARTS_BY_SEGMENT {
        if left == 0 {
            break;
        }
        left = left.saturating_sub(size(parts));
        segments += 1;
    }
    // a plan without a part has one segment, which is empty
    (segments + left.div_ceil(size(PARTS_OF_LATER_SEGMENTS))).max(1)
}

/// Walks the chain: existing segments are read and believed, missing ones are listed, cut and created.
pub struct Planner<'a> {
    source: &'a dyn PlanSource,
    output: &'a Location,
    segment_name: fn(u32) -> String,
    options: PlannerOptions,
    listing: Option<BoxStream<'a, Result<PlanRow, DatasetError>>>,
    next: SegmentHead,
    rows_before: u64,
    /// The first row after the segment that was cut last; `None` if that segment is the last one.
    peeked: Option<PlanRow>,
    /// What was left out up to the last row of the segment that is being cut.
    left_out: LeftOut,
    first: Option<First>,
    done: bool,
}

/// The first segment, before it is asked for.
enum First {
    /// It exists.
    Read(Box<Segment>),
    /// It is to be made of these parts.
    Listed(Vec<Vec<PlanRow>>),
    /// The error that it is.
    Failed(DatasetError),
}

impl<'a> Planner<'a> {
    /// A planner at the beginning of the chain.
    pub fn new(
        source: &'a dyn PlanSource,
        output: &'a Location,
        segment_name: fn(u32) -> String,
        options: PlannerOptions,
    ) -> Self {
        let shape = source.shape();
        let next = SegmentHead {
            fingerprint: options.fingerprint.clone(),
            index: 0,
            first_part: PartId(0),
            first_row: 0,
            parts: Vec::new(),
            last_key: None,
            last_group: None,
            unit: shape.unit,
            carried: shape.carried.to_vec(),
            sets: shape.sets,
            sorted: options.sorted,
            last: false,
            left_out: LeftOut::default(),
        };
        Planner {
            source,
            output,
            segment_name,
            options,
            listing: None,
            next,
            rows_before: 0,
            peeked: None,
            left_out: LeftOut::default(),
            first: None,
            done: false,
        }
    }

    /// Reads the first segment, or lists its rows, before it is asked for. Writes nothing and waits for no other
    /// process; an error is that of [`Planner::next_segment`].
    pub async fn list_first(&mut self) {
        if self.next.index == 0 && self.first.is_none() {
            self.first = self.read_or_list().await.unwrap_or_else(|error| Some(First::Failed(error)));
        }
    }

    async fn read_or_list(&mut self) -> Result<Option<First>, DatasetError> {
        let name = (self.segment_name)(self.next.index);
        match Segment::open(self.output, &name).await? {
            Some(segment) => Ok(Some(First::Read(Box::new(segment)))),
            None if self.options.planning == Planning::Make => Ok(Some(First::Listed(self.cut().await?))),
            None => Ok(None),
        }
    }

    /// From now on nothing is made or waited for.
    pub fn only_look(&mut self) {
        self.options.planning = Planning::Look;
    }

    /// True once the last segment of the chain was seen.
    pub fn is_whole(&self) -> bool {
        self.done
    }

    /// The first part after the segments seen so far.
    pub fn next_part(&self) -> PartId {
        self.next.first_part
    }

    /// Returns the next segment of the chain, or `None` after the last.
    ///
    /// # Errors
    /// The store fails, the plan is not this job's, its rows cannot be listed, or no process makes the segment in time.
    pub async fn next_segment(&mut self) -> Result<Option<Arc<Segment>>, DatasetError> {
        if self.done {
            return Ok(None);
        }
        let name = (self.segment_name)(self.next.index);
        let existing = match self.first.take() {
            Some(First::Failed(error)) => return Err(error),
            Some(First::Read(segment)) => Ok(*segment),
            // if another planner made it meanwhile, the creation shows that
            Some(First::Listed(parts)) => Err(Some(parts)),
            None => self.existing(&name).await?.ok_or(None),
        };
        let segment = match existing {
            Ok(segment) => {
                // another planner or an earlier run wrote it: its rows count, our listing starts after them
                self.restart();
                segment
            }
            Err(listed) if self.options.planning == Planning::Make => self.create(&name, listed).await?,
            Err(_) => return Ok(None),
        };
        let head = segment.head();
        let expected = &self.next;
        let fits = head.fingerprint == expected.fingerprint
            && head.unit == expected.unit
            && (head.index, head.first_part, head.first_row)
                == (expected.index, expected.first_part, expected.first_row);
        if !fits {
            return Err(DatasetError::BadSegment {
                name,
                why: "does not continue the one before, or belongs to another job".into(),
            });
        }
        self.rows_before += head.rows();
        self.done = head.last;
        self.next = SegmentHead {
            index: head.index + 1,
            first_part: head.first_part.plus(head.parts.len()),
            first_row: head.next_row(),
            sorted: head.sorted,
            last_group: head.last_group.or(self.next.last_group),
            last_key: head.last_key.clone().or(self.next.last_key.take()),
            ..self.next.clone()
        };
        Ok(Some(Arc::new(segment)))
    }

    /// Returns the segment, if it exists; a follower waits for it.
    async fn existing(&self, name: &str) -> Result<Option<Segment>, DatasetError> {
        let started = Instant::now();
        loop {
            let found = Segment::open(self.output, name).await?;
            let Planning::Follow(patience) = self.options.planning else { return Ok(found) };
            if found.is_some() {
                return Ok(found);
            }
            if started.elapsed() >= patience {
                return Err(DatasetError::NoPlanner { minutes: patience.as_secs() / 60 });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Makes the segment of the parts that were listed, or lists them.
    async fn create(
        &mut self,
        name: &str,
        listed: Option<Vec<Vec<PlanRow>>>,
    ) -> Result<Segment, DatasetError> {
        if self.next.index > 0 {
            self.may_go_on().await?;
        }
        let cut = match listed {
            Some(parts) => Ok(parts),
            None => self.cut().await,
        };
        let parts = match cut {
            // a listing that begins after the last planned key may hide keys that were out of order before it: no
            // later run may take that for the end
            Err(DatasetError::Store(StoreError::Disorder { key })) if self.next.index > 0 => {
                self.output.create_once(self.options.disorder, key.clone().into_bytes().into()).await?;
                return Err(StoreError::Disorder { key }.into());
            }
            parts => parts?,
        };
        let mut head = self.next.clone();
        head.last = self.peeked.is_none();
        head.left_out = std::mem::take(&mut self.left_out);
        head.sorted = self.sorts();
        if let Some(row) = parts.last().and_then(|rows| rows.last()) {
            let position = row.position();
            head.last_key = Some(position.key);
            head.last_group = position.group;
        }
        let bad = |why: String| DatasetError::BadSegment { name: name.to_owned(), why };
        let (bytes, parts) = encode_aside(head.clone(), parts).await;
        let bytes = bytes.map_err(|error| bad(error.to_string()))?;
        self.output.create_once(name, bytes).await?;
        let segment = Segment::open(self.output, name)
            .await?
            .ok_or_else(|| bad("vanished after it was written".into()))?;
        if failpoints::on("mutant.planner_trusts_its_listing") {
            return Ok(segment.believed(head, &parts));
        }
        let ours = segment.head().last_position() == head.last_position()
            && segment
                .head()
                .parts
                .iter()
                .map(|(images, _)| *images)
                .eq(parts.iter().map(|rows| images_of(rows)));
        if !ours {
            self.restart();
        }
        Ok(segment)
    }

    /// True if rows come from listings that are sorted.
    fn sorts(&self) -> bool {
        self.options.sorted || self.source.order().is_some_and(ListingOrder::is_sorted)
    }

    /// Fails if the existing segments were planned in another order than the listing has. A sorted plan continues so.
    async fn may_go_on(&mut self) -> Result<(), DatasetError> {
        if let Some(key) = self.output.read(self.options.disorder).await? {
            return Err(StoreError::Disorder { key: String::from_utf8_lossy(&key).into_owned() }.into());
        }
        match (self.next.sorted, self.sorts(), self.source.order()) {
            (true, false, Some(order)) => {
                order.sort();
                self.restart();
            }
            // another planner believed an order that was found to be wrong here
            (false, true, Some(_)) if !self.options.sorted => {
                let key = self.next.last_key.clone().unwrap_or_default();
                self.output.create_once(self.options.disorder, key.clone().into_bytes().into()).await?;
                return Err(StoreError::Disorder { key }.into());
            }
            (begun, now, _) if begun != now => {
                return Err(DatasetError::OtherListing { begun: if begun { "sort" } else { "auto" } });
            }
            _ => {}
        }
        Ok(())
    }

    /// Drops the listing: the next segment is listed anew, from after the last committed row.
    fn restart(&mut self) {
        self.listing = None;
        self.peeked = None;
        drop(self.source.take_left_out());
    }

    /// Takes as many rows as the next segment holds; at least one part, though it may be empty.
    async fn cut(&mut self) -> Result<Vec<Vec<PlanRow>>, DatasetError> {
        let most_parts =
            PARTS_BY_SEGMENT.get(self.next.index as usize).copied().unwrap_or(PARTS_OF_LATER_SEGMENTS);
        let rows_per_part = match self.source.shape().unit {
            Unit::Image => self.options.rows_per_part as usize,
            // a part each
            Unit::Shard | Unit::Group => 1,
        };
        let most = (most_parts * rows_per_part).min((MOST_ROWS / rows_per_part).max(1) * rows_per_part);
        let source = self.source;
        if self.listing.is_none() {
            self.listing = Some(source.rows(self.next.last_position().as_ref()));
        }
        let left = self.options.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.rows_before));
        let Some(listing) = &mut self.listing else { return Ok(Vec::new()) };
        let mut parts: Vec<Vec<PlanRow>> = Vec::new();
        let mut taken = 0;
        let mut images: u64 = 0;
        let mut row = match self.peeked.take() {
            Some(row) => Some(row),
            None => listing.try_next().await?,
        };
        while let Some(mut next) = row {
            if images >= left {
                break;
            }
            if taken == most {
                self.peeked = Some(next);
                break;
            }
            if taken % rows_per_part == 0 {
                parts.push(Vec::with_capacity(rows_per_part.min(1 << 16)));
            }
            images += match &mut next.group {
                Some(group) => {
                    group.rows = group.rows.min(u32::try_from(left - images).unwrap_or(u32::MAX));
                    u64::from(group.rows)
                }
                None => 1,
            };
            if let Some(part) = parts.last_mut() {
                part.push(next);
            }
            taken += 1;
            if taken == most {
                // objects left out after the last row belong to the next segment: a resumed listing, which begins
                // there, counts them again
                self.left_out = source.take_left_out();
            }
            row = listing.try_next().await?;
        }
        if self.peeked.is_none() {
            self.left_out.add(&source.take_left_out());
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::segments_of;

    #[test]
    fn segments_grow_up_to_256_parts_and_a_million_rows() {
        for (parts, segments) in
            [(0, 1), (1, 1), (2, 2), (5, 2), (6, 3), (21, 3), (85, 4), (86, 5), (341, 5), (342, 6)]
        {
            assert_eq!(segments_of(parts, 1024), segments, "{parts}");
        }
        // 32 parts of 32,768 rows are a million
        assert_eq!((segments_of(21, 32_768), segments_of(53, 32_768), segments_of(54, 32_768)), (3, 4, 5));
    }
}
