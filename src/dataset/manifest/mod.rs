//! Manifests: a file that lists the images, one a row, with what else is known of them.
//!
//! CSV and TSV with a header, JSON lines, Parquet, or plain lines. It is read once from its beginning to its end
//! and never held whole; the order of its rows is the order of the plan.

mod file;
mod lines;
mod rows;
mod source;

pub use file::Manifest;
pub(super) use rows::json_text;
pub use source::ManifestSource;

/// Names under which the column of keys may stand.
const KEY_COLUMNS: [&str; 3] = ["path", "file_name", "image"];
/// Names under which the column of targets may stand.
const TARGET_COLUMNS: [&str; 4] = ["target", "label", "targets", "labels"];

/// How a manifest is written, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Tsv,
    Jsonl,
    Parquet,
    Plain,
}

impl Kind {
    fn of(name: &str) -> Kind {
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("csv") => Kind::Csv,
            Some("tsv") => Kind::Tsv,
            Some("jsonl" | "ndjson") => Kind::Jsonl,
            Some("parquet") => Kind::Parquet,
            _ => Kind::Plain,
        }
    }
}
