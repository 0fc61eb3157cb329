//! The same accuracy for each value of a column: where a model is good and where it is not.

use std::collections::HashMap;

use serde::Serialize;

use super::judged::Judged;
use super::proportion::Proportion;

/// Different values of a column that are told apart; rows with others are counted together.
pub(super) const VALUES: usize = 1_000;

/// Upper ends of the buckets of pixels, and what they are called.
const PIXELS: [(i64, &str); 9] = [
    (10_000, "up to 0.01 MP"),
    (50_000, "0.01 – 0.05 MP"),
    (100_000, "0.05 – 0.1 MP"),
    (250_000, "0.1 – 0.25 MP"),
    (500_000, "0.25 – 0.5 MP"),
    (1_000_000, "0.5 – 1 MP"),
    (4_000_000, "1 – 4 MP"),
    (16_000_000, "4 – 16 MP"),
    (i64::MAX, "above 16 MP"),
];

/// Upper ends of the buckets of bytes, and what they are called.
const BYTES: [(i64, &str); 9] = [
    (5_000, "up to 5 kB"),
    (10_000, "5 – 10 kB"),
    (25_000, "10 – 25 kB"),
    (50_000, "25 – 50 kB"),
    (100_000, "50 – 100 kB"),
    (250_000, "100 – 250 kB"),
    (1_000_000, "250 kB – 1 MB"),
    (5_000_000, "1 – 5 MB"),
    (i64::MAX, "above 5 MB"),
];

/// What rows are told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceBy {
    /// `format`: that of the source image.
    Format,
    /// `pixels`: width × height of the source image, in buckets.
    Pixels,
    /// `size`: bytes of the source image, in buckets.
    Bytes,
    /// A carried column, by its value as text.
    Column(String),
}

impl SliceBy {
    /// Reads a name as it is typed: `format`, `pixels`, `size`, or one of the `carried` columns.
    ///
    /// # Errors
    /// A sentence that says what there is.
    pub fn parse<'a>(name: &str, carried: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let carried: Vec<&str> = carried.into_iter().collect();
        match name {
            _ if carried.contains(&name) => Ok(Self::Column(name.to_owned())),
            "format" => Ok(Self::Format),
            "pixels" => Ok(Self::Pixels),
            "size" => Ok(Self::Bytes),
            _ => {
                let columns = match carried.as_slice() {
                    [] => "the output carries no columns of its input (`input.carry_columns`)".to_owned(),
                    names => format!("the output carries {}", names.join(", ")),
                };
                Err(format!(
                    "rows cannot be told apart by `{name}`: there are format, pixels, size; {columns}"
                ))
            }
        }
    }

    /// As it is typed.
    pub fn name(&self) -> &str {
        match self {
            Self::Format => "format",
            Self::Pixels => "pixels",
            Self::Bytes => "size",
            Self::Column(name) => name,
        }
    }

    /// The column that it needs beside those of every report.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Format | Self::Pixels => None,
            Self::Bytes => Some("size"),
            Self::Column(name) => Some(name),
        }
    }

    pub(super) fn buckets(&self) -> &'static [(i64, &'static str)] {
        match self {
            Self::Pixels => &PIXELS,
            Self::Bytes => &BYTES,
            Self::Format | Self::Column(_) => &[],
        }
    }
}

/// The bucket of an image by its sides.
pub(super) fn pixels_bucket(width: i32, height: i32) -> usize {
    bucket(&PIXELS, i64::from(width) * i64::from(height))
}

/// The bucket of an image by its bytes.
pub(super) fn bytes_bucket(size: i64) -> usize {
    bucket(&BYTES, size)
}

fn bucket(buckets: &[(i64, &str)], value: i64) -> usize {
    buckets.iter().position(|(end, _)| value <= *end).unwrap_or(buckets.len() - 1)
}

/// What a row says of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Text(&'a str),
    Bucket(usize),
}

