//! The parts that come next, in plan order. The first of them are read ahead of their turn.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::dataset::{Part, Segment, Warm};

use super::opening::Opening;
use super::shared::Shared;

/// The parts that come next.
pub(super) struct Upcoming {
    segments: mpsc::Receiver<Arc<Segment>>,
    planned: VecDeque<Part>,
    warm: VecDeque<(Part, Warm)>,
    /// Parts that are read ahead, at most.
    most: usize,
}

impl Upcoming {
    pub fn new(segments: mpsc::Receiver<Arc<Segment>>, shared: &Shared) -> Self {
        let most = shared.dataset.read_ahead().parts.max(1);
        Upcoming { segments, planned: VecDeque::new(), warm: VecDeque::new(), most }
    }

    /// The next part that is not committed yet, and what keeps it warm; `None` after the last one.
    pub async fn next(&mut self, opening: &mut Opening, shared: &Shared) -> Option<(Part, Warm)> {
        loop {
            self.fill(opening, shared);
            if let Some(next) = self.warm.pop_front() {
                return Some(next);
            }
            let segment = self.segments.recv().await?;
            self.receive(&segment, opening, shared);
        }
    }

    /// Awaits `work`, and meanwhile begins to read the parts that are planned.
    pub async fn beside<T>(
        &mut self,
        work: impl Future<Output = T>,
        opening: &mut Opening,
        shared: &Shared,
    ) -> T {
        let more = async {
            while self.known() < self.most
                && let Some(segment) = self.segments.recv().await
            {
                self.receive(&segment, opening, shared);
                self.fill(opening, shared);
            }
            pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            done = work => done,
            never = more => match never {},
        }
    }

    fn known(&self) -> usize {
        self.planned.len() + self.warm.len()
    }

    /// Takes the segments that have come, and begins to read their first parts.
    fn fill(&mut self, opening: &mut Opening, shared: &Shared) {
        while self.known() < self.most
            && let Ok(segment) = self.segments.try_recv()
        {
            self.receive(&segment, opening, shared);
        }
        while self.warm.len() < self.most
            && let Some(part) = self.planned.pop_front()
        {
            let warm = shared.dataset.warm(&part);
            self.warm.push_back((part, warm));
        }
    }

    fn receive(&mut self, segment: &Arc<Segment>, opening: &mut Opening, shared: &Shared) {
        let (missing, done) = opening.segment(segment);
        shared.progress.resume(done.iter().map(|part| part.rows.map_or(0, u64::from)).sum());
        shared.progress.resume_parts(done.len() as u64);
        self.planned.extend(missing);
    }
}
