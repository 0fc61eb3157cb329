//! The report for people: GitHub-flavoured Markdown that also reads well as plain text.
//!
//! Names of classes, error kinds and URIs are foreign data. All of it goes through
//! [`escape`](text::escape), so that none of it can end a cell, start a table, or become HTML, a link or an image.

mod headline;
pub(super) mod page;
mod tables;
#[cfg(test)]
mod tests;
pub(super) mod text;

use super::figures::Report;
use super::gate::Verdict;
use page::Markdown;
use text::escape;

impl Report {
    /// The report as Markdown, with the gates that were checked.
    pub fn to_markdown(&self, verdicts: &[Verdict]) -> String {
        let mut out = Markdown(String::from("# Accuracy report\n"));
        if !self.provenance.complete {
            out.line("\n**The output was not finished when this was made: these are the figures of a part of it.**");
        }
        if let Some(missing) = self.missing_targets() {
            out.line(&format!("\n**{}**", escape(&missing)));
        }
        out.scoring(self);
        out.headline(self, &self.metrics());
        out.gates(verdicts);
        out.rows(self);
        out.errors(&self.counts);
        self.slices.iter().for_each(|slices| out.slices(slices));
        out.pairs(self);
        out.classes(self);
        out.inputs(&self.inputs);
        out.throughput(self.throughput.as_ref());
        out.provenance(self);
        out.0
    }
}
