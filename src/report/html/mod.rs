//! The report as a page: one file, which asks nothing of any network.
//!
//! Names of classes, keys, error messages and addresses are data that somebody else chose. The template engine escapes
//! all of it, the drawings escape their own, and a Content-Security-Policy forbids every script but the page's own, by
//! its hash: a text that came through nevertheless would not run.

mod gallery;
mod headline;
mod heatmap;
mod pictures;
mod plots;
mod svg;
mod tables;
mod view;
pub(super) mod words;

pub use gallery::{Exhibit, Gallery, PICTURES, Picture, SIDE};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

use super::error::ReportError;
use super::figures::Report;
use super::gate::Verdict;
use view::View;

/// A page is never larger.
pub const MOST_BYTES: usize = 5_000_000;

const PAGE: &str = include_str!("page.html");
pub(super) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

impl Report {
    /// The report as one HTML file of at most 5 MB: where it would be larger, the table of classes is cut, worst
    /// classes first, and says so; then pictures are left out.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self, verdicts: &[Verdict], gallery: &Gallery) -> Result<String, ReportError> {
        let mut rows = self.classes.len();
        loop {
            let page = self.page(verdicts, gallery, rows)?;
            if page.len() <= MOST_BYTES {
                return Ok(page);
            }
            if rows == 0 {
                let bare = Gallery {
                    note: Some("The pictures are left out: the page would be larger than 5 MB.".to_owned()),
                    ..Gallery::default()
                };
                return self.page(verdicts, &bare, 0);
            }
            rows = if rows < 64 { 0 } else { rows / 4 * 3 };
        }
    }

    fn page(
        &self,
        verdicts: &[Verdict],
        gallery: &Gallery,
        class_rows: usize,
    ) -> Result<String, ReportError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_template("page", PAGE)?;
        let view = View::of(self, verdicts, gallery, class_rows);
        let page = environment.get_template("page")?.render(context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            policy => Value::from_safe_string(policy()),
            v => Value::from(Serde(view)),
        })?;
        Ok(page)
    }
}

/// Nothing may be loaded, and only the page's own script and styles count.
pub(super) fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{
        Accumulator, Classes, Extras, Gate, Masked, MultiLabel, Proportion, Provenance, SliceBy,
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

    #[test]
    fn a_text_from_outside_never_becomes_markup() {
        let names = vec![HOSTILE.to_owned(), format!("{HOSTILE}2")];
        let sure = TestRow::ok(0, &[1, 0]).probs(&[0.99, 0.01]).target_prob(0.01);
        let mut report = made(
            names,
            &[
                sure,
                TestRow::error(HOSTILE).target(1),
                TestRow::ok(1, &[1]).probs(&[0.5]).image(HOSTILE, 7, 7),
            ],
        );
        report.provenance =
            Provenance { job: HOSTILE.to_owned(), input_uri: HOSTILE.to_owned(), ..Provenance::default() };
        let exhibit = |number| Exhibit {
            number,
            key: HOSTILE.to_owned(),
            message: Some(HOSTILE.to_owned()),
            picture: Picture::Missing(HOSTILE.to_owned()),
        };
        let gallery =
            Gallery { mistakes: vec![exhibit(0)], failed: vec![exhibit(1)], note: Some(HOSTILE.to_owned()) };
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
        let page =
            made(vec!["a".to_owned()], &[TestRow::ok(0, &[0])]).to_html(&[], &Gallery::default()).unwrap();
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
        let names: Vec<String> =
            (0..21_841).map(|i| format!("class {i} {}", "long name ".repeat(6))).collect();
        let rows: Vec<TestRow> =
            (0..21_841).map(|i| TestRow::ok(i, &[if i % 3 == 0 { 0 } else { i }]).probs(&[0.5])).collect();
        let exhibit = |number: u64| Exhibit {
            number,
            key: format!("key {number}"),
            message: None,
            picture: Picture::Png(vec![7; 18_000].into()),
        };
        let report = made(names, &rows);
        let gallery = Gallery {
            mistakes: report.worst.mistakes.iter().map(|m| exhibit(m.number)).collect(),
            ..Gallery::default()
        };
        let page = report.to_html(&[], &gallery).unwrap();
        assert!(page.len() <= MOST_BYTES && page.len() > MOST_BYTES / 2, "{} bytes", page.len());
        assert!(page.contains("classes with the lowest recall of 21,841: a page holds 5 MB."));
        assert_eq!(page.matches("data:image/png").count(), 64);
    }

    #[test]
    fn pictures_that_do_not_fit_are_left_out_and_said() {
        let report = made(vec!["a".to_owned(), "b".to_owned()], &[TestRow::ok(0, &[1]).probs(&[0.5])]);
        let picture = Picture::Png(vec![7; MOST_BYTES].into());
        let exhibit = Exhibit { number: 0, key: "k".to_owned(), message: None, picture };
        let page = report.to_html(&[], &Gallery { mistakes: vec![exhibit], ..Gallery::default() }).unwrap();
        assert!(page.contains("The pictures are left out: the page would be larger than 5 MB."));
    }

    #[test]
    fn an_output_without_rows_or_targets_is_a_page_too() {
        for rows in
            [vec![], vec![TestRow::ok(None, &[0]).probs(&[0.5])], vec![TestRow::error("limit").target(0)]]
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
            masked
                .contains("<dt>top-1, unmasked</dt><dd>0.00</dd><dd class=\"note\">%, among all 2 classes;")
        );

        let sets = page(&Report { target_sets: true, ..report.clone() });
        assert!(sets.contains("target is a set of classes"), "{sets}");

        let average_precision = vec![Some(25.5), None];
        let multi = MultiLabel { map: Some(25.5), rows: 9, classes: 1, average_precision };
        let multi = page(&Report { multi_label: Some(multi), target_sets: true, ..report });
        assert!(
            multi.contains("<h3>mean average precision</h3>") && multi.contains("over 9 images"),
            "{multi}"
        );
        assert!(multi.contains("AP %") && multi.contains("<td class=\"n\">25.50</td>"), "{multi}");
    }
}
