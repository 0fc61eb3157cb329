//! Images that are the same to the byte, by the hashes that an output keeps of them.

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use serde::Serialize;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use crate::output::{CONTENT_HASH, Cursor};
use crate::pipeline::progress::Progress;
use crate::report::ReportError;

use super::finding::{Finding, FindingKind};
use super::ranking::Ranking;
use super::section::Section;

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// Rows whose hashes are held; of more rows, those of some hashes at a time.
const MOST_ROWS: u64 = 8_000_000;

/// Images of an output that are the same to the byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExactFigures {
    /// Images with a hash.
    pub images: u64,
    /// Images that have the bytes of an earlier one.
    pub duplicates: u64,
    /// Groups of images with the same bytes.
    pub groups: u64,
    /// Duplicates whose label is another than that of the first image of their group.
    pub label_conflicts: u64,
}

/// Images of an output that another one has to the byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CopyFigures {
    /// Images with a hash.
    pub images: u64,
    /// Images with a hash in the other output.
    pub others: u64,
    /// Images whose bytes the other output has.
    pub leaked: u64,
    /// Those whose label is another there.
    pub label_conflicts: u64,
}

/// What was found.
pub(super) struct Exact {
    pub within: Section<ExactFigures>,
    pub between: Option<Section<CopyFigures>>,
    pub findings: Vec<Ranking>,
}

/// One image; images are the same if hash and size are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hashed {
    hash: [u8; 16],
    /// The lowest 32 bits of the encoded size.
    size: u32,
    row: u32,
    target: Option<i32>,
}

impl Hashed {
    fn is_as(&self, other: &Hashed) -> bool {
        (self.hash, self.size) == (other.hash, other.size)
    }

    fn contradicts(&self, other: &Hashed) -> bool {
        self.target.is_some() && other.target.is_some() && self.target != other.target
    }

    fn finding(&self, other: &Hashed, group: Option<u64>) -> Finding {
        Finding {
            row: u64::from(self.row),
            other: Some(u64::from(other.row)),
            score: 1.0,
            given: self.target.and_then(|class| u32::try_from(class).ok()),
            group,
            ..Finding::default()
        }
    }
}

/// Looks for images with the same bytes in an output, and in both it and `other`.
///
/// # Errors
/// The rows cannot be read, or break the output's contract.
pub(super) async fn exact_duplicates(
    input: ReportInput<'_>,
    other: Option<ReportInput<'_>>,
    progress: &Progress,
) -> Result<Exact, Failure> {
    let skipped = |why: &str| Exact {
        within: Section::skipped(why),
        between: other.map(|_| Section::skipped(why)),
        findings: Vec::new(),
    };
    if !keeps_hashes(input) {
        return Ok(skipped("the rows have no hashes: set `output.content_hash = true`"));
    }
    let rows = |side: ReportInput<'_>| side.parts.iter().map(|part| part.rows).sum::<u64>();
    let against = other.filter(|other| keeps_hashes(*other));
    if rows(input).max(against.map_or(0, rows)) > u64::from(u32::MAX) {
        return Ok(skipped("the output has more than 4 billion rows"));
    }
    let passes = (rows(input) + against.map_or(0, rows)).div_ceil(MOST_ROWS).clamp(1, 256);
    let planned = passes * (rows(input) + against.map_or(0, rows));
    progress.plan(planned, planned);
    let (mut within, mut between) = (ExactFigures::default(), CopyFigures::default());
    let mut duplicates = Ranking::new(FindingKind::Duplicate);
    let mut copies = Ranking::new(FindingKind::LeakedCopy);
    for pass in 0..passes {
        let own = read(input, (pass, passes), progress).await?;
        count_duplicates(&own, &mut within, &mut duplicates);
        if let Some(against) = against {
            let others = read(against, (pass, passes), progress).await?;
            count_copies(&own, &others, &mut between, &mut copies);
        }
    }
    let mut findings = vec![duplicates];
    let between = match (other, against) {
        (Some(_), Some(_)) => {
            findings.push(copies);
            Some(Section::Done(between))
        }
        (Some(other), None) => Some(Section::skipped(format!(
            "the rows of `{}` have no hashes: set `output.content_hash = true`",
            other.output.uri()
        ))),
        (None, _) => None,
    };
    Ok(Exact { within: Section::Done(within), between, findings })
}

/// A carried column may have the name where the job keeps no hashes.
fn keeps_hashes(of: ReportInput<'_>) -> bool {
    of.frozen.components.get("output.content_hash").is_some_and(|kept| kept == true)
}

