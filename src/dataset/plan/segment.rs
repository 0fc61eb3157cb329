//! One segment of the plan, as bytes and as an index of its parts.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::dataset::DatasetError;
use crate::dataset::carried::{self, CarriedColumn};
use crate::ids::PartId;
use crate::sample::{Sample, Target};
use crate::store::{Location, ParquetObject};
use crate::tasks::computed;

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow, RowGroup, Unit, first_of_shard, rows_hash};

/// The footer key that holds a segment's head.
const HEAD_KEY: &str = "tresnet.segment";

/// The metadata of a segment, which is in its footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHead {
    /// Fingerprint of the job that the plan belongs to.
    pub fingerprint: String,
    /// Position in the chain, from 0.
    pub index: u32,
    /// Id of its first part.
    pub first_part: PartId,
    /// Row id of its first row.
    pub first_row: i64,
    /// Images (of a shard, whose number is not known: 1) and plan hash of each part.
    pub parts: Vec<(u32, String)>,
    /// Key of its last row: where the next segment's listing begins.
    pub last_key: Option<String>,
    /// Row group of its last row, where rows are groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_group: Option<u32>,
    /// What its rows are.
    #[serde(default, skip_serializing_if = "Unit::is_image")]
    pub unit: Unit,
    /// Columns that its rows bring along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedColumn>,
    /// Its rows' targets are sets of classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sets: bool,
    /// True where the input's whole listing was collected and sorted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sorted: bool,
    /// True for the last segment of the chain.
    pub last: bool,
    /// What the listing left out since the segment before.
    pub left_out: LeftOut,
}

impl SegmentHead {
    /// Images of all its parts; of shards, how many there are.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|(rows, _)| u64::from(*rows)).sum()
    }

    /// Returns the row id of the first row after the segment.
    pub fn next_row(&self) -> i64 {
        match self.unit {
            Unit::Shard => first_of_shard(self.first_part.plus(self.parts.len())),
            Unit::Image | Unit::Group => self.first_row + self.rows() as i64,
        }
    }

    /// Where the next segment's listing begins.
    pub(super) fn last_position(&self) -> Option<PlanPosition> {
        Some(PlanPosition { key: self.last_key.clone()?, group: self.last_group })
    }
}

/// A segment that exists on the output.
#[derive(Debug)]
pub struct Segment {
    head: SegmentHead,
    object: ParquetObject,
}

/// Columns of the row group, where rows are groups.
const GROUP_COLUMNS: [&str; 3] = ["group", "rows", "first"];

fn schema(head: &SegmentHead) -> Arc<Schema> {
    let mut fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("size", DataType::Int64, true),
        Field::new("etag", DataType::Utf8, true),
        Field::new("target", DataType::Int32, true),
    ];
    if head.sets {
        let item = Arc::new(Field::new_list_field(DataType::Int32, true));
        fields.push(Field::new("targets", DataType::List(item), true));
    }
    if head.unit == Unit::Group {
        fields.extend(GROUP_COLUMNS.map(|name| Field::new(name, DataType::Int64, true)));
    }
    fields.extend(head.carried.iter().map(CarriedColumn::field));
    Arc::new(Schema::new(fields))
}

/// Images of a part's rows, as its head counts them.
pub(super) fn images_of(rows: &[PlanRow]) -> u32 {
    rows.iter().map(|row| row.group.map_or(1, |group| group.rows)).sum()
}

fn parts_of(parts: &[Vec<PlanRow>]) -> Vec<(u32, String)> {
    parts.iter().map(|rows| (images_of(rows), rows_hash(rows))).collect()
}

/// The bytes of a segment; `parts` are the rows of each part, and the head's own `parts` is filled from them.
fn encode(mut head: SegmentHead, parts: &[Vec<PlanRow>]) -> Result<Bytes, ParquetError> {
    head.parts = parts_of(parts);
    let schema = schema(&head);
    let json = serde_json::to_string(&head).map_err(|error| ParquetError::External(Box::new(error)))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![KeyValue::new(HEAD_KEY.into(), json)]))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    for rows in parts {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key))),
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.size.map(|size| size as i64)))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.etag.as_deref()))),
            Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.target.as_ref()?.class()))),
        ];
        if head.sets {
            columns.push(Arc::new(sets(rows)));
        }
        if head.unit == Unit::Group {
            let numbers = |number: fn(&RowGroup) -> i64| -> ArrayRef {
                Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.group.as_ref().map(number))))
            };
            columns.extend([
                numbers(|group| i64::from(group.index)),
                numbers(|group| i64::from(group.rows)),
                numbers(|group| group.first as i64),
            ]);
        }
        for (position, column) in head.carried.iter().enumerate() {
            columns.push(column.array(rows.iter().map(|row| row.carried.get(position)))?);
        }
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
        writer.flush()?;
    }
    Ok(writer.into_inner()?.into())
}

/// As [`encode`], beside what the caller's task has to do meanwhile: a million rows take seconds. Returns the rows, too.
pub(super) async fn encode_aside(
    head: SegmentHead,
    parts: Vec<Vec<PlanRow>>,
) -> (Result<Bytes, ParquetError>, Vec<Vec<PlanRow>>) {
    computed(move || (encode(head, &parts), parts)).await
}

fn sets(rows: &[PlanRow]) -> ListArray {
    let mut sets = ListBuilder::new(Int32Builder::new());
    for row in rows {
        match &row.target {
            Some(Target::Set(classes)) => {
                sets.values().append_slice(classes);
                sets.append(true);
            }
            _ => sets.append(false),
        }
    }
    sets.finish()
}

