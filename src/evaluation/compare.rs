//! Reads two outputs side by side and joins their rows by key.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::{DataType, SchemaRef};

use crate::failure::{Exit, Failure};
use crate::output::{CommittedPart, Cursor, read_rows, schema_of};
use crate::report::compare::{
    CompareError, CompareOptions, ComparisonReport, Flip, JoinMethod, KeyTable, PairSums,
};
use crate::report::{ReportError, SliceBy};
use crate::sample::ErrorKind;

use super::report_input::ReportInput;
use super::row_view::RowView;

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// The same if embeddings are decoded too.
const VECTOR_BATCH: usize = 1024;

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Failure {
        let exit = match &error {
            CompareError::Rows { .. } => Exit::Bug,
            _ => Exit::Config,
        };
        Failure::new(exit, error.to_string())
    }
}

/// Compares B with A. With [`CompareOptions::changes`], changed rows go to `on_changes` as they are found.
/// `by` is a name that [`SliceBy::parse`] knows.
///
/// Memory does not grow with the number of rows, unless the outputs are in different orders and one of them is not in
/// the order of its keys: then it is 64 bytes for each row of A.
///
/// # Errors
/// The rows of a side cannot be read, or break the output's contract; `by` is no column of them. The sides have other
/// classes, targets or scoring, or their keys contradict their plans; `on_changes` fails.
pub async fn compare_outputs<'a>(
    a: ReportInput<'a>,
    b: ReportInput<'a>,
    options: CompareOptions,
    by: Option<&str>,
    on_changes: &mut (dyn FnMut(Vec<Flip>) -> Result<(), Failure> + Send),
) -> Result<ComparisonReport, Failure> {
    let schemas = [schema_of(a.output, a.parts).await?, schema_of(b.output, b.parts).await?];
    let method = method(a, b).await?;
    let no_vectors = no_vectors(&schemas, method);
    let carried = [a.carried(), b.carried()].concat();
    let by = by.map(|name| SliceBy::parse(name, carried)).transpose();
    let by = by.map_err(|why| Failure::new(Exit::Usage, why))?;
    let mut sums = PairSums::new(a.classes(), b.classes(), CompareOptions { by, ..options })?;
    let mut columns: Vec<String> = sums.columns().into_iter().map(str::to_owned).collect();
    columns.push("row_id".into());
    if no_vectors.is_none() {
        columns.push("embedding".into());
    }
    let mut views = [RowView::of(a), RowView::of(b)];
    same_view(a, b, &views)?;
    let cursor = |side: ReportInput<'a>, view: &RowView<'_>| {
        let more = view.columns();
        let wide = no_vectors.is_none() || more.contains(&"logits");
        let more = more.into_iter().map(str::to_owned).filter(|column| !columns.contains(column));
        let columns = columns.iter().cloned().chain(more).collect();
        Cursor::new(side.output, side.parts, columns, if wide { VECTOR_BATCH } else { BATCH })
    };
    let (mut left, mut right) = (cursor(a, &views[0]), cursor(b, &views[1]));
    if method == JoinMethod::KeyTable {
        let mut table = KeyTable::new(a.parts.iter().map(|part| part.rows).sum(), &sums);
        while left.fill().await? {
            if let Some(batch) = left.take(BATCH) {
                table.add(&sums, &views[0].apply(&batch).map_err(of_side('A'))?)?;
            }
        }
        while right.fill().await? {
            if let Some(batch) = right.take(BATCH) {
                table.join(&mut sums, &views[1].apply(&batch).map_err(of_side('B'))?)?;
            }
            on_changes(sums.take_changes())?;
        }
        table.finish(&mut sums);
    } else {
        let mut merge = MergeJoin { a, b, method, views: &mut views, last: [None, None] };
        loop {
            let (more_a, more_b) = (left.fill().await?, right.fill().await?);
            if !more_a && !more_b {
                break;
            }
            merge.step(&mut left, &mut right, &mut sums)?;
            on_changes(sums.take_changes())?;
        }
    }
    views[0].check(a)?;
    views[1].check(b)?;
    Ok(sums.finish(a.provenance(), b.provenance(), method, no_vectors))
}

fn of_side(side: char) -> impl Fn(ReportError) -> CompareError {
    move |error| CompareError::Rows { side, error }
}

