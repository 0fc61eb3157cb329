//! Images that are the same to the byte, by the hashes that an output keeps of them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, FixedSizeBinaryArray, RecordBatch};
use serde::Serialize;

use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::output::{CONTENT_HASH, Cursor};
use crate::pipeline::progress::Progress;
use crate::report::ReportError;

use super::computing::computing;
use super::finding::{Finding, FindingKind};
use super::ranking::Ranking;
use super::section::Section;

/// Rows decoded at a time.
const BATCH: usize = 8192;
/// Rows whose hashes are read in one pass; of more rows, those of some hashes at a time.
const MOST_ROWS: u64 = 8_000_000;
/// Why the images of an output are not compared, although it has hashes.
const UNEVEN: &str =
    "the hashes are not spread as those of XXH3-128 are, so no run made them: run the job again";

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
    /// Whether it is the first image of a group.
    is_repeated: bool,
}

impl Hashed {
    fn is_as(&self, other: &Hashed) -> bool {
        (self.hash, self.size) == (other.hash, other.size)
    }

    fn contradicts(&self, other: &Hashed) -> bool {
        self.target.is_some() && other.target.is_some() && self.target != other.target
    }

    fn finding(&self, other: &Hashed) -> Finding {
        Finding {
            row: u64::from(self.row),
            other: Some(u64::from(other.row)),
            score: 1.0,
            given: self.target.and_then(|class| u32::try_from(class).ok()),
            ..Finding::default()
        }
    }

    /// Whether its hash is one of a pass.
    fn is_in(&self, (pass, passes): (u64, u64)) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = self.hash;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % passes == pass
    }
}

/// Different images of one pass. An image with the bytes of an earlier one is counted and then dropped, so that any
/// number of copies fits in memory.
#[derive(Debug)]
struct Distinct {
    images: Vec<Hashed>,
    /// Images that are held before copies are dropped.
    most: usize,
    figures: ExactFigures,
    /// The copies, if they are findings.
    duplicates: Option<Ranking>,
}

impl Distinct {
    /// For one of `passes` passes over `rows` rows.
    ///
    /// # Errors
    /// There is not enough memory.
    fn new(rows: u64, passes: u64, duplicates: Option<Ranking>) -> Result<Distinct, Failure> {
        // a pass has an even share of different hashes
        let share = rows.div_ceil(passes);
        let most = if passes == 1 { rows } else { rows.min(share / 8 * 9 + (1 << 16)) } as usize;
        let mut images = Vec::new();
        images.try_reserve_exact(most + BATCH).map_err(|error| {
            Failure::caused(
                Exit::Config,
                format!("there is no memory for the hashes of {most} images"),
                error,
            )
        })?;
        Ok(Distinct { images, most, figures: ExactFigures::default(), duplicates })
    }

    /// Drops copies. In the end the images are sorted.
    fn drop_copies(&mut self) {
        let Distinct { images, figures, duplicates, .. } = self;
        // of images with the same bytes, the earliest row is the first
        images.sort_unstable();
        let mut kept: usize = 0;
        for at in 0..images.len() {
            let image = images[at];
            match kept.checked_sub(1).map(|last| &mut images[last]).filter(|first| first.is_as(&image)) {
                Some(first) => {
                    figures.groups += u64::from(!std::mem::replace(&mut first.is_repeated, true));
                    figures.duplicates += 1;
                    figures.label_conflicts += u64::from(image.contradicts(first));
                    if let Some(duplicates) = duplicates {
                        duplicates.add(image.finding(first));
                    }
                }
                None => {
                    images[kept] = image;
                    kept += 1;
                }
            }
        }
        images.truncate(kept);
    }

    /// Whether nearly all images that may be held are different: an even share of hashes is far from it.
    fn is_uneven(&self) -> bool {
        self.images.len() > self.most - self.most / 32
    }

    /// The image that has the bytes of `image`, if one has; copies have been dropped.
    fn find(&self, image: &Hashed) -> Option<&Hashed> {
        let first = self.images.partition_point(|other| (other.hash, other.size) < (image.hash, image.size));
        self.images.get(first).filter(|other| other.is_as(image))
    }
}

/// Images whose bytes the other output has.
#[derive(Debug)]
struct Copies {
    figures: CopyFigures,
    findings: Ranking,
}

