//! Which parts of a plan are this process's own.

use std::fmt;
use std::str::FromStr;

use crate::ids::PartId;

/// A share of the parts. Shares of several processes may overlap: that wastes work and does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// The parts whose id leaves `index` when divided by `of`; worker 0 plans.
    Worker {
        /// Position among the workers, from 0.
        index: u32,
        /// Number of workers, at least 1.
        of: u32,
    },
    /// The parts from `first` to `last`, both inclusive. Never plans.
    Parts {
        /// Id of the first part.
        first: PartId,
        /// Id of the last part.
        last: PartId,
    },
}

impl Share {
    /// Every part.
    pub const WHOLE: Share = Share::Worker { index: 0, of: 1 };

    /// `i/n`, with 0 ≤ i < n.
    ///
    /// # Errors
    /// `text` is not of this form.
    pub fn worker(text: &str) -> Result<Share, String> {
        let wrong = || format!("`{text}` is no share; write i/n with 0 <= i < n, such as 0/4");
        let (index, of) = pair(text, '/').ok_or_else(wrong)?;
        (index < of).then_some(Share::Worker { index, of }).ok_or_else(wrong)
    }

    /// `A-B`, both inclusive, or one id.
    ///
    /// # Errors
    /// `text` is not of this form, or A is larger than B.
    pub fn parts(text: &str) -> Result<Share, String> {
        let wrong = || format!("`{text}` is no range of parts; write A-B with A <= B, such as 0-99");
        let (first, last) =
            pair(text, '-').or_else(|| Some((text.parse().ok()?, text.parse().ok()?))).ok_or_else(wrong)?;
        (first <= last).then_some(Share::Parts { first: PartId(first), last: PartId(last) }).ok_or_else(wrong)
    }

    /// True where the part is this process's.
    pub fn takes(&self, part: PartId) -> bool {
        match *self {
            Share::Worker { index, of } => part.0 % of == index,
            Share::Parts { first, last } => (first..=last).contains(&part),
        }
    }

    /// True for the process that makes the plan.
    pub fn plans(&self) -> bool {
        matches!(self, Share::Worker { index: 0, .. })
    }

    /// True where this process alone does the job.
    pub fn is_whole(&self) -> bool {
        *self == Share::WHOLE
    }

    /// True where no part from `part` on can be this process's.
    pub fn ends_before(&self, part: PartId) -> bool {
        matches!(*self, Share::Parts { last, .. } if part > last)
    }

    /// A name for its lock: equal shares have equal names.
    pub fn name(&self) -> String {
        match self {
            Share::Worker { index, of } => format!("worker-{index}-of-{of}"),
            Share::Parts { first, last } => format!("parts-{first}-{last}"),
        }
    }
}

fn pair<T: FromStr>(text: &str, separator: char) -> Option<(T, T)> {
    let (a, b) = text.split_once(separator)?;
    Some((a.trim().parse().ok()?, b.trim().parse().ok()?))
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Worker { index, of } => write!(f, "worker {index}/{of}"),
            Share::Parts { first, last } => write!(f, "parts {first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_one_workers_and_only_one() {
        let shares: Vec<Share> = (0..3).map(|index| Share::worker(&format!("{index}/3")).unwrap()).collect();
        for part in 0..100 {
            assert_eq!(shares.iter().filter(|share| share.takes(PartId(part))).count(), 1);
        }
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        for text in ["3/3", "1", "-1/2", "0/0", "a/b", "1/2/3"] {
            assert!(Share::worker(text).is_err(), "{text}");
        }
        for text in ["5-3", "x", "-1-3", "1-2-3", ""] {
            assert!(Share::parts(text).is_err(), "{text}");
        }
        assert_eq!(Share::parts("7").unwrap(), Share::Parts { first: PartId(7), last: PartId(7) });
    }
}