/// Refuses outputs whose rows are scored by different rules: their accuracies cannot be compared.
fn same_view(a: ReportInput<'_>, b: ReportInput<'_>, views: &[RowView<'_>; 2]) -> Result<(), Failure> {
    let [view_a, view_b] = views;
    if view_a.scoring().is_as(view_b.scoring()) {
        return Ok(());
    }
    let side = |name: char, side: ReportInput<'_>, view: &RowView<'_>| {
        let (uri, targets) = (side.output.uri(), side.provenance().targets);
        format!("{name} (`{uri}`, targets {targets}) is scored {}", view.scoring().described())
    };
    Err(Failure::new(
        Exit::Config,
        format!(
            "the two outputs cannot be compared: {}, {}; run both with the same `input.targets`",
            side('A', a, view_a),
            side('B', b, view_b)
        ),
    ))
}

/// Returns how the rows of two outputs are joined.
async fn method(a: ReportInput<'_>, b: ReportInput<'_>) -> Result<JoinMethod, Failure> {
    let same =
        |(a, b): (&CommittedPart, &CommittedPart)| a.id == b.id && a.plan == b.plan && a.rows == b.rows;
    if a.parts.len() == b.parts.len() && a.parts.iter().zip(b.parts).all(same) {
        return Ok(JoinMethod::SamePlan);
    }
    // the keys of a folder are planned in byte order; a manifest has a separate order
    let ordered = |side: ReportInput<'_>| {
        side.frozen.components.get("input.format").is_none_or(|format| format == "folder")
    };
    if ordered(a) && ordered(b) && keys_increase(a).await? && keys_increase(b).await? {
        return Ok(JoinMethod::KeyOrder);
    }
    let rows = |side: ReportInput<'_>| side.parts.iter().map(|part| part.rows).sum::<u64>();
    if rows(a) == rows(b) && same_keys(a, b).await? {
        return Ok(JoinMethod::SameKeys);
    }
    Ok(JoinMethod::KeyTable)
}

/// False if escapes put keys of rows into another order than that of their plan. Only keys that cannot be asked for have
/// escapes; without a row of that kind the keys are not read.
async fn keys_increase(side: ReportInput<'_>) -> Result<bool, Failure> {
    let with_errors: Vec<CommittedPart> =
        side.parts.iter().filter(|part| part.ok < part.rows).cloned().collect();
    let (mut has_escapes, mut increase, mut last) = (false, true, None::<String>);
    read_rows(side.output, &with_errors, &["error_kind"], |batch| {
        let kinds = batch.column_by_name("error_kind").and_then(|column| column.as_string_opt::<i32>());
        let mut kinds = kinds.iter().flat_map(|kinds| kinds.iter().flatten());
        has_escapes |= kinds.any(|kind| kind == ErrorKind::Unaddressable.as_str());
        Ok(())
    })
    .await?;
    if !has_escapes {
        return Ok(true);
    }
    read_rows(side.output, side.parts, &["key"], |batch| {
        let keys = keys(side, batch)?;
        for key in (0..keys.len()).map(|row| keys.value(row)) {
            increase &= last.as_deref().is_none_or(|last| last < key);
            last = Some(key.to_owned());
        }
        Ok(())
    })
    .await?;
    Ok(increase)
}

/// Reads the keys of both, and nothing else.
async fn same_keys(a: ReportInput<'_>, b: ReportInput<'_>) -> Result<bool, Failure> {
    let mut left = Cursor::new(a.output, a.parts, vec!["key".into()], BATCH);
    let mut right = Cursor::new(b.output, b.parts, vec!["key".into()], BATCH);
    loop {
        let (more_a, more_b) = (left.fill().await?, right.fill().await?);
        if !more_a || !more_b {
            return Ok(more_a == more_b);
        }
        let rows = left.rest().min(right.rest());
        let (Some(x), Some(y)) = (left.take(rows), right.take(rows)) else { return Ok(false) };
        if keys(a, &x)? != keys(b, &y)? {
            return Ok(false);
        }
    }
}

struct MergeJoin<'a, 'b> {
    a: ReportInput<'a>,
    b: ReportInput<'a>,
    method: JoinMethod,
    views: &'b mut [RowView<'a>; 2],
    /// The last key of each side, to see that keys increase.
    last: [Option<String>; 2],
}

