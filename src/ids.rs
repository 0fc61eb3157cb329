//! Numbers that must not be mixed up.

use std::fmt;

/// Position of a part in the plan, from 0.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct PartId(pub u32);

/// Number of an attempt at a part, from 0, counted over all parts of a process: batches of an attempt that was given
/// up must not count for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u32);

impl PartId {
    /// The part that is `parts` further on; `None` where parts cannot be numbered so far.
    pub fn checked_add(self, parts: usize) -> Option<PartId> {
        u32::try_from(parts).ok().and_then(|parts| self.0.checked_add(parts)).map(PartId)
    }

    /// The same, for parts that a plan has: it ends before their numbers do.
    pub fn plus(self, parts: usize) -> PartId {
        self.checked_add(parts).unwrap_or(PartId(u32::MAX))
    }

    /// Itself and the parts after it.
    pub fn and_after(self) -> impl Iterator<Item = PartId> {
        (self.0..=u32::MAX).map(PartId)
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