/// The figures for each value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slices {
    /// The column, as [`SliceBy::name`] spells it.
    pub by: String,
    /// One entry a value: buckets in their order, other values with the most frequent first.
    pub values: Vec<Slice>,
    /// Rows with values beyond the first 1,000 different ones that were met; `None` where there are none.
    pub other: Option<Slice>,
}

/// The figures of some of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// The value, or the bucket's name; `None` for rows that have none.
    pub value: Option<String>,
    /// All rows.
    pub rows: u64,
    /// Rows with status `error`.
    pub errors: u64,
    /// Scored rows that are right.
    pub top1: Option<Proportion>,
    /// Scored rows whose target is among the best five; `None` where a row does not tell.
    pub top5: Option<Proportion>,
    /// As `top1`, over all rows with a target: a row that failed is wrong.
    pub top1_all: Option<Proportion>,
}

/// Sums for one column.
#[derive(Debug)]
pub(super) struct SliceSums {
    by: SliceBy,
    values: HashMap<String, SliceCounts>,
    buckets: Vec<SliceCounts>,
    null: SliceCounts,
    other: SliceCounts,
}

/// Sums for one value.
#[derive(Debug, Clone, Default)]
struct SliceCounts {
    rows: u64,
    errors: u64,
    with_target: u64,
    scored: u64,
    top1: u64,
    top5: u64,
    top5_unknown: u64,
}

impl SliceSums {
    pub fn new(by: SliceBy) -> Self {
        Self {
            buckets: vec![SliceCounts::default(); by.buckets().len()],
            by,
            values: HashMap::new(),
            null: SliceCounts::default(),
            other: SliceCounts::default(),
        }
    }

    pub fn add(&mut self, judged: &Judged<'_>, cell: Cell<'_>) {
        let counts = match cell {
            Cell::Null => &mut self.null,
            Cell::Bucket(at) => &mut self.buckets[at],
            // looked up twice where it is new, and never copied where it is not
            Cell::Text(text) if self.values.contains_key(text) || self.values.len() < VALUES => {
                if !self.values.contains_key(text) {
                    self.values.insert(text.to_owned(), SliceCounts::default());
                }
                match self.values.get_mut(text) {
                    Some(counts) => counts,
                    None => &mut self.other,
                }
            }
            Cell::Text(_) => &mut self.other,
        };
        counts.add(judged);
    }

    pub fn finish(self) -> Slices {
        let mut values: Vec<(String, SliceCounts)> = self.values.into_iter().collect();
        values.sort_by(|(a, x), (b, y)| (y.rows, a).cmp(&(x.rows, b)));
        let buckets = self.by.buckets().iter().map(|(_, name)| (*name).to_owned()).zip(self.buckets);
        let told = buckets.chain(values).map(|(value, counts)| (Some(value), counts));
        let told = told.chain([(None, self.null)]).filter(|(_, counts)| counts.rows > 0);
        Slices {
            by: self.by.name().to_owned(),
            values: told.map(|(value, counts)| counts.finish(value)).collect(),
            other: (self.other.rows > 0).then(|| self.other.finish(None)),
        }
    }
}

impl SliceCounts {
    fn add(&mut self, judged: &Judged<'_>) {
        self.rows += 1;
        self.errors += u64::from(!judged.is_ok());
        self.with_target += u64::from(judged.target.is_some());
        if let Some((_, score)) = judged.scored() {
            self.scored += 1;
            self.top1 += u64::from(score.top1);
            self.top5 += u64::from(score.top5 == Some(true));
            self.top5_unknown += u64::from(score.top5.is_none());
        }
    }

    fn finish(self, value: Option<String>) -> Slice {
        let top5 = if self.top5_unknown == 0 { Proportion::new(self.top5, self.scored) } else { None };
        Slice {
            value,
            rows: self.rows,
            errors: self.errors,
            top1: Proportion::new(self.top1, self.scored),
            top5,
            top1_all: Proportion::new(self.top1, self.with_target),
        }
    }
}
