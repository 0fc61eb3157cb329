//! The figures at the head of the page.

use serde::Serialize;

use super::super::figures::Report;
use super::super::macro_interval::{Interval, MacroClasses};
use super::super::proportion::Proportion;
use super::words::{NONE, count, decimal};

/// A headline figure.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    title: &'static str,
    value: String,
    unit: &'static str,
    interval: String,
    over: String,
    /// What to know of the interval.
    note: Option<String>,
    /// The bar: up to the value, and the interval in it, in percent.
    bar: Option<[String; 3]>,
}

#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) what: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

#[derive(Debug, Serialize)]
pub(super) struct AccuracyRow {
    what: &'static str,
    /// Percentage and interval.
    scored: [String; 2],
    all: [String; 2],
}

/// What the figures mean if a target is not one class among all.
pub(super) fn scoring(report: &Report) -> Option<String> {
    let all = count(report.classes.len() as u64);
    if let Some(masked) = &report.masked {
        let classes = count(masked.classes as u64);
        return Some(format!(
            "Scored among {classes} of the model's {all} classes alone, by the softmax over their logits; the unmasked \
             figures are among all {all}."
        ));
    }
    report.target_sets.then(|| {
        "An image's target is a set of classes: its prediction is right where it is in the set. By class, the image \
         counts for the best of its set."
            .to_owned()
    })
}

fn share_card(title: &'static str, share: Option<Proportion>, among: &str) -> Option<Card> {
    let share = share?;
    Some(Card {
        title,
        value: decimal(share.percent, 2),
        unit: "%",
        interval: format!("{} – {}", decimal(share.low, 2), decimal(share.high, 2)),
        over: format!("{} of {} images{among}", count(share.hits), count(share.of)),
        note: None,
        bar: Some([share.percent, share.low, share.high - share.low].map(|percent| decimal(percent, 2))),
    })
}

/// Why the interval of a macro figure is wider than 95 % needs, if it is.
fn single_images(of: MacroClasses) -> Option<String> {
    (of.single_image > 0).then(|| {
        format!(
            "{} of {} classes have a single image. Their spread is estimated from their differences, so the interval \
             is wider than 95 % needs: it holds the truth more often.",
            count(of.single_image),
            count(of.classes)
        )
    })
}

pub(super) fn cards(report: &Report) -> Vec<Card> {
    let macro_card = report.macro_accuracy.map(|percent| {
        let ends = report.macro_interval.map_or((percent, percent), |interval| (interval.low, interval.high));
        Card {
            title: "macro accuracy",
            value: decimal(percent, 2),
            unit: "%",
            interval: format!("{} – {}", decimal(ends.0, 2), decimal(ends.1, 2)),
            over: format!("mean recall of {} classes", count(report.macro_classes.classes)),
            note: single_images(report.macro_classes),
            bar: Some([percent, ends.0, ends.1 - ends.0].map(|percent| decimal(percent, 2))),
        }
    });
    let map_card = report.multi_label.as_ref().and_then(|multi| {
        let map = multi.map?;
        let (classes, rows) = (count(multi.classes as u64), count(multi.rows));
        Some(Card {
            title: "mean average precision",
            value: decimal(map, 2),
            unit: "%",
            interval: String::new(),
            over: format!("mean of {classes} classes, over {rows} images"),
            note: None,
            bar: Some([decimal(map, 2), "0".to_owned(), "0".to_owned()]),
        })
    });
    let among = report
        .masked
        .as_ref()
        .map_or_else(String::new, |masked| format!(", among {} classes", count(masked.classes as u64)));
    let (top1, top5) = (share_card("top-1", report.top1, &among), share_card("top-5", report.top5, &among));
    [map_card, top1, top5, macro_card].into_iter().flatten().collect()
}

pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let fact = |what, value: Option<f64>, digits, note: String| {
        value.map(|value| Fact { what, value: decimal(value, digits), note })
    };
    let calibration = &report.calibration;
    let throughput = report.throughput.as_ref();
    let unmasked = |what, share: Option<Proportion>| {
        share.map(|share| Fact {
            what,
            value: decimal(share.percent, 2),
            note: format!(
                "%, among all {} classes; 95 % CI {} – {}",
                count(report.classes.len() as u64),
                decimal(share.low, 2),
                decimal(share.high, 2)
            ),
        })
    };
    let masked = report.masked.as_ref();
    [
        unmasked("top-1, unmasked", masked.and_then(|masked| masked.top1_unmasked)),
        unmasked("top-5, unmasked", masked.and_then(|masked| masked.top5_unmasked)),
        fact("macro F1", report.f1_macro, 2, "%, classes of a target or a prediction".to_owned()),
        fact("ECE", calibration.ece, 4, "15 bins; 0 is calibrated".to_owned()),
        fact("NLL", calibration.nll.mean, 4, "−ln of the target's probability".to_owned()),
        fact("Brier", calibration.brier.mean, 4, "over all classes, from 0 to 2".to_owned()),
        fact("confidence", report.top1_prob.mean, 4, "mean probability of the prediction".to_owned()),
        fact(
            "images/s",
            throughput.and_then(|told| told.rows_per_second),
            1,
            throughput
                .map_or_else(String::new, |told| format!("over {} s of work", decimal(told.seconds, 1))),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn both_ways(report: &Report) -> Vec<AccuracyRow> {
    let said = |percent: f64, low: f64, high: f64| {
        [format!("{} %", decimal(percent, 2)), format!("{} – {}", decimal(low, 2), decimal(high, 2))]
    };
    let nothing = || [NONE.to_owned(), String::new()];
    let share = |share: Option<Proportion>| share.map_or_else(nothing, |p| said(p.percent, p.low, p.high));
    let mean = |percent: Option<f64>, interval: Option<Interval>| match (percent, interval) {
        (Some(percent), Some(interval)) => said(percent, interval.low, interval.high),
        _ => nothing(),
    };
    if report.counts.with_target == 0 {
        return Vec::new();
    }
    vec![
        AccuracyRow { what: "top-1", scored: share(report.top1), all: share(report.top1_all) },
        AccuracyRow { what: "top-5", scored: share(report.top5), all: share(report.top5_all) },
        AccuracyRow {
            what: "macro",
            scored: mean(report.macro_accuracy, report.macro_interval),
            all: mean(report.macro_accuracy_all, report.macro_all_interval),
        },
    ]
}
