//! The chain of plan segments: each begins where the one before it ended, and the last one is flagged as such.

use crate::dataset::{SegmentHead, Unit};
use crate::ids::PartId;
use crate::output::Layout;

use super::defect::{Defects, shown};

/// The chain as far as it was walked.
#[derive(Debug, Default)]
pub(super) struct Chain {
    next_index: u32,
    next_part: PartId,
    next_row: i64,
    /// A segment before the next one is missing or cannot be read: where that begins is not known.
    broken: bool,
    /// True once the segment that is flagged as the last was seen.
    pub ended: bool,
    /// Parts and rows of all segments that can be read.
    pub parts: u64,
    pub rows: u64,
    /// First and last of the parts whose segment is missing; the last is open at the chain's end.
    lost: Vec<(PartId, PartId)>,
}

impl Chain {
    /// Moves to the next existing segment, which has this index; the expected segments before it are missing.
    pub fn reach(&mut self, index: u32, defects: &mut Defects) {
        if index > self.next_index {
            let last = match index - self.next_index {
                1 => String::new(),
                gap => format!(" (with the {} after it)", gap - 1),
            };
            defects.add(
                Layout::segment(self.next_index),
                format!("is missing{last}, but `{}` exists", Layout::segment(index)),
                "a chain of segments without a gap",
            );
            self.broken = true;
        }
        self.next_index = index.saturating_add(1);
    }

    /// The segment that was reached cannot be read.
    pub fn lose(&mut self) {
        self.broken = true;
    }

    /// Checks a segment's head against the chain; returns false if its parts have no place in it.
    pub fn add(
        &mut self,
        name: &str,
        index: u32,
        fingerprint: &str,
        head: &SegmentHead,
        d: &mut Defects,
    ) -> bool {
        if head.fingerprint != fingerprint {
            let what = format!("carries the fingerprint `{}`", shown(&head.fingerprint));
            d.add(name, what, format!("`{fingerprint}`, that of the job"));
        }
        if head.index != index {
            d.add(name, format!("claims to be segment {}", head.index), format!("segment {index}"));
        }
        if self.ended {
            d.add(name, "comes after the segment that is flagged as the last", "nothing there");
            return false;
        }
        let end_part = head.first_part.checked_add(head.parts.len());
        let rows = i64::try_from(head.rows()).ok().and_then(|rows| head.first_row.checked_add(rows));
        // the rows of shards are numbered by the shard
        let end_row = if head.unit == Unit::Shard { end_part.map(|_| head.next_row()) } else { rows };
        let (Some(end_part), Some(end_row)) = (end_part, end_row) else {
            let what = format!("begins at part {} and row {}", head.first_part, head.first_row);
            d.add(name, what, "parts and rows that can be numbered");
            self.broken = true;
            return false;
        };
        let continues = (head.first_part, head.first_row) == (self.next_part, self.next_row);
        let lies_ahead = head.first_part >= self.next_part && head.first_row >= self.next_row;
        let fits = continues || self.broken && lies_ahead;
        if !fits {
            d.add(
                name,
                format!("begins at part {} and row {}", head.first_part, head.first_row),
                format!("part {} and row {}, where the one before ends", self.next_part, self.next_row),
            );
        }
        if !lies_ahead {
            self.broken = true;
            return false;
        }
        if head.first_part > self.next_part {
            self.lost.push((self.next_part, PartId(head.first_part.0 - 1)));
        }
        (self.next_part, self.next_row, self.broken) = (end_part, end_row, false);
        self.ended |= head.last;
        self.parts += head.parts.len() as u64;
        self.rows += head.rows();
        true
    }

    /// True if the segment that plans this part is missing.
    pub fn lost(&self, part: PartId) -> bool {
        self.broken && part >= self.next_part
            || self.lost.iter().any(|(first, last)| (*first..=*last).contains(&part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::LeftOut;

    fn head(index: u32, first_part: u32, parts: usize, last: bool) -> SegmentHead {
        SegmentHead {
            fingerprint: "f".into(),
            index,
            first_part: PartId(first_part),
            first_row: i64::from(first_part) * 8,
            parts: vec![(8, "hash".into()); parts],
            last_key: None,
            last_group: None,
            unit: Unit::Image,
            carried: Vec::new(),
            sets: false,
            sorted: false,
            last,
            left_out: LeftOut::default(),
        }
    }

    fn walk(heads: &[SegmentHead]) -> (Chain, Vec<String>) {
        let (mut chain, mut defects) = (Chain::default(), Defects::default());
        for head in heads {
            chain.reach(head.index, &mut defects);
            chain.add(&Layout::segment(head.index), head.index, "f", head, &mut defects);
        }
        (chain, defects.first().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_chain_without_a_gap_is_whole_once_its_last_segment_stands() {
        let (chain, defects) = walk(&[head(0, 0, 1, false), head(1, 1, 4, true)]);
        assert_eq!((chain.ended, chain.parts, chain.rows, defects.len()), (true, 5, 40, 0));
        assert!(!walk(&[head(0, 0, 1, false)]).0.ended);
    }

    #[test]
    fn behind_a_gap_the_chain_goes_on_and_the_parts_in_it_are_lost() {
        let (chain, defects) = walk(&[head(0, 0, 1, false), head(2, 5, 4, true)]);
        assert_eq!(defects.len(), 1, "{defects:?}");
        assert!(defects[0].contains("`_tresnet/plan/000001` is missing"), "{defects:?}");
        let lost: Vec<u32> = (0..12).filter(|part| chain.lost(PartId(*part))).collect();
        assert_eq!(lost, [1, 2, 3, 4]);
    }

    #[test]
    fn each_break_of_the_chain_is_told() {
        let first = || head(0, 0, 1, false);
        for (heads, words) in [
            (vec![first(), head(1, 2, 4, true)], "begins at part 2 and row 16; expected part 1 and row 8"),
            (
                vec![head(0, 0, 1, true), head(1, 1, 4, false)],
                "after the segment that is flagged as the last",
            ),
            (vec![SegmentHead { fingerprint: "g".into(), ..head(0, 0, 1, true) }], "the fingerprint `g`"),
            (vec![head(2, 0, 1, true)], "is missing (with the 1 after it)"),
            (vec![head(0, u32::MAX, 1, true)], "parts and rows that can be numbered"),
        ] {
            let (_, defects) = walk(&heads);
            assert_eq!(defects.len(), 1, "{defects:?}");
            assert!(defects[0].contains(words), "no `{words}` in {defects:?}");
        }
    }
}
