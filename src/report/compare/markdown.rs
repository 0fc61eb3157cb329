//! The comparison for people: a few lines for a terminal, and a page of GitHub-flavoured Markdown.

use super::super::gate::Verdict;
use super::super::markdown::page::Markdown;
use super::super::markdown::text::{NONE, escape, percent, short};
use super::super::proportion::Proportion;
use super::figures::{ClassChange, ComparisonReport, Flip, PairedMeasure};

/// Classes and images that are shown of each list; the JSON has all classes.
const SHOWN: usize = 20;

impl ComparisonReport {
    /// The main figures, a line each, in columns.
    pub fn summary(&self) -> Vec<String> {
        let c = &self.counts;
        let mut lines = vec![
            format!("joined     {} rows, {}", c.joined, self.join.method.words()),
            format!("only in A  {}, only in B {}", c.only_a, c.only_b),
            format!(
                "failed     {} in A only, {} in B only, {} in both",
                c.failed_only_a, c.failed_only_b, c.failed_both
            ),
        ];
        if let Some(p) = self.agreement {
            lines.push(format!(
                "agreement  {:.2} % ({:.2} to {:.2}): the same class in {} of {} rows",
                p.percent, p.low, p.high, p.hits, p.of
            ));
        }
        for (name, outcome) in [("top-1", &self.top1), ("top-5", &self.top5)] {
            if let Some(text) = in_words(outcome) {
                lines.push(format!("{name:<9}  {text}"));
            }
        }
        if let Some(mean) = self.prob_drift.mean {
            lines.push(format!(
                "prob       moves by {mean:.2e} on average, {:.2e} at most",
                self.prob_drift.worst.unwrap_or_default()
            ));
        }
        lines.push(match (self.cosine.mean, self.cosine.p99, self.cosine.worst) {
            (Some(mean), Some(p99), Some(min)) => {
                format!("embedding  cosine {mean:.6} on average, one in a hundred below {p99:.6}, {min:.6} at least")
            }
            _ => format!("embedding  not compared: {}", self.cosine_missing.as_deref().unwrap_or_default()),
        });
        lines
    }

    /// The comparison as Markdown, with the gates that were checked.
    pub fn to_markdown(&self, verdicts: &[Verdict]) -> String {
        let mut out = Markdown(String::from("# Comparison\n"));
        out.line("\nA is the baseline. Drops are A − B in percentage points: negative where B is better.");
        for (name, side) in [("A", &self.a), ("B", &self.b)] {
            if !side.complete {
                out.line(&format!("\n**{name} was not finished: these are the figures of a part of it.**"));
            }
        }
        self.headline(&mut out);
        out.gates(verdicts);
        self.rows(&mut out);
        self.drift(&mut out);
        self.classes(&mut out);
        self.slices(&mut out);
        for (title, of, flips) in [
            ("Lost: right in A, wrong in B", self.top1.pairs.only_a, &self.lost),
            ("Gained: wrong in A, right in B", self.top1.pairs.only_b, &self.gained),
        ] {
            self.flips(&mut out, title, of, flips);
        }
        for (title, of, keys) in [
            ("Failed in A only", self.counts.failed_only_a, &self.failed_only_a),
            ("Failed in B only", self.counts.failed_only_b, &self.failed_only_b),
        ] {
            if of > 0 {
                out.line(&format!("\n## {title}\n\n{}", first_of(keys.len().min(SHOWN), of)));
                out.table(&["key"]);
                keys.iter().take(SHOWN).for_each(|key| out.row(&[short(key)]));
            }
        }
        self.provenance(&mut out);
        out.0
    }

