//! Findings: rows that a person should inspect, with the keys of their images.

use std::sync::Arc;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use arrow_array::builder::{Float64Builder, Int32Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema};

use super::finding::{Example, Finding, FindingKind};
use super::ranking::Ranking;
use super::row_keys::{KeyLengths, MOST_BYTES, ReadKeys, RowKeys};

/// Findings of each kind that a report shows.
const EXAMPLES: usize = 100;
/// Rows of a batch of the findings' file.
const BATCH: usize = 8192;

/// All findings, the most suspicious first within their kind.
#[derive(Debug, Default)]
pub struct Findings {
    kinds: Vec<(FindingKind, Vec<Finding>)>,
    keys: RowKeys,
    /// Keys of the other output.
    other_keys: RowKeys,
    /// Findings that are not kept, since there are too many.
    pub left_out: u64,
}

impl Findings {
    pub(super) fn add(&mut self, ranking: Ranking) {
        self.left_out += ranking.left_out();
        self.kinds.push((ranking.kind, ranking.finish()));
    }

    /// Reads the keys of the rows concerned. If they do not fit in memory, the least suspicious findings of each kind are
    /// left out and counted.
    pub(super) async fn read_keys(
        &mut self,
        own: ReportInput<'_>,
        other: Option<ReportInput<'_>>,
    ) -> Result<(), Failure> {
        loop {
            let [rows, other_rows] = self.rows();
            let keys = RowKeys::read(own, rows).await?;
            let other_keys = match other {
                Some(other) => RowKeys::read(other, other_rows).await?,
                None => ReadKeys::All(RowKeys::default()),
            };
            let lengths = match (keys, other_keys) {
                (ReadKeys::All(keys), ReadKeys::All(other_keys)) => {
                    (self.keys, self.other_keys) = (keys, other_keys);
                    return Ok(());
                }
                (keys, other_keys) => [keys, other_keys].map(|read| match read {
                    ReadKeys::All(_) => None,
                    ReadKeys::TooLong(lengths) => Some(lengths),
                }),
            };
            let fitting = fitting(&self.kinds, lengths, MOST_BYTES);
            for (_, findings) in &mut self.kinds {
                self.left_out += findings.len().saturating_sub(fitting) as u64;
                findings.truncate(fitting);
            }
        }
    }

    /// The rows whose keys are needed, of this output and of the other one.
    fn rows(&self) -> [Vec<u64>; 2] {
        let mut rows = [Vec::new(), Vec::new()];
        for (kind, findings) in &self.kinds {
            rows[0].extend(findings.iter().map(|finding| finding.row));
            rows[usize::from(kind.is_between())].extend(findings.iter().filter_map(|finding| finding.other));
        }
        rows.map(sorted)
    }

    /// The row id and the key of the other row of a finding.
    fn other_key(&self, kind: FindingKind, finding: &Finding) -> Option<(i64, &str)> {
        let keys = if kind.is_between() { &self.other_keys } else { &self.keys };
        keys.get(finding.other?)
    }

    /// Number of findings that are kept.
    pub fn count(&self) -> usize {
        self.kinds.iter().map(|(_, findings)| findings.len()).sum()
    }

    /// All of them with their kind and their rank, from 1.
    pub(super) fn ranked(&self) -> impl Iterator<Item = (FindingKind, u64, &Finding)> {
        self.kinds
            .iter()
            .flat_map(|(kind, found)| found.iter().zip(1..).map(|(finding, rank)| (*kind, rank, finding)))
    }

    pub(super) fn examples(&self, names: Option<&[String]>) -> Vec<Example> {
        let name = |class: Option<u32>| names?.get(class? as usize).cloned();
        let key = |row: u64| self.keys.get(row).map_or_else(String::new, |(_, key)| key.to_owned());
        let shown = self.ranked().filter(|(_, rank, _)| *rank <= EXAMPLES as u64);
        let example = |(kind, rank, finding): (FindingKind, u64, &Finding)| Example {
            kind,
            rank,
            score: finding.score,
            key: key(finding.row),
            other_key: self.other_key(kind, finding).map(|(_, key)| key.to_owned()),
            target: finding.given,
            target_label: name(finding.given),
            proposed: finding.proposed,
            proposed_label: name(finding.proposed),
        };
        shown.map(example).collect()
    }

    /// The schema of [`Findings::batches`].
    pub fn schema() -> Arc<Schema> {
        let field = |(name, kind, nullable): (&str, DataType, bool)| Field::new(name, kind, nullable);
        Arc::new(Schema::new(
            [
                ("kind", DataType::Utf8, false),
                ("rank", DataType::UInt64, false),
                ("score", DataType::Float64, false),
                ("row_id", DataType::Int64, false),
                ("key", DataType::Utf8, false),
                ("other_row_id", DataType::Int64, true),
                ("other_key", DataType::Utf8, true),
                ("target", DataType::Int32, true),
                ("target_label", DataType::Utf8, true),
                ("proposed", DataType::Int32, true),
                ("proposed_label", DataType::Utf8, true),
                ("group", DataType::UInt64, true),
            ]
            .map(field)
            .to_vec(),
        ))
    }

