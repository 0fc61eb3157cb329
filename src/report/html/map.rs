//! The map of embeddings: a dot for each image of the sample.

use minijinja::Value;
use serde::Serialize;

use super::super::embedding_map::{EmbeddingMap, MapPoint};
use super::super::figures::Report;
use super::gallery::Gallery;
use super::plots::class_name;
use super::svg::{Anchor, Svg};
use super::words::{clip, count, decimal, name};

/// Size of the drawing, and the room around the dots.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 560.0;
const MARGIN: f64 = 26.0;
/// Characters of a key.
const KEY: usize = 60;

type Condition = fn(&MapPoint) -> bool;

/// The map with its words.
#[derive(Debug, Serialize)]
pub(super) struct MapView {
    drawing: Value,
    /// What the sample is.
    sample: String,
    dimension: String,
    explained: [String; 2],
    /// Whether dots are right and wrong, or of rows without a target.
    scored: bool,
}

pub(super) fn map(report: &Report, gallery: &Gallery) -> Option<MapView> {
    let map = gallery.map.as_ref()?;
    let points = map.points.len() as u64;
    Some(MapView {
        drawing: Value::from_safe_string(drawing(report, map)),
        sample: match points == map.of {
            true => format!("All {} images", count(points)),
            false => format!("A sample of {} of {} images", count(points), count(map.of)),
        },
        dimension: count(map.dimension as u64),
        explained: map.explained.map(|percent| decimal(percent, 1)),
        scored: map.points.iter().any(|point| point.target.is_some()),
    })
}

fn drawing(report: &Report, map: &EmbeddingMap) -> String {
    let label = "Map of embeddings: images that the network sees as alike are near each other";
    let mut svg = Svg::new("plot map", WIDTH, HEIGHT, label);
    let ends = |of: fn(&MapPoint) -> f64| {
        let values = map.points.iter().map(of);
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (x, y) = (ends(|point| point.x), ends(|point| point.y));
    // one scale for both directions, so that distances are those of the plane
    let scale = |length: f64, (low, high): (f64, f64)| (length - 2.0 * MARGIN) / (high - low).max(1e-12);
    let scale = scale(WIDTH, x).min(scale(HEIGHT, y));
    let place = |point: &MapPoint| {
        let across = WIDTH / 2.0 + (point.x - (x.0 + x.1) / 2.0) * scale;
        let up = HEIGHT / 2.0 - (point.y - (y.0 + y.1) / 2.0) * scale;
        (across, up)
    };
    // the wrong ones are few: they are drawn last
    let kinds: [(&str, Condition); 3] = [
        ("plain", |point| point.target.is_none()),
        ("right", |point| point.target == Some(point.predicted)),
        ("wrong", |point| point.target.is_some_and(|target| target != point.predicted)),
    ];
    let class = |index: usize| name(&class_name(&report.classes, index));
    for (kind, is) in kinds {
        for point in map.points.iter().filter(|point| is(point)) {
            let key = clip(&point.key, KEY);
            let tip = match point.target {
                Some(target) if target != point.predicted => {
                    format!("{} taken for {}: {key}", class(target), class(point.predicted))
                }
                _ => format!("{}: {key}", class(point.predicted)),
            };
            svg.class_dot(kind, place(point), point.target.or(Some(point.predicted)), &tip);
        }
    }
    let across = format!("1st direction: {} % of the variance", decimal(map.explained[0], 1));
    svg.text("title", (WIDTH / 2.0, HEIGHT - 6.0), Anchor::Middle, &across);
    let up = format!("2nd direction: {} %", decimal(map.explained[1], 1));
    svg.steep_text("title", (11.0, HEIGHT / 2.0), Anchor::Middle, -90, &up);
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{TestRow, report};
    use super::*;

    fn point(x: f64, target: Option<usize>, predicted: usize) -> MapPoint {
        MapPoint { x, y: -x, key: "<k>".to_owned(), target, predicted }
    }

    #[test]
    fn a_dot_says_what_the_image_is_and_is_within_the_drawing() {
        let points = vec![point(-3.0, Some(0), 0), point(9.0, Some(0), 1), point(0.0, None, 1)];
        let of = EmbeddingMap { points, explained: [60.0, 20.0], dimension: 4, of: 9 };
        let report = report(&[TestRow::ok(0, &[0])], 2);
        let gallery = Gallery { map: Some(of), ..Gallery::default() };
        let map = map(&report, &gallery).unwrap();
        let text = map.drawing.to_string();
        assert!(text.contains("class 0 taken for class 1: &lt;k&gt;"), "{text}");
        assert_eq!(text.matches("<circle").count(), 3);
        assert_eq!(map.sample, "A sample of 3 of 9 images");
        for value in text.split("cx=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let across: f64 = value.parse().unwrap();
            assert!((0.0..=WIDTH).contains(&across), "{across}");
        }
    }

    #[test]
    fn without_embeddings_there_is_no_map() {
        assert!(map(&report(&[TestRow::ok(0, &[0])], 2), &Gallery::default()).is_none());
    }
}
