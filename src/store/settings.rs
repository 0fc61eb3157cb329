//! How storage is used: the keys of `[storage]`. The defaults are intended to suit every store.

use std::time::Duration;

use super::PiecePlan;

/// The settings of `[storage]`. None of them decides a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Creates are conditional. Off: whether the object exists is checked first, and the operator must ensure that only
    /// one planner runs at a time.
    pub conditional_put: bool,
    /// How long one operation is tried again before the run ends with 69.
    pub retry: Duration,
    /// How long one read or listing page may take, its body included.
    pub read_timeout: Duration,
    /// How long one write may take, and a second more for each MiB. The losers of a contended create wait more
    /// than 20 s on some stores.
    pub write_timeout: Duration,
    /// Requests of an input in flight, at most; throttling lowers it by itself.
    pub requests: usize,
    /// Bytes of whole objects are compared with the checksums that the store gives.
    pub checksums: bool,
    /// Inputs are read without a signature, as public buckets allow it.
    pub anonymous_input: bool,
    /// The requester pays for requests to S3.
    pub requester_pays: bool,
    /// Collect and sort the input's whole listing.
    pub sort_listing: bool,
    /// How the input's listing is cut into pieces that are asked for at the same time.
    pub pieces: PiecePlan,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            conditional_put: true,
            retry: Duration::from_secs(150),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            requests: 64,
            checksums: true,
            anonymous_input: false,
            requester_pays: false,
            sort_listing: false,
            pieces: PiecePlan::default(),
        }
    }
}

impl Settings {
    /// Returns how long one write of `bytes` bytes may take.
    pub(super) fn write_time(&self, bytes: usize) -> Duration {
        self.write_timeout + Duration::from_secs(bytes as u64 >> 20)
    }

    /// Returns how long a create of `bytes` bytes is retried: never less than two whole writes.
    pub(super) fn write_budget(&self, bytes: usize) -> Duration {
        self.retry.max(2 * self.write_time(bytes))
    }
}
