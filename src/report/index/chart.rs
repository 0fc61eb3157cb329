//! Top-1 over time, a line for each job and model.

use super::super::html::svg::{Anchor, Svg};
use super::super::html::words::{clip, decimal};
use super::moment::{date, seconds};
use super::{Index, IndexEntry};

const WIDTH: f64 = 980.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// Lines that have a colour each; others share the last.
pub(super) const COLOURS: usize = 6;

/// A job and model with its finished outputs that have a top-1, in the order of time.
pub(super) struct Series<'a> {
    pub name: String,
    pub entries: Vec<(i64, &'a IndexEntry)>,
}

/// The series, those with most outputs first.
pub(super) fn series(index: &Index) -> Vec<Series<'_>> {
    let mut found: Vec<Series<'_>> = Vec::new();
    for entry in index.outputs.iter().rev() {
        let moment = entry.finished.as_deref().and_then(seconds);
        let (Some(moment), Some(_)) = (moment, entry.top1) else { continue };
        let name = entry.series();
        match found.iter_mut().find(|series| series.name == name) {
            Some(series) => series.entries.push((moment, entry)),
            None => found.push(Series { name, entries: vec![(moment, entry)] }),
        }
    }
    found.sort_by(|a, b| b.entries.len().cmp(&a.entries.len()).then(a.name.cmp(&b.name)));
    found
}

/// The style of a series by its place.
pub(super) fn colour(place: usize) -> usize {
    place.min(COLOURS - 1)
}

pub(super) fn chart(series: &[Series<'_>]) -> Option<String> {
    let all = || series.iter().flat_map(|series| &series.entries);
    let (first, last) = (all().map(|(moment, _)| *moment).min()?, all().map(|(moment, _)| *moment).max()?);
    let shares = || all().filter_map(|(_, entry)| entry.top1);
    let low = shares().map(|share| share.low).fold(100.0, f64::min);
    let high = shares().map(|share| share.high).fold(0.0, f64::max);
    let step =
        [1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(|step| (high - low) / step <= 6.0).unwrap_or(20.0);
    let (bottom, top) = ((low / step).floor() * step, ((high / step).ceil() * step).max(step));
    let at_x = |moment: i64| match last - first {
        0 => (LEFT + WIDTH - RIGHT) / 2.0,
        span => LEFT + 12.0 + (moment - first) as f64 / span as f64 * (WIDTH - LEFT - RIGHT - 24.0),
    };
    let at_y = |percent: f64| {
        HEIGHT - BOTTOM - (percent - bottom) / (top - bottom).max(1e-9) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = Svg::new("plot over-time", WIDTH, HEIGHT, "Top-1 accuracy of the outputs over time");
    let ticks = ((top - bottom) / step).round() as u32;
    for tick in 0..=ticks {
        let value = bottom + f64::from(tick) * step;
        svg.line("grid", (LEFT, at_y(value)), (WIDTH - RIGHT, at_y(value)));
        svg.text("tick", (LEFT - 6.0, at_y(value) + 3.5), Anchor::End, &decimal(value, 0));
    }
    let marks = if last == first { 0 } else { 4 };
    let mut before = String::new();
    for mark in 0..=marks {
        let moment = first + (last - first) * mark / marks.max(1);
        let (x, y) = (at_x(moment), HEIGHT - BOTTOM);
        let text = date(moment);
        svg.line("axis", (x, y), (x, y + 4.0));
        if text != before {
            let anchor = match mark {
                0 if marks > 0 => Anchor::Start,
                mark if mark == marks && marks > 0 => Anchor::End,
                _ => Anchor::Middle,
            };
            svg.text("tick", (x, y + 17.0), anchor, &text);
        }
        before = text;
    }
    svg.line("axis", (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM));
    svg.steep_text("title", (11.0, (TOP + HEIGHT - BOTTOM) / 2.0), Anchor::Middle, -90, "top-1, %");
    for (place, series) in series.iter().enumerate() {
        let class = format!("s{}", colour(place));
        let points = series.entries.iter().filter_map(|(moment, entry)| Some((*moment, *entry, entry.top1?)));
        let points: Vec<_> = points.collect();
        for (moment, _, share) in &points {
            let x = at_x(*moment);
            svg.line(&format!("whisker {class}"), (x, at_y(share.low)), (x, at_y(share.high)));
        }
        let line: Vec<(f64, f64)> =
            points.iter().map(|(moment, _, share)| (at_x(*moment), at_y(share.percent))).collect();
        if line.len() > 1 {
            svg.path(&format!("trend {class}"), &line);
        }
        for ((_, entry, share), at) in points.iter().zip(line) {
            let tip = format!(
                "{}: {} % ({} – {}), finished {}, {}",
                clip(&series.name, 120),
                decimal(share.percent, 2),
                decimal(share.low, 2),
                decimal(share.high, 2),
                entry.finished.as_deref().unwrap_or_default(),
                clip(&entry.output, 200),
            );
            svg.dot(&format!("mark {class}"), at, 4.0, &tip);
        }
    }
    Some(svg.finish())
}
