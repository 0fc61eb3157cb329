//! The audit as a page: one file, which asks nothing of any network, in the style of the report's.

use serde::Serialize;

use crate::report::html::MOST_BYTES;
use crate::report::html::gates::{GateRow, gate_rows};
use crate::report::html::page::render;
use crate::report::html::words::{NONE, clip, count, decimal, name};
use crate::report::{Provenance, ReportError, Verdict};

use super::drift_page::drift_tables;
use super::figures::Audit;
use super::finding::{Example, FindingKind};
use super::gallery::{AuditGallery, PICTURED};
use super::label_figures::{Estimate, LabelFigures};
use super::near_page::{exact_tables, near_tables, outlier_tables};
use super::section::Section;
use super::shots::shots;
use super::table::{SHOWN, Table};
use super::texts::{KEY, called};

const TEMPLATE: &str = include_str!("page.html");
#[derive(Serialize)]
struct PageView {
    output: String,
    notes: Vec<String>,
    gates: Vec<GateRow>,
    sections: Vec<Table>,
}

impl Audit {
    /// The audit as one HTML file of at most 5 MB, as far as pictures decide its size: where it would be larger, there are
    /// fewer of them. The template escapes all foreign text, and the page's policy lets nothing be loaded or run.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self, verdicts: &[Verdict], gallery: &AuditGallery) -> Result<String, ReportError> {
        let mut most = PICTURED;
        loop {
            let page = self.page(verdicts, gallery, most)?;
            if page.len() <= MOST_BYTES || most == 0 {
                return Ok(page);
            }
            most /= 2;
        }
    }

    /// The page with the pictures of at most `most` findings of each kind.
    fn page(&self, verdicts: &[Verdict], gallery: &AuditGallery, most: u64) -> Result<String, ReportError> {
        let last = self.provenance.output_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let mut notes = Vec::new();
        if !self.provenance.complete {
            notes.push("The output was not finished: these are the figures of a part of it.".to_owned());
        }
        if self.against.as_ref().is_some_and(|against| !against.complete) {
            notes.push("The other output was not finished: it is compared with a part of it.".to_owned());
        }
        notes.extend(gallery.notes.iter().map(|note| clip(note, 2 * KEY)));
        if most < PICTURED {
            notes.push("Some pictures are left out: the page would be larger than 5 MB.".to_owned());
        }
        let mut sections = Vec::new();
        self.label_tables(&mut sections);
        exact_tables(self, &mut sections);
        near_tables(self, &mut sections);
        outlier_tables(self, &mut sections);
        drift_tables(self, &mut sections);
        for section in &mut sections {
            let shots = section.kind.map(|kind| shots(kind, &self.examples, gallery, most));
            section.shots = shots.unwrap_or_default();
        }
        sections.extend([origin("Origin", &self.provenance)]);
        sections.extend(self.against.as_ref().map(|from| origin("The other output", from)));
        render(TEMPLATE, PageView { output: name(last), notes, gates: gate_rows(verdicts), sections })
    }

    fn label_tables(&self, sections: &mut Vec<Table>) {
        const TITLE: &str = "Likely wrong labels";
        let labels = match &self.labels {
            Section::Done(labels) => labels,
            Section::Skipped { skipped } => {
                sections.push(Table::new(TITLE, format!("Not audited: {skipped}.")));
                return;
            }
        };
        sections.push(Table {
            columns: vec!["", "Rows"],
            rows: label_counts(labels),
            ..Table::new(TITLE, sample(labels))
        });
        let mut classes: Vec<_> =
            labels.classes.iter().filter_map(|class| Some((class, class.noise?))).collect();
        classes.sort_by(|(_, a), (_, b)| b.low.total_cmp(&a.low).then(b.hits.cmp(&a.hits)));
        let rows = classes.iter().filter(|(_, noise)| noise.hits > 0).take(SHOWN).map(|(class, noise)| {
            vec![
                class.name.as_deref().map_or_else(|| format!("class {}", class.index), name),
                count(class.labelled),
                decimal(class.threshold, 3),
                format!("{} of {}", count(noise.hits), count(noise.of)),
                format!("{:.1} ({:.1} to {:.1})", noise.percent, noise.low, noise.high),
            ]
        });
        sections.push(Table {
            columns: vec!["Class", "Labelled", "Threshold", "Other class", "Share %, 95 % interval"],
            rows: rows.collect(),
            ..Table::new("Classes", "By the lower end of the interval of their share of wrong labels.")
        });
        let rows = labels.pairs.iter().take(SHOWN).map(|pair| {
            let called = |text: &Option<String>, class: usize| {
                text.as_deref().map_or_else(|| format!("class {class}"), name)
            };
            vec![
                called(&pair.given_name, pair.given),
                called(&pair.proposed_name, pair.proposed),
                count(pair.rows),
            ]
        });
        sections.push(Table {
            columns: vec!["Label", "Counts as", "Rows"],
            rows: rows.collect(),
            ..Table::new("Pairs of classes", "Rows with one label that count as one of another class.")
        });
        let rows = self.examples.iter().filter(|found| found.kind == FindingKind::Label).take(SHOWN);
        let row = |found: &Example| {
            let (target, proposed) =
                (called(&found.target_label, found.target), called(&found.proposed_label, found.proposed));
            vec![clip(&found.key, KEY), target, proposed, decimal(found.score, 3)]
        };
        sections.push(Table {
            columns: vec!["Image", "Label", "Proposed", "Margin"],
            cells: "t",
            rows: rows.map(row).collect(),
            ..Table::of_kind(
                FindingKind::Label,
                "Images whose label is likely wrong",
                "By margin: the probability of the best other class minus that of the label.",
            )
        });
    }
}