/// Counts the images of `own`, which are sorted.
fn count_duplicates(own: &[Hashed], figures: &mut ExactFigures, findings: &mut Ranking) {
    figures.images += own.len() as u64;
    for group in own.chunk_by(Hashed::is_as).filter(|group| group.len() > 1) {
        for image in &group[1..] {
            figures.label_conflicts += u64::from(image.contradicts(&group[0]));
            findings.add(image.finding(&group[0], Some(figures.groups)));
        }
        figures.groups += 1;
        figures.duplicates += group.len() as u64 - 1;
    }
}

/// Counts the images of `own` that `others` has; both are sorted.
fn count_copies(own: &[Hashed], others: &[Hashed], figures: &mut CopyFigures, findings: &mut Ranking) {
    figures.images += own.len() as u64;
    figures.others += others.len() as u64;
    for image in own {
        let first = others.partition_point(|other| (other.hash, other.size) < (image.hash, image.size));
        if let Some(other) = others.get(first).filter(|other| other.is_as(image)) {
            figures.leaked += 1;
            figures.label_conflicts += u64::from(image.contradicts(other));
            findings.add(image.finding(other, None));
        }
    }
}

/// Reads the images of one pass of `passes`, sorted.
async fn read(
    of: ReportInput<'_>,
    (pass, passes): (u64, u64),
    progress: &Progress,
) -> Result<Vec<Hashed>, Failure> {
    let columns = ["size", "target", CONTENT_HASH].map(str::to_owned).to_vec();
    let mut cursor = Cursor::new(of.output, of.parts, columns, BATCH);
    let mut found = Vec::new();
    let mut first = 0;
    while cursor.fill().await? {
        let Some(batch) = cursor.take(BATCH) else { break };
        take(&batch, first, &mut |image: Hashed| {
            if u64::from(image.hash[0]) % passes == pass {
                found.push(image);
            }
        })?;
        first += batch.num_rows() as u32;
        progress.rows(batch.num_rows() as u64, 0);
    }
    found.sort_unstable();
    Ok(found)
}

/// Hands the images of a batch that have a hash to `add`.
fn take(batch: &RecordBatch, first: u32, add: &mut dyn FnMut(Hashed)) -> Result<(), ReportError> {
    let missing = || ReportError::MissingColumn {
        column: CONTENT_HASH.into(),
        found: batch.schema().fields().iter().map(|field| field.name().clone()).collect(),
    };
    let hashes = batch.column_by_name(CONTENT_HASH).and_then(|column| column.as_fixed_size_binary_opt());
    let hashes: &FixedSizeBinaryArray = hashes.ok_or_else(missing)?;
    let sizes = batch.column_by_name("size").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let targets = batch.column_by_name("target").and_then(|column| column.as_primitive_opt::<Int32Type>());
    for row in (0..batch.num_rows()).filter(|row| hashes.is_valid(*row)) {
        let Ok(hash) = <[u8; 16]>::try_from(hashes.value(row)) else { return Err(missing()) };
        let size = sizes.filter(|sizes| sizes.is_valid(row)).map_or(0, |sizes| sizes.value(row) as u32);
        let target = targets.filter(|targets| targets.is_valid(row)).map(|targets| targets.value(row));
        add(Hashed { hash, size, row: first + row as u32, target });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(hash: u8, size: u32, row: u32, target: i32) -> Hashed {
        Hashed { hash: [hash; 16], size, row, target: Some(target) }
    }

    #[test]
    fn images_are_the_same_if_hash_and_size_are() {
        let own = [
            image(1, 10, 0, 3),
            image(1, 10, 4, 3),
            image(1, 10, 7, 5),
            image(1, 11, 2, 3),
            image(2, 10, 1, 3),
        ];
        let mut figures = ExactFigures::default();
        let mut found = Ranking::new(FindingKind::Duplicate);
        count_duplicates(&own, &mut figures, &mut found);
        assert_eq!(figures, ExactFigures { images: 5, duplicates: 2, groups: 1, label_conflicts: 1 });
        let rows: Vec<_> = found.finish().iter().map(|finding| (finding.row, finding.other)).collect();
        assert_eq!(rows, [(4, Some(0)), (7, Some(0))]);
    }

    #[test]
    fn copies_in_another_output_are_counted_once() {
        let own = [image(1, 10, 0, 3), image(2, 10, 1, 3), image(3, 10, 2, 3)];
        let others = [image(1, 10, 5, 3), image(1, 10, 6, 3), image(2, 11, 7, 3), image(3, 10, 8, 4)];
        let mut figures = CopyFigures::default();
        let mut found = Ranking::new(FindingKind::LeakedCopy);
        count_copies(&own, &others, &mut figures, &mut found);
        assert_eq!(figures, CopyFigures { images: 3, others: 4, leaked: 2, label_conflicts: 1 });
        let rows: Vec<_> = found.finish().iter().map(|finding| (finding.row, finding.other)).collect();
        assert_eq!(rows, [(0, Some(5)), (2, Some(8))]);
    }
}
