//! Images that failed, for a person who has to find them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};

/// An image whose row is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedImage {
    /// The image.
    pub key: String,
    /// Why, by kind.
    pub kind: String,
    /// Why, in words.
    pub message: String,
}

impl FailedImage {
    /// The failed ones of a batch of rows, in order.
    pub(super) fn of(batch: &RecordBatch) -> impl Iterator<Item = FailedImage> {
        let column = |name| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let columns = column("key").zip(column("error_kind")).zip(column("error_message"));
        columns.into_iter().flat_map(|((key, kind), message)| {
            (0..kind.len()).filter(|at| kind.is_valid(*at)).map(|at| FailedImage {
                key: key.value(at).to_owned(),
                kind: kind.value(at).to_owned(),
                message: message.value(at).to_owned(),
            })
        })
    }
}

/// Images that are named in a message.
pub(super) const NAMED: usize = 3;

/// Lists the first of `all` failed images, each with its reason, and how many more there are.
pub(super) fn named(failed: &[FailedImage], all: u64) -> String {
    let mut named: Vec<String> = failed
        .iter()
        .take(NAMED)
        .map(|image| format!("`{}`: {}", image.key.escape_debug(), image.message))
        .collect();
    match all.saturating_sub(named.len() as u64) {
        0 => {}
        more if named.is_empty() => named.push(format!("{more} rows have the status `error`")),
        more => named.push(format!("and {more} more")),
    }
    named.join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn failed_images_are_named_and_the_rest_is_counted() {
        let text = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("key", text([Some("a"), Some("b"), Some("c")]), true),
            ("error_kind", text([Some("corrupt"), None, Some("limit")]), true),
            ("error_message", text([Some("why"), None, Some("too large")]), true),
        ])
        .unwrap();
        let failed: Vec<FailedImage> = FailedImage::of(&batch).collect();
        assert_eq!(failed.iter().map(|image| image.kind.as_str()).collect::<Vec<_>>(), ["corrupt", "limit"]);
        assert_eq!(named(&failed, 2), "`a`: why; `c`: too large");
        assert_eq!(named(&failed, 9), "`a`: why; `c`: too large; and 7 more");
        assert_eq!(named(&[], 9), "9 rows have the status `error`");
    }
}