fn origin(title: &str, from: &Provenance) -> Table {
    let row = |what: &str, text: &str| vec![what.to_owned(), clip(text, 2 * KEY)];
    Table {
        columns: vec!["", "Value"],
        cells: "t",
        rows: vec![
            row("Job", &from.job),
            row("Output", &from.output_uri),
            row("Input", &from.input_uri),
            row("Targets", &from.targets),
            row("Model", &format!("{}, {}, {}", from.model_arch, from.precision, from.model_sha256)),
            row("Preprocessing", &from.preprocess),
            row("Made", &from.created),
        ],
        ..Table::new(title, "")
    }
}

fn sample(labels: &LabelFigures) -> &'static str {
    if labels.in_sample {
        "The model was trained on these images. It has learned wrong labels too: many are missing here, and the \
         estimates are too low."
    } else {
        "These figures need a model that was not trained on these images. A model agrees with wrong labels that it \
         has seen in training."
    }
}

fn label_counts(labels: &LabelFigures) -> Vec<Vec<String>> {
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    let noise = |noise: Estimate| format!("{:.2} % ({:.2} to {:.2})", noise.percent, noise.low, noise.high);
    vec![
        row("With a label", count(labels.labelled)),
        row("Likely wrong", count(labels.suspects)),
        row("Estimated share of wrong labels, 95 % interval", labels.noise.map_or(NONE.to_owned(), noise)),
        row("Count as one of a class", count(labels.confident)),
        row("Reach no class's threshold", count(labels.unsure)),
        row("Count as another class, although the label is the best one", count(labels.agreeing)),
        row("Not judged: the kept probabilities are too few", count(labels.undecided)),
    ]
}

#[cfg(test)]
mod tests {
    use crate::report::html::{Exhibit, Picture};

    use super::super::gallery::ShownFinding;
    use super::super::near::{Calibration, NearFigures};
    use super::*;