    /// The findings as rows, a batch at a time; `names` are those of the classes.
    ///
    /// # Errors
    /// An item is an error if the columns do not fit the schema of the findings: a fault of the program.
    pub fn batches<'a>(
        &'a self,
        names: Option<&'a [String]>,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + 'a {
        let mut ranked = self.ranked();
        std::iter::from_fn(move || {
            let rows: Vec<_> = ranked.by_ref().take(BATCH).collect();
            (!rows.is_empty()).then(|| self.batch(&rows, names))
        })
    }

    fn batch(
        &self,
        rows: &[(FindingKind, u64, &Finding)],
        names: Option<&[String]>,
    ) -> Result<RecordBatch, ArrowError> {
        let name = |class: Option<u32>| names?.get(class? as usize).map(String::as_str);
        let mut kind = StringBuilder::new();
        let (mut rank, mut group) = (UInt64Builder::new(), UInt64Builder::new());
        let mut score = Float64Builder::new();
        let (mut row_id, mut other_row_id) = (Int64Builder::new(), Int64Builder::new());
        let (mut key, mut other_key) = (StringBuilder::new(), StringBuilder::new());
        let (mut target, mut proposed) = (Int32Builder::new(), Int32Builder::new());
        let (mut target_label, mut proposed_label) = (StringBuilder::new(), StringBuilder::new());
        for (of, place, finding) in rows {
            let (id, text) = self.keys.get(finding.row).unwrap_or_default();
            let other = self.other_key(*of, finding);
            kind.append_value(of.as_str());
            rank.append_value(*place);
            score.append_value(finding.score);
            row_id.append_value(id);
            key.append_value(text);
            other_row_id.append_option(other.map(|(id, _)| id));
            other_key.append_option(other.map(|(_, text)| text));
            target.append_option(finding.given.map(|class| class as i32));
            target_label.append_option(name(finding.given));
            proposed.append_option(finding.proposed.map(|class| class as i32));
            proposed_label.append_option(name(finding.proposed));
            group.append_option(finding.group);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(kind.finish()),
            Arc::new(rank.finish()),
            Arc::new(score.finish()),
            Arc::new(row_id.finish()),
            Arc::new(key.finish()),
            Arc::new(other_row_id.finish()),
            Arc::new(other_key.finish()),
            Arc::new(target.finish()),
            Arc::new(target_label.finish()),
            Arc::new(proposed.finish()),
            Arc::new(proposed_label.finish()),
            Arc::new(group.finish()),
        ];
        RecordBatch::try_new(Findings::schema(), columns)
    }
}

/// How many findings of each kind, the most suspicious first, have keys of at most `most` bytes. `lengths` are those of
/// the keys of this output and of the other one, if there are too many.
fn fitting(kinds: &[(FindingKind, Vec<Finding>)], mut lengths: [Option<KeyLengths>; 2], most: u64) -> usize {
    let longest = kinds.iter().map(|(_, findings)| findings.len()).max().unwrap_or_default();
    let mut bytes = [0, 0];
    let mut take = |side: usize, row: u64| {
        bytes[side] += lengths[side].as_mut().map_or(0, |lengths| lengths.take(row));
        bytes[side] <= most
    };
    for rank in 0..longest {
        for (kind, findings) in kinds {
            let Some(finding) = findings.get(rank) else { continue };
            let fits = take(0, finding.row);
            let other_fits = finding.other.is_none_or(|row| take(usize::from(kind.is_between()), row));
            if !(fits && other_fits) {
                return rank;
            }
        }
    }
    longest
}

fn sorted(mut rows: Vec<u64>) -> Vec<u64> {
    rows.sort_unstable();
    rows.dedup();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(row: u64, other: Option<u64>) -> Finding {
        Finding { row, other, ..Finding::default() }
    }

    #[test]
    fn the_least_suspicious_findings_of_each_kind_are_left_out_where_keys_do_not_fit() {
        let kinds = [
            (FindingKind::Label, vec![finding(9, None), finding(0, None), finding(1, None)]),
            (FindingKind::NearDuplicate, vec![finding(8, Some(9)), finding(2, Some(9))]),
        ];
        let lengths = || [Some(KeyLengths { rows: vec![0, 1, 2, 8, 9], bytes: vec![10; 5] }), None];
        // rows 9 and 8, then rows 0 and 2, then row 1; row 9 counts once
        let kept = [19, 20, 39, 40, 49, 50].map(|most| fitting(&kinds, lengths(), most));
        assert_eq!(kept, [0, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn keys_of_the_other_output_count_apart() {
        let kinds = [(FindingKind::Leak, vec![finding(0, Some(0)), finding(1, Some(1))])];
        let lengths = || KeyLengths { rows: vec![0, 1], bytes: vec![10; 2] };
        assert_eq!(fitting(&kinds, [None, Some(lengths())], 10), 1);
        assert_eq!(fitting(&kinds, [Some(lengths()), Some(lengths())], 20), 2);
    }
}
