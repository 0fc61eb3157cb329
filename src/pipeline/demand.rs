//! How many images are on their way: as many as the decoders and devices need, by the latency that is measured.
//!
//! By Little's law, images that are on their way = images a second × seconds of each. What decoders and devices can take
//! is measured while they work, and so is the latency. Three things are left to trial: images whose batch waits for a
//! slow one, a store that answers later the more it is asked, and a connection that is full. So the number grows only
//! while the stages after reading wait for it, and a growth that brings no more images is taken back.

use std::convert::Infallible;

use tokio::time::{Duration, Instant};

use crate::job::Limits;

use super::admission::Admission;
use super::meters::Stages;
use super::progress::Progress;

/// On their way, by what is needed on average: latencies vary.
const HEADROOM: f64 = 2.0;
/// Fewer are never allowed while the number follows.
const LEAST: usize = 64;
/// Images for each decode thread that have come and wait for it.
const QUEUED: usize = 4;
/// Decoders or devices that are busy for less of the time wait for images.
const BUSY: f64 = 0.9;
/// Share of the time in which admission waits for an image to be decoded, if the number on their way is what is short.
const HELD_UP: f64 = 0.5;
/// A growth brings at least this, or it is taken back.
const BRINGS: f64 = 1.1;
/// Decisions for which a number that was tried holds.
const HOLDS: u32 = 20;
/// Images and time that a decision rests on, at least.
const FEWEST: u64 = 64;
const SHORTEST: Duration = Duration::from_millis(500);
/// How often the meters are read.
const TICK: Duration = Duration::from_millis(100);

/// Images that may have come and not be decoded, beside those that are requested: some for each decode thread, and a
/// batch, so that the images of one batch can all come while others wait for slow ones.
pub(crate) fn beside(workers: usize, batch_size: usize) -> usize {
    batch_size.max(QUEUED * workers)
}

/// What was seen since the last decision.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Images that came, a second.
    rate: f64,
    /// Seconds from an image's admission until its bytes are there.
    latency: f64,
    /// Images a second that decoders and devices can take.
    capacity: f64,
    /// The stages after reading wait, because no more images are on their way.
    is_short: bool,
}

impl Seen {
    /// Between two readings of the meters; `None` if too little happened.
    fn between(before: &Stages, now: &Stages, time: Duration) -> Option<Seen> {
        let seconds = time.as_secs_f64();
        let images = now.fetch.times - before.fetch.times;
        let latency = (now.fetch.seconds - before.fetch.seconds) / images.max(1) as f64;
        if images < FEWEST || time < SHORTEST || seconds < 2.0 * latency {
            return None;
        }
        let (workers, engines) = (now.setup.workers.max(1) as f64, now.setup.engines.max(1) as f64);
        let busy = [
            (now.decode.seconds + now.rows.seconds - before.decode.seconds - before.rows.seconds) / workers,
            (now.engine.seconds - before.engine.seconds) / engines,
        ];
        let done = [now.decode.times - before.decode.times, now.batch_rows - before.batch_rows];
        let capacity =
            |stage: usize| if busy[stage] > 0.0 { done[stage] as f64 / busy[stage] } else { f64::INFINITY };
        let held_up = (now.wait_row.seconds - before.wait_row.seconds) / seconds;
        Some(Seen {
            rate: images as f64 / seconds,
            latency,
            capacity: capacity(0).min(capacity(1)),
            is_short: busy.iter().all(|busy| busy / seconds < BUSY) && held_up > HELD_UP,
        })
    }
}

/// A number that was tried.
#[derive(Debug, Clone, Copy)]
struct Tried {
    requests: usize,
    /// Images a second with it.
    rate: f64,
}

/// How many requests there may be.
#[derive(Debug)]
struct Demand {
    requests: usize,
    most: usize,
    /// What the last growth came from.
    grown: Option<Tried>,
    /// Decisions until a growth is tried again.
    pause: u32,
    /// The number that was too small last, and for how many decisions more that counts.
    short: Option<(usize, u32)>,
}

impl Demand {
    fn new(requests: usize, most: usize) -> Self {
        Demand { requests, most, grown: None, pause: 0, short: None }
    }

    fn next(&mut self, seen: Seen) -> usize {
        self.pause = self.pause.saturating_sub(1);
        self.short = self.short.and_then(|(requests, left)| Some((requests, left.checked_sub(1)?)));
        let needed = (HEADROOM * seen.capacity * seen.latency).min(self.most as f64) as usize;
        let grown = self.grown.take();
        if let Some(before) = grown
            && seen.is_short
            && seen.rate < BRINGS * before.rate
        {
            self.requests = before.requests;
            self.pause = HOLDS;
        } else if seen.is_short {
            if self.pause == 0 && self.requests < self.most {
                let before = Tried { requests: self.requests, rate: seen.rate };
                (self.grown, self.short) = (Some(before), Some((self.requests, HOLDS)));
                self.requests =
                    needed.clamp(self.requests + self.requests / 2, 2 * self.requests).min(self.most);
            }
        } else {
            // what was too few a moment ago is too few again
            let enough = self.short.map_or(0, |(requests, _)| requests + requests / 4);
            let least = needed.max(enough).max(LEAST);
            self.requests = self.requests.min(least.max(self.requests - self.requests / 4));
        }
        self.requests
    }
}

/// Lets the images on their way follow what is needed, where the number of requests is not fixed. `beside` are those that
/// need no request any more.
pub(crate) async fn follow(
    progress: &Progress,
    admission: &Admission,
    limits: &Limits,
    beside: usize,
) -> Infallible {
    if limits.most_requests <= limits.requests {
        return std::future::pending().await;
    }
    let mut demand = Demand::new(limits.requests, limits.most_requests);
    let (mut before, mut since) = (progress.meters.read(), Instant::now());
    loop {
        tokio::time::sleep(TICK).await;
        let now = progress.meters.read();
        let Some(seen) = Seen::between(&before, &now, since.elapsed()) else { continue };
        let requests = demand.next(seen);
        tracing::debug!(requests, ?seen, "requests follow demand");
        progress.meters.allow(requests);
        admission.allow(requests + beside);
        (before, since) = (now, Instant::now());
    }
}

#[cfg(test)]
mod tests;