impl MergeJoin<'_, '_> {
    /// Takes the next run of rows: of equal keys from both sides, or of keys that only one side has.
    fn step(
        &mut self,
        left: &mut Cursor<'_>,
        right: &mut Cursor<'_>,
        sums: &mut PairSums,
    ) -> Result<(), Failure> {
        let rows = left.rest().min(right.rest());
        let (Some(x), Some(y)) = (left.peek(usize::MAX), right.peek(usize::MAX)) else {
            if self.method != JoinMethod::KeyOrder {
                return Err(self.apart("one of them ends before the other"));
            }
            let (only_a, only_b) = (left.rest(), right.rest());
            left.take(only_a);
            right.take(only_b);
            sums.only_a(only_a as u64);
            sums.only_b(only_b as u64);
            return Ok(());
        };
        let (keys_a, keys_b) = (keys(self.a, &x)?, keys(self.b, &y)?);
        let equal = (0..rows).take_while(|&i| keys_a.value(i) == keys_b.value(i)).count();
        if self.method == JoinMethod::KeyOrder {
            let (key_a, key_b) = (keys_a.value(equal.min(rows - 1)), keys_b.value(equal.min(rows - 1)));
            let ahead = |keys: &StringArray, end: &str| {
                (equal..keys.len()).take_while(|&i| keys.value(i) < end).count()
            };
            let (only_a, only_b) =
                if equal < rows { (ahead(keys_a, key_b), ahead(keys_b, key_a)) } else { (0, 0) };
            self.increase(0, self.a, keys_a, equal + only_a)?;
            self.increase(1, self.b, keys_b, equal + only_b)?;
            self.both(left, right, equal, sums)?;
            left.take(only_a);
            right.take(only_b);
            sums.only_a(only_a as u64);
            sums.only_b(only_b as u64);
            return Ok(());
        }
        if equal < rows || self.method == JoinMethod::SamePlan && ids(&x, rows) != ids(&y, rows) {
            let at = format!("`{}` of A", keys_a.value(equal.min(rows - 1)).escape_debug());
            return Err(self.apart(&format!("at {at} their keys or row ids differ")));
        }
        self.both(left, right, rows, sums)
    }

    fn both(
        &mut self,
        left: &mut Cursor<'_>,
        right: &mut Cursor<'_>,
        rows: usize,
        sums: &mut PairSums,
    ) -> Result<(), Failure> {
        match (left.take(rows), right.take(rows)) {
            (Some(a), Some(b)) if rows > 0 => {
                let a = self.views[0].apply(&a).map_err(of_side('A'))?;
                let b = self.views[1].apply(&b).map_err(of_side('B'))?;
                Ok(sums.push(&a, &b)?)
            }
            _ => Ok(()),
        }
    }

    /// Checks that the next keys of a side increase strictly: else a merge would miss rows.
    fn increase(
        &mut self,
        which: usize,
        side: ReportInput<'_>,
        keys: &StringArray,
        rows: usize,
    ) -> Result<(), Failure> {
        let mut last = self.last[which].as_deref();
        for i in 0..rows {
            let key = keys.value(i);
            if last.is_some_and(|last| last >= key) {
                let what = format!("holds the key `{}` after a later one or twice", key.escape_debug());
                return Err(damaged(side, what));
            }
            last = Some(key);
        }
        if rows > 0 {
            self.last[which] = Some(keys.value(rows - 1).to_owned());
        }
        Ok(())
    }

    fn apart(&self, how: &str) -> Failure {
        let (a, b) = (self.a.output.uri(), self.b.output.uri());
        Failure::new(
            Exit::CannotCreate,
            format!(
                "the rows of `{a}` and `{b}` do not follow their plans, which are the same: {how}; look at both \
                 with `tresnet-batch verify`"
            ),
        )
    }
}

fn damaged(side: ReportInput<'_>, what: String) -> Failure {
    let what = format!("the output `{}` {what}; look at it with `tresnet-batch verify`", side.output.uri());
    Failure::new(Exit::CannotCreate, what)
}

fn keys<'a>(side: ReportInput<'_>, batch: &'a RecordBatch) -> Result<&'a StringArray, Failure> {
    let keys = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
    keys.ok_or_else(|| damaged(side, "has no column `key` of text".into()))
}

/// The first row ids; equal if both have no such column.
fn ids(batch: &RecordBatch, rows: usize) -> Option<&[i64]> {
    let ids = batch.column_by_name("row_id")?.as_primitive_opt::<Int64Type>()?;
    ids.values().get(..rows)
}

/// Why embeddings cannot be compared; `None` if they can.
fn no_vectors(schemas: &[Option<SchemaRef>; 2], method: JoinMethod) -> Option<String> {
    let [Some(a), Some(b)] = schemas else { return Some("an output has no rows".into()) };
    let width = |schema: &SchemaRef| match schema.field_with_name("embedding").ok()?.data_type() {
        DataType::FixedSizeList(_, width) => Some(*width),
        _ => None,
    };
    match (width(a), width(b)) {
        (None, None) => Some("neither output has embeddings".into()),
        (None, _) => Some("A has no embeddings".into()),
        (_, None) => Some("B has no embeddings".into()),
        (Some(a), Some(b)) if a != b => Some(format!("they are {a} numbers wide in A and {b} in B")),
        _ if method == JoinMethod::KeyTable => {
            Some("the outputs are in different orders, and embeddings do not fit in memory".into())
        }
        _ => None,
    }
}