    #[test]
    fn keys_are_shown_as_text_and_nothing_is_loaded() {
        let mut audit = Audit::without_figures();
        audit.labels = Section::Done(LabelFigures {
            in_sample: true,
            from_logits: true,
            labelled: 10,
            confident: 8,
            unsure: 2,
            undecided: 0,
            suspects: 1,
            agreeing: 0,
            noise: None,
            classes: Vec::new(),
            pairs: Vec::new(),
        });
        audit.examples.push(Example {
            kind: FindingKind::Label,
            rank: 1,
            score: 0.5,
            key: "<script>alert(1)</script>.jpg".into(),
            other_key: None,
            target: Some(3),
            target_label: None,
            proposed: Some(4),
            proposed_label: Some("cat & dog".into()),
        });
        let page = audit.to_html(&[], &AuditGallery::default()).unwrap();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>alert"), "{page}");
        assert!(page.contains("was trained on these images") && page.contains("class 3"), "{page}");
        assert!(
            page.contains("default-src &#x27;none&#x27;") || page.contains("default-src 'none'"),
            "{page}"
        );
    }

    /// An audit of `count` pairs of near duplicates, and their pictures of `bytes` each.
    fn pairs(count: u64, bytes: usize) -> (Audit, AuditGallery) {
        let mut audit = Audit::without_figures();
        audit.near = Section::Done(NearFigures {
            images: 100,
            without_embedding: 0,
            calibration: Calibration {
                pairs: 4950,
                all: true,
                median: 0.0,
                spread: 0.1,
                threshold: 0.9,
                given: false,
                predicted: 0.0,
            },
            pairs: count,
            groups: count,
            duplicates: count,
            label_conflicts: 0,
            candidates_left_out: 0,
        });
        let exhibit = |number: u64, key: String| Exhibit {
            number,
            key,
            link: None,
            message: None,
            picture: Picture::Shown("jpeg", vec![number as u8; bytes].into()),
        };
        let mut gallery = AuditGallery::default();
        for rank in 1..=count {
            let keys = [format!("<img src=x onerror=alert(1)>{rank}.jpg"), format!("\"other\" {rank}.jpg")];
            audit.examples.push(Example {
                kind: FindingKind::NearDuplicate,
                rank,
                score: 0.99,
                key: keys[0].clone(),
                other_key: Some(keys[1].clone()),
                target: Some(3),
                target_label: Some("</b><script>".into()),
                proposed: None,
                proposed_label: None,
            });
            let [image, other] = keys;
            gallery.shown.push(ShownFinding {
                kind: FindingKind::NearDuplicate,
                rank,
                image: exhibit(2 * rank, image),
                other: Some(exhibit(2 * rank + 1, other)),
            });
        }
        (audit, gallery)
    }

    #[test]
    fn a_pair_is_shown_as_two_pictures_and_its_names_as_text() {
        let (audit, gallery) = pairs(3, 100);
        let page = audit.to_html(&[], &gallery).unwrap();
        assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,").count(), 6, "{page}");
        assert!(!page.contains("<img src=x") && !page.contains("</b><script>"), "{page}");
        assert!(page.contains("class=\"gallery pair\""), "{page}");
    }

    #[test]
    fn a_page_that_would_be_too_large_has_fewer_pictures_and_says_so() {
        let (audit, gallery) = pairs(PICTURED, 300_000);
        let page = audit.to_html(&[], &gallery).unwrap();
        let count = page.matches("<img src=\"data:").count();
        assert!(
            page.len() <= MOST_BYTES && (2..24).contains(&count),
            "{count} pictures, {} bytes",
            page.len()
        );
        assert!(page.contains("Some pictures are left out"));
    }

    #[test]
    fn notes_about_pictures_are_on_the_page() {
        let notes = vec!["There are no pictures: `<b>` is out of reach.".to_owned()];
        let gallery = AuditGallery { notes, ..AuditGallery::default() };
        let page = Audit::without_figures().to_html(&[], &gallery).unwrap();
        assert!(page.contains("&lt;b&gt;` is out of reach"), "{page}");
    }
}
