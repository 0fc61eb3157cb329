//! The plan of Parquet files: their row groups, by their footers.

use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::objects::Objects;
use crate::dataset::plan::{LeftOut, PlanPosition, PlanRow, PlanShape, PlanSource, RowGroup, Unit};
use crate::dataset::{CarriedColumn, DatasetError, Truth};
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError};

use super::columns::{Columns, FEATURES, Labels};

/// Encoded bytes of the largest row group that is read.
const MOST_BYTES: u64 = 1 << 30;

/// The planning side of Parquet files with images.
pub struct ParquetSource {
    files: Objects,
    targets: Option<Truth>,
    carried: Vec<CarriedColumn>,
    most_rows: u32,
}

impl ParquetSource {
    /// The files below a folder, or those of it that `pattern` names. No row group may hold more than `most_rows`.
    ///
    /// # Errors
    /// Where the pattern means nothing, or one file twice.
    pub fn new(
        input: Location,
        pattern: Option<&str>,
        targets: Option<Truth>,
        carried: Vec<CarriedColumn>,
        most_rows: u32,
    ) -> Result<Self, DatasetError> {
        let files = Objects::new(input, "parquet", pattern)?;
        Ok(ParquetSource { files, targets, carried, most_rows })
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        ParquetSource { files: self.files.with_hidden(takes_hidden), ..self }
    }

    /// The names of some files, for whoever asks whether the input is still there.
    pub async fn some_keys(&self, count: usize) -> Result<Vec<String>, DatasetError> {
        self.files.some_keys(count).await
    }

    /// The columns of these names with the types that they have in the first file.
    pub async fn types(&self, names: &[String]) -> Result<Vec<CarriedColumn>, DatasetError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.files.rows(None).try_next().await?;
        let first = first.ok_or_else(|| self.files.empty_error())?;
        let file = self.open(&first).await?;
        let schema = file.schema().map_err(|error| self.unreadable(&first.key, error))?;
        let column = |name: &String| {
            let field = schema.field_with_name(name).ok();
            field.and_then(|field| CarriedColumn::of(name, field.data_type())).ok_or_else(|| {
                let columns: Vec<String> = schema.fields().iter().map(|field| format!("`{}`", field.name())).collect();
                self.wrong(
                    &first.key,
                    format!(
                        "`input.carry_columns` names `{name}`, which is no column of it, or not of a plain type; its columns \
                         are {}",
                        columns.join(", ")
                    ),
                )
            })
        };
        names.iter().map(column).collect()
    }

    async fn open(&self, file: &PlanRow) -> Result<ParquetObject, DatasetError> {
        let input = self.files.input();
        let Some(size) = file.size else {
            return Err(DatasetError::Missing { uri: format!("{}/{}", input.uri(), file.key) });
        };
        let opened = ParquetObject::open_tagged(input, &file.key, size, file.etag.as_deref()).await;
        opened.map_err(|error| self.unreadable(&file.key, error))
    }

    /// The row groups of a file behind group `after`.
    async fn groups(&self, file: PlanRow, after: Option<u32>) -> Result<Vec<PlanRow>, DatasetError> {
        let object = self.open(&file).await?;
        let wrong = |why: String| self.wrong(&file.key, why);
        let schema = object.schema().map_err(|error| self.unreadable(&file.key, error))?;
        let names = self.targets.as_ref().and_then(Truth::beside);
        let columns = Columns::find(&schema, names.is_some(), &self.carried).map_err(wrong)?;
        if let (Some(names), Some(target)) = (names, &columns.target) {
            Labels::of(object.value(FEATURES), target, names).map_err(wrong)?;
        }
        let mut first = 0;
        let mut rows = Vec::new();
        for group in 0..object.groups() {
            let count = object.group_rows(group);
            let fits = u32::try_from(count).ok().filter(|count| *count <= self.most_rows);
            let count = fits.ok_or_else(|| {
                wrong(format!(
                    "row group {group} has {count} rows, and a row group is one part of the output, which takes at most {}; \
                     write the file with smaller row groups, or ask for less a row (`output.embedding`, `output.logits`)",
                    self.most_rows
                ))
            })?;
            let bytes = object.group_bytes(group);
            if bytes > MOST_BYTES {
                return Err(wrong(format!(
                    "row group {group} has {bytes} bytes, and a row group is held in memory while it is read, which goes up \
                     to {MOST_BYTES}; write the file with smaller row groups"
                )));
            }
            let index = u32::try_from(group).map_err(|error| wrong(error.to_string()))?;
            if count > 0 && after.is_none_or(|after| index > after) {
                let group = Some(RowGroup { index, rows: count, first });
                rows.push(PlanRow { group, ..file.clone() });
            }
            first += u64::from(count);
        }
        Ok(rows)
    }

    fn wrong(&self, key: &str, why: String) -> DatasetError {
        DatasetError::File { uri: format!("{}/{key}", self.files.input().uri()), why }
    }

    fn unreadable(&self, key: &str, error: ParquetReadError) -> DatasetError {
        match error {
            ParquetReadError::Damaged { why, .. } => {
                self.wrong(key, format!("it is no whole Parquet file: {why}"))
            }
            ParquetReadError::Refused { error: FetchError::Store(error), .. }
            | ParquetReadError::Store(error) => error.into(),
            ParquetReadError::Refused { error, .. } => self.wrong(key, error.to_string()),
        }
    }
}

impl PlanSource for ParquetSource {
    fn shape(&self) -> PlanShape<'_> {
        PlanShape { unit: Unit::Group, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let position = after.cloned();
        let begun = position.clone();
        // the file whose groups are planned in part; its own listing does not give it again
        let rest = futures::stream::iter(begun).then(move |begun| async move {
            let Some(found) = self.files.input().stat(&begun.key).await? else {
                return Err(DatasetError::Missing {
                    uri: format!("{}/{}", self.files.input().uri(), begun.key),
                });
            };
            let file =
                PlanRow { key: begun.key, size: Some(found.size), etag: found.etag, ..PlanRow::default() };
            self.groups(file, begun.group).await
        });
        let files = self.files.rows(position.as_ref().map(|row| row.key.as_str()));
        let further = files.and_then(move |file| self.groups(file, None));
        rest.chain(further)
            .map_ok(|groups| futures::stream::iter(groups.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        self.files.take_left_out()
    }

    fn empty_error(&self) -> DatasetError {
        self.files.empty_error()
    }
}
