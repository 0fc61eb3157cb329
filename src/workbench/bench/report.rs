//! What was measured, as medians of the rounds, and what it means.

use serde::{Serialize, Serializer};

use crate::engine::Engine;
use crate::pipeline::progress::Snapshot;
use crate::pipeline::utilisation::{Bottleneck, Utilisation};

use super::stages::Bench;

/// One round of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub images: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Summed over threads, or over images on their way.
    pub busy: f64,
}

/// One round of encoding.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Encoded {
    pub parts: u64,
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// One round of writing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Committed {
    pub parts: u64,
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// All rounds.
#[derive(Default)]
pub(super) struct Runs {
    pub fetch: Vec<Measured>,
    pub decode: Vec<Measured>,
    pub engine: Vec<Measured>,
    pub together: Vec<Snapshot>,
    pub encode: Vec<Encoded>,
    pub commit: Vec<Result<Committed, String>>,
}

/// The whole measurement.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// Images that were asked for.
    pub images: u64,
    /// Rounds, of which every rate is the median.
    pub rounds: usize,
    /// Bytes of an image, on average.
    pub bytes_per_image: f64,
    /// Reading alone.
    pub fetch: FetchRate,
    /// Decoding alone.
    pub decode: DecodeRate,
    /// The network alone.
    pub engine: EngineRate,
    /// From rows to files on one thread; none if no part was done in the time.
    pub encode: Option<EncodeRate>,
    /// Writing files one after another.
    pub commit: CommitRate,
    /// The whole pipeline.
    pub together: Together,
    /// What the stages alone promise of the whole.
    pub expected: Expected,
    /// The whole by what was expected of it.
    #[serde(serialize_with = "if_measured")]
    pub share: f64,
    /// The stage that promises the least, if each was measured; `together.utilisation` has the one that was busy.
    pub bottleneck: Option<Bottleneck>,
    /// What would raise the rate.
    pub advice: Option<&'static str>,
}

/// Writes a rate, or null for a stage that finished no image in the time.
fn if_measured<S: Serializer>(rate: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Some(*rate).filter(|rate| *rate > 0.0).serialize(serializer)
}

/// Reading alone.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct FetchRate {
    #[serde(serialize_with = "if_measured")]
    pub images_per_s: f64,
    pub bytes_per_s: f64,
    /// Images on their way, on average.
    pub in_flight: f64,
    pub runs: Vec<f64>,
}

/// Decoding alone.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct DecodeRate {
    #[serde(serialize_with = "if_measured")]
    pub images_per_s: f64,
    pub workers: usize,
    /// By the time in which the workers were busy.
    #[serde(serialize_with = "if_measured")]
    pub images_per_s_per_worker: f64,
    pub runs: Vec<f64>,
}

/// The network alone.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct EngineRate {
    #[serde(serialize_with = "if_measured")]
    pub images_per_s: f64,
    pub provider: String,
    pub batch_size: usize,
    pub runs: Vec<f64>,
}

/// From rows to files.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct EncodeRate {
    pub images_per_s: f64,
    pub bytes_per_image: f64,
    /// On average; fewer than the job's if one of those would take too long.
    pub rows_per_part: f64,
    pub runs: Vec<f64>,
}

/// Writing.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum CommitRate {
    Measured { images_per_s: f64, bytes_per_s: f64, seconds_per_part: f64 },
    Not { not_measured: String },
}

/// The whole pipeline.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct Together {
    /// From the first request to the last rows.
    #[serde(serialize_with = "if_measured")]
    pub images_per_s: f64,
    pub runs: Vec<f64>,
    /// Of the round with that rate.
    pub utilisation: Utilisation,
}

/// What the stages alone promise.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs)]
pub struct Expected {
    #[serde(serialize_with = "if_measured")]
    pub images_per_s: f64,
    /// With E of the network, D of decoding and F of reading.
    pub formula: &'static str,
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Whole microseconds, at least one.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round().max(1.0) / 1e6
}

