//! The plan of Parquet files: their row groups, by their footers.

use std::future::ready;
use std::pin::pin;

use arrow_schema::SchemaRef;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::objects::Objects;
use crate::dataset::plan::{LeftOut, PlanPosition, PlanRow, PlanShape, PlanSource, RowGroup, Unit};
use crate::dataset::{CarriedColumn, DatasetError, Truth};
use crate::store::{FetchError, Leaf, ListingOrder, Location, ParquetObject, ParquetReadError};

use super::columns::Columns;
use super::image_column::{TableColumns, listed};
use super::labels::{FEATURES, Labels};

/// The number of the row group of a file that cannot be asked for. No file has such a group, so a plan that resumes after
/// it does not take the file for one whose groups are planned in part.
const NO_GROUP: u32 = u32::MAX;

/// The planning side of Parquet files with images.
pub struct ParquetSource {
    files: Objects,
    columns: TableColumns,
    targets: Option<Truth>,
    carried: Vec<CarriedColumn>,
    most_rows: u32,
}

/// What the first file of an input shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// The columns that are carried, with their types.
    pub carried: Vec<CarriedColumn>,
    /// The columns of images and keys, if version 0.1.0 would have read other ones.
    pub columns: TableColumns,
}

impl ParquetSource {
    /// The files below a folder, or those of it that `pattern` names.
    ///
    /// # Errors
    /// Where the pattern means nothing, or one file twice.
    pub fn new(input: Location, pattern: Option<&str>) -> Result<Self, DatasetError> {
        let files = Objects::new(input, "parquet", pattern)?;
        let columns = TableColumns::default();
        Ok(ParquetSource { files, columns, targets: None, carried: Vec::new(), most_rows: u32::MAX })
    }

    /// Sets the job's columns, targets and carried columns. No row group may hold more than `most_rows` rows.
    pub fn with_columns(
        self,
        columns: TableColumns,
        targets: Option<Truth>,
        carried: Vec<CarriedColumn>,
        most_rows: u32,
    ) -> Self {
        ParquetSource { columns, targets, carried, most_rows, ..self }
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        ParquetSource { files: self.files.with_hidden(takes_hidden), ..self }
    }

    /// Leaves out what a local disk lists and cannot give, as version 0.1.0 did.
    pub fn without_obstacles(self, leaves_out: bool) -> Self {
        ParquetSource { files: self.files.without_obstacles(leaves_out), ..self }
    }

    /// Names of some files, to check whether the input still exists.
    ///
    /// # Errors
    /// The listing fails. With names instead of a listing, there is no error.
    pub async fn some_keys(&self, count: usize) -> Result<Vec<String>, DatasetError> {
        self.files.some_keys(count).await
    }

    /// Looks at the first file: at the columns of the names `carried`, and for those of images and keys, of which a job
    /// names `typed`.
    ///
    /// # Errors
    /// Only for columns that are carried: what else is wrong is an error of the plan.
    pub async fn look(&self, typed: &TableColumns, carried: &[String]) -> Result<TableFacts, DatasetError> {
        let (key, schema) = match self.first().await {
            Ok(first) => first,
            Err(_) if carried.is_empty() => {
                return Ok(TableFacts { carried: Vec::new(), columns: typed.clone() });
            }
            Err(error) => return Err(error),
        };
        let column = |name: &String| {
            let field = schema.field_with_name(name).ok();
            field.and_then(|field| CarriedColumn::of(name, field.data_type())).ok_or_else(|| {
                self.wrong(
                    &key,
                    format!(
                        "`input.carry_columns` names `{name}`, which is no column of it, or not of a plain type; its columns \
                         are {}",
                        listed(&schema)
                    ),
                )
            })
        };
        let carried = carried.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let columns = match Columns::find(&schema, typed, false, &[]) {
            Ok(found) if typed.image.is_none() && found.image.is_struct() => {
                TableColumns { image: None, key: typed.key.clone() }
            }
            Ok(found) => TableColumns { image: Some(found.image.name), key: found.key },
            Err(_) => typed.clone(),
        };
        Ok(TableFacts { carried, columns })
    }

    /// Key and columns of the first file that can be asked for.
    async fn first(&self) -> Result<(String, SchemaRef), DatasetError> {
        let files = self.files.rows(None).try_filter(|file| ready(!self.files.is_unaddressable(file)));
        let first = pin!(files).try_next().await?;
        let first = first.ok_or_else(|| self.files.empty_error())?;
        drop(self.files.take_left_out());
        let file = self.open(&first).await?;
        let schema = file.schema().map_err(|error| self.unreadable(&first.key, error))?;
        Ok((first.key, schema))
    }

    async fn open(&self, file: &PlanRow) -> Result<ParquetObject, DatasetError> {
        let input = self.files.input();
        let Some(size) = file.size else {
            return Err(DatasetError::Missing { uri: format!("{}/{}", input.uri(), file.key) });
        };
        let opened = ParquetObject::open_tagged(input, &file.key, size, file.etag.as_deref()).await;
        opened.map_err(|error| self.unreadable(&file.key, error))
    }

    /// The row groups of a file after group `after`.
    async fn groups(&self, file: PlanRow, after: Option<u32>) -> Result<Vec<PlanRow>, DatasetError> {
        if self.files.is_unaddressable(&file) {
            // reading it reports why
            let group = Some(RowGroup { index: NO_GROUP, rows: 1, first: 0 });
            return Ok(vec![PlanRow { group, ..file }]);
        }
        let object = self.open(&file).await?;
        let wrong = |why: String| self.wrong(&file.key, why);
        let schema = object.schema().map_err(|error| self.unreadable(&file.key, error))?;
        let names = self.targets.as_ref().and_then(Truth::beside);
        let columns = Columns::find(&schema, &self.columns, names.is_some(), &self.carried).map_err(wrong)?;
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
            let wanted = |leaf: Leaf<'_>| columns.wants(leaf, &self.carried);
            if let Some(why) = object.unread_compression(group, wanted) {
                return Err(wrong(why));
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
            let input = self.files.input();
            if begun.group == Some(NO_GROUP) {
                return Ok(Vec::new());
            }
            let Some(found) = input.stat(&begun.key).await? else {
                return Err(DatasetError::Missing { uri: format!("{}/{}", input.uri(), begun.key) });
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

    fn order(&self) -> Option<&ListingOrder> {
        self.files.order()
    }

    fn empty_error(&self) -> DatasetError {
        self.files.empty_error()
    }
}
