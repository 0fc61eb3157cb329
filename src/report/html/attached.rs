//! The audit of an output, as the page of its report shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::headline::Fact;
use super::words::{clip, count, decimal};

/// Characters of an address that are shown.
const TEXT: usize = 300;

/// Figures that are shown, by the name of their metric: what they are, and digits after the point.
const SHOWN: [(&str, &str, usize); 11] = [
    ("wrong_labels", "Likely wrong labels", 0),
    ("label_noise", "Estimated share of wrong labels, %", 2),
    ("no_class", "Reach no class's threshold", 0),
    ("duplicates", "Have the bytes of an earlier image", 0),
    ("near_duplicates", "Near duplicates", 0),
    ("leaked_copies", "Have the bytes of an image of the other output", 0),
    ("leaked", "Near duplicates of an image of the other output", 0),
    ("class_psi", "Drift of predicted classes, PSI", 4),
    ("confidence_change", "Change of mean confidence", 4),
    ("embedding_accuracy", "Embeddings assigned to the right output, %", 2),
    ("slice_drift_p", "Lowest p of a slice", 4),
];

/// An audit that was left beside the report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttachedAudit {
    /// When it was made.
    pub made: String,
    /// The other output.
    pub against: Option<String>,
    /// Its figures by name.
    pub metrics: BTreeMap<String, f64>,
    /// A link to its page, if it has one that the report can reach.
    pub page: Option<String>,
    /// The address of its page, if it has one.
    pub address: Option<String>,
    /// Why it is not shown.
    pub note: Option<String>,
}

/// The section of the page.
#[derive(Debug, Serialize)]
pub(super) struct AuditSection {
    made: String,
    against: Option<String>,
    facts: Vec<Fact>,
    page: Option<String>,
    address: Option<String>,
    note: Option<String>,
}

impl AuditSection {
    pub fn of(audit: &AttachedAudit) -> AuditSection {
        let fact = |(name, what, digits): &(&'static str, &'static str, usize)| {
            let value = *audit.metrics.get(*name)?;
            let value = match digits {
                0 => count(value.max(0.0) as u64),
                digits => decimal(value, *digits),
            };
            Some(Fact { what, value, note: String::new() })
        };
        AuditSection {
            made: clip(&audit.made, 40),
            against: audit.against.as_deref().map(|uri| clip(uri, TEXT)),
            facts: SHOWN.iter().filter_map(fact).collect(),
            page: audit.page.clone(),
            address: audit.address.as_deref().map(|uri| clip(uri, TEXT)),
            note: audit.note.as_deref().map(|note| clip(note, TEXT)),
        }
    }
}
