//! One row of a manifest, from whichever kind it is.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use serde_json::Value as Json;

use crate::dataset::carried::{self, CarriedColumn};
use crate::sample::Value;

use super::columns::{ColumnNames, Holds, listed};
use super::file::Places;

/// A row as it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub key: String,
    /// Index or name, or a list of them; empty for none.
    pub target: String,
    pub carried: Vec<Value>,
    /// Size of the object in bytes, from an inventory.
    pub size: Option<u64>,
    pub etag: Option<String>,
}

/// A row of fields whose columns are known.
pub(super) fn from_fields(mut fields: Vec<String>, places: &Places) -> Result<Row, String> {
    if fields.len() != places.all.len() {
        return Err(format!("{} fields, but the header has {}", fields.len(), places.all.len()));
    }
    let carried = places.carried.iter().map(|place| Value::Text(fields[*place].clone())).collect();
    let target = places.target.map(|place| fields[place].clone()).unwrap_or_default();
    Ok(Row { key: fields.swap_remove(places.key), target, carried, ..Row::default() })
}

/// Parses a plain line: a key, then, if `targets`, its target after the last space or tab.
pub(super) fn from_line(line: &str, targets: bool) -> Row {
    let line = line.trim_end();
    let split = targets.then(|| line.rsplit_once('\t').or_else(|| line.rsplit_once(' '))).flatten();
    let (key, target) = split.unwrap_or((line, ""));
    Row { key: key.trim_end().to_owned(), target: target.to_owned(), ..Row::default() }
}

/// What is read of an object of a JSON line.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonColumns<'a> {
    pub names: &'a ColumnNames,
    pub targets: JsonTargets,
    pub carried: &'a [CarriedColumn],
}

/// Which targets of JSON lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonTargets {
    None,
    /// Those under the names that version 0.1.0 knew.
    Earlier,
    /// Those under every known name.
    All,
}

/// An object of a JSON line.
pub(super) fn from_json(line: &str, columns: JsonColumns<'_>) -> Result<Row, String> {
    let object: serde_json::Map<String, Json> =
        serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))?;
    let key = match Holds::Keys.value(&object, columns.names, true) {
        Some(Json::String(key)) => key.clone(),
        Some(other) => return Err(format!("its key is {other}, which is no text")),
        None => {
            let found: Vec<String> = object.keys().cloned().collect();
            let names = match &columns.names.key {
                Some(typed) => format!("`{typed}`, as set by `input.path_column`"),
                None => format!("{}; `input.path_column` sets another name", Holds::Keys.listed()),
            };
            return Err(format!("it has no key (named {names}); it has {}", listed(&found)));
        }
    };
    let all = columns.targets == JsonTargets::All;
    let target = match columns.targets {
        JsonTargets::None => None,
        _ => Holds::Targets.value(&object, columns.names, all),
    };
    let target = match target {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(name)) => name.clone(),
        Some(other) => other.to_string(),
    };
    let carried = columns.carried.iter().map(|column| json_text(object.get(&column.name))).collect();
    Ok(Row { key, target, carried, ..Row::default() })
}

/// A value of JSON as text: a string as it is, anything else as it is written.
pub(in crate::dataset) fn json_text(value: Option<&Json>) -> Value {
    match value {
        None | Some(Json::Null) => Value::Null,
        Some(Json::String(text)) => Value::Text(text.clone()),
        Some(other) => Value::Text(other.to_string()),
    }
}

