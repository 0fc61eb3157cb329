//! The confusion matrix as a heat map: a row a class, shaded by the share of the class's rows.

use super::super::figures::Report;
use super::plots::class_name;
use super::svg::{Anchor, Svg};
use super::words::{clip, count, decimal};

/// Characters of a name.
const SHOWN: usize = 20;
/// The whole drawing is about so wide.
const WIDTH: f64 = 860.0;

/// The matrix, with a last column for what is not in it where it is not whole.
pub(super) fn heatmap(report: &Report) -> Option<String> {
    let matrix = &report.confusion.matrix;
    if report.counts.scored == 0 || matrix.classes.is_empty() {
        return None;
    }
    let name = |index: usize| class_name(&report.classes, index);
    let lengths = matrix.classes.iter().map(|&index| clip(&name(index), SHOWN).chars().count());
    let longest = lengths.chain((!matrix.whole).then_some(15)).max().unwrap_or_default() as f64;
    // room for the names: on the left, and on top, where they are steep
    let (left, top) = (14.0 + 6.2 * longest, 14.0 + 5.2 * longest);
    let columns = matrix.classes.len() + usize::from(!matrix.whole);
    let cell = ((WIDTH - left) / columns as f64).clamp(13.0, 46.0);
    let (width, height) =
        (left + cell * columns as f64 + 50.0, top + cell * matrix.classes.len() as f64 + 8.0);
    let label = "Confusion matrix: rows are the true classes, columns what they were taken for";
    let mut svg = Svg::new("heatmap", width, height, label);
    for (at, &index) in matrix.classes.iter().enumerate() {
        let middle = cell * (at as f64 + 0.5);
        let short = clip(&name(index), SHOWN);
        svg.text("tick", (left - 6.0, top + middle + 3.5), Anchor::End, &short);
        svg.steep_text("tick", (left + middle + 2.0, top - 6.0), Anchor::Start, -55, &short);
    }
    if !matrix.whole {
        let middle = cell * (columns as f64 - 0.5);
        svg.steep_text("tick", (left + middle + 2.0, top - 6.0), Anchor::Start, -55, "(another class)");
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
            let class = if column == at { "right" } else { "wrong" };
            // the eye tells small shares apart by their root
            svg.shade(class, [x, y, cell - 1.0, cell - 1.0], 0.12 + 0.88 * share.sqrt(), &tip);
            if cell >= 26.0 {
                let class = if share > 0.3 { "cell strong" } else { "cell" };
                svg.text(class, (x + cell / 2.0 - 0.5, y + cell / 2.0 + 3.5), Anchor::Middle, &short(rows));
            }
        }
    }
    Some(svg.finish())
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
        let text = heatmap(&report(&[TestRow::ok(0, &[0]), TestRow::ok(0, &[1])], 2)).unwrap();
        assert!(text.contains("class 0 taken for class 1: 1 of 2 (50.0 %)"), "{text}");
        assert!(!text.contains("another class"));
    }

    #[test]
    fn classes_outside_of_the_matrix_have_a_column_of_their_own() {
        let rows: Vec<TestRow> = (0..60).map(|i| TestRow::ok(i, &[if i < 55 { 59 } else { i }])).collect();
        let text = heatmap(&report(&rows, 70)).unwrap();
        assert!(text.contains("class 3 taken for another class: 1 of 1"), "{text}");
    }
}
