//! The texts of the page, and what it escapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::super::testing::{TestRow, batch};
use super::super::{
    Accumulator, Classes, EmbeddingMap, Extras, Gate, MapPoint, Masked, MultiLabel, Proportion, Provenance,
    SliceBy,
};
use super::*;

fn made(names: Vec<String>, rows: &[TestRow]) -> Report {
    let extras = Extras { slices: vec![SliceBy::Format], logits: false };
    let mut accumulator = Accumulator::with(Classes::Named(names), extras);
    accumulator.push(&batch(rows)).unwrap();
    accumulator.finish(Provenance { complete: true, ..Provenance::default() })
}

const HOSTILE: &str =
    "</title></style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7777*7 }}";

fn map(key: &str) -> EmbeddingMap {
    let point = |x| MapPoint { x, y: 0.0, key: key.to_owned(), target: Some(0), predicted: 1 };
    EmbeddingMap { points: vec![point(0.0), point(1.0)], explained: [60.0, 20.0], dimension: 4, of: 2 }
}

#[test]
fn a_text_from_outside_never_becomes_markup() {
    let names = vec![HOSTILE.to_owned(), format!("{HOSTILE}2")];
    let sure = TestRow::ok(0, &[1, 0]).probs(&[0.99, 0.01]).target_prob(0.01);
    let mut report = made(
        names,
        &[sure, TestRow::error(HOSTILE).target(1), TestRow::ok(1, &[1]).probs(&[0.5]).image(HOSTILE, 7, 7)],
    );
    report.provenance =
        Provenance { job: HOSTILE.to_owned(), input_uri: HOSTILE.to_owned(), ..Provenance::default() };
    let exhibit = |number| Exhibit {
        number,
        key: HOSTILE.to_owned(),
        link: Some(format!("https://host/{HOSTILE}")),
        message: Some(HOSTILE.to_owned()),
        picture: Picture::Missing(HOSTILE.to_owned()),
    };
    let gallery = Gallery {
        mistakes: vec![exhibit(0)],
        failed: vec![exhibit(1)],
        note: Some(HOSTILE.to_owned()),
        query: Some(HOSTILE.to_owned()),
        map: Some(map(HOSTILE)),
        ..Gallery::default()
    };
    let verdicts = [Gate::parse("top1 > 1").unwrap().check(&report.metrics())];
    let page = report.to_html(&verdicts, &gallery).unwrap();
    // the page's own, and no other
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
    assert_eq!(page.matches("</title>").count() - page.matches("<title>").count(), 0);
    assert!(!page.contains("<img src=x") && page.contains("&lt;img src=x"), "not escaped");
    assert!(!page.contains("54439"), "a text was taken for a template");
    // ten places at least: title, heading, class tables, pairs, matrix, formats, errors, gallery, provenance
    assert!(page.matches("&lt;script").count() >= 10, "{}", page.matches("&lt;script").count());
}