impl Segment {
    /// Reads a segment's footer, or returns `None` if the segment does not exist yet.
    ///
    /// # Errors
    /// The object cannot be read, is no plan segment, or has a head that does not fit its row groups.
    pub async fn open(output: &Location, name: &str) -> Result<Option<Segment>, DatasetError> {
        let Some(object) = ParquetObject::open(output, name).await? else { return Ok(None) };
        let bad = |why: String| DatasetError::BadSegment { name: name.to_owned(), why };
        let json = object.value(HEAD_KEY).ok_or_else(|| bad("is no plan segment".into()))?;
        let head: SegmentHead =
            serde_json::from_str(json).map_err(|error| bad(format!("has an unreadable head: {error}")))?;
        if object.groups() != head.parts.len() {
            return Err(bad("has another number of row groups than parts".into()));
        }
        Ok(Some(Segment { head, object }))
    }

    /// Returns the segment as a planner would see it that kept its own rows instead of reading the committed ones.
    pub(super) fn believed(self, head: SegmentHead, parts: &[Vec<PlanRow>]) -> Segment {
        Segment { head: SegmentHead { parts: parts_of(parts), ..head }, ..self }
    }

    /// The object's name below the output.
    pub fn name(&self) -> &str {
        self.object.name()
    }

    /// Returns the metadata from its footer.
    pub fn head(&self) -> &SegmentHead {
        &self.head
    }

    /// Its parts, ascending.
    pub fn parts(self: &Arc<Self>) -> Vec<Part> {
        let unit = self.head.unit;
        let mut first_row = self.head.first_row;
        let parts = self.head.parts.iter().enumerate().map(|(group, (rows, plan))| {
            let id = self.head.first_part.plus(group);
            let part = Part {
                id,
                first_row: if unit == Unit::Shard { first_of_shard(id) } else { first_row },
                rows: (unit != Unit::Shard).then_some(*rows),
                plan: plan.clone(),
                segment: self.clone(),
                group,
            };
            first_row += i64::from(*rows);
            part
        });
        parts.collect()
    }

    pub(super) async fn read_group(
        &self,
        output: &Location,
        group: usize,
    ) -> Result<Vec<PlanRow>, DatasetError> {
        let mut rows = Vec::new();
        for batch in self.object.read_group(output, group, None).await? {
            decode(&batch, &self.head.carried, &mut rows).ok_or_else(|| DatasetError::BadSegment {
                name: self.name().to_owned(),
                why: "has other columns than a plan".into(),
            })?;
        }
        Ok(rows)
    }
}

fn decode(batch: &RecordBatch, columns: &[CarriedColumn], rows: &mut Vec<PlanRow>) -> Option<()> {
    let key = batch.column_by_name("key")?.as_string_opt::<i32>()?;
    let size = batch.column_by_name("size")?.as_primitive_opt::<Int64Type>()?;
    let etag = batch.column_by_name("etag")?.as_string_opt::<i32>()?;
    let target = batch.column_by_name("target")?.as_primitive_opt::<Int32Type>()?;
    let sets = match batch.column_by_name("targets") {
        // a carried column may have the name
        Some(column) if !columns.iter().any(|carried| carried.name == "targets") => {
            Some(column.as_list_opt::<i32>()?)
        }
        _ => None,
    };
    let numbers = |name| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
    let groups = GROUP_COLUMNS.map(numbers);
    let carried: Option<Vec<&ArrayRef>> =
        columns.iter().map(|column| batch.column_by_name(&column.name)).collect();
    let carried = carried?;
    for row in 0..batch.num_rows() {
        let group = match groups {
            [Some(index), Some(rows), Some(first)] if index.is_valid(row) => Some(RowGroup {
                index: u32::try_from(index.value(row)).ok()?,
                rows: u32::try_from(rows.value(row)).ok()?,
                first: u64::try_from(first.value(row)).ok()?,
            }),
            _ => None,
        };
        rows.push(PlanRow {
            key: key.value(row).to_owned(),
            size: size.is_valid(row).then(|| size.value(row) as u64),
            etag: etag.is_valid(row).then(|| etag.value(row).to_owned()),
            target: match sets {
                Some(sets) if sets.is_valid(row) => {
                    let classes = sets.value(row);
                    Some(Target::Set(classes.as_primitive_opt::<Int32Type>()?.values().as_ref().into()))
                }
                _ => target.is_valid(row).then(|| Target::Class(target.value(row))),
            },
            group,
            carried: carried.iter().map(|column| carried::value(column, row)).collect::<Option<_>>()?,
        });
    }
    Some(())
}

/// A range of the plan and the one output file that it becomes.
#[derive(Debug, Clone)]
pub struct Part {
    /// Position in the plan, from 0.
    pub id: PartId,
    /// Row id of its first row.
    pub first_row: i64,
    /// Images; of a shard they are known when it has been read.
    pub rows: Option<u32>,
    /// SHA-256 of its rows, hex; see `rows_hash`.
    pub plan: String,
    segment: Arc<Segment>,
    group: usize,
}

impl Part {
    /// Its rows of the plan, by one ranged read of its segment.
    ///
    /// # Errors
    /// The segment cannot be read, or it has other rows than its footer lists.
    pub async fn plan_rows(&self, output: &Location) -> Result<Vec<PlanRow>, DatasetError> {
        let rows = self.segment.read_group(output, self.group).await?;
        if rows_hash(&rows) != self.plan {
            return Err(DatasetError::BadSegment {
                name: self.segment.name().to_owned(),
                why: format!("has other rows in part {} than its footer lists", self.id),
            });
        }
        Ok(rows)
    }

    /// The one row of a part that is a shard or a row group.
    ///
    /// # Errors
    /// Those of [`Part::plan_rows`]. [`DatasetError::BadSegment`]: the part has no row, or several.
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
    ///
    /// # Errors
    /// Those of [`Part::plan_rows`].
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
