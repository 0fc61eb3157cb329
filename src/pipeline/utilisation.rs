//! What a run's stages were busy with, and which of them the others waited for.

use std::time::Duration;

use serde::Serialize;

use super::progress::Snapshot;

/// A stage that is busy for this share of the time is what the others wait for.
const BUSY: f64 = 0.75;
/// No part takes rows for this share of the time: the parts themselves are late.
const NO_PART: f64 = 0.25;
/// In a run so short, every stage waits for the first and the last batch.
const SHORT: Duration = Duration::from_secs(2);

/// The stage that decides the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bottleneck {
    /// Listing and freezing the plan.
    Plan,
    /// Reading images.
    Fetch,
    /// Decoding them.
    Decode,
    /// The network.
    Engine,
    /// Writing parts.
    Commit,
    /// All cores are busy, and neither with decoding nor with the network alone.
    Cores,
}

impl Bottleneck {
    /// Every stage that can be one.
    pub const ALL: [Bottleneck; 6] = [
        Bottleneck::Plan,
        Bottleneck::Fetch,
        Bottleneck::Decode,
        Bottleneck::Engine,
        Bottleneck::Commit,
        Bottleneck::Cores,
    ];

    /// Its name in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Bottleneck::Plan => "plan",
            Bottleneck::Fetch => "fetch",
            Bottleneck::Decode => "decode",
            Bottleneck::Engine => "engine",
            Bottleneck::Commit => "commit",
            Bottleneck::Cores => "cores",
        }
    }

    /// What would raise the rate.
    pub fn advice(self) -> &'static str {
        match self {
            Bottleneck::Plan => {
                "no part was there to read: the listing is slow; write the plan before (`plan JOB --write`)"
            }
            Bottleneck::Fetch => {
                "the later stages wait for images: leave `limits.requests` out or raise it (and \
                 `limits.in_flight_bytes`), run nearer to the store, or keep small images in shards"
            }
            Bottleneck::Decode => {
                "the decoders are busy all the time: more cores, or more processes (`--worker I/N`), raise the rate; \
                 nothing else does"
            }
            Bottleneck::Engine => {
                "the network is busy all the time: a faster device, a lower `model.precision` where it supports one, \
                 or more processes (`--worker I/N`) on other machines raise the rate; nothing else does"
            }
            Bottleneck::Commit => {
                "parts wait to be written: run nearer to the store, or write less (`output.embedding = \"f16\"` or \
                 \"none\", `output.logits = false`)"
            }
            Bottleneck::Cores => {
                "all cores are busy, much of it with reading and encoding: more cores, or more processes \
                 (`--worker I/N`) on other machines, raise the rate"
            }
        }
    }
}

/// The stages of a run, each against what it could have done in the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Utilisation {
    /// Reading.
    pub fetch: Fetch,
    /// Decoding.
    pub decode: Decode,
    /// The network.
    pub engine: Engine,
    /// From outputs to rows, on the decoders' threads.
    pub rows: Busy,
    /// From rows to files, on separate threads.
    pub encode: Busy,
    /// Writing.
    pub commit: Commit,
    /// The processor, where the system reports it.
    pub cpu: Option<Cpu>,
    /// The stage that decides the rate; `None` where nothing was done, or too little to decide.
    pub bottleneck: Option<Bottleneck>,
}

/// Reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fetch {
    /// Images that came, those of parts that were given up among them.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes a second.
    pub bytes_per_s: f64,
    /// Images that were admitted and not yet there, on average.
    pub in_flight: f64,
    /// Requests that may be in flight, in the end where they follow what is needed.
    pub requests: usize,
    /// Share of the time in which the next image waited until fewer were on their way: the stages behind are slower, or
    /// more requests are needed.
    pub waits_for_row: f64,
    /// Share of the time in which it waited for `limits.in_flight_bytes`.
    pub waits_for_bytes: f64,
    /// Share of the time in which no part was open to be read.
    pub waits_for_part: f64,
}

/// Decoding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decode {
    /// Threads.
    pub workers: usize,
    /// Images.
    pub images: u64,
    /// Seconds, summed over the threads.
    pub busy_s: f64,
    /// Share of the threads' time.
    pub busy: f64,
    /// Images a second of busy time.
    pub images_per_s_per_worker: f64,
    /// Images that waited for a thread, on average.
    pub queue: f64,
}

/// The network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Engine {
    /// Batches.
    pub batches: u64,
    /// Images a batch, on average.
    pub images_per_batch: f64,
    /// Seconds.
    pub busy_s: f64,
    /// Share of the time.
    pub busy: f64,
    /// Share of the time in which its thread waited for a batch.
    pub waits_for_batch: f64,
    /// Share of the time in which it waited until rows were made of earlier outputs.
    pub waits_for_outputs: f64,
}

/// A stage that only computes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Busy {
    /// Seconds, summed over the threads.
    pub busy_s: f64,
    /// By the time: 1 is one core.
    pub busy: f64,
}

/// Writing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Commit {
    /// Files.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Seconds, summed over the parts.
    pub busy_s: f64,
    /// Parts being written, on average.
    pub in_flight: f64,
}

/// The processor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cpu {
    /// Cores of this machine that the process may use.
    pub cores: usize,
    /// Seconds of the whole process.
    pub busy_s: f64,
    /// Share of the cores' time.
    pub busy: f64,
    /// Milliseconds an image.
    pub ms_per_image: f64,
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

