//! What is wrong with an output, one sentence each.

use std::fmt;

use serde::Serialize;

use crate::output::Layout;

/// Defects that are kept; the rest is counted.
const MOST: usize = 20;
/// Characters of a text from the output (a key, a footer's value) that are shown.
const LONGEST: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// The object, by its name below the output.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// What should be there.
    pub expected: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}; expected {}", self.object, self.what, self.expected)
    }
}

/// The defects of an output: the first of them, and how many there are.
#[derive(Debug, Default)]
pub struct Defects {
    kept: Vec<Defect>,
    count: u64,
    of_plan: u64,
    of_success: u64,
}

impl Defects {
    /// Adds one.
    pub fn add(&mut self, object: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) {
        let object = object.into();
        self.count += 1;
        self.of_plan += u64::from(Layout::is_control(&object));
        self.of_success += u64::from(object == Layout::SUCCESS);
        if self.kept.len() < MOST {
            self.kept.push(Defect { object, what: what.into(), expected: expected.into() });
        }
    }

    /// Adds some that are only counted.
    pub(super) fn count_more(&mut self, more: u64) {
        self.count += more;
    }

    /// Appends the defects of a part.
    pub(super) fn append(&mut self, others: Defects) {
        self.count += others.count;
        self.of_plan += others.of_plan;
        self.of_success += others.of_success;
        let room = MOST - self.kept.len();
        self.kept.extend(others.kept.into_iter().take(room));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of them are defects of the plan or of `job.json`.
    pub fn of_plan(&self) -> u64 {
        self.of_plan
    }

    /// How many of them are defects of `_SUCCESS`.
    pub fn of_success(&self) -> u64 {
        self.of_success
    }

    /// True if one of the first defects is that of `object`.
    pub(super) fn names(&self, object: &str) -> bool {
        self.kept.iter().any(|defect| defect.object == object)
    }

    /// True if nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them.
    pub fn first(&self) -> &[Defect] {
        &self.kept
    }
}

/// Returns a text from the output on one line, cut to a length that a person can read.
pub(super) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(LONGEST).map(clean).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_defects_are_counted_and_twenty_kept() {
        let mut defects = Defects::default();
        for part in 0..3 {
            let mut of_part = Defects::default();
            (0..15).for_each(|row| of_part.add(format!("part-{part}"), format!("row {row}"), "none"));
            of_part.count_more(5);
            defects.append(of_part);
        }
        assert_eq!((defects.first().len(), defects.count()), (20, 60));
        assert_eq!(defects.first()[15].to_string(), "`part-1` row 0; expected none");
    }

    #[test]
    fn a_text_of_somebody_elses_is_cut_and_stays_on_its_line() {
        assert_eq!(shown("a\nb"), "a\u{fffd}b");
        assert_eq!(shown(&"ü".repeat(300)).chars().count(), LONGEST + 1);
    }
}
