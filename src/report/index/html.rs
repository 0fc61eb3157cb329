//! The index as a page: one file, which asks nothing of any network, in the style of the report's.

use minijinja::Value;
use serde::Serialize;

use super::super::error::ReportError;
use super::super::html::page::render;
use super::super::html::words::{NONE, clip, count, decimal, name, percent};
use super::super::proportion::Proportion;
use super::chart::{self, Series, chart, series};
use super::{Index, IndexEntry};

const TEMPLATE: &str = include_str!("page.html");
/// Characters of an address.
const ADDRESS: usize = 200;
/// Outputs in the table; the JSON has all of them.
const SHOWN: usize = 2_000;

#[derive(Serialize)]
struct PageView {
    summary: String,
    created: String,
    chart: Option<Value>,
    series: Vec<SeriesRow>,
    outputs: Vec<OutputRow>,
    left_out: Option<String>,
}

/// A job and model: its last and its best output.
#[derive(Serialize)]
struct SeriesRow {
    name: String,
    colour: usize,
    outputs: String,
    last: String,
    ends: String,
    change: String,
    best: String,
    best_at: String,
}

#[derive(Serialize)]
struct OutputRow {
    finished: String,
    is_finished: bool,
    job: String,
    model: String,
    rows: String,
    errors: String,
    top1: String,
    ends: String,
    top5: String,
    macro_accuracy: String,
    ece: String,
    rate: String,
    input: String,
    output: String,
    page: Option<String>,
}

impl Index {
    /// The index as one HTML file. The template escapes all foreign text, and the page's policy lets nothing be loaded.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self) -> Result<String, ReportError> {
        render(TEMPLATE, self.view())
    }

    fn view(&self) -> PageView {
        let series = series(self);
        let unfinished = self.outputs.iter().filter(|entry| entry.finished.is_none()).count() as u64;
        let outputs = match self.outputs.len() {
            1 => "1 output".to_owned(),
            outputs => format!("{} outputs", count(outputs as u64)),
        };
        let summary = match unfinished {
            0 => format!("{outputs}."),
            unfinished => format!("{outputs}, {} of them not finished.", count(unfinished)),
        };
        let left = self.outputs.len().saturating_sub(SHOWN) as u64;
        PageView {
            summary,
            created: self.created.clone(),
            chart: chart(&series).map(Value::from_safe_string),
            series: series.iter().enumerate().map(|(place, series)| series_row(place, series)).collect(),
            outputs: self.outputs.iter().take(SHOWN).map(output_row).collect(),
            left_out: (left > 0).then(|| format!("{} more are in the JSON.", count(left))),
        }
    }
}

fn ends(share: Option<Proportion>) -> String {
    share.map_or_else(String::new, |share| format!("{} – {}", decimal(share.low, 2), decimal(share.high, 2)))
}

fn series_row(place: usize, series: &Series<'_>) -> SeriesRow {
    let share = |entry: Option<&(i64, &IndexEntry)>| entry.and_then(|(_, entry)| entry.top1);
    let last = share(series.entries.last());
    let before = series.entries.len().checked_sub(2).and_then(|at| share(series.entries.get(at)));
    let percent_of = |entry: &(i64, &IndexEntry)| entry.1.top1.map_or(0.0, |share| share.percent);
    let best = series.entries.iter().max_by(|a, b| percent_of(a).total_cmp(&percent_of(b)));
    SeriesRow {
        name: clip(&series.name, 120),
        colour: chart::colour(place),
        outputs: count(series.entries.len() as u64),
        last: percent(last.map(|share| share.percent)),
        ends: ends(last),
        change: match (last, before) {
            (Some(last), Some(before)) => format!("{:+.2}", last.percent - before.percent),
            _ => NONE.to_owned(),
        },
        best: percent(share(best).map(|share| share.percent)),
        best_at: best.and_then(|(_, entry)| entry.finished.as_deref()).map(day).unwrap_or_default(),
    }
}

/// The date of a moment.
fn day(moment: &str) -> String {
    moment.split('T').next().unwrap_or_default().to_owned()
}