fn ratio(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

/// The position of the lower median.
fn middle(values: &[f64]) -> Option<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order.get(order.len().saturating_sub(1) / 2).copied()
}

pub(super) fn median(values: &[f64]) -> f64 {
    middle(values).map_or(0.0, |position| values[position])
}

fn each<T>(runs: &[T], value: impl Fn(&T) -> f64) -> Vec<f64> {
    runs.iter().map(|run| rounded(value(run))).collect()
}

fn per_second(run: &Measured) -> f64 {
    ratio(run.images as f64, run.seconds)
}

/// Images a second from the first request to the last rows.
fn rate(run: &Snapshot) -> f64 {
    ratio(run.stages.batch_rows as f64, run.until_last_rows.as_secs_f64())
}

/// The stage that promises the least; `None` if one was not measured. Where network and decoders share cores, it is the
/// one that takes more.
fn slowest(engine: f64, decode: f64, expected: &Expected) -> Option<Bottleneck> {
    match expected.formula {
        _ if expected.images_per_s <= 0.0 => None,
        "F" => Some(Bottleneck::Fetch),
        _ if engine <= decode => Some(Bottleneck::Engine),
        _ => Some(Bottleneck::Decode),
    }
}

impl Runs {
    /// Images a second of the slower of network and decoders, in the last round.
    pub fn slower_rate(&self) -> f64 {
        let last = [&self.decode, &self.engine].into_iter().filter_map(|runs| runs.last());
        last.map(per_second).fold(f64::INFINITY, f64::min)
    }

    pub fn report(self, bench: &Bench, bytes_per_image: f64) -> BenchReport {
        let Runs { fetch, decode, engine, together, encode, commit } = self;
        let rates = each(&together, rate);
        let utilisation = middle(&rates).and_then(|position| together.get(position));
        let utilisation =
            utilisation.cloned().unwrap_or_else(|| crate::pipeline::progress::Progress::default().snapshot());
        let utilisation = utilisation.utilisation();
        let fetched = each(&fetch, per_second);
        let decoded = each(&decode, per_second);
        let inferred = each(&engine, per_second);
        let whole = median(&rates);
        let expected = expected(median(&inferred), median(&decoded), median(&fetched), bench.shares_cores());
        let bottleneck = slowest(median(&inferred), median(&decoded), &expected);
        BenchReport {
            images: bench.options.images,
            rounds: bench.options.rounds,
            bytes_per_image: bytes_per_image.round(),
            fetch: FetchRate {
                images_per_s: median(&fetched),
                bytes_per_s: median(&each(&fetch, |run| ratio(run.bytes as f64, run.seconds))).round(),
                in_flight: median(&each(&fetch, |run| ratio(run.busy, run.seconds))),
                runs: fetched,
            },
            decode: DecodeRate {
                images_per_s: median(&decoded),
                workers: bench.job.limits.decode_threads,
                images_per_s_per_worker: median(&each(&decode, |run| ratio(run.images as f64, run.busy))),
                runs: decoded,
            },
            engine: EngineRate {
                images_per_s: median(&inferred),
                provider: bench.engine.provider().to_owned(),
                batch_size: bench.engine.spec().fixed_batch.unwrap_or(bench.job.limits.batch_size),
                runs: inferred,
            },
            encode: (!encode.is_empty()).then(|| EncodeRate {
                images_per_s: median(&each(&encode, |run| ratio(run.rows as f64, run.seconds))),
                bytes_per_image: median(&each(&encode, |run| ratio(run.bytes as f64, run.rows as f64))),
                rows_per_part: median(&each(&encode, |run| ratio(run.rows as f64, run.parts as f64))).round(),
                runs: each(&encode, |run| ratio(run.rows as f64, run.seconds)),
            }),
            commit: written(commit),
            together: Together { images_per_s: whole, runs: rates, utilisation },
            share: rounded(ratio(whole, expected.images_per_s)),
            expected,
            bottleneck,
            advice: bottleneck.map(Bottleneck::advice),
        }
    }
}