#[test]
fn nothing_but_the_pages_own_script_and_style_may_run() {
    let page = made(vec!["a".to_owned()], &[TestRow::ok(0, &[0])]).to_html(&[], &Gallery::default()).unwrap();
    let hash = |open: &str, close: &str| {
        let begin = page.find(open).unwrap() + open.len();
        let text = &page[begin..begin + page[begin..].find(close).unwrap()];
        STANDARD.encode(Sha256::digest(text))
    };
    assert!(page.contains(&format!("style-src 'sha256-{}'", hash("<style>", "</style>"))));
    assert!(page.contains(&format!("script-src 'sha256-{}'", hash("<script>", "</script>"))));
    assert!(page.contains("default-src 'none'"));
    for outside in ["http:", "https:", "//cdn", "@import", "url(", " style=", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_of_21_thousand_classes_is_cut_to_5_mb_and_says_so() {
    let names: Vec<String> = (0..21_841).map(|i| format!("class {i} {}", "long name ".repeat(6))).collect();
    let rows: Vec<TestRow> =
        (0..21_841).map(|i| TestRow::ok(i, &[if i % 3 == 0 { 0 } else { i }]).probs(&[0.5])).collect();
    let exhibit = |number: u64| Exhibit {
        number,
        key: format!("key {number}"),
        link: None,
        message: None,
        picture: Picture::Shown("jpeg", vec![7; 18_000].into()),
    };
    let report = made(names, &rows);
    let gallery = Gallery {
        mistakes: report.worst.mistakes.iter().map(|m| exhibit(m.number)).collect(),
        ..Gallery::default()
    };
    let page = report.to_html(&[], &gallery).unwrap();
    assert!(page.len() <= MOST_BYTES && page.len() > MOST_BYTES / 2, "{} bytes", page.len());
    assert!(page.contains("classes with the lowest recall of 21,841: a page holds 5 MB."));
    assert_eq!(page.matches("data:image/jpeg").count(), 64);
}

#[test]
fn pictures_that_do_not_fit_are_left_out_and_said() {
    let report = made(vec!["a".to_owned(), "b".to_owned()], &[TestRow::ok(0, &[1]).probs(&[0.5])]);
    let picture = Picture::Shown("jpeg", vec![7; MOST_BYTES].into());
    let exhibit = Exhibit { number: 0, key: "k".to_owned(), link: None, message: None, picture };
    let page = report.to_html(&[], &Gallery { mistakes: vec![exhibit], ..Gallery::default() }).unwrap();
    assert!(page.contains("The pictures are left out: the page would be larger than 5 MB."));
}

#[test]
fn the_audit_of_the_output_is_a_section_with_a_link_or_says_why_it_is_not_shown() {
    let report = made(vec!["a".to_owned()], &[TestRow::ok(0, &[0])]);
    let page = |audit| report.to_html(&[], &Gallery { audit, ..Gallery::default() }).unwrap();
    assert!(!page(None).contains("id=\"audit\""));
    let audit = AttachedAudit {
        made: "2026-01-02T03:04:05Z".to_owned(),
        against: Some("<script>alert(1)</script>".to_owned()),
        metrics: [("wrong_labels".to_owned(), 1234.0), ("unknown".to_owned(), 1.0)].into(),
        page: Some("audit.html".to_owned()),
        ..AttachedAudit::default()
    };
    let shown = page(Some(audit.clone()));
    assert!(shown.contains("<dd>1,234</dd>") && shown.contains("href=\"audit.html\""), "{shown}");
    assert!(!shown.contains("<script>alert"));
    let elsewhere = AttachedAudit { page: None, address: Some("s3 address".to_owned()), ..audit };
    assert!(page(Some(elsewhere)).contains("Its page is s3 address."));
    let other =
        AttachedAudit { note: Some("It is one of other rows.".to_owned()), ..AttachedAudit::default() };
    assert!(page(Some(other)).contains("It is one of other rows."));
}

#[test]
fn an_output_without_rows_or_targets_is_a_page_too() {
    for rows in [vec![], vec![TestRow::ok(None, &[0]).probs(&[0.5])], vec![TestRow::error("limit").target(0)]]
    {
        let page = made(vec!["a".to_owned()], &rows).to_html(&[], &Gallery::default()).unwrap();
        assert!(page.contains("nothing can be said of the accuracy"), "{}", rows.len());
    }
}

#[test]
fn masked_figures_sets_and_several_classes_are_told() {
    let report = made(vec!["a".to_owned(), "b".to_owned()], &[TestRow::ok(0, &[0, 1]).probs(&[0.5])]);
    let page = |report: &Report| report.to_html(&[], &Gallery::default()).unwrap();
    let plain = page(&report);
    assert!(!plain.contains("id=\"scoring\"") && !plain.contains("unmasked") && !plain.contains("AP %"));

    let none_of_one = Proportion::new(0, 1);
    let masked = Masked { classes: 200, top1_unmasked: none_of_one, top5_unmasked: none_of_one };
    let masked = page(&Report { masked: Some(masked), ..report.clone() });
    assert!(masked.contains("1 of 1 images, among 200 classes"), "{masked}");
    assert!(masked.contains("Scored among 200 of the model&#x27;s 2 classes alone"), "{masked}");
    assert!(
        masked.contains("<dt>top-1, unmasked</dt><dd>0.00</dd><dd class=\"note\">%, among all 2 classes;")
    );

    let sets = page(&Report { target_sets: true, ..report.clone() });
    assert!(sets.contains("target is a set of classes"), "{sets}");

    let average_precision = vec![Some(25.5), None];
    let multi = MultiLabel { map: Some(25.5), rows: 9, classes: 1, average_precision };
    let multi = page(&Report { multi_label: Some(multi), target_sets: true, ..report });
    assert!(multi.contains("<h3>mean average precision</h3>") && multi.contains("over 9 images"), "{multi}");
    assert!(multi.contains("AP %") && multi.contains("<td class=\"n\">25.50</td>"), "{multi}");
}
