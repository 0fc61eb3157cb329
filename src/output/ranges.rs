//! Many part ids on one line.

use std::fmt;

use crate::ids::PartId;

/// Ids as ranges, such as `3-7, 12`: all of them are counted, the first ranges are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    kept: Vec<(PartId, PartId)>,
    count: u64,
    /// Number of ranges after those that are kept, and the last id of the last of them.
    more: u64,
    last: Option<PartId>,
}

/// Ranges that are kept and shown.
const MOST: usize = 10;

impl Ranges {
    /// Adds the next id; ids come in ascending order.
    pub fn push(&mut self, id: PartId) {
        let continues = self.last.is_some_and(|last| last.checked_add(1) == Some(id));
        self.count += 1;
        self.last = Some(id);
        if continues {
            // a range that is not shown has no end to move
            if let Some(range) = self.kept.last_mut().filter(|_| self.more == 0) {
                range.1 = id;
            }
        } else if self.kept.len() < MOST {
            self.kept.push((id, id));
        } else {
            self.more += 1;
        }
    }

    /// How many ids there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first ranges, each as `3-7` or `12`.
    pub fn texts(&self) -> Vec<String> {
        let text = |&(first, last): &(PartId, PartId)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        self.kept.iter().map(text).collect()
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(", "))?;
        if self.more > 0 {
            write!(f, " and {} more ranges", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(ids: impl IntoIterator<Item = u32>) -> Ranges {
        let mut ranges = Ranges::default();
        ids.into_iter().for_each(|id| ranges.push(PartId(id)));
        ranges
    }

    #[test]
    fn neighbours_become_one_range() {
        assert_eq!(ranges([3, 4, 5, 6, 7, 12]).to_string(), "3-7, 12");
        assert_eq!(ranges([0]).to_string(), "0");
        assert_eq!(ranges([]).to_string(), "");
        assert_eq!(ranges([u32::MAX - 1, u32::MAX]).count(), 2);
    }

    #[test]
    fn more_than_ten_ranges_are_counted_and_not_shown() {
        let many = ranges((0..40).filter(|id| id % 3 != 0));
        assert_eq!(many.texts().len(), 10);
        assert!(many.to_string().ends_with("28-29 and 3 more ranges"), "{many}");
        assert_eq!(many.count(), 26);
    }
}
