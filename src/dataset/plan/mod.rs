//! The frozen plan: a chain of segments, each a Parquet file with one row group a part.
//!
//! Whoever creates a segment first decides it; everybody else reads it. No process holds the whole plan: a
//! segment's footer says which parts it has, and one ranged read gives one part's rows.

mod excluding;
mod planner;
mod segment;

pub use excluding::{DoneImage, DoneImages, Excluding, group_key};
pub use planner::{Planner, PlannerOptions, Planning, segments_of};
pub use segment::{Segment, SegmentHead};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::PartId;
use crate::sample::{Sample, Target, Value};
use crate::store::Location;

use super::{CarriedColumn, DatasetError};

/// What a row of the plan stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One image; a part is as many of them as the job says.
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

/// Where a listing goes on: behind this row.
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
    pub(super) fn position(&self) -> PlanPosition {
        PlanPosition { key: self.key.clone(), group: self.group.map(|group| group.index) }
    }
}

/// What a listing saw and did not take, so that nothing is dropped in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Files by their extension (with its dot).
    pub extensions: BTreeMap<String, u64>,
    /// Files that cannot become a key: links in circles, names that are no text.
    pub unreadable: u64,
    /// Images that the targets say nothing of (they lie in no class folder, or stand in no truth file): taken, but
    /// without a target.
    pub without_target: u64,
    /// Images that stand in an output of `input.exclude_done`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub already_done: u64,
}

impl LeftOut {
    /// True where all was taken and had a target.
    pub fn is_empty(&self) -> bool {
        *self == LeftOut::default()
    }

    /// Adds another listing's counts.
    pub fn add(&mut self, other: &LeftOut) {
        for (extension, count) in &other.extensions {
            *self.extensions.entry(extension.clone()).or_default() += count;
        }
        self.unreadable += other.unreadable;
        self.without_target += other.without_target;
        self.already_done += other.already_done;
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> =
            self.extensions.iter().map(|(extension, count)| format!("{count} {extension}")).collect();
        if !parts.is_empty() {
            parts = vec![format!("left out: {}", parts.join(", "))];
        }
        if self.unreadable > 0 {
            parts.push(format!("{} cannot be read as a key", self.unreadable));
        }
        if self.without_target > 0 {
            parts.push(format!(
                "taken without a target, since no class folder and no truth file has them: {}",
                self.without_target
            ));
        }
        if self.already_done > 0 {
            parts.push(format!("left out, since an excluded output has them: {}", self.already_done));
        }
        f.write_str(&parts.join("; "))
    }
}

/// What a planner asks of an input: its rows in their one order, from anywhere on.
pub trait PlanSource: Send + Sync {
    /// What its rows stand for.
    fn unit(&self) -> Unit {
        Unit::Image
    }
    /// Columns whose values its rows bring along.
    fn carried(&self) -> &[CarriedColumn] {
        &[]
    }
    /// Whether its targets are sets of classes.
    fn has_sets(&self) -> bool {
        false
    }
    /// The rows behind `after`, in order.
    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>>;
    /// What was left out since the last call.
    fn take_left_out(&self) -> LeftOut;
    /// The error for an input without a single row, saying what was seen instead.
    fn nothing_there(&self) -> DatasetError;
}

/// A range of the plan and the one output file that it becomes.
#[derive(Debug, Clone)]
pub struct Part {
    /// Position in the plan.
    pub id: PartId,
    /// Row id of its first row.
    pub first_row: i64,
    /// Images; of a shard they are known when it has been read.
    pub rows: Option<u32>,
    /// SHA-256 of its rows, hex; see [`rows_hash`].
    pub plan: String,
    segment: Arc<Segment>,
    group: usize,
}

impl Part {
    /// Its rows of the plan, by one ranged read of its segment.
    pub async fn plan_rows(&self, output: &Location) -> Result<Vec<PlanRow>, DatasetError> {
        let rows = self.segment.read_group(output, self.group).await?;
        if rows_hash(&rows) != self.plan {
            return Err(DatasetError::BadSegment {
                name: self.segment.name().to_owned(),
                why: format!("has other rows in part {} than its footer says", self.id),
            });
        }
        Ok(rows)
    }

    /// The one row of a part that is a shard or a row group.
    pub async fn plan_row(&self, output: &Location) -> Result<PlanRow, DatasetError> {
        let mut rows = self.plan_rows(output).await?.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            _ => Err(DatasetError::BadSegment {
                name: self.segment.name().to_owned(),
                why: format!("has not one row in part {}", self.id),
            }),
        }
    }

    /// Its samples, where each row of the plan is an image.
    pub async fn samples(&self, output: &Location) -> Result<Vec<Sample>, DatasetError> {
        Ok(self.samples_of(self.plan_rows(output).await?))
    }

    /// These rows of it as samples, numbered.
    pub fn samples_of(&self, rows: Vec<PlanRow>) -> Vec<Sample> {
        let samples = rows.into_iter().zip(self.first_row..).map(|(row, row_id)| Sample {
            row_id,
            key: row.key,
            etag: row.etag,
            size: row.size,
            target: row.target,
            carried: row.carried,
        });
        samples.collect()
    }
}

/// SHA-256 over the rows of a part: key, etag, size and target of each, every field behind its length (and
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
