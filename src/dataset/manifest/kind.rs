//! How a manifest is written, and what its columns are called.

/// Names under which the column of keys may stand.
pub(super) const KEY_COLUMNS: [&str; 3] = ["path", "file_name", "image"];
/// Names under which the column of targets may stand.
pub(super) const TARGET_COLUMNS: [&str; 4] = ["target", "label", "targets", "labels"];

/// How a manifest is written, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Tsv,
    Jsonl,
    Parquet,
    Plain,
}

impl Kind {
    pub fn of(name: &str) -> Kind {
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("csv") => Kind::Csv,
            Some("tsv") => Kind::Tsv,
            Some("jsonl" | "ndjson") => Kind::Jsonl,
            Some("parquet") => Kind::Parquet,
            _ => Kind::Plain,
        }
    }
}