    fn headline(&self, out: &mut Markdown) {
        let metrics = self.metrics();
        out.table(&["figure", ">A", ">B", ">drop", ">95 % interval", ">McNemar's p", "over"]);
        for (name, title, o) in [
            ("top1_drop", "**top-1**", &self.top1),
            ("top5_drop", "**top-5**", &self.top5),
            ("top1_drop_all", "top-1, errors counted as wrong", &self.top1_all),
        ] {
            let mut cells = vec![title.to_owned()];
            match (o.a, o.b, o.drop, o.mcnemar) {
                (Some(a), Some(b), Some(drop), Some(test)) => cells.extend([
                    format!("{:.2} %", a.percent),
                    format!("{:.2} %", b.percent),
                    format!("{:+.2}", drop.points),
                    format!("{:+.2} to {:+.2}", drop.low, drop.high),
                    p_value(test.p),
                    format!("{} rows; {}, {} discordant", a.of, test.method.words(), test.discordant),
                ]),
                _ => {
                    cells.extend([NONE; 5].map(str::to_owned));
                    cells.push(format!("not known: {}", escape(metrics.why_missing(name).unwrap_or(NONE))));
                }
            }
            out.row(&cells);
        }
        match self.agreement {
            Some(p) => out.line(&format!(
                "\nBoth predict the same class in {} of {} rows: {:.2} % ({:.2} to {:.2}).",
                p.hits, p.of, p.percent, p.low, p.high
            )),
            None if self.counts.both_ok > 0 => out.line("\nThe models have no classes."),
            None => out.line("\nNo row is ok in both."),
        }
    }

    fn rows(&self, out: &mut Markdown) {
        let c = &self.counts;
        out.line("\n## Rows");
        out.line(&format!("\nJoined {}. Classes: {}.", self.join.method.words(), self.join.classes));
        out.table(&["rows", ">A", ">B", ">both"]);
        let row = |out: &mut Markdown, name: &str, a: u64, b: u64, both: &str| {
            out.row(&[name.to_owned(), a.to_string(), b.to_string(), both.to_owned()]);
        };
        row(out, "all", c.rows_a, c.rows_b, &c.joined.to_string());
        row(out, "in this one only", c.only_a, c.only_b, NONE);
        row(out, "failed, the other did not", c.failed_only_a, c.failed_only_b, NONE);
        out.line(&format!(
            "\n{} joined rows are ok in both, {} failed in both; {} are scored.",
            c.both_ok, c.failed_both, c.scored
        ));
    }

    fn drift(&self, out: &mut Markdown) {
        out.line("\n## Drift");
        out.table(&["", ">mean", ">median", ">1 in 20", ">1 in 100", ">1 in 1000", ">worst", ">rows"]);
        let p = &self.prob_drift;
        let c = &self.cosine;
        for (name, drift, digits) in [("change of probability", p, 6), ("cosine of embeddings", c, 8)] {
            let cell =
                |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{value:.digits$}"));
            let cells = [drift.mean, drift.p50, drift.p95, drift.p99, drift.p999, drift.worst].map(cell);
            out.row(&[vec![name.to_owned()], cells.to_vec(), vec![drift.rows.to_string()]].concat());
        }
        out.line("\nProbability is that of the predicted class, where both predict the same.");
        if let Some(why) = &self.cosine_missing {
            out.line(&format!("\nEmbeddings were not compared: {}.", escape(why)));
        }
    }

    fn classes(&self, out: &mut Markdown) {
        let fallen = |class: &&ClassChange| class.pairs.only_a > class.pairs.only_b;
        let risen = |class: &&ClassChange| class.pairs.only_a < class.pairs.only_b;
        let mut falls: Vec<&ClassChange> = self.classes.iter().filter(fallen).collect();
        let mut gains: Vec<&ClassChange> = self.classes.iter().filter(risen).collect();
        falls.sort_by(|a, b| b.drop.total_cmp(&a.drop).then(a.index.cmp(&b.index)));
        gains.sort_by(|a, b| a.drop.total_cmp(&b.drop).then(a.index.cmp(&b.index)));
        for (title, list) in [("Classes that fell most", falls), ("Classes that gained most", gains)] {
            out.line(&format!("\n## {title}"));
            if list.is_empty() {
                out.line("\nNone.");
                continue;
            }
            out.line(&format!("\n{}", first_of(list.len().min(SHOWN), list.len() as u64)));
            out.table(&[">index", "class", ">rows", ">lost", ">gained", ">recall in A", ">in B", ">drop"]);
            for class in list.into_iter().take(SHOWN) {
                out.row(&[
                    class.index.to_string(),
                    class.name.as_deref().map_or(NONE.to_owned(), short),
                    class.pairs.rows().to_string(),
                    class.pairs.only_a.to_string(),
                    class.pairs.only_b.to_string(),
                    format!("{:.2} %", class.recall_a),
                    format!("{:.2} %", class.recall_b),
                    format!("{:+.2}", class.drop),
                ]);
            }
        }
    }

