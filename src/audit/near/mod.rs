//! Images that are nearly the same, by their embeddings.
//!
//! ```text
//! embeddings ─► sketches (160 bytes an image) ─► random pairs ─► threshold
//!                        └─► every pair of sketches: candidates, at most 16 an image
//! embeddings of candidates ─► exact cosines ─► groups around a representative
//! ```

mod calibration;
mod groups;
mod options;
mod passes;
mod planes;
mod projection;
mod scan;
mod scratch;
mod search;
mod sketches;
mod summed;
mod vectors;

use std::sync::Arc;

use serde::Serialize;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use crate::output::schema_of;
use crate::pipeline::progress::Progress;

use super::computing::computing;
use super::embeddings::EmbeddingColumn;
use super::finding::{Finding, FindingKind};
use super::ranking::Ranking;
use super::section::Section;

pub use calibration::Calibration;
pub use options::NearOptions;
pub(super) use projection::DIMS;
#[cfg(test)]
pub(super) use projection::Sketch;
pub(super) use sketches::Sketches;

use calibration::RandomPairs;
use groups::group;
use search::{Search, Side};

/// Images that are compared with each other; twice as many take four times as long.
const MOST_IMAGES: u64 = 10_000_000;
/// Components that decide what the embeddings of one model file mean, besides preprocessing.
const MEANING: [&str; 3] = ["model.embedding", "model.input", "model.weights"];

/// Near duplicates within one output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearFigures {
    /// Images with an embedding.
    pub images: u64,
    /// Images that are ok and have none, or one that is zero.
    pub without_embedding: u64,
    /// The threshold and what it follows from.
    pub calibration: Calibration,
    /// Pairs of images whose cosine reaches the threshold.
    pub pairs: u64,
    /// Groups of near duplicates.
    pub groups: u64,
    /// Images that are near duplicates of the representative of their group.
    pub duplicates: u64,
    /// Those whose label is another than that of the representative.
    pub label_conflicts: u64,
    /// Candidates that were not looked at, since an image has more than 16.
    pub candidates_left_out: u64,
}

/// Images of one output that are near duplicates of an image of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakFigures {
    /// Images with an embedding.
    pub images: u64,
    /// Images with an embedding in the other output.
    pub others: u64,
    /// The threshold and what it follows from.
    pub calibration: Calibration,
    /// Pairs of images whose cosine reaches the threshold.
    pub pairs: u64,
    /// Images that have a near duplicate in the other output.
    pub leaked: u64,
    /// Those whose label is another than that of the nearest image there.
    pub label_conflicts: u64,
    /// Candidates that were not looked at, since an image has more than 16.
    pub candidates_left_out: u64,
}

/// What was found.
pub(super) struct Near {
    pub within: Section<NearFigures>,
    pub between: Option<Section<LeakFigures>>,
    pub findings: Vec<Ranking>,
    /// The sketches of the output, if it has embeddings.
    pub sketches: Option<Arc<Sketches>>,
    /// Those of the other output, if its embeddings can be compared.
    pub others: Option<Arc<Sketches>>,
}

/// Looks for near duplicates in an output, and between it and `other`.
///
/// # Errors
/// The rows cannot be read, or break the output's contract; the scratch folder cannot be used.
pub(super) async fn near_duplicates(
    input: ReportInput<'_>,
    other: Option<ReportInput<'_>>,
    options: &NearOptions,
    progress: &Arc<Progress>,
) -> Result<Near, Failure> {
    let mut near = Near {
        within: Section::skipped(String::new()),
        between: other.map(|_| Section::skipped(String::new())),
        findings: Vec::new(),
        sketches: None,
        others: None,
    };
    let column = match column_of(input).await? {
        Ok(column) => column,
        Err(why) => {
            near.between = near.between.map(|_| Section::skipped(why.clone()));
            near.within = Section::skipped(why);
            return Ok(near);
        }
    };
    let other = match other {
        None => None,
        Some(other) => match comparable(input, other, column).await? {
            Ok(other_column) => Some((other, other_column)),
            Err(why) => {
                near.between = Some(Section::skipped(why));
                None
            }
        },
    };
    let search = Search::open(input, other.map(|(other, _)| other), options, progress)?;
    let own = search.own(column).await?;
    near.sketches = Some(own.sketches.clone());
    near.within = within(&search, &own, &mut near.findings).await?;
    if let Some(other) = other {
        let others = search.other(other, &own).await?;
        near.others = Some(others.sketches.clone());
        near.between = Some(between(&search, &own, &others, &mut near.findings).await?);
    }
    Ok(near)
}