fn written(runs: Vec<Result<Committed, String>>) -> CommitRate {
    let (done, refused): (Vec<_>, Vec<_>) = runs.into_iter().partition(Result::is_ok);
    let done: Vec<Committed> = done.into_iter().flatten().collect();
    if done.is_empty() {
        let why = refused.into_iter().find_map(Result::err);
        return CommitRate::Not { not_measured: why.unwrap_or_else(|| "no round".into()) };
    }
    let seconds: Vec<f64> = done.iter().map(|run| ratio(run.seconds, run.parts as f64)).collect();
    CommitRate::Measured {
        images_per_s: median(&each(&done, |run| ratio(run.rows as f64, run.seconds))),
        bytes_per_s: median(&each(&done, |run| ratio(run.bytes as f64, run.seconds))).round(),
        // a part of a small measurement takes less than a millisecond on a fast disk, which `each` would round to 0
        seconds_per_part: microseconds(median(&seconds)),
    }
}

/// Network and decoders share the cores of a CPU, so their times add up; reading overlaps them. Returns 0 if the rate
/// of one of them is 0, which means that it was not measured.
fn expected(engine: f64, decode: f64, fetch: f64, shares_cores: bool) -> Expected {
    let (both, formula) = if shares_cores {
        (ratio(engine * decode, engine + decode), "1 / (1/E + 1/D)")
    } else {
        (engine.min(decode), "min(E, D)")
    };
    if fetch < both {
        return Expected { images_per_s: rounded(fetch), formula: "F" };
    }
    Expected { images_per_s: rounded(both), formula }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_that_share_cores_add_their_times_and_others_do_not() {
        let shared = expected(20.0, 20.0, 1000.0, true);
        assert_eq!((shared.images_per_s, shared.formula), (10.0, "1 / (1/E + 1/D)"));
        let apart = expected(20.0, 30.0, 1000.0, false);
        assert_eq!((apart.images_per_s, apart.formula), (20.0, "min(E, D)"));
        let reading = expected(20.0, 30.0, 5.0, false);
        assert_eq!((reading.images_per_s, reading.formula), (5.0, "F"));
    }

    #[test]
    fn nothing_is_expected_of_stages_of_which_one_was_not_measured() {
        for (engine, decode, fetch) in [(4000.0, 0.0, 9000.0), (0.0, 30.0, 9000.0), (20.0, 30.0, 0.0)] {
            for shares_cores in [true, false] {
                let expected = expected(engine, decode, fetch, shares_cores);
                assert_eq!(expected.images_per_s, 0.0);
                assert!(slowest(engine, decode, &expected).is_none());
                assert!(serde_json::to_value(expected).unwrap()["images_per_s"].is_null());
            }
        }
        let expected = expected(20.0, 30.0, 9000.0, false);
        assert!(matches!(slowest(20.0, 30.0, &expected), Some(Bottleneck::Engine)));
    }

    #[test]
    fn the_median_is_the_lower_middle_and_nothing_of_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_part_that_is_written_in_no_time_took_some() {
        let run = Committed { parts: 4, rows: 100, bytes: 1000, seconds: 0.0014 };
        let CommitRate::Measured { seconds_per_part, .. } = written(vec![Ok(run)]) else {
            panic!("it was measured");
        };
        assert_eq!(seconds_per_part, 0.00035);
    }

    #[test]
    fn a_commit_that_was_refused_says_why() {
        let refused = written(vec![Err("denied".into())]);
        assert!(matches!(refused, CommitRate::Not { not_measured } if not_measured == "denied"));
        let run = Committed { parts: 2, rows: 100, bytes: 1000, seconds: 0.5 };
        let CommitRate::Measured { images_per_s, seconds_per_part, .. } = written(vec![Ok(run)]) else {
            panic!("it was measured");
        };
        assert_eq!((images_per_s, seconds_per_part), (200.0, 0.25));
    }
}
