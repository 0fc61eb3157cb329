//! The rows of a plan, and the hash that ties a part to its rows.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::PartId;
use crate::sample::{Target, Value};
use crate::store::Entry;

/// What a row of the plan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One image; a part is as many of them as the job sets.
    #[default]
    Image,
    /// One shard, which is one part; how many images it holds is known when it has been read.
    Shard,
    /// One row group of a Parquet file, which is one part.
    Group,
}

impl Unit {
    pub(super) fn is_image(&self) -> bool {
        *self == Unit::Image
    }
}

/// The first row of shard `number` has this id; the shard's images count on from it.
pub fn first_of_shard(shard: PartId) -> i64 {
    i64::from(shard.0) << 32
}

/// Where a listing resumes: after this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPosition {
    /// The row's key.
    pub key: String,
    /// Its row group, where rows are groups.
    pub group: Option<u32>,
}

/// A range of a Parquet file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowGroup {
    /// Position in the file.
    pub index: u32,
    /// Rows taken of it, from its beginning.
    pub rows: u32,
    /// Rows of the file in front of it.
    pub first: u64,
}

/// One row of the plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanRow {
    /// Key below the input.
    pub key: String,
    /// Bytes, as listed.
    pub size: Option<u64>,
    /// Strong entity tag, as listed.
    pub etag: Option<String>,
    /// Ground truth, where the plan knows it.
    pub target: Option<Target>,
    /// The row group that it is, where rows are groups.
    pub group: Option<RowGroup>,
    /// Values of the carried columns, where the plan knows them.
    pub carried: Vec<Value>,
}

impl PlanRow {
    /// The row of an object that is listed, without a target.
    pub(in crate::dataset) fn listed(entry: Entry) -> PlanRow {
        PlanRow { size: entry.known_size(), key: entry.key, etag: entry.etag, ..PlanRow::default() }
    }

    pub(super) fn position(&self) -> PlanPosition {
        PlanPosition { key: self.key.clone(), group: self.group.map(|group| group.index) }
    }
}

/// SHA-256 over the rows of a part: key, etag, size and target of each, every field after its length (and
/// 2^32 − 1 for an absent one), so that no two different lists share a hash. A row group is one more field
/// (index, rows and first row, 4, 4 and 8 bytes), and so is each carried value (a letter and its bytes). A target
/// is 4 bytes, a set of them the letter `s` and 4 bytes for each.
pub fn rows_hash(rows: &[PlanRow]) -> String {
    let mut hash = Sha256::new();
    let mut field = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => {
            hash.update((bytes.len() as u32).to_le_bytes());
            hash.update(bytes);
        }
        None => hash.update(u32::MAX.to_le_bytes()),
    };
    for row in rows {
        field(Some(row.key.as_bytes()));
        field(row.etag.as_deref().map(str::as_bytes));
        field(row.size.map(u64::to_le_bytes).as_ref().map(|bytes| bytes.as_slice()));
        match &row.target {
            None => field(None),
            Some(Target::Class(class)) => field(Some(&class.to_le_bytes())),
            Some(Target::Set(classes)) => {
                let each = classes.iter().flat_map(|class| class.to_le_bytes());
                field(Some(&[b's'].into_iter().chain(each).collect::<Vec<u8>>()));
            }
        }
        if let Some(RowGroup { index, rows, first }) = row.group {
            field(Some(&[&index.to_le_bytes()[..], &rows.to_le_bytes(), &first.to_le_bytes()].concat()));
        }
        for value in &row.carried {
            field(
                match value {
                    Value::Null => None,
                    Value::Text(text) => Some([b"t", text.as_bytes()].concat()),
                    Value::Integer(number) => Some([&b"i"[..], &number.to_le_bytes()].concat()),
                    Value::Float(number) => Some([&b"f"[..], &number.to_le_bytes()].concat()),
                    Value::Bool(value) => Some(vec![b'b', u8::from(*value)]),
                }
                .as_deref(),
            );
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
