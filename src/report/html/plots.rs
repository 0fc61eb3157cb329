//! The plots of the page: reliability, confidence, coverage, and accuracy by class.

use super::super::figures::Report;
use super::super::proportion::Proportion;
use super::super::values::ClassFigures;
use super::svg::{Anchor, Svg};
use super::words::{count, decimal};

/// Size of a plot, and the room for its axes.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// A plot with linear axes.
struct Plot {
    svg: Svg,
    x: (f64, f64),
    y: (f64, f64),
}

impl Plot {
    fn new(label: &str, x: (f64, f64), y: (f64, f64)) -> Self {
        Self { svg: Svg::new("plot", WIDTH, HEIGHT, label), x, y }
    }

    fn at_x(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.at_x(x), self.at_y(y))
    }

    /// A bar from the lower end of the axis, or from `from`.
    fn bar(&mut self, class: &str, (left, right): (f64, f64), (from, to): (f64, f64), tip: &str) {
        let (x, y) = (self.at_x(left), self.at_y(to));
        let width = (self.at_x(right) - x - 1.0).max(0.5);
        self.svg.tipped_rect(class, [x + 0.5, y, width, self.at_y(from) - y], tip);
    }

    fn axes(&mut self, x_title: &str, x_ticks: &[(f64, String)], y_title: &str, y_ticks: &[(f64, String)]) {
        let (left, bottom) = (LEFT, HEIGHT - BOTTOM);
        for (value, text) in y_ticks {
            let y = self.at_y(*value);
            self.svg.line("grid", (left, y), (WIDTH - RIGHT, y));
            self.svg.text("tick", (left - 6.0, y + 3.5), Anchor::End, text);
        }
        for (value, text) in x_ticks {
            let x = self.at_x(*value);
            self.svg.line("axis", (x, bottom), (x, bottom + 4.0));
            self.svg.text("tick", (x, bottom + 16.0), Anchor::Middle, text);
        }
        self.svg.line("axis", (left, bottom), (WIDTH - RIGHT, bottom));
        let middle = (left + WIDTH - RIGHT) / 2.0;
        self.svg.text("title", (middle, HEIGHT - 6.0), Anchor::Middle, x_title);
        let middle = (TOP + bottom) / 2.0;
        self.svg.steep_text("title", (11.0, middle), Anchor::Middle, -90, y_title);
    }
}

/// Ticks at fifths of 0 to 1.
fn fifths() -> Vec<(f64, String)> {
    (0..=5).map(|fifth| f64::from(fifth) / 5.0).map(|share| (share, decimal(share, 1))).collect()
}

/// Ticks of a number of rows: 0, and up to four round ones.
fn row_ticks(largest: u64) -> Vec<(f64, String)> {
    let step = round_step(largest as f64 / 4.0).max(1.0);
    (0..=4)
        .map(|i| f64::from(i) * step)
        .filter(|v| *v <= largest as f64)
        .map(|v| (v, short_count(v)))
        .collect()
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    if rough <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough).unwrap_or(power)
}

fn short_count(rows: f64) -> String {
    match rows {
        rows if rows >= 1e6 => format!("{}M", trimmed(rows / 1e6)),
        rows if rows >= 1e4 => format!("{}k", trimmed(rows / 1e3)),
        rows => count(rows as u64),
    }
}

fn trimmed(value: f64) -> String {
    decimal(value, 1).trim_end_matches(".0").to_owned()
}

/// Accuracy by confidence, against the diagonal on which both are equal.
pub(super) fn reliability(report: &Report) -> Option<String> {
    let bins = &report.calibration.bins;
    report.calibration.ece?;
    let label = "Reliability diagram: how many rows are right, by the probability of the predicted class";
    let mut plot = Plot::new(label, (0.0, 1.0), (0.0, 1.0));
    plot.axes("confidence", &fifths(), "accuracy", &fifths());
    for bin in bins {
        let (Some(confidence), Some(accuracy)) = (bin.confidence, bin.accuracy) else { continue };
        let share = accuracy.percent / 100.0;
        let tip = format!(
            "confidence {} – {}: {} of {} right ({} %), mean confidence {}",
            decimal(bin.from, 3),
            decimal(bin.to, 3),
            count(accuracy.hits),
            count(accuracy.of),
            decimal(accuracy.percent, 1),
            decimal(confidence, 3),
        );
        let (low, high) = (share.min(confidence), share.max(confidence));
        plot.bar("right", (bin.from, bin.to), (0.0, share), &tip);
        plot.bar(
            if share < confidence { "gap over" } else { "gap under" },
            (bin.from, bin.to),
            (low, high),
            &tip,
        );
    }
    let (from, to) = (plot.at((0.0, 0.0)), plot.at((1.0, 1.0)));
    plot.svg.line("diagonal", from, to);
    for bin in bins {
        let (Some(confidence), Some(Proportion { low, high, percent, .. })) = (bin.confidence, bin.accuracy)
        else {
            continue;
        };
        let (low, high) = (plot.at((confidence, low / 100.0)), plot.at((confidence, high / 100.0)));
        plot.svg.line("whisker", low, high);
        let at = plot.at((confidence, percent / 100.0));
        plot.svg.dot("dot", at, 2.4, "");
    }
    Some(plot.svg.finish())
}

