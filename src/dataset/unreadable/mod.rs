//! Objects that the store does not give, although it gives others: how long each is waited for, and when it becomes
//! a row. See docs/decisions/0033-unreadable-objects.md.

mod noted;
mod patience;
mod prober;
mod waiting;

#[cfg(test)]
mod tests;

pub(super) use patience::{Patience, Verdict};
pub(super) use waiting::Waiting;
