//! Which column of a Parquet file holds the images, and which one names them.

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

/// Columns that an error names, at most.
const MOST_NAMED: usize = 30;
/// Letters of a column's name or type in an error.
const LONGEST: usize = 80;

/// Names of the columns, as far as a job gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableColumns {
    /// `input.image_column`
    pub image: Option<String>,
    /// `input.key_column`
    pub key: Option<String>,
}

/// What a value of the column of images is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageKind {
    /// The bytes of an image.
    Bytes,
    /// A struct of an image's `bytes` and its `path`.
    Struct,
}

/// The column of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageColumn {
    pub name: String,
    pub kind: ImageKind,
    /// A value is a list of images.
    pub is_list: bool,
}

impl ImageColumn {
    /// `None` if the values of a field are no images.
    fn of(field: &Field) -> Option<ImageColumn> {
        let (kind, is_list) = match item_of(field.data_type()) {
            Some(item) => (kind_of(item)?, true),
            None => (kind_of(field.data_type())?, false),
        };
        Some(ImageColumn { name: field.name().clone(), kind, is_list })
    }

    /// Finds the columns of images and of keys in a file that has no column of the names that the job gives, or in which
    /// the job gives none.
    ///
    /// # Errors
    /// What is wrong with the columns, and which key to set.
    pub fn find(schema: &Schema, names: &TableColumns) -> Result<(ImageColumn, Option<String>), String> {
        let image = match &names.image {
            Some(name) => typed(schema, name)?,
            None => guessed(schema)?,
        };
        let key = match &names.key {
            Some(name) => Some(key_column(schema, name)?),
            None => usual_key(schema, &image.name),
        };
        Ok((image, key))
    }

    /// Whether it is of the one kind that version 0.1.0 read.
    pub fn is_struct(&self) -> bool {
        self.kind == ImageKind::Struct && !self.is_list
    }
}

