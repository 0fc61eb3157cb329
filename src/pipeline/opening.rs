//! Which parts are still to do: the plan as it becomes known, less the parts that are committed.

use std::collections::BTreeSet;

use tokio::time::{Duration, Instant};

use crate::dataset::{LeftOut, Part, Segment};
use crate::failure::{Exit, Failure};
use crate::ids::PartId;
use crate::output::{CommittedParts, Layout};
use crate::store::Location;

use super::share::Share;

/// A part is asked for before it is opened if the list of committed parts is older than this: another process may
/// work on the same share. One request a part: a list of a million parts is a thousand requests.
const LISTING_AGE: Duration = Duration::from_secs(30);

/// A part as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPart {
    /// Rows; of a shard the part's footer alone knows them.
    pub rows: Option<u32>,
    /// Hash of its rows.
    pub plan: String,
}

/// The plan as far as it was walked.
#[derive(Debug, Default)]
pub struct Plan {
    /// All parts, by id.
    pub parts: Vec<PlannedPart>,
    /// What the listing left out.
    pub left_out: LeftOut,
    /// True once the last segment was seen.
    pub is_whole: bool,
}

/// Walks the plan together with the committed parts.
#[derive(Debug)]
pub struct Opening {
    share: Share,
    output: Location,
    layout: Layout,
    committed: BTreeSet<PartId>,
    listed: Instant,
    /// The plan so far.
    pub plan: Plan,
}

impl Opening {
    /// Lists the committed parts; on local disk, a part file that is not whole is removed and done again.
    ///
    /// # Errors
    /// The output cannot be listed, has a part of another job, or has a repair that has not ended. A part file cannot
    /// be removed.
    pub async fn begin(share: Share, output: Location, layout: Layout) -> Result<Opening, Failure> {
        let mut committed = CommittedParts::list(&output, &layout).await?;
        for name in committed.drop_torn(&output, &layout).await? {
            tracing::warn!(name, "a part file is not whole: its part is done again");
        }
        let committed = committed.parts.into_keys().collect();
        Ok(Opening { share, output, layout, committed, listed: Instant::now(), plan: Plan::default() })
    }

    /// Takes the next segment to the books, and gives this process's parts of it: (those to do, those done).
    pub fn segment(&mut self, segment: &std::sync::Arc<Segment>) -> (Vec<Part>, Vec<Part>) {
        self.plan.left_out.add(&segment.head().left_out);
        self.plan.is_whole = segment.head().last;
        let parts = segment.parts();
        self.plan
            .parts
            .extend(parts.iter().map(|part| PlannedPart { rows: part.rows, plan: part.plan.clone() }));
        let own = parts.into_iter().filter(|part| self.share.takes(part.id));
        own.partition(|part| !self.committed.contains(&part.id))
    }

    /// True if the part is not committed, by a list that is not old or by the store's answer for this part. What is
    /// written between the answer and the part's own commit is met by the commit.
    ///
    /// # Errors
    /// The store does not answer for the part.
    pub async fn is_missing(&mut self, part: PartId) -> Result<bool, Failure> {
        if self.committed.contains(&part) {
            return Ok(false);
        }
        if self.listed.elapsed() <= LISTING_AGE || self.output.size(&self.layout.part(part)).await?.is_none()
        {
            return Ok(true);
        }
        self.committed.insert(part);
        Ok(false)
    }
}

/// Checks a range of parts: one that begins after the plan's end is an error; one that only ends after it is cut.
pub(crate) fn check_range(share: Share, plan: &Plan) -> Result<(), Failure> {
    let Share::Parts { first, last } = share else { return Ok(()) };
    let parts = plan.parts.len() as u32;
    if first.0 >= parts && plan.is_whole {
        let why = format!("--parts {first}-{last}: the plan has the parts 0 to {}", parts.saturating_sub(1));
        let none = "the plan has no parts: `run` without `--parts` finishes the job";
        return Err(Failure::new(Exit::Usage, if parts == 0 { none.into() } else { why }));
    }
    if last.0 >= parts && plan.is_whole {
        tracing::warn!("--parts {first}-{last}: the plan ends with part {}", parts - 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const LATER: Duration = Duration::from_secs(31);

    #[tokio::test(start_paused = true)]
    async fn an_old_list_is_completed_by_one_request_for_the_part_and_not_by_another_list() {
        let output = Location::in_memory("out").unwrap();
        let layout = Layout::new("0123456789abcdef");
        let [first, second] = [PartId(0), PartId(1)];
        let mut opening = Opening::begin(Share::WHOLE, output.clone(), layout.clone()).await.unwrap();
        output.create_once(&layout.part(first), Bytes::from("x")).await.unwrap();
        assert!(opening.is_missing(first).await.unwrap(), "the list is not old yet");
        // a list would fail over it
        let foreign = Layout::new("fedcba9876543210").part(first);
        output.create_once(&foreign, Bytes::from("x")).await.unwrap();
        assert!(CommittedParts::list(&output, &layout).await.is_err());
        tokio::time::advance(LATER).await;
        assert!(!opening.is_missing(first).await.unwrap());
        assert!(opening.is_missing(second).await.unwrap());
        output.create_once(&layout.part(second), Bytes::from("x")).await.unwrap();
        assert!(!opening.is_missing(second).await.unwrap());
    }
}
