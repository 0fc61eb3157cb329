//! How much a run may hold at once, and when it gives up.

use std::time::Duration;

use crate::image;
use crate::open_files;

use super::error::JobError;
use super::spec::JobSpec;
use super::units::Quantity;

/// A part is encoded in memory and written by one request.
pub(super) const MAX_PART_BYTES: u64 = 512 << 20;

/// What a run holds at once, and when it gives up. None of it decides a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Images a batch.
    pub batch_size: usize,
    /// Requests in flight, at first where their number is not typed.
    pub requests: usize,
    /// Requests in flight, at most: more than `requests` where their number follows what is needed.
    pub most_requests: usize,
    /// Encoded bytes in flight.
    pub in_flight_bytes: u64,
    /// Threads that decode and make rows.
    pub decode_threads: usize,
    /// Error rows by all rows of the plan, above which the run is refused.
    pub max_error_fraction: f64,
    /// How long open parts may still take after a signal.
    pub grace: Duration,
    /// Inputs that could not be read to their end (shards), above which the run is refused.
    pub max_damaged_inputs: u64,
    /// Objects that one process may give up because the store does not give them, although it gives others.
    pub max_unreadable: u64,
}

impl Limits {
    /// Resolves what is typed; `image` has the limits of one image.
    pub(super) fn resolve(
        spec: &JobSpec,
        image: &image::Options,
        batch_size: usize,
    ) -> Result<Limits, JobError> {
        let typed = &spec.limits;
        let limits = Limits {
            batch_size,
            requests: spec.requests(),
            most_requests: spec.most_requests(),
            in_flight_bytes: typed.in_flight_bytes.unwrap_or(Quantity(512 << 20)).0,
            decode_threads: spec.decode_threads(),
            max_error_fraction: typed.max_error_fraction.unwrap_or(0.01),
            // below the 30 s that most schedulers wait before they kill
            grace: Duration::from_secs(typed.grace_seconds.unwrap_or(25)),
            max_damaged_inputs: typed.max_damaged_inputs.unwrap_or(0),
            max_unreadable: typed.max_unreadable.unwrap_or(10),
        };
        if limits.requests == 0 || limits.decode_threads == 0 {
            return Err(JobError::Mismatch(
                "`limits.requests` and `limits.decode_threads` are at least 1".into(),
            ));
        }
        if !(0.0..=1.0).contains(&limits.max_error_fraction) {
            return Err(JobError::Mismatch("`limits.max_error_fraction` goes from 0 to 1".into()));
        }
        if image.limits.max_encoded_bytes > limits.in_flight_bytes {
            return Err(JobError::Mismatch(format!(
                "`limits.max_encoded_bytes` = {} is more than `limits.in_flight_bytes` = {}: such an image could never be \
             read",
                image.limits.max_encoded_bytes, limits.in_flight_bytes
            )));
        }
        Ok(limits)
    }
}

impl JobSpec {
    /// As typed, or one a core.
    fn decode_threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.limits.decode_threads.unwrap_or_else(cores)
    }

    /// As typed, or as many as keep the decoders busy at first: one of them takes about a millisecond for an image, a
    /// store some tens for an answer.
    pub(super) fn requests(&self) -> usize {
        const FOR_EACH: usize = 64;
        const MOST: usize = 512;
        self.limits.requests.unwrap_or_else(|| (FOR_EACH * self.decode_threads()).clamp(FOR_EACH, MOST))
    }

    /// As typed, or as many as there may ever be: each is an open file.
    pub(super) fn most_requests(&self) -> usize {
        const MOST: usize = 4096;
        self.limits.requests.unwrap_or_else(|| open_files::most_requests().min(MOST).max(self.requests()))
    }
}