/// The items of a list.
fn item_of(kind: &DataType) -> Option<&DataType> {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

fn kind_of(kind: &DataType) -> Option<ImageKind> {
    match kind {
        kind if is_binary(kind) => Some(ImageKind::Bytes),
        DataType::Struct(fields) => {
            let field =
                |name: &str| fields.iter().find(|field| field.name() == name).map(|field| field.data_type());
            let path = field("path");
            let is_image = match (field("bytes")?, path) {
                // written from rows of which none has bytes
                (DataType::Null, Some(path)) => is_text(path),
                (bytes, None | Some(DataType::Null)) => is_binary(bytes),
                (bytes, Some(path)) => is_binary(bytes) && is_text(path),
            };
            is_image.then_some(ImageKind::Struct)
        }
        _ => None,
    }
}

fn is_binary(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_binary(value),
        kind => matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView),
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        kind => matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn typed(schema: &Schema, name: &str) -> Result<ImageColumn, String> {
    let field = schema.field_with_name(name).map_err(|_| {
        format!(
            "`input.image_column` is `{name}`, which is no column of it; its columns are {}",
            listed(schema)
        )
    })?;
    ImageColumn::of(field).ok_or_else(|| {
        format!(
            "`input.image_column` is `{name}`, whose type is {}; images are binary, structs of `bytes` (binary) and `path` \
             (text), or lists of these; its columns are {}",
            short(&field.data_type().to_string()),
            listed(schema)
        )
    })
}

/// The column of images that no name is given for.
fn guessed(schema: &Schema) -> Result<ImageColumn, String> {
    let all: Vec<ImageColumn> = schema.fields().iter().filter_map(|field| ImageColumn::of(field)).collect();
    let of = |kind, is_list| -> Vec<&ImageColumn> {
        all.iter().filter(|column| column.kind == kind && column.is_list == is_list).collect()
    };
    let (structs, lists, plain) =
        (of(ImageKind::Struct, false), of(ImageKind::Struct, true), of(ImageKind::Bytes, false));
    let named = |columns: &[&ImageColumn], name: &str| {
        columns.iter().find(|column| column.name == name).map(|column| (*column).clone())
    };
    let several = |columns: &[&ImageColumn]| {
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        format!(
            "it has several columns of images ({}) and none is called `image`: choose one by `input.image_column`",
            names.join(", ")
        )
    };
    match (&structs[..], &lists[..], &plain[..]) {
        ([only], ..) | ([], [only], _) => Ok((*only).clone()),
        ([_, ..], ..) => named(&structs, "image").ok_or_else(|| several(&structs)),
        ([], [_, ..], _) => {
            ["images", "image"].iter().find_map(|name| named(&lists, name)).ok_or_else(|| several(&lists))
        }
        ([], [], plain) => {
            let is_known = |column: &&ImageColumn| {
                plain.len() == 1 && column.name == "image" || usual_key(schema, &column.name).is_some()
            };
            let known: Vec<&ImageColumn> = plain.iter().copied().filter(is_known).collect();
            match &known[..] {
                [only] => Ok((*only).clone()),
                [_, ..] => Err(several(&known)),
                [] => Err(format!(
                    "it has no column of images that is found without its name (a struct of `bytes` and `path`, or one of \
                     Spark's or img2dataset's): set `input.image_column` to one that is binary, such a struct, or a list of \
                     these; its columns are {}",
                    listed(schema)
                )),
            }
        }
    }
}

/// The column that names the images where a well-known program wrote the file: Spark's `binaryFile` has `path` beside
/// `content`, img2dataset has `key` beside a column that is called like the images' format.
fn usual_key(schema: &Schema, image: &str) -> Option<String> {
    let key = match image {
        "content" => "path",
        "jpg" | "png" | "webp" => "key",
        _ => return None,
    };
    let field = schema.field_with_name(image).ok()?;
    let beside = schema.field_with_name(key).ok()?;
    (is_binary(field.data_type()) && is_text(beside.data_type())).then(|| key.to_owned())
}

fn key_column(schema: &Schema, name: &str) -> Result<String, String> {
    let field = schema.field_with_name(name).map_err(|_| {
        format!(
            "`input.key_column` is `{name}`, which is no column of it; its columns are {}",
            listed(schema)
        )
    })?;
    let kind = field.data_type();
    match is_text(kind) || kind.is_integer() {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "`input.key_column` is `{name}`, whose type is {}; keys are texts or whole numbers",
            short(&kind.to_string())
        )),
    }
}

