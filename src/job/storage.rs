//! `[storage]`, resolved: how long operations are retried, and how.

use std::time::Duration;

use crate::store::Settings;

use super::error::JobError;
use super::spec::{Checksums, ConditionalPut, JobSpec, Listing};

/// A day: more is a typing error.
const LONGEST: u64 = 24 * 60 * 60;

impl JobSpec {
    /// How storage is used.
    ///
    /// # Errors
    /// [`JobError::Mismatch`] if a time of `[storage]` is not from 1 to 86,400 s.
    pub fn storage_settings(&self) -> Result<Settings, JobError> {
        let defaults = Settings::default();
        let seconds = |key: &str, typed: Option<u64>, default: Duration| match typed {
            None => Ok(default),
            Some(seconds) if (1..=LONGEST).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            Some(seconds) => {
                Err(JobError::Mismatch(format!("`storage.{key}` is {seconds}; it goes from 1 to {LONGEST}")))
            }
        };
        let typed = &self.storage;
        Ok(Settings {
            conditional_put: typed.conditional_put == ConditionalPut::On,
            retry: seconds("retry_seconds", typed.retry_seconds, defaults.retry)?,
            read_timeout: seconds("read_timeout_seconds", typed.read_timeout_seconds, defaults.read_timeout)?,
            write_timeout: seconds(
                "write_timeout_seconds",
                typed.write_timeout_seconds,
                defaults.write_timeout,
            )?,
            requests: self.most_requests().max(1),
            checksums: typed.checksums == Checksums::Auto,
            anonymous_input: typed.anonymous_input,
            requester_pays: typed.requester_pays,
            sort_listing: self.input.listing == Listing::Sort,
            pieces: defaults.pieces,
        })
    }
}
