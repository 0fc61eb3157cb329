//! The confusion matrix as a heat map: a row a class, shaded by the share of the class's rows.

use std::collections::HashSet;

use super::super::figures::Report;
use super::plots::class_name;
use super::svg::{Anchor, Svg};
use super::words::{clip, count, decimal};

/// Characters of a name; a longer one ends after a word. Every cell has the whole names.
const SHOWN: usize = 32;
/// Sine and cosine of the angle at which the names of columns rise.
const STEEP: (f64, f64) = (0.819, 0.574);
/// The whole drawing is about so wide.
const WIDTH: f64 = 860.0;
/// The head of the last column.
const ELSEWHERE: &str = "(another class)";

/// The matrix, with a last column for what is not in it if it is not whole. Each cell with rows is a link that opens
/// its pictures, and can be reached by keys if `pictured` has it.
pub(super) fn heatmap(report: &Report, pictured: &HashSet<(usize, usize)>) -> Option<String> {
    let matrix = &report.confusion.matrix;
    if report.counts.scored == 0 || matrix.classes.is_empty() {
        return None;
    }
    let name = |index: usize| class_name(&report.classes, index);
    let labels: Vec<String> = matrix.classes.iter().map(|&index| label(&name(index))).collect();
    let heads: Vec<&str> =
        labels.iter().map(String::as_str).chain((!matrix.whole).then_some(ELSEWHERE)).collect();
    let longest = heads.iter().map(|text| text_width(text)).fold(0.0, f64::max);
    // room for the names: on the left, and on top, where they are steep
    let (left, top) = (14.0 + longest, 16.0 + STEEP.0 * longest);
    let columns = heads.len();
    let cell = ((WIDTH - left) / columns as f64).clamp(13.0, 46.0);
    let ends = heads.iter().enumerate();
    let ends = ends.map(|(at, text)| left + cell * (at as f64 + 0.5) + STEEP.1 * text_width(text) + 10.0);
    let width = ends.fold(left + cell * columns as f64 + 8.0, f64::max);
    let height = top + cell * matrix.classes.len() as f64 + 8.0;
    let about = "Confusion matrix: rows are the true classes, columns what they were taken for";
    let mut svg = Svg::interactive("heatmap", width, height, about);
    for (at, text) in heads.iter().enumerate() {
        let middle = cell * (at as f64 + 0.5);
        if at < labels.len() {
            svg.text("tick", (left - 6.0, top + middle + 3.5), Anchor::End, text);
        }
        svg.steep_text("tick", (left + middle + 2.0, top - 6.0), Anchor::Start, -55, text);
    }
    for (at, (row, elsewhere)) in matrix.rows.iter().zip(&matrix.elsewhere).enumerate() {
        let target = matrix.classes[at];
        let of = report.classes[target].support;
        let y = top + cell * at as f64;
        svg.rect("ground", [left, y, cell * columns as f64 - 1.0, cell - 1.0]);
        let elsewhere = (!matrix.whole).then_some(*elsewhere);
        for (column, rows) in row.iter().copied().chain(elsewhere).enumerate().filter(|(_, rows)| *rows > 0) {
            let share = rows as f64 / of.max(1) as f64;
            let taken_for =
                matrix.classes.get(column).map_or("another class".to_owned(), |&index| name(index));
            let tip = format!(
                "{} taken for {}: {} of {} ({} %)",
                name(target),
                taken_for,
                count(rows),
                count(of),
                decimal(100.0 * share, 1),
            );
            let x = left + cell * column as f64;
            let other = matrix.classes.get(column).copied();
            if let Some(other) = other {
                svg.open_link(&pair_anchor(target, other), pictured.contains(&(target, other)));
            }
            let class = if column == at { "right" } else { "wrong" };
            // the square root makes small shares distinguishable to the eye
            svg.shade(class, [x, y, cell - 1.0, cell - 1.0], 0.12 + 0.88 * share.sqrt(), &tip);
            if cell >= 26.0 {
                let class = if share > 0.3 { "cell strong" } else { "cell" };
                svg.text(class, (x + cell / 2.0 - 0.5, y + cell / 2.0 + 3.5), Anchor::Middle, &short(rows));
            }
            if other.is_some() {
                svg.close_link();
            }
        }
    }
    Some(svg.finish())
}

/// Where a link to the pictures of a class that was taken for another leads.
pub(super) fn pair_anchor(target: usize, predicted: usize) -> String {
    format!("#m{target}-{predicted}")
}

/// A name that fits beside the matrix.
fn label(name: &str) -> String {
    if name.chars().count() <= SHOWN {
        return clip(name, SHOWN);
    }
    let start = clip(name, SHOWN);
    let start = start.trim_end_matches('…');
    let whole = start.rfind([' ', ',']).filter(|end| *end > SHOWN / 3);
    format!("{}…", start[..whole.unwrap_or(start.len())].trim_end_matches([' ', ',']))
}

/// About the width of a text of 10.5 pixels, never less than it is.
fn text_width(text: &str) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | '.' | ',' | ' ' | '\'' | '(' | ')' => 4.2,
        'm' | 'w' | 'M' | 'W' | '@' | '…' => 10.5,
        'A'..='Z' | '0'..='9' | '_' => 7.6,
        c if c.is_ascii() => 6.7,
        c if (c as u32) < 0x1100 => 7.6,
        _ => 11.5,
    };
    text.chars().map(of).sum()
}

fn short(rows: u64) -> String {
    match rows {
        0..10_000 => rows.to_string(),
        10_000..1_000_000 => format!("{}k", rows / 1_000),
        _ => format!("{}M", rows / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{TestRow, report};
    use super::*;

    #[test]
    fn a_cell_says_what_was_taken_for_what() {
        let text =
            heatmap(&report(&[TestRow::ok(0, &[0]), TestRow::ok(0, &[1])], 2), &[(0, 1)].into()).unwrap();
        assert!(text.contains("class 0 taken for class 1: 1 of 2 (50.0 %)"), "{text}");
        assert!(!text.contains("another class"));
        assert!(
            text.contains("<a href=\"#m0-1\">") && text.contains("<a href=\"#m0-0\" tabindex=\"-1\">"),
            "{text}"
        );
    }

    #[test]
    fn names_are_within_the_drawing() {
        let names = ["W".repeat(32), "a word and another of more than thirty-two".to_owned(), "b".to_owned()];
        let mut report = report(&[TestRow::ok(2, &[0]), TestRow::ok(0, &[1])], 3);
        report.classes.iter_mut().zip(&names).for_each(|(class, name)| class.name = Some(name.clone()));
        let text = heatmap(&report, &HashSet::new()).unwrap();
        assert!(text.contains(">a word and another of more than…<"), "{text}");
        let width: f64 =
            text.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        // the first column's name is the longest: 32 letters of 10.5 pixels at 55 degrees
        assert!(width > 14.0 + 32.0 * 10.5 + 32.0 * 10.5 * 0.57, "{width}");
    }

    #[test]
    fn classes_outside_of_the_matrix_have_a_column_of_their_own() {
        let rows: Vec<TestRow> = (0..60).map(|i| TestRow::ok(i, &[if i < 55 { 59 } else { i }])).collect();
        let text = heatmap(&report(&rows, 70), &HashSet::new()).unwrap();
        assert!(text.contains("class 3 taken for another class: 1 of 1"), "{text}");
    }
}