/// Rows by confidence: right, wrong, without a target.
pub(super) fn confidence(report: &Report) -> Option<String> {
    let bins = &report.confidence.bins;
    let largest =
        bins.iter().map(|bin| bin.right + bin.wrong + bin.unknown).max().filter(|most| *most > 0)?;
    let label = "Histogram of the probability of the predicted class";
    let mut plot = Plot::new(label, (0.0, 1.0), (0.0, largest as f64 * 1.04));
    plot.axes("confidence", &fifths(), "rows", &row_ticks(largest));
    let step = 1.0 / bins.len() as f64;
    for (at, bin) in bins.iter().enumerate() {
        let ends = (at as f64 * step, (at + 1) as f64 * step);
        let mut from = 0.0;
        for (class, rows, what) in [
            ("wrong", bin.wrong, "wrong"),
            ("right", bin.right, "right"),
            ("plain", bin.unknown, "without a target"),
        ] {
            let to = from + rows as f64;
            let tip =
                format!("confidence {} – {}: {} {what}", decimal(ends.0, 2), decimal(ends.1, 2), count(rows));
            plot.bar(class, ends, (from, to), &tip);
            from = to;
        }
    }
    Some(plot.svg.finish())
}

/// Accuracy of the surest rows, by how many of the rows they are.
pub(super) fn coverage(report: &Report) -> Option<String> {
    let points = &report.confidence.coverage.points;
    let least = points.iter().map(|point| point.accuracy.percent).fold(f64::NAN, f64::min);
    if !least.is_finite() {
        return None;
    }
    let bottom = ((least - 2.0) / 10.0).floor().max(0.0) * 10.0;
    let step = if bottom >= 80.0 { 5.0 } else { 10.0 * ((100.0 - bottom) / 50.0).ceil() };
    let label = "Coverage and accuracy: how many of the surest rows are right";
    let mut plot = Plot::new(label, (0.0, 100.0), (bottom, 100.0));
    let y_ticks: Vec<(f64, String)> = (0..=20)
        .map(|i| bottom + f64::from(i) * step)
        .filter(|v| *v <= 100.0)
        .map(|v| (v, decimal(v, 0)))
        .collect();
    let x_ticks: Vec<(f64, String)> =
        (0..=5).map(|i| f64::from(i) * 20.0).map(|v| (v, decimal(v, 0))).collect();
    plot.axes("coverage, % of the scored rows", &x_ticks, "accuracy, %", &y_ticks);
    let end = |pick: fn(&Proportion) -> f64| -> Vec<(f64, f64)> {
        let points = points.iter();
        points.map(|point| plot.at((100.0 * point.coverage, pick(&point.accuracy).max(bottom)))).collect()
    };
    let (upper, lower, middle) = (end(|p| p.high), end(|p| p.low), end(|p| p.percent));
    let band: Vec<(f64, f64)> = upper.into_iter().chain(lower.into_iter().rev()).collect();
    plot.svg.path("band", &band);
    plot.svg.path("curve", &middle);
    for (point, at) in points.iter().zip(&middle) {
        let tip = format!(
            "confidence above {}: {} % of the rows, {} % right",
            decimal(point.threshold, 4),
            decimal(100.0 * point.coverage, 1),
            decimal(point.accuracy.percent, 2),
        );
        plot.svg.dot("touch", *at, 5.0, &tip);
    }
    if let Some(at) = middle.last() {
        plot.svg.dot("dot", *at, 3.0, "");
    }
    Some(plot.svg.finish())
}

