//! What can be wrong with the rows.

use std::borrow::Cow;

/// The rows are not what `tresnet-batch` writes. After one of these an accumulator has counted part of a
/// batch, so it is of no further use.
///
/// Row numbers count from 0 over all batches pushed so far.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A column that every output has is missing.
    #[error("column `{column}` is missing; the rows have: {}", list(.found))]
    MissingColumn {
        /// The column that was looked for.
        column: String,
        /// The names of the columns that exist, in their order.
        found: Vec<String>,
    },
    /// A column has another type than the output's schema gives it.
    #[error("column `{column}` has type `{found}` where `{wanted}` is needed")]
    ColumnType {
        /// Its name.
        column: Cow<'static, str>,
        /// The type of the output's schema.
        wanted: &'static str,
        /// The type that was found, as arrow prints it.
        found: String,
    },
    /// `status` is neither `ok` nor `error`.
    #[error("row {row}: status is {} where `ok` or `error` is needed", quoted(.found.as_deref()))]
    Status {
        /// The row.
        row: u64,
        /// The value that was found; `None` for null.
        found: Option<String>,
    },
    /// A target that the model has no class for; scoring without it would flatter the model.
    #[error(
        "row {row}: target `{target}` is outside the model's {classes} classes: \
         are the targets of another class list?"
    )]
    Target {
        /// The row.
        row: u64,
        /// The target that was found.
        target: i32,
        /// Number of classes; targets are `0..classes`.
        classes: usize,
    },
    /// An `ok` row with a target has no usable predicted class.
    #[error(
        "row {row}: `index` is null, empty or starts outside the model's {classes} classes \
         although the row is `ok`"
    )]
    Prediction {
        /// The row.
        row: u64,
        /// Number of classes.
        classes: usize,
    },
    /// `target_rank` is below 1 or above the number of classes.
    #[error("row {row}: target_rank `{rank}` is outside 1 to {classes}")]
    Rank {
        /// The row.
        row: u64,
        /// The rank that was found.
        rank: i32,
        /// Number of classes.
        classes: usize,
    },
    /// A probability is NaN or infinite.
    #[error("row {row}: `{column}` is `{value}` where a finite number is needed")]
    NotFinite {
        /// `prob` or `target_prob`.
        column: &'static str,
        /// The row.
        row: u64,
        /// The value that was found.
        value: f32,
    },
    /// A probability is below 0 or above 1.
    #[error("row {row}: `{column}` is `{value}` where a probability from 0 to 1 is needed")]
    NoProbability {
        /// `prob` or `target_prob`.
        column: &'static str,
        /// The row.
        row: u64,
        /// The value that was found.
        value: f32,
    },
    /// Logits that give no probabilities.
    #[error("row {row}: `logits` holds a value that is not finite although the row is `ok`")]
    Logits {
        /// The row.
        row: u64,
    },
    /// A target outside of the classes that the rows are scored among.
    #[error("row {row}: target `{target}` is none of the {classes} classes that rows are scored among")]
    NotAmong {
        /// The row.
        row: u64,
        /// The target that was found.
        target: i32,
        /// How many classes there are.
        classes: usize,
    },
    /// Columns that cannot be put together: a bug.
    #[error("the rows cannot be combined: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The page of a report could not be written.
    #[error("the report cannot be written as HTML")]
    Html(#[from] minijinja::Error),
    /// The JSON of a report could not be written.
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no column at all".to_owned() } else { names.join(", ") }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), |text| format!("`{}`", text.escape_debug()))
}
