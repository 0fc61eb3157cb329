//! Rows without a target in a job that has targets: figures over a few rows are easily taken for figures over all.

use super::figures::Report;

/// What `input.targets` is if images get none.
const NO_TARGETS: &str = "none";

impl Report {
    /// False for a job whose images get no targets and that has none: how many have one is no question then.
    pub fn asks_for_targets(&self) -> bool {
        self.provenance.targets != NO_TARGETS || self.counts.with_target > 0
    }

    /// Returns a warning that most rows have no target although the job reads targets, and how a gate refuses that;
    /// `None` if most rows have one.
    pub fn missing_targets(&self) -> Option<String> {
        let targets = self.provenance.targets.as_str();
        let counts = &self.counts;
        let (without, of, rows) = match &self.multi_label {
            // an image of which it is known that it has no class has a target
            Some(known) => (counts.ok.saturating_sub(known.rows), counts.ok, "`ok` rows"),
            None => (counts.unknown_target, counts.rows, "rows"),
        };
        if targets.is_empty() || targets == NO_TARGETS || without.saturating_mul(2) <= of {
            return None;
        }
        let gate = match self.multi_label {
            None => ". A gate refuses this: `[report] require = [\"unknown_target == 0\"]`",
            // the metric counts images that have no class as well
            Some(_) => "",
        };
        Some(format!(
            "{without} of {of} {rows} have no target, although targets are read ({targets}): accuracy is that of the \
             others alone{gate}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Provenance, Report};

    fn report(targets: &str, rows: Vec<TestRow>) -> Report {
        let mut accumulator = Accumulator::new(Classes::Count(2));
        accumulator.push(&batch(&rows)).unwrap();
        accumulator.finish(Provenance { targets: targets.to_owned(), ..Provenance::default() })
    }

    fn with() -> TestRow {
        TestRow::ok(0, &[0, 1]).rank(1)
    }

    fn without() -> TestRow {
        TestRow::ok(None, &[0, 1])
    }

    #[test]
    fn most_rows_without_a_target_are_worth_a_word() {
        let text = report("folder", vec![with(), without(), without()]).missing_targets().unwrap();
        assert!(text.contains("2 of 3") && text.contains("unknown_target == 0"), "{text}");
    }

    #[test]
    fn a_half_is_not_most_and_a_job_without_targets_misses_none() {
        assert_eq!(report("folder", vec![with(), without()]).missing_targets(), None);
        for targets in ["none", ""] {
            assert_eq!(report(targets, vec![without()]).missing_targets(), None);
        }
        assert_eq!(report("folder", Vec::new()).missing_targets(), None);
    }

    #[test]
    fn a_job_without_targets_counts_no_unknown_ones() {
        let unasked = report("none", vec![without()]).to_markdown(&[]);
        assert!(!unasked.contains("target unknown"), "{unasked}");
        let asked = report("folder", vec![without()]).to_markdown(&[]);
        assert!(asked.contains("target unknown"), "{asked}");
    }
}