/// How many classes have which recall.
pub(super) fn classes(report: &Report) -> Option<String> {
    const BINS: usize = 20;
    let recalls: Vec<f64> = report.classes.iter().filter_map(|class| class.recall).collect();
    if recalls.is_empty() {
        return None;
    }
    let mut bins = [0_u64; BINS];
    for recall in &recalls {
        bins[((recall / 100.0 * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let largest = bins.into_iter().max().unwrap_or_default();
    let label = "Histogram of the classes by their accuracy";
    let mut plot = Plot::new(label, (0.0, 100.0), (0.0, largest as f64 * 1.08));
    let x_ticks: Vec<(f64, String)> =
        (0..=5).map(|i| f64::from(i) * 20.0).map(|v| (v, decimal(v, 0))).collect();
    plot.axes("accuracy of a class, %", &x_ticks, "classes", &row_ticks(largest));
    for (at, classes) in bins.into_iter().enumerate() {
        let ends = (5.0 * at as f64, 5.0 * (at + 1) as f64);
        let tip = format!("{} – {} %: {} classes", decimal(ends.0, 0), decimal(ends.1, 0), count(classes));
        plot.bar("right", ends, (0.0, classes as f64), &tip);
    }
    if let Some(mean) = report.macro_accuracy {
        let (from, to) = (plot.at((mean, 0.0)), plot.at((mean, largest as f64 * 1.08)));
        plot.svg.line("mean", from, to);
        let (anchor, shift) = if mean > 70.0 { (Anchor::End, -4.0) } else { (Anchor::Start, 4.0) };
        let text = format!("mean {} %", decimal(mean, 1));
        plot.svg.text("note", (to.0 + shift, to.1 + 9.0), anchor, &text);
    }
    Some(plot.svg.finish())
}

/// A share as a dot with its interval, on a scale from `from` to `to` percent.
pub(super) fn interval(share: &Proportion, (from, to): (f64, f64)) -> String {
    const LENGTH: f64 = 160.0;
    let label = format!(
        "{} %, from {} to {}",
        decimal(share.percent, 2),
        decimal(share.low, 2),
        decimal(share.high, 2)
    );
    let mut svg = Svg::new("whiskers", LENGTH, 14.0, &label);
    let at = |percent: f64| 4.0 + (percent - from) / (to - from).max(1e-9) * (LENGTH - 8.0);
    svg.line("grid", (4.0, 7.0), (LENGTH - 4.0, 7.0));
    svg.line("whisker", (at(share.low), 7.0), (at(share.high), 7.0));
    svg.line("whisker", (at(share.low), 4.0), (at(share.low), 10.0));
    svg.line("whisker", (at(share.high), 4.0), (at(share.high), 10.0));
    svg.dot("dot", (at(share.percent), 7.0), 3.0, "");
    svg.finish()
}

/// A class as others see it: name, or number if it has none.
pub(super) fn class_name(classes: &[ClassFigures], index: usize) -> String {
    let name = classes.get(index).and_then(|class| class.name.clone());
    name.unwrap_or_else(|| format!("class {index}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{TestRow, report};
    use super::*;

    #[test]
    fn without_scored_rows_there_is_nothing_to_plot_but_confidence() {
        let report = report(&[TestRow::ok(None, &[1]).probs(&[0.5]), TestRow::error("limit")], 3);
        assert!(reliability(&report).is_none() && coverage(&report).is_none() && classes(&report).is_none());
        assert!(confidence(&report).unwrap().contains("1 without a target"));
    }

    #[test]
    fn every_bar_of_a_plot_says_its_numbers() {
        let rows = [
            TestRow::ok(0, &[0]).probs(&[0.95]),
            TestRow::ok(0, &[1]).probs(&[0.95]),
            TestRow::ok(1, &[1]).probs(&[0.3]),
        ];
        let report = report(&rows, 2);
        assert!(reliability(&report).unwrap().contains("1 of 2 right (50.0 %), mean confidence 0.950"));
        assert!(coverage(&report).unwrap().contains("100.0 % of the rows, 66.67 % right"));
        assert!(classes(&report).unwrap().contains("50 – 55 %: 1 classes"));
    }

    #[test]
    fn steps_are_round() {
        for (rough, step) in [(0.3, 0.5), (1.0, 1.0), (3.0, 5.0), (12.0, 20.0), (700.0, 1000.0), (0.0, 1.0)] {
            assert!((round_step(rough) - step).abs() < 1e-12, "{rough}");
        }
    }
}
