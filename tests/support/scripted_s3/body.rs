//! Bodies that break as scripted.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use super::InFlight;
use super::faults::Break;

/// Time for what was written before a break to reach the client.
const FLUSH: Duration = Duration::from_millis(30);

/// Bytes that go out at once, where a bandwidth is set.
const FRAME: usize = 64 << 10;

/// How many bodies had noise.
static NOISE: AtomicU64 = AtomicU64::new(0);

/// The connection ends here, as scripted.
#[derive(Debug)]
pub(super) struct HangUp;

impl fmt::Display for HangUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the script closes the connection")
    }
}

impl std::error::Error for HangUp {}

enum Step {
    Data(Bytes),
    /// Data whose time has come.
    Late(Bytes),
    Wait(Duration),
    HangUp,
    Reset,
}

/// How fast a body goes out.
struct Pace {
    bandwidth: u64,
    began: Option<Instant>,
    sent: u64,
}

impl Pace {
    /// Sends some of these bytes; returns the rest, and when it may follow.
    fn send(&mut self, bytes: &mut Bytes) -> (Bytes, Instant) {
        let began = *self.began.get_or_insert_with(Instant::now);
        let rest = bytes.split_off(bytes.len().min(FRAME));
        self.sent += bytes.len() as u64;
        (rest, began + Duration::from_secs_f64(self.sent as f64 / self.bandwidth as f64))
    }
}

/// A body in steps.
pub(super) struct Script {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<Sleep>>>,
    pace: Option<Pace>,
    reset: Arc<AtomicBool>,
    _in_flight: InFlight,
}

/// A body, and the `Content-Length` that goes with it; without one it goes in chunks.
pub(super) struct Scripted {
    pub body: Script,
    pub length: Option<usize>,
}

/// The bytes, broken if the script says so; `reset` is the switch of their connection.
pub(super) fn scripted(
    bytes: Bytes,
    way: Option<Break>,
    reset: Arc<AtomicBool>,
    (in_flight, bandwidth): (InFlight, Option<u64>),
) -> Scripted {
    let whole = bytes.len();
    let part = |at: f64| bytes.slice(..((whole as f64 * at) as usize).min(whole));
    let (steps, length) = match way {
        None => (vec![Step::Data(bytes)], Some(whole)),
        Some(Break::Cut { at }) => (vec![Step::Data(part(at)), Step::Wait(FLUSH), Step::HangUp], Some(whole)),
        Some(Break::Reset { at }) => {
            (vec![Step::Data(part(at)), Step::Wait(FLUSH), Step::Reset], Some(whole))
        }
        Some(Break::Stall { at, pause }) => {
            let first = part(at);
            let rest = bytes.slice(first.len()..);
            (vec![Step::Data(first), Step::Wait(pause), Step::Data(rest)], Some(whole))
        }
        Some(Break::Short { at }) => {
            let short = part(at);
            let length = short.len();
            (vec![Step::Data(short)], Some(length))
        }
        Some(Break::Zeroed { from }) => (vec![Step::Data(filled(&bytes, from, |_| 0))], Some(whole)),
        Some(Break::Noise { from }) => {
            let seed = NOISE.fetch_add(1, Ordering::Relaxed);
            let noise =
                |index: usize| (index as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
            (vec![Step::Data(filled(&bytes, from, noise))], Some(whole))
        }
        Some(Break::ChunksCut { at }) => (vec![Step::Data(part(at)), Step::Wait(FLUSH), Step::HangUp], None),
        Some(Break::ChunksShort { at }) => (vec![Step::Data(part(at))], None),
    };
    let data = |step: &Step| !matches!(step, Step::Data(bytes) if bytes.is_empty());
    let steps = steps.into_iter().filter(data).collect();
    let pace = bandwidth.map(|bandwidth| Pace { bandwidth, began: None, sent: 0 });
    Scripted { body: Script { steps, waiting: None, pace, reset, _in_flight: in_flight }, length }
}

/// The bytes, with others from a share of them on.
fn filled(bytes: &Bytes, from: f64, fill: impl Fn(usize) -> u8) -> Bytes {
    let kept = ((bytes.len() as f64 * from) as usize).min(bytes.len());
    bytes[..kept].iter().copied().chain((kept..bytes.len()).map(fill)).collect()
}

impl Body for Script {
    type Data = Bytes;
    type Error = HangUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HangUp>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(mut bytes)) => {
                    if let Some(pace) = &mut self.pace {
                        let (rest, at) = pace.send(&mut bytes);
                        // the last byte, too, comes as late as the bandwidth has it
                        if !rest.is_empty() {
                            self.steps.push_front(Step::Data(rest));
                        }
                        self.steps.push_front(Step::Late(bytes));
                        self.waiting = Some(Box::pin(tokio::time::sleep_until(at)));
                        continue;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Late(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Wait(time)) => self.waiting = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::HangUp) => return Poll::Ready(Some(Err(HangUp))),
                Some(Step::Reset) => {
                    self.reset.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(HangUp)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }
}
