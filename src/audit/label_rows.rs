//! The columns of a batch that labels are judged by.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{Array, Float32Array, Int32Array, ListArray, RecordBatch};
use arrow_schema::DataType;

use crate::report::ReportError;

/// Rows that are ok and have one label.
pub(super) struct LabelRows<'a> {
    classes: usize,
    target: &'a Int32Array,
    target_prob: &'a Float32Array,
    top: (&'a ListArray, &'a Int32Array, &'a ListArray, &'a Float32Array),
    logits: Option<(&'a dyn Array, &'a Float32Array)>,
    /// The number of the first row, over all batches.
    first: u64,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelRow<'a> {
    pub at: usize,
    pub given: usize,
    pub given_prob: Option<f64>,
    /// The best classes, the best first.
    pub index: &'a [i32],
    pub prob: &'a [f32],
    pub logits: Option<&'a [f32]>,
}

impl<'a> LabelRows<'a> {
    /// The columns that are read of an output.
    pub const COLUMNS: [&'static str; 4] = ["target", "target_prob", "index", "prob"];

    /// Takes the columns of a batch, whose first row is row `first` of the output. A batch without a column `logits` has
    /// none.
    ///
    /// # Errors
    /// A column is missing or of another type.
    pub fn of(batch: &'a RecordBatch, classes: usize, first: u64) -> Result<Self, ReportError> {
        let (index, index_values) = list::<Int32Array>(batch, "index", "list of int32")?;
        let (prob, prob_values) = list::<Float32Array>(batch, "prob", "list of float32")?;
        let target = column(batch, "target")?;
        let target_prob = column(batch, "target_prob")?;
        let logits = match batch.column_by_name("logits") {
            None => None,
            Some(column) => {
                let wanted = || wrong_type("logits", "fixed list of float32", column.data_type());
                let list = column.as_fixed_size_list_opt().ok_or_else(wanted)?;
                let values = list.values().as_primitive_opt::<Float32Type>().ok_or_else(wanted)?;
                if list.value_length() as usize != classes || values.len() != classes * list.len() {
                    return Err(wanted());
                }
                Some((column.as_ref(), values))
            }
        };
        Ok(LabelRows {
            classes,
            target: target
                .as_primitive_opt::<Int32Type>()
                .ok_or_else(|| wrong_type("target", "int32", target.data_type()))?,
            target_prob: target_prob
                .as_primitive_opt::<Float32Type>()
                .ok_or_else(|| wrong_type("target_prob", "float32", target_prob.data_type()))?,
            top: (index, index_values, prob, prob_values),
            logits,
            first,
        })
    }

    /// The rows that are ok and have a label, in order.
    ///
    /// # Errors
    /// An item is [`ReportError::Target`] for a label outside the classes. It is [`ReportError::Prediction`] for an
    /// `index` that is empty, of another length than `prob`, or outside the classes.
    pub fn rows(&self) -> impl Iterator<Item = Result<LabelRow<'a>, ReportError>> + '_ {
        let rows = 0..self.target.len();
        rows.filter(|at| self.target.is_valid(*at) && self.top.0.is_valid(*at)).map(|at| self.row(at))
    }

    fn row(&self, at: usize) -> Result<LabelRow<'a>, ReportError> {
        let row = self.first + at as u64;
        let (classes, target) = (self.classes, self.target.value(at));
        let outside = || ReportError::Target { row, target, classes };
        let given = usize::try_from(target).ok().filter(|class| *class < classes).ok_or_else(outside)?;
        let (index, index_values, prob, prob_values) = self.top;
        let index = slice(index, index_values.values(), at);
        let prob = slice(prob, prob_values.values(), at);
        let known = |class: &i32| usize::try_from(*class).is_ok_and(|class| class < classes);
        if index.is_empty() || index.len() != prob.len() || !index.iter().all(known) {
            return Err(ReportError::Prediction { row, classes });
        }
        let given_prob = self.target_prob.is_valid(at).then(|| f64::from(self.target_prob.value(at)));
        let logits = self.logits.filter(|(list, _)| list.is_valid(at));
        let logits = logits.map(|(_, values)| &values.values()[at * classes..][..classes]);
        Ok(LabelRow { at, given, given_prob, index, prob, logits })
    }
}

fn slice<'a, T>(list: &ListArray, values: &'a [T], at: usize) -> &'a [T] {
    let ends = list.value_offsets();
    &values[ends[at] as usize..ends[at + 1] as usize]
}

fn list<'a, T: Array + 'static>(
    batch: &'a RecordBatch,
    name: &'static str,
    wanted: &'static str,
) -> Result<(&'a ListArray, &'a T), ReportError> {
    let column = column(batch, name)?;
    let wrong = || wrong_type(name, wanted, column.data_type());
    let list = column.as_list_opt::<i32>().ok_or_else(wrong)?;
    Ok((list, list.values().as_any().downcast_ref::<T>().ok_or_else(wrong)?))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, ReportError> {
    let missing = || ReportError::MissingColumn {
        column: name.to_owned(),
        found: batch.schema().fields().iter().map(|field| field.name().clone()).collect(),
    };
    batch.column_by_name(name).map(AsRef::as_ref).ok_or_else(missing)
}

fn wrong_type(name: &'static str, wanted: &'static str, found: &DataType) -> ReportError {
    ReportError::ColumnType { column: name.into(), wanted, found: found.to_string() }
}
