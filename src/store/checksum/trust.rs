//! MD5s that a store does not vouch for: they count once they have proven right.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects that must match, and none may differ, before a difference counts.
const PROOF: u32 = 16;

/// What is known of one source of checksums.
#[derive(Debug)]
pub(super) struct Trust {
    /// The source, for the notice.
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The number of objects that matched so far.
    Proving(u32),
    Trusted,
    /// One differed before the proof.
    Off,
}

impl Trust {
    pub fn new(name: &'static str) -> Self {
        Trust { name, state: Mutex::new(State::Proving(0)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the source is not used any more.
    pub fn is_off(&self) -> bool {
        *self.state() == State::Off
    }

    /// Records a comparison. Returns whether it counts: a difference counts if the source had proven right.
    pub fn record(&self, matches: bool) -> bool {
        let mut state = self.state();
        match (*state, matches) {
            (State::Trusted, _) => true,
            (State::Off, _) => false,
            (State::Proving(matched), true) => {
                *state = if matched + 1 < PROOF { State::Proving(matched + 1) } else { State::Trusted };
                true
            }
            (State::Proving(_), false) => {
                *state = State::Off;
                tracing::warn!(
                    "the {} of this store is not the MD5 of its objects; it is not used as a checksum",
                    self.name
                );
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_after_sixteen_matches() {
        let trust = Trust::new("entity tag");
        for _ in 0..PROOF {
            assert!(trust.record(true));
        }
        assert!(trust.record(false));
        assert!(!trust.is_off());
    }

    #[test]
    fn a_difference_before_switches_the_source_off_for_good() {
        let trust = Trust::new("entity tag");
        for _ in 1..PROOF {
            assert!(trust.record(true));
        }
        assert!(!trust.record(false));
        assert!(trust.is_off());
        assert!(!trust.record(false));
    }
}
