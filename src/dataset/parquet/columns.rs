//! Which columns of a Parquet file are the image, its key, its class, and what is carried.

use arrow_schema::Schema;

use crate::dataset::CarriedColumn;
use crate::store::Leaf;

use super::image_column::{ImageColumn, ImageKind, TableColumns, listed};

/// Names under which the class may be.
const TARGET_COLUMNS: [&str; 4] = ["label", "target", "labels", "targets"];

/// The columns of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub image: ImageColumn,
    pub key: Option<String>,
    pub target: Option<String>,
}

impl Columns {
    /// Finds the columns, or returns what was found instead.
    ///
    /// # Errors
    /// The file has no column of images or of wanted targets, or a carried column is missing or of another type.
    pub fn find(
        schema: &Schema,
        names: &TableColumns,
        targets: bool,
        carried: &[CarriedColumn],
    ) -> Result<Columns, String> {
        let (image, key) = ImageColumn::find(schema, names)?;
        let target = TARGET_COLUMNS.into_iter().find(|name| schema.field_with_name(name).is_ok());
        if targets && target.is_none() {
            return Err(format!(
                "it has no column `label`, `target`, `labels` or `targets`; its columns are {}",
                listed(schema)
            ));
        }
        for column in carried {
            let field = schema.field_with_name(&column.name);
            let field = field.map_err(|_| {
                format!(
                    "`input.carry_columns` names `{}`, but its columns are {}",
                    column.name,
                    listed(schema)
                )
            })?;
            let kind = CarriedColumn::of(&column.name, field.data_type());
            if kind.as_ref() != Some(column) {
                return Err(format!(
                    "its column `{}` is {}, which is not {} as in the first file, or cannot be carried",
                    column.name,
                    field.data_type(),
                    column.kind()
                ));
            }
        }
        let target = target.filter(|_| targets).map(str::to_owned);
        Ok(Columns { image, key, target })
    }

    /// Whether a leaf of the file is read.
    pub fn wants(&self, leaf: Leaf<'_>, carried: &[CarriedColumn]) -> bool {
        let others = self.key.iter().chain(&self.target).chain(carried.iter().map(|column| &column.name));
        let is_image = leaf.column == self.image.name
            && (self.image.kind == ImageKind::Bytes || matches!(leaf.name, "bytes" | "path"));
        is_image || others.into_iter().any(|name| name == leaf.column)
    }
}