/// The rows of a batch of a Parquet manifest.
pub(super) fn from_batch(
    batch: &RecordBatch,
    places: &Places,
    columns: &[CarriedColumn],
) -> Result<Vec<Row>, String> {
    let named = |place: usize| {
        let name = &places.all[place];
        batch.column_by_name(name).ok_or_else(|| format!("the column `{name}` is not there"))
    };
    let texts = |place: usize| {
        let column = named(place)?;
        carried::cast(column, &DataType::Utf8)
            .map_err(|_| format!("the column `{}` is {}, not text", places.all[place], column.data_type()))
    };
    let keys = texts(places.key)?;
    let targets: Option<ArrayRef> = match places.target {
        None => None,
        Some(place) => {
            let column = named(place)?;
            Some(if let DataType::List(_) | DataType::LargeList(_) = column.data_type() {
                carried::lists(column).map_err(|why| format!("the column `{}` {why}", places.all[place]))?
            } else if column.data_type().is_integer() {
                carried::cast(column, &DataType::Int64).map_err(|error| error.to_string())?
            } else {
                texts(place)?
            })
        }
    };
    let mut values = Vec::new();
    for (place, column) in places.carried.iter().zip(columns) {
        values.push(carried::cast(named(*place)?, column.kind()).map_err(|error| error.to_string())?);
    }
    let keys = keys.as_string::<i32>();
    // pandas writes a missing number of a float column so
    let has_nan = places.target.is_some_and(|place| {
        batch.column_by_name(&places.all[place]).is_some_and(|column| column.data_type().is_floating())
    });
    let target = |row: usize| match &targets {
        Some(column) if column.is_null(row) => String::new(),
        Some(column) => match column.as_primitive_opt::<Int64Type>() {
            Some(numbers) => numbers.value(row).to_string(),
            None => match column.as_string::<i32>().value(row) {
                "NaN" if has_nan => String::new(),
                text => text.to_owned(),
            },
        },
        None => String::new(),
    };
    (0..batch.num_rows())
        .map(|row| {
            if keys.is_null(row) {
                return Err(format!("the column `{}` holds a null", places.all[places.key]));
            }
            let carried = values.iter().map(|column| carried::value(column, row));
            let carried =
                carried.collect::<Option<_>>().ok_or("a carried column of a type that is not carried")?;
            Ok(Row { key: keys.value(row).to_owned(), target: target(row), carried, ..Row::default() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_ends_in_its_target_only_where_targets_are_wanted() {
        for (line, targets, key, target) in [
            ("a b.jpg 65", true, "a b.jpg", "65"),
            ("a b.jpg\tpea pod", true, "a b.jpg", "pea pod"),
            ("a b.jpg 65", false, "a b.jpg 65", ""),
            ("a.jpg", true, "a.jpg", ""),
        ] {
            let row = from_line(line, targets);
            assert_eq!((row.key.as_str(), row.target.as_str()), (key, target), "{line}");
        }
    }

    fn read(line: &str, targets: JsonTargets, carried: &[CarriedColumn]) -> Result<Row, String> {
        from_json(line, JsonColumns { names: &ColumnNames::default(), targets, carried })
    }

    #[test]
    fn a_json_line_gives_numbers_and_names_alike() {
        let carried = [CarriedColumn::text("camera"), CarriedColumn::text("n")];
        let line = r#"{"file_name": "a.jpg", "label": 3, "camera": "x", "n": [1]}"#;
        let row = read(line, JsonTargets::All, &carried).unwrap();
        assert_eq!((row.key.as_str(), row.target.as_str()), ("a.jpg", "3"));
        assert_eq!(row.carried, [Value::Text("x".into()), Value::Text("[1]".into())]);
        let refused = |line| read(line, JsonTargets::All, &[]).unwrap_err();
        assert!(refused("[1]").contains("no JSON object"));
        assert!(refused(r#"{"photo": "a"}"#).contains("photo"));
        assert!(refused(r#"{"path": 1}"#).contains("no text"));
    }

    #[test]
    fn a_json_line_has_its_target_under_a_later_name_only_where_those_are_read() {
        let line = r#"{"url": "a.jpg", "class": "dog"}"#;
        for (targets, target) in
            [(JsonTargets::None, ""), (JsonTargets::Earlier, ""), (JsonTargets::All, "dog")]
        {
            let row = read(line, targets, &[]).unwrap();
            assert_eq!((row.key.as_str(), row.target.as_str()), ("a.jpg", target), "{targets:?}");
        }
        let both = r#"{"url": "b.jpg", "path": "a.jpg", "class": 1, "labels": 2}"#;
        let row = read(both, JsonTargets::All, &[]).unwrap();
        assert_eq!((row.key.as_str(), row.target.as_str()), ("a.jpg", "2"));
    }

    #[test]
    fn typed_names_are_the_only_ones_of_a_json_line() {
        let names = ColumnNames { key: Some("photo".into()), target: Some("kind".into()) };
        let columns = JsonColumns { names: &names, targets: JsonTargets::Earlier, carried: &[] };
        let row = from_json(r#"{"path": "a", "photo": "b", "label": 1, "kind": 2}"#, columns).unwrap();
        assert_eq!((row.key.as_str(), row.target.as_str()), ("b", "2"));
        let refused = from_json(r#"{"path": "a"}"#, columns).unwrap_err();
        assert!(refused.contains("`photo`") && refused.contains("input.path_column"), "{refused}");
    }

    #[test]
    fn a_float_column_gives_its_numbers_as_text_and_nothing_for_nan() {
        use arrow_array::{Float64Array, StringArray};
        use std::sync::Arc;
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let numbers: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(3.0), None, Some(f64::NAN), Some(3.5)]));
        let batch = RecordBatch::try_from_iter([("path", keys), ("target", numbers)]).unwrap();
        let all = vec!["path".to_owned(), "target".to_owned()];
        let places = Places { key: 0, target: Some(1), carried: Vec::new(), all };
        let rows = from_batch(&batch, &places, &[]).unwrap();
        let targets: Vec<&str> = rows.iter().map(|row| row.target.as_str()).collect();
        assert_eq!(targets, ["3.0", "", "", "3.5"]);
    }
}