    fn slices(&self, out: &mut Markdown) {
        let Some(slices) = &self.slices else { return };
        out.line(&format!("\n## By {}", short(&slices.column)));
        out.table(&["value", ">rows", ">agreement", ">top-1 in A", ">in B", ">drop", ">95 % interval", ">p"]);
        for slice in &slices.values {
            let share = |p: Option<Proportion>| percent(p.map(|p| p.percent));
            let (drop, test) = (slice.top1.drop, slice.top1.mcnemar);
            out.row(&[
                short(&slice.value),
                slice.rows.to_string(),
                share(slice.agreement),
                share(slice.top1.a),
                share(slice.top1.b),
                drop.map_or(NONE.to_owned(), |drop| format!("{:+.2}", drop.points)),
                drop.map_or(NONE.to_owned(), |drop| format!("{:+.2} to {:+.2}", drop.low, drop.high)),
                test.map_or(NONE.to_owned(), |test| p_value(test.p)),
            ]);
        }
    }

    fn flips(&self, out: &mut Markdown, title: &str, of: u64, flips: &[Flip]) {
        if of == 0 {
            return;
        }
        out.line(&format!("\n## {title}\n\n{}", first_of(flips.len().min(SHOWN), of)));
        out.table(&["key", "target", "A predicts", ">prob", "B predicts", ">prob"]);
        let class = |index: i32| self.class_name(index).map_or_else(|| index.to_string(), short);
        let prob = |prob: Option<f32>| prob.map_or(NONE.to_owned(), |prob| format!("{prob:.4}"));
        for flip in flips.iter().take(SHOWN) {
            out.row(&[
                short(&flip.key),
                flip.target.map_or(NONE.to_owned(), class),
                class(flip.index_a),
                prob(flip.prob_a),
                class(flip.index_b),
                prob(flip.prob_b),
            ]);
        }
    }

    fn provenance(&self, out: &mut Markdown) {
        out.line("\n## Provenance");
        out.table(&["", "A", "B"]);
        let (a, b) = (&self.a, &self.b);
        for (what, a, b) in [
            ("output", a.output_uri.clone(), b.output_uri.clone()),
            ("input", a.input_uri.clone(), b.input_uri.clone()),
            ("model", a.model_arch.clone(), b.model_arch.clone()),
            ("weights, SHA-256", a.model_sha256.clone(), b.model_sha256.clone()),
            ("precision", a.precision.clone(), b.precision.clone()),
            ("providers", a.computed_by(), b.computed_by()),
            ("preprocessing", a.preprocess.clone(), b.preprocess.clone()),
            ("targets", a.targets.clone(), b.targets.clone()),
            ("tool", a.tool_version.clone(), b.tool_version.clone()),
            ("fingerprint", a.fingerprint.clone(), b.fingerprint.clone()),
        ] {
            let cell = |text: String| if text.is_empty() { NONE.to_owned() } else { escape(&text) };
            out.row(&[what.to_owned(), cell(a), cell(b)]);
        }
        out.line(&format!(
            "\nMade {}. Accuracy is over rows that are ok in both and have a target. Shares have Wilson's interval \
             and drops Newcombe's for paired shares (method 10), both at 95 %.",
            escape(&a.created)
        ));
    }
}

/// A, B, their difference and whether it is chance.
fn in_words(outcome: &PairedMeasure) -> Option<String> {
    let (a, b, drop, test) = (outcome.a?, outcome.b?, outcome.drop?, outcome.mcnemar?);
    Some(format!(
        "{:.2} % in A, {:.2} % in B: a drop of {:+.2} points ({:+.2} to {:+.2}), McNemar p {} ({}, {} discordant)",
        a.percent,
        b.percent,
        drop.points,
        drop.low,
        drop.high,
        p_value(test.p),
        test.method.words(),
        test.discordant
    ))
}

pub(super) fn p_value(p: f64) -> String {
    if p < 0.0001 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn first_of(shown: usize, all: u64) -> String {
    if shown as u64 == all { "All of them.".to_owned() } else { format!("The first {shown} of {all}.") }
}
