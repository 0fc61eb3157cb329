//! A page of Markdown while it is written: lines, tables, and the gates that every page shows.

use super::super::gate::Verdict;
use super::text::escape;

pub(in crate::report) struct Markdown(pub(in crate::report) String);

impl Markdown {
    pub(in crate::report) fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Starts a table; a column whose name starts with `>` holds numbers.
    pub(in crate::report) fn table(&mut self, columns: &[&str]) {
        self.0.push('\n');
        self.row(&columns.iter().map(|c| c.trim_start_matches('>').to_owned()).collect::<Vec<_>>());
        let rules = columns.iter().map(|c| if c.starts_with('>') { "---:" } else { "---" });
        self.line(&format!("|{}|", rules.collect::<Vec<_>>().join("|")));
    }

    /// Cells are Markdown already.
    pub(in crate::report) fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    pub(in crate::report) fn gates(&mut self, verdicts: &[Verdict]) {
        if verdicts.is_empty() {
            return;
        }
        self.line("\n## Gates");
        self.table(&["gate", "result", "found"]);
        for verdict in verdicts {
            let result = if verdict.passed { "passed" } else { "**failed**" };
            self.row(&[escape(&verdict.gate.to_string()), result.to_owned(), escape(&verdict.found())]);
        }
    }
}
