//! The columns that rows are grouped by, and the buckets of the numeric ones.

/// Upper ends and names of the buckets of pixels.
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

/// Upper ends and names of the buckets of bytes.
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

/// The column that rows are grouped by.
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
    /// A sentence that lists the columns there are.
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
                    "rows cannot be grouped by the column `{name}`: there are format, pixels, size; {columns}"
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

/// The value of a column in one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Text(&'a str),
    Bucket(usize),
}