/// The columns of a file with their types.
pub(super) fn listed(schema: &Schema) -> String {
    let fields = schema.fields();
    let shown = fields.iter().take(MOST_NAMED);
    let shown =
        shown.map(|field| format!("{} ({})", quoted(field.name()), short(&field.data_type().to_string())));
    let mut shown: Vec<String> = shown.collect();
    if fields.len() > MOST_NAMED {
        shown.push(format!("and {} more", fields.len() - MOST_NAMED));
    }
    match shown.is_empty() {
        true => "none".into(),
        false => shown.join(", "),
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", short(name))
}

/// A text of a file, fit for a line.
fn short(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect::<String>().escape_debug().collect();
    // quotes of a type's fields are no escapes
    let short = short.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().count() > LONGEST { format!("{short}…") } else { short }
}

/// The schema with the bytes of its images as views, which are read without a copy; a value that many rows share is
/// then held once.
pub(super) fn with_views(schema: &Schema, image: &ImageColumn) -> Schema {
    let field = |field: &FieldRef| match field.name() == &image.name {
        true => FieldRef::new(field.as_ref().clone().with_data_type(viewed(field.data_type()))),
        false => field.clone(),
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn viewed(kind: &DataType) -> DataType {
    let item =
        |field: &FieldRef| FieldRef::new(field.as_ref().clone().with_data_type(viewed(field.data_type())));
    match kind {
        kind if is_binary(kind) => DataType::BinaryView,
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        DataType::Struct(fields) => {
            let bytes = |field: &FieldRef| if field.name() == "bytes" { item(field) } else { field.clone() };
            DataType::Struct(fields.iter().map(bytes).collect::<Fields>())
        }
        kind => kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(
            fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>(),
        )
    }

    fn structs(bytes: DataType, path: DataType) -> DataType {
        DataType::Struct(vec![Field::new("bytes", bytes, true), Field::new("path", path, true)].into())
    }

    fn list(item: DataType) -> DataType {
        DataType::new_list(item, true)
    }

    fn found(
        fields: &[(&str, DataType)],
        image: Option<&str>,
        key: Option<&str>,
    ) -> Result<(String, Option<String>), String> {
        let names = TableColumns { image: image.map(str::to_owned), key: key.map(str::to_owned) };
        ImageColumn::find(&schema(fields), &names).map(|(image, key)| (image.name, key))
    }

    #[test]
    fn files_of_known_programs_need_no_names() {
        let hugging_face = structs(DataType::Binary, DataType::Utf8);
        for (fields, image, key) in [
            (&[("label", DataType::Int64), ("picture", hugging_face.clone())][..], "picture", None),
            (&[("a", hugging_face.clone()), ("image", hugging_face.clone())], "image", None),
            (&[("image", structs(DataType::LargeBinary, DataType::Utf8View))], "image", None),
            (&[("image", structs(DataType::Null, DataType::Utf8))], "image", None),
            (&[("views", list(hugging_face.clone()))], "views", None),
            (&[("image", DataType::BinaryView), ("label", DataType::Int64)], "image", None),
            (
                &[("path", DataType::Utf8), ("length", DataType::Int64), ("content", DataType::Binary)],
                "content",
                Some("path"),
            ),
            (
                &[("jpg", DataType::Binary), ("caption", DataType::Utf8), ("key", DataType::LargeUtf8)],
                "jpg",
                Some("key"),
            ),
        ] {
            assert_eq!(found(fields, None, None), Ok((image.to_owned(), key.map(str::to_owned))));
        }
    }

    #[test]
    fn a_file_of_which_nothing_is_known_says_what_it_has_and_which_key_to_set() {
        let two = [("left", DataType::Binary), ("right", DataType::Binary), ("number", DataType::Int64)];
        let why = found(&two, None, None).unwrap_err();
        assert!(why.contains("`left` (Binary)") && why.contains("`number` (Int64)"), "{why}");
        assert!(why.contains("`input.image_column`"), "{why}");
        assert_eq!(found(&two, Some("right"), Some("number")), Ok(("right".into(), Some("number".into()))));
        let structs = structs(DataType::Binary, DataType::Utf8);
        let why = found(&[("a", structs.clone()), ("b", structs)], None, None).unwrap_err();
        assert!(why.contains("`a`, `b`") && why.contains("`input.image_column`"), "{why}");
    }

    #[test]
    fn a_column_that_is_named_must_be_there_and_hold_images_or_keys() {
        let fields = [
            ("image", DataType::Binary),
            ("score", DataType::Float64),
            ("hash", DataType::FixedSizeBinary(16)),
        ];
        for (image, key, words) in [
            (Some("picture"), None, "no column of it"),
            (Some("score"), None, "Float64"),
            (Some("hash"), None, "FixedSizeBinary(16)"),
            (None, Some("name"), "`input.key_column` is `name`"),
            (None, Some("score"), "texts or whole numbers"),
        ] {
            let why = found(&fields, image, key).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn bytes_are_read_as_views_at_any_depth_and_nothing_else_is() {
        let image = list(structs(DataType::LargeBinary, DataType::Utf8));
        let before = schema(&[("image", image), ("more", DataType::Binary)]);
        let (column, _) = ImageColumn::find(&before, &TableColumns::default()).unwrap();
        let after = with_views(&before, &column);
        let expected = list(structs(DataType::BinaryView, DataType::Utf8));
        assert_eq!([after.field(0).data_type(), after.field(1).data_type()], [&expected, &DataType::Binary]);
    }
}
