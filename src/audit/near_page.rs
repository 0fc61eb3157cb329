//! Duplicates, near duplicates and outliers as tables of the page.

use crate::report::html::words::{NONE, clip, count, decimal};

use super::figures::Audit;
use super::finding::{Example, FindingKind};
use super::near::Calibration;
use super::section::Section;
use super::table::{SHOWN, Table};
use super::texts::{KEY, called};

pub(super) fn exact_tables(audit: &Audit, tables: &mut Vec<Table>) {
    const TITLE: &str = "Duplicates";
    const NOTE: &str = "Images whose encoded bytes have the same hash and the same size.";
    let exact = match &audit.exact {
        Section::Skipped { skipped } => {
            tables.push(Table::new(TITLE, format!("Not audited: {skipped}.")));
            return;
        }
        Section::Done(exact) => exact,
    };
    let mut rows = vec![
        row("Images with a hash", exact.images),
        row("Images that have the bytes of an earlier one", exact.duplicates),
        row("Groups", exact.groups),
        row("Duplicates with another label than the first image of their group", exact.label_conflicts),
    ];
    if let Some(Section::Done(copies)) = &audit.copies {
        rows.push(row("Images that the other output has to the byte", copies.leaked));
        rows.push(row("With another label there", copies.label_conflicts));
    }
    tables.push(Table { columns: vec!["", "Images"], rows, ..Table::new(TITLE, NOTE) });
    tables.push(images(audit, FindingKind::Duplicate, "Images with the bytes of another"));
    const COPIES: &str = "Images with the bytes of one of the other output";
    match &audit.copies {
        None => {}
        Some(Section::Skipped { skipped }) => {
            tables.push(Table::new(COPIES, format!("Not audited: {skipped}.")));
        }
        Some(Section::Done(_)) => tables.push(images(audit, FindingKind::LeakedCopy, COPIES)),
    }
}

pub(super) fn outlier_tables(audit: &Audit, tables: &mut Vec<Table>) {
    const TITLE: &str = "Outliers";
    const NOTE: &str = "Images by the share of images that are nearer to their neighbours, or to the mean of their class. \
        Every set of images has a farthest one: these ranks are an order in which to look, and no verdict.";
    match &audit.outliers {
        Section::Skipped { skipped } => tables.push(Table::new(TITLE, format!("Not audited: {skipped}."))),
        Section::Done(outliers) => {
            let mut rows = vec![
                row("Images with an embedding", outliers.images),
                row("Images with which each is compared", outliers.references),
                row("The neighbour whose distance counts", outliers.neighbour),
                row("Images with a label or a prediction", outliers.with_class),
            ];
            let shrinkage = outliers.shrinkage.map_or(NONE.to_owned(), |weight| decimal(weight, 4));
            rows.push(vec!["Shrinkage of the covariance".to_owned(), shrinkage]);
            tables.push(Table { columns: vec!["", "Images"], rows, ..Table::new(TITLE, NOTE) });
            tables.push(ranked(audit, FindingKind::Isolated, "Far from their neighbours"));
            tables.push(ranked(audit, FindingKind::FarFromClass, "Far from their class"));
        }
    }
    if audit.labels.get().is_ok() {
        tables.push(ranked(audit, FindingKind::NoClass, "Images that reach no class's threshold"));
    }
}

fn ranked(audit: &Audit, kind: FindingKind, title: &str) -> Table {
    let found = audit.examples.iter().filter(|found| found.kind == kind).take(SHOWN);
    let row = |found: &Example| {
        let label = called(&found.target_label, found.target);
        vec![clip(&found.key, KEY), label, decimal(found.score, 4)]
    };
    let note = match kind {
        FindingKind::NoClass => "By what the nearest class misses to reach its threshold.",
        _ => "By the share of images that are nearer.",
    };
    Table {
        columns: vec!["Image", "Label", "Score"],
        cells: "t",
        rows: found.map(row).collect(),
        ..Table::of_kind(kind, title, note)
    }
}

pub(super) fn near_tables(audit: &Audit, tables: &mut Vec<Table>) {
    const TITLE: &str = "Near duplicates";
    match &audit.near {
        Section::Skipped { skipped } => tables.push(Table::new(TITLE, format!("Not audited: {skipped}."))),
        Section::Done(near) => {
            let mut rows = vec![
                row("Images with an embedding", near.images),
                row("Near duplicates of the largest image of their group", near.duplicates),
                row("Groups", near.groups),
                row("Pairs", near.pairs),
                row("Near duplicates with another label than that image", near.label_conflicts),
                row("Candidates that were not looked at", near.candidates_left_out),
                row("Without an embedding", near.without_embedding),
            ];
            rows.extend(calibration(&near.calibration));
            tables.push(Table { columns: vec!["", "Images"], rows, ..Table::new(TITLE, NOTE) });
            tables.push(images(audit, FindingKind::NearDuplicate, "Images and what they repeat"));
        }
    }
    const LEAKAGE: &str = "Images that the other output has too";
    match &audit.leakage {
        None => {}
        Some(Section::Skipped { skipped }) => {
            tables.push(Table::new(LEAKAGE, format!("Not audited: {skipped}.")));
        }
        Some(Section::Done(leakage)) => {
            let mut rows = vec![
                row("Images with an embedding", leakage.images),
                row("Images of the other output", leakage.others),
                row("Nearly one of those", leakage.leaked),
                row("With another label than that", leakage.label_conflicts),
                row("Pairs", leakage.pairs),
                row("Candidates that were not looked at", leakage.candidates_left_out),
            ];
            rows.extend(calibration(&leakage.calibration));
            tables.push(Table { columns: vec!["", "Images"], rows, ..Table::new(LEAKAGE, NOTE) });
            tables.push(images(audit, FindingKind::Leak, "Images and the nearest one there"));
        }
    }
}

const NOTE: &str = "Two images are near duplicates if the cosine of their centred embeddings reaches the threshold. The \
    embedding is the model's view: it does not see what the model was trained to ignore.";

fn row(what: &str, value: u64) -> Vec<String> {
    vec![what.to_owned(), count(value)]
}

fn calibration(of: &Calibration) -> Vec<Vec<String>> {
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    vec![
        row(if of.given { "Threshold, as given" } else { "Threshold, calibrated" }, decimal(of.threshold, 3)),
        row("Cosine of random pairs: median", decimal(of.median, 3)),
        row("Cosine of random pairs: spread", decimal(of.spread, 3)),
    ]
}

fn images(audit: &Audit, kind: FindingKind, title: &str) -> Table {
    let found = audit.examples.iter().filter(|found| found.kind == kind).take(SHOWN);
    let row = |found: &Example| {
        let other = found.other_key.as_deref().unwrap_or_default();
        let label = called(&found.target_label, found.target);
        vec![clip(&found.key, KEY), clip(other, KEY), label, decimal(found.score, 4)]
    };
    Table {
        columns: vec!["Image", "Other image", "Label", "Cosine, or 1 for the same bytes"],
        cells: "t",
        rows: found.map(row).collect(),
        ..Table::of_kind(kind, title, "The file of --parquet has up to a million of them.")
    }
}
