//! Rows that share their key with an earlier one. Only keys of a column can: `input.key_column` need not be unique.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use serde::Serialize;

use crate::failure::Failure;
use crate::job::Frozen;
use crate::output::{CommittedPart, read_rows};
use crate::store::Location;

/// Keys that are remembered: about 75 MB.
const MOST_KEYS: u64 = 1 << 22;

/// The result of the search for repeated keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepeatedKeys {
    /// Rows whose key an earlier row has.
    pub rows: u64,
    /// The first such key.
    pub first: Option<String>,
    /// Rows that were checked, from the first one on.
    pub looked_at: u64,
    #[serde(skip)]
    seen: HashSet<u64>,
}

impl RepeatedKeys {
    /// Counts them in the rows of a job whose keys come from a column; `None` for any other job.
    ///
    /// # Errors
    /// The output cannot be read.
    pub(super) async fn count(
        output: &Location,
        frozen: &Frozen,
        parts: &[CommittedPart],
    ) -> Result<Option<RepeatedKeys>, Failure> {
        if !frozen.components.contains_key("input.key_column") {
            return Ok(None);
        }
        let mut rows = 0;
        let fits = |part: &&CommittedPart| {
            rows += part.rows;
            rows <= MOST_KEYS
        };
        let looked = parts.iter().take_while(fits).count();
        let mut found = RepeatedKeys::default();
        read_rows(output, &parts[..looked], &["key"], |batch| {
            found.add(batch);
            Ok(())
        })
        .await?;
        found.seen = HashSet::new();
        Ok(Some(found))
    }

    fn add(&mut self, batch: &RecordBatch) {
        let keys = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
        for key in keys.iter().flat_map(|keys| keys.iter().flatten()) {
            self.looked_at += 1;
            // one in two million jobs of this size counts a key too many
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                self.rows += 1;
                self.first.get_or_insert_with(|| key.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn every_row_after_the_first_of_a_key_is_counted_and_the_first_of_them_named() {
        let mut found = RepeatedKeys::default();
        for keys in [&["a", "b", "c"][..], &["b", "d", "b", "a"]] {
            let keys: ArrayRef = Arc::new(StringArray::from(keys.to_vec()));
            found.add(&RecordBatch::try_from_iter([("key", keys)]).unwrap());
        }
        assert_eq!((found.rows, found.first.as_deref(), found.looked_at), (3, Some("b"), 7));
    }
}
