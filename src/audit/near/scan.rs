//! Candidates of near duplicates: pairs of images whose sketches are close.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::super::statistics::{binomial_bound, normal_quantile};
use super::planes::{LANES, Query};
use super::projection::DIMS;
use super::sketches::Sketches;

/// Images whose candidates are looked for together.
pub const TILE: usize = 256;
/// Candidates that an image keeps; the others are counted.
pub const MOST_CANDIDATES: usize = 16;
/// Blocks that every image of a tile is compared with before the next ones: 16 KiB.
const GROUP: usize = 16;
/// The share of pairs at the threshold that each of three tests may miss; pairs above it are missed more rarely.
const MISSED: f64 = 0.001;
/// The error of a cosine from numbers of one byte.
const ROUNDING: f64 = 0.005;

/// What sketches of two near duplicates have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Differing signs of the first 64.
    first: u32,
    /// Differing signs of all 128.
    all: u32,
    /// The estimated cosine.
    cosine: f32,
}

impl Limits {
    /// For pairs whose cosine is at least `threshold`, which is above 0 and below 1. A sign differs with a probability of
    /// the angle over π; an estimated cosine varies by `(1 − cosine²) / √128`.
    pub fn of(threshold: f64) -> Limits {
        let differs = (threshold.acos() / std::f64::consts::PI).max(1e-9);
        let spread = (1.0 - threshold * threshold) / (DIMS as f64).sqrt();
        Limits {
            first: binomial_bound(64, differs, MISSED).min(63),
            all: binomial_bound(128, differs, MISSED),
            cosine: (threshold - normal_quantile(MISSED) * spread - ROUNDING) as f32,
        }
    }
}

/// The candidates of one tile.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tile {
    /// Positions of two images.
    pub pairs: Vec<(u32, u32)>,
    /// Candidates that are not kept.
    pub left_out: u64,
}

/// Two sets of sketches between which candidates are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Between<'a> {
    pub queries: &'a Sketches,
    /// `None` for the same set: then a pair is found once, with the lower position first.
    pub targets: Option<&'a Sketches>,
}

impl Between<'_> {
    pub fn tiles(&self) -> usize {
        self.queries.len().div_ceil(TILE)
    }

    fn tile(&self, tile: usize, limits: Limits) -> Tile {
        let targets = self.targets.unwrap_or(self.queries);
        let images = tile * TILE..((tile + 1) * TILE).min(self.queries.len());
        let queries: Vec<Query> =
            images.clone().map(|image| Query::new(self.queries.signs[image][0])).collect();
        let mut kept: Vec<Vec<(f32, u32)>> = vec![Vec::new(); queries.len()];
        let mut left_out = 0;
        let first = if self.targets.is_some() { 0 } else { images.start / LANES };
        let blocks: Vec<usize> = (first..targets.planes.blocks()).collect();
        for group in blocks.chunks(GROUP) {
            for ((image, query), kept) in images.clone().zip(&queries).zip(&mut kept) {
                for &block in group {
                    let near = targets.planes.near(block, query, limits.first);
                    for (word, mut lanes) in near.into_iter().enumerate() {
                        while lanes != 0 {
                            let other = block * LANES + 64 * word + lanes.trailing_zeros() as usize;
                            lanes &= lanes - 1;
                            if self.targets.is_none() && other <= image
                                || self.queries.distance(image, targets, other) > limits.all
                            {
                                continue;
                            }
                            let cosine = self.queries.cosine(image, targets, other);
                            if cosine >= limits.cosine {
                                left_out += u64::from(!keep(kept, (cosine, other as u32)));
                            }
                        }
                    }
                }
            }
        }
        let mut pairs = Vec::new();
        for (image, mut kept) in images.zip(kept) {
            kept.sort_unstable_by_key(|(_, other)| *other);
            pairs.extend(kept.into_iter().map(|(_, other)| (image as u32, other)));
        }
        Tile { pairs, left_out }
    }
}

/// Keeps a candidate if it is one of the best; false if one is left out.
fn keep(kept: &mut Vec<(f32, u32)>, candidate: (f32, u32)) -> bool {
    if kept.len() < MOST_CANDIDATES {
        kept.push(candidate);
        return true;
    }
    if let Some(least) = kept.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0))
        && least.0 < candidate.0
    {
        *least = candidate;
    }
    false
}

/// Finds the candidates of the numbered tiles on `threads` threads, and hands each tile to `done` as it ends, in any order. It ends
/// early once `stop` is true, or with the first error of `done`.
///
/// # Errors
/// The one of `done`.
pub fn scan<E>(
    between: Between<'_>,
    limits: Limits,
    (tiles, threads): (&[usize], usize),
    stop: &AtomicBool,
    mut done: impl FnMut(usize, Tile) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel(2 * threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (own, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(&tile) = tiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) || own.send((tile, between.tile(tile, limits))).is_err() {
                        return;
                    }
                }
            });
        }
        // the receiver ends with the last thread
        drop(sender);
        let mut ended = Ok(());
        for (tile, found) in receiver {
            ended = done(tile, found);
            if ended.is_err() {
                stop.store(true, Ordering::Relaxed);
                break;
            }
        }
        ended
    })
}