fn output_row(entry: &IndexEntry) -> OutputRow {
    let metric = |name: &str| entry.metrics.get(name).copied();
    let whole = |name: &str| metric(name).map_or_else(|| NONE.to_owned(), |value| count(value as u64));
    let moment = entry.finished.as_deref().map(|moment| clip(moment, 40).replace('T', " ").replace('Z', ""));
    OutputRow {
        is_finished: moment.is_some(),
        finished: moment.unwrap_or_else(|| "not finished".to_owned()),
        job: name(&entry.job),
        model: match entry.precision.as_str() {
            "" | "fp32" => name(&entry.model),
            precision => name(&format!("{} {precision}", entry.model)),
        },
        rows: whole("rows"),
        errors: whole("errors"),
        top1: percent(entry.top1.map(|share| share.percent)),
        ends: ends(entry.top1),
        top5: percent(entry.top5.map(|share| share.percent)),
        macro_accuracy: percent(metric("macro")),
        ece: metric("ece").map_or_else(|| NONE.to_owned(), |ece| decimal(ece, 4)),
        rate: entry.rows_per_second.map_or_else(|| NONE.to_owned(), |rate| decimal(rate, 1)),
        input: clip(&entry.input, ADDRESS),
        output: clip(&entry.output, ADDRESS),
        page: entry.page.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn entry(day: u32, model: &str, top1: f64) -> IndexEntry {
        let metrics = [("top1", top1), ("top5", 100.0), ("scored", 400.0), ("rows", 404.0), ("errors", 4.0)];
        IndexEntry {
            job: "daily".to_owned(),
            model: model.to_owned(),
            output: format!("s3://results/{model}/{day}"),
            finished: Some(format!("2026-11-{day:02}T05:45:17Z")),
            metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(),
            ..IndexEntry::default()
        }
        .with_shares()
    }

    #[test]
    fn the_last_output_comes_first_and_a_series_has_its_change() {
        let index = Index::new(
            "2026-12-01T00:00:00Z".to_owned(),
            vec![entry(1, "m", 90.0), entry(3, "m", 92.5), entry(2, "l", 95.0)],
        );
        let view = index.view();
        let order: Vec<&str> = view.outputs.iter().map(|row| row.finished.as_str()).collect();
        assert_eq!(order, ["2026-11-03 05:45:17", "2026-11-02 05:45:17", "2026-11-01 05:45:17"]);
        assert_eq!((view.series[0].name.as_str(), view.series[0].change.as_str()), ("daily · m", "+2.50"));
        assert_eq!((view.series[1].last.as_str(), view.series[1].change.as_str()), ("95.00", NONE));
        let page = index.to_html().unwrap();
        assert!(page.contains("daily · m: 92.50 % (89.50 – 94.70)"), "{page}");
    }

    #[test]
    fn shares_are_counts_again() {
        let top1 = entry(1, "m", 93.75).top1.unwrap();
        assert_eq!((top1.hits, top1.of, top1.percent), (375, 400, 93.75));
        let without = IndexEntry { metrics: BTreeMap::new(), ..entry(1, "m", 90.0) }.with_shares();
        assert_eq!(without.top1, None);
        let metrics = [("top1".to_owned(), 50.0), ("scored".to_owned(), -1.0)].into();
        let hostile = IndexEntry { metrics, ..IndexEntry::default() }.with_shares();
        assert_eq!(hostile.top1, None);
    }

    #[test]
    fn an_output_that_is_not_finished_is_listed_last_without_figures() {
        let begun = IndexEntry { output: "a".to_owned(), ..IndexEntry::default() };
        let index = Index::new(String::new(), vec![begun, entry(1, "m", 90.0)]);
        let view = index.view();
        assert_eq!(view.summary, "2 outputs, 1 of them not finished.");
        assert_eq!(
            (view.outputs[1].finished.as_str(), view.outputs[1].top1.as_str()),
            ("not finished", NONE)
        );
        assert!(Index::new(String::new(), Vec::new()).to_html().unwrap().contains("0 outputs."));
    }

    #[test]
    fn a_text_from_outside_never_becomes_markup() {
        let hostile = "</title><script>alert(1)</script>\"'{{ 7*7 }}";
        let mut bad = entry(1, hostile, 90.0);
        (bad.job, bad.input, bad.output) = (hostile.to_owned(), hostile.to_owned(), hostile.to_owned());
        let page = Index::new(String::new(), vec![bad]).to_html().unwrap();
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        assert!(page.contains("&lt;script"));
    }
}
