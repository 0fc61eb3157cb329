//! One finding: a row that a person should inspect.

use serde::Serialize;

/// What a finding is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A label that is likely wrong.
    #[default]
    Label,
    /// An image that has the bytes of an earlier one.
    Duplicate,
    /// An image whose bytes the other output has.
    LeakedCopy,
    /// An image that is nearly the representative of its group.
    NearDuplicate,
    /// An image that is nearly one of the other output.
    Leak,
    /// An image whose neighbours are far away.
    Isolated,
    /// An image that is far from the mean of its class.
    FarFromClass,
    /// An image for which no class reaches its threshold.
    NoClass,
}

impl FindingKind {
    /// Every kind, in the order of the findings.
    pub const ALL: [FindingKind; 8] = [
        FindingKind::Label,
        FindingKind::NoClass,
        FindingKind::Duplicate,
        FindingKind::LeakedCopy,
        FindingKind::NearDuplicate,
        FindingKind::Leak,
        FindingKind::Isolated,
        FindingKind::FarFromClass,
    ];

    /// The kind that the column `kind` spells so.
    pub fn parse(text: &str) -> Option<FindingKind> {
        FindingKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// As the column `kind` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::Label => "label",
            FindingKind::Duplicate => "duplicate",
            FindingKind::LeakedCopy => "leaked_copy",
            FindingKind::NearDuplicate => "near_duplicate",
            FindingKind::Leak => "leak",
            FindingKind::Isolated => "isolated",
            FindingKind::FarFromClass => "far_from_class",
            FindingKind::NoClass => "no_class",
        }
    }

    /// Whether two images are concerned.
    pub(crate) fn is_of_two(self) -> bool {
        matches!(self, FindingKind::Duplicate | FindingKind::NearDuplicate) || self.is_between()
    }

    /// Whether the other row is one of the other output.
    pub(crate) fn is_between(self) -> bool {
        matches!(self, FindingKind::Leak | FindingKind::LeakedCopy)
    }
}

/// A row that a person should inspect. Rows are numbers over all parts of the output, from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finding {
    /// The row.
    pub row: u64,
    /// The other row, if two are concerned.
    pub other: Option<u64>,
    /// A higher one is more suspicious.
    pub score: f64,
    /// Its label.
    pub given: Option<u32>,
    /// The class that it more likely has.
    pub proposed: Option<u32>,
    /// The number of its group.
    pub group: Option<u64>,
}

/// A finding for a reader of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// What it is about.
    pub kind: FindingKind,
    /// Its place among findings of its kind, from 1.
    pub rank: u64,
    /// A higher one is more suspicious.
    pub score: f64,
    /// The image's key.
    pub key: String,
    /// The other image's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_key: Option<String>,
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,
    /// The proposed class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<u32>,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed_label: Option<String>,
}
