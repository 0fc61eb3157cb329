//! What timm's `inference.py` writes: a file name and the best classes of each image.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{Array, Float32Array, Int32Array, ListArray, RecordBatch, StringArray};

use super::ExportError;

/// CSV or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimmForm {
    /// A column a rank, as with `--results-separate-col`.
    Csv,
    /// An object of file name to figures, as with `--results-format json`.
    Json,
}

/// One file as it grows. `k` classes a row, beginning with the best; with `k` = 1 there are no lists and no
/// numbered columns, as timm has it.
#[derive(Debug)]
pub struct Timm {
    form: TimmForm,
    k: usize,
    labels: bool,
    rows: usize,
    text: String,
}

/// The columns that are read.
pub const COLUMNS: [&str; 5] = ["key", "status", "index", "prob", "label"];

impl Timm {
    /// An empty file; with `labels` there is a column of class names.
    pub fn new(form: TimmForm, k: usize, labels: bool) -> Self {
        let mut text = String::new();
        match form {
            TimmForm::Json => text.push('{'),
            TimmForm::Csv => {
                text.push_str("filename");
                let names = ["index", "label", "prob"].into_iter().filter(|&name| labels || name != "label");
                for name in names {
                    match k {
                        1 => {
                            let _ = write!(text, ",{name}");
                        }
                        _ => (0..k).for_each(|rank| {
                            let _ = write!(text, ",{name}_{rank}");
                        }),
                    }
                }
                text.push('\n');
            }
        }
        Timm { form, k, labels, rows: 0, text }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows. A row that failed has no classes: empty cells, or nulls.
    ///
    /// # Errors
    /// A column is absent or of another type.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        let columns = Columns::of(batch)?;
        for row in 0..batch.num_rows() {
            let classes = columns.classes(row, self.k);
            match self.form {
                TimmForm::Csv => self.csv(columns.key.value(row), &classes),
                TimmForm::Json => self.json(columns.key.value(row), &classes),
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn csv(&mut self, key: &str, classes: &[Class<'_>]) {
        self.text.push_str(&csv_cell(key));
        let cell =
            |rank: usize, get: &dyn Fn(&Class<'_>) -> String| classes.get(rank).map(get).unwrap_or_default();
        let mut columns: Vec<&dyn Fn(&Class<'_>) -> String> = vec![&|class| class.index.to_string()];
        let label = |class: &Class<'_>| class.label.map(csv_cell).unwrap_or_default();
        if self.labels {
            columns.push(&label);
        }
        columns.push(&|class| number(class.prob).unwrap_or_default());
        for column in columns {
            for rank in 0..self.k {
                self.text.push(',');
                self.text.push_str(&cell(rank, column));
            }
        }
        self.text.push('\n');
    }

    fn json(&mut self, key: &str, classes: &[Class<'_>]) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let between = if self.rows == 0 { "" } else { "," };
        let _ = write!(self.text, "{between}\n    {}:{{", quoted(key));
        let list = |items: Vec<String>| match (self.k, items.is_empty()) {
            (_, true) => "null".to_owned(),
            (1, false) => items.concat(),
            _ => format!("[{}]", items.join(",")),
        };
        let index = list(classes.iter().map(|class| class.index.to_string()).collect());
        let label =
            list(classes.iter().map(|class| class.label.map_or_else(|| "null".to_owned(), quoted)).collect());
        let prob = list(
            classes.iter().map(|class| number(class.prob).unwrap_or_else(|| "null".to_owned())).collect(),
        );
        let label = if self.labels { format!("\n        \"label\":{label},") } else { String::new() };
        let _ = write!(self.text, "\n        \"index\":{index},{label}\n        \"prob\":{prob}\n    }}");
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        if self.form == TimmForm::Json {
            self.text.push_str("\n}\n");
        }
        self.text.into_bytes()
    }
}

/// One of the best classes of a row.
struct Class<'a> {
    index: i32,
    prob: f32,
    label: Option<&'a str>,
}

struct Columns<'a> {
    key: &'a StringArray,
    index: &'a ListArray,
    indices: &'a Int32Array,
    prob: &'a ListArray,
    probs: &'a Float32Array,
    label: &'a ListArray,
    labels: &'a StringArray,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ExportError> {
        let list = |name: &'static str| {
            let column = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
            column.ok_or(ExportError::Column(name))
        };
        let key = batch.column_by_name("key").and_then(|column| column.as_string_opt());
        let (index, prob, label) = (list("index")?, list("prob")?, list("label")?);
        Ok(Columns {
            key: key.ok_or(ExportError::Column("key"))?,
            index,
            indices: index.values().as_primitive_opt::<Int32Type>().ok_or(ExportError::Column("index"))?,
            prob,
            probs: prob.values().as_primitive_opt::<Float32Type>().ok_or(ExportError::Column("prob"))?,
            label,
            labels: label.values().as_string_opt().ok_or(ExportError::Column("label"))?,
        })
    }

    /// At most `k` classes of a row.
    fn classes(&self, row: usize, k: usize) -> Vec<Class<'a>> {
        let (indices, probs) = (range(self.index, row), range(self.prob, row));
        let mut labels = range(self.label, row);
        indices
            .zip(probs)
            .take(k)
            .map(|(index, prob)| Class {
                index: self.indices.value(index),
                prob: self.probs.value(prob),
                label: labels.next().filter(|&at| self.labels.is_valid(at)).map(|at| self.labels.value(at)),
            })
            .collect()
    }
}

/// Returns the range of the items of a row; a null list has none.
fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    if list.is_null(row) {
        return 0..0;
    }
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

/// Returns the shortest digits that parse to the same number.
fn number(value: f32) -> Option<String> {
    value.is_finite().then(|| value.to_string())
}

/// A text as a cell of CSV: in quotes if it needs them.
pub fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (text, cell) in [
            ("plain name.jpg", "plain name.jpg"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" edge ", "\" edge \""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
