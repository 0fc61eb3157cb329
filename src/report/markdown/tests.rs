//! The texts of the Markdown, and what it escapes.

use super::super::testing::{TestRow, batch};
use super::super::{
    Accumulator, Classes, Extras, Gate, Masked, MultiLabel, Proportion, Provenance, Report, SliceBy,
    Throughput, Verdict,
};
use super::text::escape;
use crate::output::CommittedPart;

fn markdown(names: Vec<String>, rows: &[TestRow], gates: &[&str]) -> String {
    let mut accumulator = Accumulator::new(Classes::Named(names));
    accumulator.push(&batch(rows)).unwrap();
    let report = accumulator.finish(Provenance { complete: true, ..Provenance::default() });
    let metrics = report.metrics();
    let verdicts: Vec<Verdict> = gates.iter().map(|g| Gate::parse(g).unwrap().check(&metrics)).collect();
    report.to_markdown(&verdicts)
}

/// From the table of classes on.
fn classes_of(text: &str) -> &str {
    &text[text.find("## Classes").unwrap()..]
}

#[test]
fn foreign_text_stays_one_harmless_cell() {
    for (hostile, harmless) in [
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("a\r\nb\u{85}c\u{2028}d", "a  b c d"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
        ("&lt;script&gt;", "&amp;lt;script&amp;gt;"),
        ("![x](javascript:y)", r"\!\[x\](javascript:y)"),
        ("`**_~~", r"\`\*\*\_\~\~"),
        ("exe\u{202e}gpj", "exe\u{fffd}gpj"),
        ("Königin – 猫", "Königin – 猫"),
    ] {
        assert_eq!(escape(hostile), harmless);
    }
}

#[test]
fn a_table_of_hostile_names_keeps_its_shape() {
    let names = vec!["a|b\n| c |".to_owned(), "<b>|\\".to_owned(), "n".repeat(5_000) + "|\n"];
    let text = markdown(names, &[TestRow::ok(0, &[1]), TestRow::ok(2, &[1])], &[]);
    let table: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && line.contains(" 0.00 %")).collect();
    assert_eq!(
        table.iter().filter(|line| line.replace("\\|", "").matches('|').count() == 10).count(),
        3,
        "{text}"
    );
    assert!(!text.contains("<b>") && text.contains("&lt;b&gt;\\|\\\\"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 260));
}

#[test]
fn many_classes_are_cut_to_the_worst_and_say_so() {
    let names: Vec<String> = (0..60).map(|i| format!("class-{i}")).collect();
    let rows: Vec<TestRow> = (0..60).map(|i| TestRow::ok(i, &[if i < 7 { 59 } else { i }])).collect();
    let text = markdown(names.clone(), &rows, &[]);
    assert!(text.contains("The 50 worst of 60 classes with images, by recall."));
    let shown: Vec<&str> = classes_of(&text).lines().filter(|line| line.contains("| class-")).collect();
    assert_eq!(shown.len(), 50);
    assert!(shown[0].starts_with("| 0 | class-0 | 1 | 0 | 0 | 0 | 0.00 % | – | 0.00 % |"), "{}", shown[0]);
    assert!(shown[7].starts_with("| 7 | class-7 | 1 | 1 |"), "{}", shown[7]);

    let text = markdown(names, &rows[7..57], &[]);
    assert!(text.contains("50 classes with images, worst first, by recall."), "{text}");
    assert_eq!(classes_of(&text).lines().filter(|line| line.contains("| class-")).count(), 50);
}

#[test]
fn a_class_whose_images_all_failed_is_among_the_worst() {
    let names = ["never seen", "failed", "fine", "wrong"].map(str::to_owned).to_vec();
    let rows = [TestRow::error("limit").target(1), TestRow::ok(2, &[2]), TestRow::ok(3, &[2])];
    let text = markdown(names, &rows, &[]);
    let order: Vec<Option<usize>> =
        ["| wrong |", "| failed |", "| fine |"].map(|name| classes_of(&text).find(name)).to_vec();
    assert!(order.is_sorted() && order[0].is_some(), "{text}");
    assert!(!text.contains("never seen"));
}

#[test]
fn a_report_without_targets_says_what_it_cannot_say() {
    let text = markdown(vec!["a".to_owned()], &[TestRow::ok(None, &[0])], &["top1 > 1", "rows == 1"]);
    assert!(text.contains("No row has a target, so there is no accuracy."), "{text}");
    assert!(!text.contains("top-1"), "{text}");
    assert!(text.contains("| top1 &gt; 1 | **failed** | not known: no row has a target |"), "{text}");
    assert!(text.contains("| rows == 1 | passed | 1 |"), "{text}");
    assert!(text.contains("No row has a target, so nothing can be said of the classes."));
    assert!(!text.contains("## Errors"));
}

#[test]
fn what_a_person_publishes_stands_in_it() {
    let names = ["cat|", "dog"].map(str::to_owned).to_vec();
    let extras = Extras { slices: vec![SliceBy::Format], logits: false };
    let mut accumulator = Accumulator::with(Classes::Named(names), extras);
    let row = |target, first: &[i32]| {
        TestRow::ok(target, first).probs(&[0.75]).target_prob(0.5).image("jpeg", 640, 480)
    };
    let rows = [row(0, &[0, 1]), row(0, &[1, 0]), row(1, &[1, 0]), TestRow::error("limit").target(1)];
    accumulator.push(&batch(&rows)).unwrap();
    let report = accumulator.finish(Provenance { complete: true, ..Provenance::default() });
    let half = Proportion::new(1, 2);
    let part = CommittedPart { rows: 4, provider: "cpu".to_owned(), ..CommittedPart::default() };
    let report = Report {
        throughput: Throughput::of(&[part]),
        masked: Some(Masked { classes: 1, top1_unmasked: half, top5_unmasked: half }),
        multi_label: Some(MultiLabel {
            map: Some(62.5),
            rows: 3,
            classes: 2,
            average_precision: vec![Some(25.0), Some(100.0)],
        }),
        target_sets: true,
        ..report
    };
    let text = report.to_markdown(&[]);
    for wanted in [
        "| macro F1 | 66.67 % | – | 2 classes |",
        "| expected calibration error (ECE) | 0.0833 | – | 3 rows |",
        "| negative log-likelihood (NLL) | 0.6931 | – | 3 rows |",
        "| top-1, unmasked: among all 2 classes | 50.00 % |",
        "| **mean average precision** | 62.50 % | – | 2 classes, 3 rows |",
        "Rows are scored among 1 of the model's 2 classes alone",
        "A row's target is a set of classes",
        "| jpeg | 3 | 0 | 66.67 % |",
        "| *no value* | 1 | 1 | – |",
        "| cat\\| | dog | 1 | 50.00 % |",
        "| cpu | 1 part: number 0 | 4 | – | – |",
        " | 25.00 % |",
    ] {
        assert!(text.contains(wanted), "no `{wanted}` in:\n{text}");
    }
    assert!(!text.contains("Brier"), "no row keeps its logits:\n{text}");
}
