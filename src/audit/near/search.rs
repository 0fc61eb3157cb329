//! The steps of a search: sketches of both outputs, candidates, exact cosines.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::pipeline::progress::Progress;

use super::super::computing::{Stop, Stopped, computing};
use super::super::embeddings::EmbeddingColumn;
use super::groups::Edge;
use super::options::NearOptions;
use super::passes::{Facts, fetch, mean, sketch, unstored};
use super::scan::{Between, Limits, TILE, scan};
use super::scratch::{Journal, Scratch, unnamed_file};
use super::sketches::Sketches;
use super::vectors::{Vectors, centre, cosine};

/// What fails if it panics.
const COMPARISON: &str = "the comparison of images";
/// Bytes of embeddings that are held in memory; more are in a file.
const MOST_BYTES: usize = 256 << 20;

/// What all steps share.
pub(super) struct Search<'a> {
    input: ReportInput<'a>,
    pub options: &'a NearOptions,
    progress: &'a Arc<Progress>,
    scratch: Option<Scratch>,
    threads: usize,
}

/// The sketches of one output.
pub(super) struct Side<'a> {
    pub input: ReportInput<'a>,
    column: EmbeddingColumn,
    pub sketches: Arc<Sketches>,
    mean: Arc<Vec<f32>>,
}

/// Pairs whose cosine reaches the threshold, by rows, and what is known of their images.
pub(super) struct Found {
    /// By the first row, then the second.
    pub edges: Vec<Edge>,
    facts: (Vec<u32>, Vec<Facts>),
    /// Of the other output, if there is one.
    other: (Vec<u32>, Vec<Facts>),
}

impl Found {
    /// What is known of a row of this output.
    pub fn facts(&self, row: u32) -> Facts {
        look_up(&self.facts, row)
    }

    /// What is known of a row of the other output.
    pub fn other_facts(&self, row: u32) -> Facts {
        look_up(&self.other, row)
    }
}

fn look_up((rows, facts): &(Vec<u32>, Vec<Facts>), row: u32) -> Facts {
    rows.binary_search(&row).ok().and_then(|at| facts.get(at).copied()).unwrap_or_default()
}

