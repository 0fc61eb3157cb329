//! Drift as tables of the page.

use crate::report::html::words::{NONE, clip, count, decimal};

use super::drift::{ConfidenceDrift, DriftFigures, MovedClass, SliceDrift};
use super::figures::Audit;
use super::section::Section;
use super::table::{SHOWN, Table};
use super::texts::{KEY, called};

pub(super) fn drift_tables(audit: &Audit, tables: &mut Vec<Table>) {
    const TITLE: &str = "Drift against the other output";
    const NOTE: &str = "p is the probability of such a change by chance, if the images of both outputs are drawn from the \
        same ones. With many images a small p can belong to a change that does not matter: look at its size.";
    let drift = match &audit.drift {
        None => return,
        Some(Section::Skipped { skipped }) => {
            tables.push(Table::new(TITLE, format!("Not audited: {skipped}.")));
            return;
        }
        Some(Section::Done(drift)) => drift,
    };
    let columns = vec!["", "Change", "Interval", "p"];
    tables.push(Table { columns, rows: measures(drift), ..Table::new(TITLE, NOTE) });
    let share = |class: &MovedClass| {
        let name = called(&class.name, u32::try_from(class.index).ok());
        let change = class.percent - class.other_percent;
        vec![name, decimal(class.percent, 2), decimal(class.other_percent, 2), format!("{change:+.2}")]
    };
    tables.push(Table {
        columns: vec!["Predicted class", "Share %", "Other output %", "Change"],
        rows: drift.moved.iter().map(share).collect(),
        ..Table::new("Classes whose shares moved most", "")
    });
    if drift.slices.is_empty() {
        return;
    }
    let slice = |slice: &SliceDrift| {
        vec![
            slice.value.as_deref().map_or_else(|| "(no value)".to_owned(), |value| clip(value, KEY)),
            count(slice.rows[0]),
            count(slice.rows[1]),
            slice.classes.map_or(NONE.to_owned(), |classes| decimal(classes.psi, 4)),
            slice.confidence.map_or(NONE.to_owned(), |confidence| format!("{:+.4}", confidence.change)),
            probability(slice.p_holm),
        ]
    };
    tables.push(Table {
        columns: vec!["Value", "Rows", "Other rows", "PSI", "Confidence", "p (Holm)"],
        rows: drift.slices.iter().take(SHOWN).map(slice).collect(),
        ..Table::new("By value", "p is corrected for all tests of all values.")
    });
}

fn measures(drift: &DriftFigures) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if let Some(classes) = &drift.classes {
        let what = "Predicted classes: PSI (interval: without chance, 90 %)".into();
        rows.push(vec![what, decimal(classes.psi, 4), classes.interval(), probability(Some(classes.p))]);
    }
    if let Some(ConfidenceDrift { change, change_low, change_high, p, .. }) = drift.confidence {
        let interval = format!("{change_low:+.4} to {change_high:+.4}");
        rows.push(vec![
            "Mean confidence (interval: 95 %)".into(),
            format!("{change:+.4}"),
            interval,
            probability(Some(p)),
        ]);
    }
    match &drift.embeddings {
        Section::Done(embeddings) => {
            let accuracy = format!("{:.2} %", embeddings.accuracy);
            let none = || NONE.to_owned();
            let p = probability(Some(embeddings.p));
            rows.push(vec![
                "Embeddings: assigned to the right output (50 % by chance)".into(),
                accuracy,
                none(),
                p,
            ]);
            let floor = format!("by chance {:.5}", embeddings.frechet_floor);
            rows.push(vec![
                "Embeddings: Fréchet distance".into(),
                decimal(embeddings.frechet, 5),
                floor,
                none(),
            ]);
        }
        Section::Skipped { skipped } => {
            rows.push(vec!["Embeddings".into(), clip(skipped, KEY), NONE.into(), NONE.into()]);
        }
    }
    rows
}

fn probability(p: Option<f64>) -> String {
    match p {
        None => NONE.to_owned(),
        Some(p) if p < 1e-4 => "< 0.0001".to_owned(),
        Some(p) => decimal(p, 4),
    }
}