impl Copies {
    /// Counts an image, if `others` have its bytes.
    fn count(&mut self, image: &Hashed, others: &Distinct) {
        let figures = &mut self.figures;
        figures.images += 1;
        if let Some(other) = others.find(image) {
            figures.leaked += 1;
            figures.label_conflicts += u64::from(image.contradicts(other));
            self.findings.add(image.finding(other));
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
    let planned = rows(input) + against.map_or(0, rows);
    let passes = planned.div_ceil(MOST_ROWS).max(1);
    progress.plan(passes * planned, passes * planned);
    let mut own = Distinct::new(rows(input), passes, Some(Ranking::new(FindingKind::Duplicate)))?;
    let mut others = against.map(|against| Distinct::new(rows(against), passes, None)).transpose()?;
    let findings = Ranking::new(FindingKind::LeakedCopy);
    let mut copies = Copies { figures: CopyFigures::default(), findings };
    for pass in 0..passes {
        if let (Some(against), Some(held)) = (against, others.take()) {
            let Some(read) = read(against, (pass, passes), held, None, progress).await? else {
                return Ok(skipped(UNEVEN));
            };
            others = Some(read);
        }
        let between = others.as_ref().map(|others| (others, &mut copies));
        let Some(read) = read(input, (pass, passes), own, between, progress).await? else {
            return Ok(skipped(UNEVEN));
        };
        own = read;
    }
    let mut findings: Vec<Ranking> = own.duplicates.into_iter().collect();
    findings.iter_mut().for_each(Ranking::number_groups);
    let between = match (other, others) {
        (Some(_), Some(others)) => {
            findings.push(copies.findings);
            Some(Section::Done(CopyFigures { others: others.figures.images, ..copies.figures }))
        }
        (Some(other), None) => Some(Section::skipped(format!(
            "the rows of `{}` have no hashes: set `output.content_hash = true`",
            other.output.uri()
        ))),
        (None, _) => None,
    };
    Ok(Exact { within: Section::Done(own.figures), between, findings })
}

/// A carried column may have the name if the job keeps no hashes.
fn keeps_hashes(of: ReportInput<'_>) -> bool {
    of.frozen.components.get("output.content_hash").is_some_and(|kept| kept == true)
}

/// Reads the images of one pass into `held` in place of those of the pass before, and counts those that `copies`
/// finds in the other output. `None` if the hashes are uneven.
async fn read(
    of: ReportInput<'_>,
    pass: (u64, u64),
    mut held: Distinct,
    mut copies: Option<(&Distinct, &mut Copies)>,
    progress: &Progress,
) -> Result<Option<Distinct>, Failure> {
    let columns = ["size", "target", CONTENT_HASH].map(str::to_owned).to_vec();
    let mut cursor = Cursor::new(of.output, of.parts, columns, BATCH);
    let mut first = 0;
    held.images.clear();
    while cursor.fill().await? {
        let Some(batch) = cursor.take(BATCH) else { break };
        take(&batch, first, &mut |image: Hashed| {
            if !image.is_in(pass) {
                return;
            }
            if let Some((others, copies)) = &mut copies {
                copies.count(&image, others);
            }
            held.figures.images += 1;
            held.images.push(image);
        })?;
        first += batch.num_rows() as u32;
        progress.rows(batch.num_rows() as u64, 0);
        if held.images.len() > held.most {
            held = without_copies(held).await?;
            if held.is_uneven() {
                return Ok(None);
            }
        }
    }
    without_copies(held).await.map(Some)
}

async fn without_copies(mut held: Distinct) -> Result<Distinct, Failure> {
    let sorting = computing("the comparison of hashes", move |_| {
        held.drop_copies();
        Ok(held)
    });
    sorting.await
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
        add(Hashed { hash, size, row: first + row as u32, target, is_repeated: false });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(hash: u8, size: u32, row: u32, target: i32) -> Hashed {
        Hashed { hash: [hash; 16], size, row, target: Some(target), is_repeated: false }
    }

    fn distinct(rows: u64, passes: u64) -> Distinct {
        Distinct::new(rows, passes, Some(Ranking::new(FindingKind::Duplicate))).unwrap()
    }

    fn pairs(found: Ranking) -> Vec<(u64, Option<u64>)> {
        found.finish().iter().map(|finding| (finding.row, finding.other)).collect()
    }

    #[test]
    fn images_are_the_same_if_hash_and_size_are() {
        let mut own = distinct(5, 1);
        own.images.extend([
            image(1, 10, 7, 5),
            image(1, 11, 2, 3),
            image(1, 10, 0, 3),
            image(2, 10, 1, 3),
            image(1, 10, 4, 3),
        ]);
        own.drop_copies();
        let expected = ExactFigures { images: 0, duplicates: 2, groups: 1, label_conflicts: 1 };
        assert_eq!((own.images.len(), own.figures), (3, expected));
        assert_eq!(pairs(own.duplicates.unwrap()), [(4, Some(0)), (7, Some(0))]);
    }

    #[test]
    fn copies_that_come_later_belong_to_the_group_that_is_known() {
        let mut own = distinct(100, 1);
        for row in 0..100 {
            own.images.push(image(1, 10, row, 3));
            own.drop_copies();
            assert_eq!(own.images.len(), 1);
        }
        let found = (own.figures.duplicates, own.figures.groups);
        assert_eq!((found, own.images[0].row, own.is_uneven()), ((99, 1), 0, false));
    }

    #[test]
    fn a_pass_that_is_nearly_full_of_different_images_is_uneven() {
        let mut own = distinct(200_000, 3);
        let first = own.most as u32 - own.most as u32 / 32;
        for row in 0..first {
            let mut one = image(0, 10, row, 3);
            one.hash[..4].copy_from_slice(&row.to_le_bytes());
            own.images.push(one);
        }
        assert!(!own.is_uneven());
        own.images.push(image(255, 10, first, 3));
        assert!(own.is_uneven());
    }

    #[test]
    fn every_hash_is_in_one_pass() {
        let shares: Vec<usize> = (0..3)
            .map(|pass| (0..=255).filter(|hash| image(*hash, 1, 0, 0).is_in((pass, 3))).count())
            .collect();
        assert_eq!(shares.iter().sum::<usize>(), 256);
    }

    #[test]
    fn copies_in_another_output_are_counted_once() {
        let own = [image(1, 10, 0, 3), image(2, 10, 1, 3), image(3, 10, 2, 3)];
        let mut others = distinct(4, 1);
        others.images.extend([
            image(1, 10, 5, 3),
            image(1, 10, 6, 3),
            image(2, 11, 7, 3),
            image(3, 10, 8, 4),
        ]);
        others.drop_copies();
        let findings = Ranking::new(FindingKind::LeakedCopy);
        let mut copies = Copies { figures: CopyFigures::default(), findings };
        own.iter().for_each(|image| copies.count(image, &others));
        let expected = CopyFigures { images: 3, others: 0, leaked: 2, label_conflicts: 1 };
        assert_eq!(copies.figures, expected);
        assert_eq!(pairs(copies.findings), [(0, Some(5)), (2, Some(8))]);
    }
}