impl<'a> Search<'a> {
    /// Opens the scratch folder, and plans the steps.
    ///
    /// # Errors
    /// The scratch folder cannot be used (73, or 74 if the disk is full), or another audit of the same outputs uses
    /// it (75).
    pub fn open(
        input: ReportInput<'a>,
        other: Option<ReportInput<'a>>,
        options: &'a NearOptions,
        progress: &'a Arc<Progress>,
    ) -> Result<Search<'a>, Failure> {
        let scratch = match &options.scratch {
            Some(folder) => {
                let opened = Scratch::open(folder, &identity(input, other));
                Some(opened.map_err(|error| unusable(folder, error))?)
            }
            None => None,
        };
        let rows = |side: ReportInput<'_>| side.parts.iter().map(|part| part.rows).sum::<u64>();
        let ok = |side: ReportInput<'_>| side.parts.iter().map(|part| part.ok).sum::<u64>();
        let planned = rows(input) + ok(input) + other.map_or(0, |other| rows(other) + ok(input));
        progress.plan(planned, planned);
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Search { input, options, progress, scratch, threads })
    }

    /// The sketches of the output itself.
    ///
    /// # Errors
    /// The rows cannot be read, or their embeddings are of another type than in the first part. There is not enough
    /// memory for the sketches, or the scratch folder cannot be read or written.
    pub async fn own(&self, column: EmbeddingColumn) -> Result<Side<'a>, Failure> {
        let input = self.input;
        let rows = input.parts.iter().map(|part| part.rows).sum::<u64>();
        if let Some((sketches, mean)) = self.stored("sketches", (rows, column.width))? {
            self.progress.rows(rows, 0);
            return Ok(Side { input, column, sketches: Arc::new(sketches), mean: Arc::new(mean) });
        }
        let mean = mean(input, column).await?;
        let sketches = self.sketch((input, column), "sketches", &mean).await?;
        Ok(Side { input, column, sketches: Arc::new(sketches), mean: Arc::new(mean) })
    }

    /// The sketches of another output, around the mean of `own`.
    ///
    /// # Errors
    /// Those of [`Search::own`].
    pub async fn other(
        &self,
        (other, column): (ReportInput<'a>, EmbeddingColumn),
        own: &Side<'_>,
    ) -> Result<Side<'a>, Failure> {
        let rows = other.parts.iter().map(|part| part.rows).sum::<u64>();
        let stored = self.stored("other-sketches", (rows, column.width))?;
        let stored = stored.filter(|(_, mean)| *mean == *own.mean);
        let sketches = match stored {
            Some((sketches, _)) => {
                self.progress.rows(rows, 0);
                sketches
            }
            None => self.sketch((other, column), "other-sketches", &own.mean).await?,
        };
        Ok(Side { input: other, column, sketches: Arc::new(sketches), mean: own.mean.clone() })
    }

    /// Loads the sketches of at most `rows` rows whose embeddings have `width` numbers.
    fn stored(
        &self,
        name: &str,
        (rows, width): (u64, usize),
    ) -> Result<Option<(Sketches, Vec<f32>)>, Failure> {
        let Some(scratch) = &self.scratch else { return Ok(None) };
        scratch.load(name, (rows, width)).map_err(|error| self.unusable(error))
    }

    async fn sketch(
        &self,
        (of, column): (ReportInput<'_>, EmbeddingColumn),
        name: &str,
        mean: &[f32],
    ) -> Result<Sketches, Failure> {
        let sketches = sketch(of, (column, mean), self.threads, self.progress).await?;
        if let Some(scratch) = &self.scratch {
            scratch.store(name, &sketches, mean).map_err(|error| self.unusable(error))?;
        }
        Ok(sketches)
    }

    /// Compares every pair of sketches. Returns the candidates by position, and how many more there were.
    ///
    /// # Errors
    /// The journal cannot be opened, read or written; the comparison panics.
    pub async fn candidates(
        &self,
        own: &Side<'_>,
        others: Option<&Side<'_>>,
        threshold: f64,
    ) -> Result<(Vec<(u32, u32)>, u64), Failure> {
        let tiles = Between { queries: &own.sketches, targets: None }.tiles();
        let name = if others.is_some() { "other-pairs" } else { "pairs" };
        let journal = match &self.scratch {
            Some(scratch) => scratch.journal(&format!("{name}-{threshold:e}"), tiles),
            None => Ok(Journal::in_memory(tiles)),
        };
        let journal = journal.map_err(|error| self.unusable(error))?;
        let (queries, targets) = (own.sketches.clone(), others.map(|others| others.sketches.clone()));
        let (progress, threads) = (self.progress.clone(), self.threads);
        let scanning = computing(COMPARISON, move |stop| {
            let mut journal = journal;
            let between = Between { queries: &queries, targets: targets.as_deref() };
            let open = journal.open_tiles();
            let images = |tile: usize| (queries.len() - tile * TILE).min(TILE) as u64;
            progress.rows(queries.len() as u64 - open.iter().map(|tile| images(*tile)).sum::<u64>(), 0);
            let scanned =
                scan(between, Limits::of(threshold), (&open, threads), stop.flag(), |tile, found| {
                    progress.rows(images(tile), 0);
                    journal.add(tile, found)
                });
            stop.check()?;
            Ok(scanned.map(|()| journal))
        });
        let scanned: io::Result<Journal> = scanning.await?;
        let Journal { mut pairs, left_out, .. } = scanned.map_err(|error| self.unusable(error))?;
        // a journal of other sketches may name images that do not exist, or an image and itself
        let ends = (own.sketches.len(), others.map_or(own.sketches.len(), |others| others.sketches.len()));
        pairs
            .retain(|(a, b)| (*a as usize) < ends.0 && (*b as usize) < ends.1 && (others.is_some() || a < b));
        pairs.sort_unstable();
        Ok((pairs, left_out))
    }

    /// Computes the cosines of candidates from their embeddings, and keeps those that reach the threshold.
    ///
    /// # Errors
    /// The rows cannot be read, or are fewer than their parts count. The file of the embeddings cannot be created,
    /// written or read; the comparison panics.
    pub async fn exact(
        &self,
        candidates: Vec<(u32, u32)>,
        (own, others): (&Side<'_>, Option<&Side<'_>>),
        threshold: f64,
    ) -> Result<Found, Failure> {
        let second = others.unwrap_or(own);
        let mut pairs = candidates;
        for (a, b) in &mut pairs {
            (*a, *b) = (own.sketches.rows[*a as usize], second.sketches.rows[*b as usize]);
        }
        let rows = |rows: &mut dyn Iterator<Item = u32>| {
            let mut rows: Vec<u32> = rows.collect();
            rows.sort_unstable();
            rows.dedup();
            rows
        };
        let (own_rows, other_rows) = match others {
            None => (rows(&mut pairs.iter().flat_map(|(a, b)| [*a, *b])), Vec::new()),
            Some(_) => (rows(&mut pairs.iter().map(|(a, _)| *a)), rows(&mut pairs.iter().map(|(_, b)| *b))),
        };
        let size = |side: &Side<'_>| side.column.width * side.column.element.bytes();
        let bytes = own_rows.len() * size(own) + other_rows.len() * size(second);
        let file = |rows: &[u32]| -> Result<Option<File>, Failure> {
            let is_large = bytes > MOST_BYTES && !rows.is_empty();
            is_large.then(|| unnamed_file(self.options.scratch.as_deref()).map_err(unstored)).transpose()
        };
        let own_file = file(&own_rows)?;
        let (first, facts) = fetch(own.input, own.column, own_rows, own_file).await?;
        let (second, other_facts) = match others {
            None => (None, Vec::new()),
            Some(others) => {
                let other_file = file(&other_rows)?;
                let (vectors, facts) = fetch(others.input, others.column, other_rows, other_file).await?;
                (Some(vectors), facts)
            }
        };
        let mean = own.mean.clone();
        let computed = computing(COMPARISON, move |stop| {
            let all = (&first, second.as_ref().unwrap_or(&first));
            let edges = edges(&pairs, all, (&mean, threshold), stop)?;
            let other = second.as_ref().map(|vectors| vectors.rows().to_vec()).unwrap_or_default();
            Ok(edges.map(|edges| (edges, first.rows().to_vec(), other)))
        });
        let (edges, rows, other) = computed.await?.map_err(unstored)?;
        Ok(Found { edges, facts: (rows, facts), other: (other, other_facts) })
    }

    fn unusable(&self, error: io::Error) -> Failure {
        unusable(self.options.scratch.as_deref().unwrap_or(Path::new("")), error)
    }
}