async fn within(
    search: &Search<'_>,
    own: &Side<'_>,
    findings: &mut Vec<Ranking>,
) -> Result<Section<NearFigures>, Failure> {
    let pairs = random_pairs(own, None).await?;
    let calibration = match pairs.calibrate(search.options.threshold) {
        Ok(calibration) => calibration,
        Err(why) => return Ok(Section::skipped(why)),
    };
    let (candidates, left_out) = search.candidates(own, None, calibration.threshold).await?;
    let found = search.exact(candidates, (own, None), calibration.threshold).await?;
    let grouping = computing("the grouping of images", move |stop| {
        let members = group(&found.edges, |row| found.facts(row).pixels, stop)?;
        Ok((found, members))
    });
    let (found, members) = grouping.await?;
    let mut ranking = Ranking::new(FindingKind::NearDuplicate);
    let mut label_conflicts = 0;
    for member in &members {
        let (target, other) = (found.facts(member.image).target, found.facts(member.representative).target);
        label_conflicts += u64::from(target.is_some() && other.is_some() && target != other);
        ranking.add(Finding {
            row: u64::from(member.image),
            other: Some(u64::from(member.representative)),
            score: f64::from(member.cosine),
            given: target.and_then(|class| u32::try_from(class).ok()),
            group: Some(u64::from(member.group)),
            ..Finding::default()
        });
    }
    findings.push(ranking);
    let images = own.sketches.len() as u64;
    Ok(Section::Done(NearFigures {
        images,
        without_embedding: own.input.parts.iter().map(|part| part.ok).sum::<u64>().saturating_sub(images),
        calibration,
        pairs: found.edges.len() as u64,
        groups: members.iter().map(|member| u64::from(member.group) + 1).max().unwrap_or_default(),
        duplicates: members.len() as u64,
        label_conflicts,
        candidates_left_out: left_out,
    }))
}

/// Random pairs of images of `own`, or of `own` and `others`.
async fn random_pairs(own: &Side<'_>, others: Option<&Side<'_>>) -> Result<RandomPairs, Failure> {
    let (own, others) = (own.sketches.clone(), others.map(|others| others.sketches.clone()));
    computing("the drawing of pairs", move |stop| RandomPairs::draw(&own, others.as_deref(), stop)).await
}

async fn between(
    search: &Search<'_>,
    own: &Side<'_>,
    others: &Side<'_>,
    findings: &mut Vec<Ranking>,
) -> Result<Section<LeakFigures>, Failure> {
    let pairs = random_pairs(own, Some(others)).await?;
    let calibration = match pairs.calibrate(search.options.threshold) {
        Ok(calibration) => calibration,
        Err(why) => return Ok(Section::skipped(why)),
    };
    let (candidates, left_out) = search.candidates(own, Some(others), calibration.threshold).await?;
    let found = search.exact(candidates, (own, Some(others)), calibration.threshold).await?;
    let mut ranking = Ranking::new(FindingKind::Leak);
    let (mut leaked, mut label_conflicts) = (0, 0);
    for edges in found.edges.chunk_by(|x, y| x.a == y.a) {
        let Some(nearest) = edges.iter().max_by(|x, y| x.cosine.total_cmp(&y.cosine)) else { continue };
        let (target, other) = (found.facts(nearest.a).target, found.other_facts(nearest.b).target);
        leaked += 1;
        label_conflicts += u64::from(target.is_some() && other.is_some() && target != other);
        ranking.add(Finding {
            row: u64::from(nearest.a),
            other: Some(u64::from(nearest.b)),
            score: f64::from(nearest.cosine),
            given: target.and_then(|class| u32::try_from(class).ok()),
            ..Finding::default()
        });
    }
    findings.push(ranking);
    Ok(Section::Done(LeakFigures {
        images: own.sketches.len() as u64,
        others: others.sketches.len() as u64,
        calibration,
        pairs: found.edges.len() as u64,
        leaked,
        label_conflicts,
        candidates_left_out: left_out,
    }))
}

/// The column of embeddings, or why images are not compared.
async fn column_of(input: ReportInput<'_>) -> Result<Result<EmbeddingColumn, String>, Failure> {
    let Some(schema) = schema_of(input.output, input.parts).await? else {
        return Ok(Err("the output has no rows".into()));
    };
    let rows = input.parts.iter().map(|part| part.rows).sum::<u64>();
    if rows > MOST_IMAGES {
        return Ok(Err(format!("the output has {rows} rows, and at most {MOST_IMAGES} are compared")));
    }
    Ok(EmbeddingColumn::of(&schema))
}

/// Checks that the embeddings of two outputs have the same meaning. Returns the column of the other output, which may have
/// another precision, or why they are not compared.
async fn comparable(
    input: ReportInput<'_>,
    other: ReportInput<'_>,
    column: EmbeddingColumn,
) -> Result<Result<EmbeddingColumn, String>, Failure> {
    let other_column = match column_of(other).await? {
        Ok(column) => column,
        Err(why) => return Ok(Err(format!("in `{}`, {why}", other.output.uri()))),
    };
    let (a, b) = (input.frozen, other.frozen);
    if a.model.sha256 != b.model.sha256 || other_column.width != column.width {
        let what = "the two outputs are of different models, whose embeddings have nothing in common: run both with \
                    the same `model.path`";
        return Ok(Err(what.into()));
    }
    let decides = |name: &&String| name.starts_with("preprocess.") || MEANING.contains(&name.as_str());
    let mut names = a.components.keys().chain(b.components.keys()).filter(decides);
    Ok(match names.find(|name| a.components.get(*name) != b.components.get(*name)) {
        Some(name) => Err(format!("the two outputs differ in `{name}`, which moves their embeddings apart")),
        None => Ok(other_column),
    })
}