impl Snapshot {
    /// The stages against the time since everything was loaded.
    pub fn utilisation(&self) -> Utilisation {
        let time = self.working.as_secs_f64().max(1e-9);
        let stages = &self.stages;
        let share = |seconds: f64| rounded(seconds / time);
        let per = |amount: f64, of: f64| if of > 0.0 { rounded(amount / of) } else { 0.0 };
        let workers = stages.setup.workers.max(1) as f64;
        let engines = stages.setup.engines.max(1) as f64;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = stages.cpu.map(|busy| Cpu {
            cores,
            busy_s: rounded(busy),
            busy: share(busy / cores as f64),
            ms_per_image: per(1e3 * busy, self.rows as f64),
        });
        Utilisation {
            fetch: Fetch {
                images: stages.fetch.times,
                bytes: self.bytes,
                bytes_per_s: (self.bytes as f64 / time).round(),
                in_flight: share(stages.fetch.seconds),
                requests: stages.setup.requests,
                waits_for_row: share(stages.wait_row.seconds),
                waits_for_bytes: share(stages.wait_bytes.seconds),
                waits_for_part: share(stages.wait_part.seconds),
            },
            decode: Decode {
                workers: stages.setup.workers,
                images: stages.decode.times,
                busy_s: rounded(stages.decode.seconds),
                busy: share(stages.decode.seconds / workers),
                images_per_s_per_worker: per(stages.decode.times as f64, stages.decode.seconds),
                queue: share(stages.queue.seconds),
            },
            engine: Engine {
                batches: stages.batches,
                images_per_batch: per(stages.batch_rows as f64, stages.batches as f64),
                busy_s: rounded(stages.engine.seconds),
                busy: share(stages.engine.seconds / engines),
                waits_for_batch: share(stages.wait_batch.seconds / engines),
                waits_for_outputs: share(stages.wait_outputs.seconds / engines),
            },
            rows: Busy { busy_s: rounded(stages.rows.seconds), busy: share(stages.rows.seconds) },
            encode: Busy { busy_s: rounded(stages.encode.seconds), busy: share(stages.encode.seconds) },
            commit: Commit {
                parts: stages.commit.times,
                bytes: stages.commit_bytes,
                busy_s: rounded(stages.commit.seconds),
                in_flight: share(stages.commit.seconds),
            },
            cpu,
            bottleneck: self.bottleneck(cpu.map(|cpu| cpu.busy)),
        }
    }

    fn bottleneck(&self, cpu: Option<f64>) -> Option<Bottleneck> {
        if self.rows == 0 || self.working < SHORT {
            return None;
        }
        let stages = &self.stages;
        let share = |seconds: f64| seconds / self.working.as_secs_f64().max(1e-9);
        if share(stages.wait_part.seconds) > NO_PART {
            return Some(if share(stages.commit.seconds) >= 1.0 {
                Bottleneck::Commit
            } else {
                Bottleneck::Plan
            });
        }
        let workers = stages.setup.workers.max(1) as f64;
        let decode = share((stages.decode.seconds + stages.rows.seconds) / workers);
        let engine = share(stages.engine.seconds / stages.setup.engines.max(1) as f64);
        let busiest = if engine >= decode { Bottleneck::Engine } else { Bottleneck::Decode };
        Some(if engine.max(decode) >= BUSY {
            busiest
        } else if cpu.is_some_and(|cpu| cpu >= BUSY) {
            Bottleneck::Cores
        } else {
            Bottleneck::Fetch
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::meters::{Metered, Setup};
    use crate::pipeline::progress::Progress;

    /// Ten seconds of two workers.
    fn ten_seconds() -> Snapshot {
        let mut run = Progress::default().snapshot();
        run.working = Duration::from_secs(10);
        run.rows = 1000;
        run.stages.setup = Setup { workers: 2, requests: 64, engines: 1, shares_cores: true };
        run
    }

    fn took(seconds: f64) -> Metered {
        Metered { seconds, times: 1000 }
    }

    #[test]
    fn the_busy_stage_is_the_bottleneck_and_where_none_is_reading_is() {
        let mut run = ten_seconds();
        run.stages.fetch = took(600.0);
        assert_eq!(run.utilisation().bottleneck, Some(Bottleneck::Fetch));
        run.stages.decode = took(18.0);
        let measured = run.utilisation();
        assert_eq!(measured.bottleneck, Some(Bottleneck::Decode));
        assert_eq!((measured.decode.busy, measured.decode.images_per_s_per_worker), (0.9, 55.5556));
        run.stages.engine = took(9.5);
        assert_eq!(run.utilisation().bottleneck, Some(Bottleneck::Engine));
    }

    #[test]
    fn where_no_part_is_open_writing_or_listing_is_the_bottleneck() {
        let mut run = ten_seconds();
        run.stages.wait_part = took(5.0);
        assert_eq!(run.utilisation().bottleneck, Some(Bottleneck::Plan));
        run.stages.commit = took(30.0);
        assert_eq!(run.utilisation().bottleneck, Some(Bottleneck::Commit));
    }

    #[test]
    fn cores_that_are_busy_with_the_rest_are_told_from_waiting() {
        let mut run = ten_seconds();
        run.stages.cpu = Some(9.5 * std::thread::available_parallelism().unwrap().get() as f64);
        assert_eq!(run.utilisation().bottleneck, Some(Bottleneck::Cores));
        run.rows = 0;
        assert_eq!(run.utilisation().bottleneck, None);
    }
}