/// Returns the exact cosines of sorted pairs that reach the threshold; the inner error is that of the embeddings' file.
///
/// # Errors
/// [`Stopped`] once `stop` asks for it.
fn edges(
    pairs: &[(u32, u32)],
    vectors: (&Vectors, &Vectors),
    limits: (&[f32], f64),
    stop: &Stop,
) -> Result<io::Result<Vec<Edge>>, Stopped> {
    let mut edges = Vec::new();
    for pairs in pairs.chunk_by(|x, y| x.0 == y.0) {
        stop.check()?;
        if let Err(error) = edges_of_one(pairs, vectors, limits, &mut edges) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(edges))
}

/// Adds the pairs of one image, which all begin with it.
fn edges_of_one(
    pairs: &[(u32, u32)],
    (first, second): (&Vectors, &Vectors),
    (mean, threshold): (&[f32], f64),
    edges: &mut Vec<Edge>,
) -> io::Result<()> {
    let (mut left, mut right, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for (at, &(a, b)) in pairs.iter().enumerate() {
        if at == 0 {
            first.read(a, &mut left, &mut bytes)?;
            centre(&mut left, mean);
        }
        second.read(b, &mut right, &mut bytes)?;
        centre(&mut right, mean);
        let cosine = cosine(&left, &right);
        if cosine >= threshold {
            edges.push(Edge { a, b, cosine: cosine as f32 });
        }
    }
    Ok(())
}

/// All that the files of a scratch folder depend on.
fn identity(input: ReportInput<'_>, other: Option<ReportInput<'_>>) -> String {
    let side = |side: ReportInput<'_>| {
        let parts = side.parts.iter().map(|part| format!("{} {} {}\n", part.name, part.size, part.plan));
        format!("{} {}\n{}", side.output.uri(), side.frozen.fingerprint, parts.collect::<String>())
    };
    format!("{}\n{}", side(input), other.map(side).unwrap_or_default())
}

fn unusable(folder: &Path, error: io::Error) -> Failure {
    let folder = folder.display();
    match error.kind() {
        io::ErrorKind::ResourceBusy => {
            let what =
                format!("another audit of the same outputs uses the scratch folder `{folder}`; wait for it");
            Failure::new(Exit::TryAgain, what)
        }
        io::ErrorKind::StorageFull => Failure::caused(
            Exit::Io,
            format!("the scratch folder `{folder}` is full; give another --scratch"),
            error,
        ),
        io::ErrorKind::OutOfMemory => {
            Failure::caused(Exit::Config, "there is no memory for the sketches of the images", error)
        }
        _ => Failure::caused(
            Exit::CannotCreate,
            format!("the scratch folder `{folder}` cannot be used; give another --scratch"),
            error,
        ),
    }
}
