//! A sample of embeddings as points of a plane: their two directions of largest variance.

use half::f16;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Int32Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, RecordBatch};

/// Embeddings of a sample, at most.
const MOST: usize = 2_000;
/// Bytes of a sample, at most.
const MOST_BYTES: usize = 64 << 20;
/// Directions that are sought together; two of them are shown, the others make these converge.
const BLOCK: usize = 8;
/// Steps of the search, at most.
const STEPS: usize = 60;
/// The search ends if the two variances change by less than this share.
const SETTLED: f64 = 1e-7;

/// The map of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingMap {
    /// A point for each embedding of the sample.
    pub points: Vec<MapPoint>,
    /// How much of the sample's variance both directions have, in percent.
    pub explained: [f64; 2],
    /// Numbers of an embedding.
    pub dimension: usize,
    /// Rows that are `ok`, from which the sample is.
    pub of: u64,
}

/// One embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPoint {
    /// Along the direction of the largest variance.
    pub x: f64,
    /// Along the second direction.
    pub y: f64,
    /// The image's key.
    pub key: String,
    /// What it is, if that is known.
    pub target: Option<usize>,
    /// What it was taken for.
    pub predicted: usize,
}

/// Embeddings for a map, in bounded memory.
#[derive(Debug, Default)]
pub struct EmbeddingSample {
    dimension: usize,
    values: Vec<f32>,
    rows: Vec<(String, Option<usize>, usize)>,
}

impl EmbeddingSample {
    /// The columns that [`push`](Self::push) reads.
    pub const COLUMNS: [&'static str; 4] = ["key", "target", "index", "embedding"];

    /// How many embeddings of `dimension` numbers a sample has.
    pub fn most(dimension: usize) -> usize {
        MOST.min(MOST_BYTES / (4 * dimension.max(1)))
    }

    /// Takes one row of a batch; nothing if it has no embedding, if one of its numbers is not finite, or if the sample
    /// is full.
    pub fn push(&mut self, batch: &RecordBatch, row: usize) {
        if let Some((embedding, label)) = read(batch, row) {
            if self.rows.is_empty() {
                self.dimension = embedding.len();
            }
            let fits = self.rows.len() < Self::most(self.dimension) && embedding.len() == self.dimension;
            if fits && embedding.iter().all(|value| value.is_finite()) {
                self.values.extend(embedding);
                self.rows.push(label);
            }
        }
    }

    /// The map by principal components; `None` of fewer than three embeddings, or if all are equal. `of` is the number
    /// of rows that the sample is from.
    pub fn map(mut self, of: u64) -> Option<EmbeddingMap> {
        if self.rows.len() < 3 || self.dimension < 2 {
            return None;
        }
        let total = self.centre();
        if total <= 0.0 {
            return None;
        }
        let (variances, [first, second]) = self.principal();
        let along = |direction: &[f64], row: &[f32]| {
            row.iter().zip(direction).map(|(value, part)| f64::from(*value) * part).sum::<f64>()
        };
        let rows = self.values.chunks_exact(self.dimension).zip(&self.rows);
        let points = rows.map(|(values, (key, target, predicted))| MapPoint {
            x: along(&first, values),
            y: along(&second, values),
            key: key.clone(),
            target: *target,
            predicted: *predicted,
        });
        let points = points.collect();
        let explained = variances.map(|variance| (100.0 * variance / total).clamp(0.0, 100.0));
        Some(EmbeddingMap { points, explained, dimension: self.dimension, of })
    }

    /// Subtracts the mean, and returns the sum of squares that is left.
    fn centre(&mut self) -> f64 {
        let mut means = vec![0.0_f64; self.dimension];
        for row in self.values.chunks_exact(self.dimension) {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
        }
        let rows = self.rows.len() as f64;
        means.iter_mut().for_each(|mean| *mean /= rows);
        let mut total = 0.0;
        for row in self.values.chunks_exact_mut(self.dimension) {
            for (value, mean) in row.iter_mut().zip(&means) {
                *value = (f64::from(*value) - mean) as f32;
                total += f64::from(*value).powi(2);
            }
        }
        total
    }

    /// The two largest variances (as sums of squares) and their directions, by subspace iteration with a Rayleigh–Ritz
    /// step: G. H. Golub, C. F. Van Loan, *Matrix Computations* (4th edition, 2013), section 8.2.
    fn principal(&self) -> ([f64; 2], [Vec<f64>; 2]) {
        let block = BLOCK.min(self.dimension).min(self.rows.len());
        let mut basis: Vec<Vec<f64>> = (0..block).map(|k| start(self.dimension, k as u64)).collect();
        orthonormalize(&mut basis);
        let mut before = [0.0; 2];
        for _ in 0..STEPS {
            let images: Vec<Vec<f64>> = self.times_covariance(&basis);
            let (variances, turned) = ritz(&basis, &images);
            basis = turned;
            let now = [variances[0], variances.get(1).copied().unwrap_or_default()];
            let settled =
                now.iter().zip(before).all(|(now, before)| (now - before).abs() <= SETTLED * now.abs());
            before = now;
            if settled {
                break;
            }
        }
        let mut directions = basis.into_iter().map(|mut direction| {
            // a direction and its opposite are the same: the largest number is positive
            let largest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            if largest.is_some_and(|value| value < 0.0) {
                direction.iter_mut().for_each(|value| *value = -*value);
            }
            direction
        });
        let mut next = || directions.next().unwrap_or_else(|| vec![0.0; self.dimension]);
        (before, [next(), next()])
    }

    /// XᵀX times each vector of the basis, row by row.
    fn times_covariance(&self, basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut images = vec![vec![0.0; self.dimension]; basis.len()];
        for row in self.values.chunks_exact(self.dimension) {
            for (vector, image) in basis.iter().zip(&mut images) {
                let along: f64 = row.iter().zip(vector).map(|(value, part)| f64::from(*value) * part).sum();
                image.iter_mut().zip(row).for_each(|(sum, value)| *sum += along * f64::from(*value));
            }
        }
        images
    }
}

/// One step: the eigenvectors of the covariance within the basis, multiplied by the covariance once more.
fn ritz(basis: &[Vec<f64>], images: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let small: Vec<Vec<f64>> =
        basis.iter().map(|vector| images.iter().map(|image| dot(vector, image)).collect()).collect();
    let (values, vectors) = jacobi(small);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let dimension = basis.first().map_or(0, Vec::len);
    let mut turned: Vec<Vec<f64>> = order
        .iter()
        .map(|&k| {
            let mut sum = vec![0.0; dimension];
            for (image, part) in images.iter().zip(&vectors[k]) {
                sum.iter_mut().zip(image).for_each(|(sum, value)| *sum += part * value);
            }
            sum
        })
        .collect();
    orthonormalize(&mut turned);
    (order.iter().map(|&k| values[k]).collect(), turned)
}

/// Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations.
fn jacobi(mut matrix: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[p][q];
                if off == 0.0 {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * off);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut matrix {
                    let (a, b) = (row[p], row[q]);
                    (row[p], row[q]) = (c * a - s * b, s * a + c * b);
                }
                rotate(&mut matrix, (p, q), (c, s));
                rotate(&mut vectors, (p, q), (c, s));
            }
        }
    }
    ((0..n).map(|i| matrix[i][i]).collect(), vectors)
}

/// Turns two rows in their plane; `p` is above `q`.
fn rotate(rows: &mut [Vec<f64>], (p, q): (usize, usize), (c, s): (f64, f64)) {
    let (above, below) = rows.split_at_mut(q);
    for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
        (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
    }
}

/// Gram and Schmidt, twice for its rounding; a vector that depends on those before it becomes 0.
fn orthonormalize(vectors: &mut [Vec<f64>]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for k in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(k);
        let vector = &mut rest[0];
        let before = dot(vector, vector).sqrt();
        for other in done.iter().chain(done.iter()) {
            let along = dot(vector, other);
            vector.iter_mut().zip(other).for_each(|(value, part)| *value -= along * part);
        }
        let length = dot(vector, vector).sqrt();
        let scale = if length > 1e-12 * before { 1.0 / length } else { 0.0 };
        vector.iter_mut().for_each(|value| *value *= scale);
    }
}

/// A vector in which no direction is missing, the same on every machine (SplitMix64).
fn start(dimension: usize, k: u64) -> Vec<f64> {
    let noise = |i: u64| {
        let z = (i + 1 + (k << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (0..dimension as u64).map(noise).collect()
}

type Label = (String, Option<usize>, usize);

/// The embedding of a row, its key, target and prediction.
fn read(batch: &RecordBatch, row: usize) -> Option<(Vec<f32>, Label)> {
    let list = batch.column_by_name("embedding")?.as_fixed_size_list_opt()?;
    let embedding = floats(list, row)?;
    let keys = batch.column_by_name("key")?.as_string_opt::<i32>()?;
    let index = batch.column_by_name("index")?.as_list_opt::<i32>()?;
    if index.is_null(row) || index.value_length(row) == 0 {
        return None;
    }
    let predicted = index.value(row).as_primitive_opt::<Int32Type>()?.value(0);
    let target = batch.column_by_name("target").and_then(|target| int(target, row));
    let key = if keys.is_valid(row) { keys.value(row).to_owned() } else { String::new() };
    Some((embedding, (key, target, usize::try_from(predicted).ok()?)))
}

fn int(column: &ArrayRef, row: usize) -> Option<usize> {
    let column = column.as_primitive_opt::<Int32Type>()?;
    usize::try_from(column.is_valid(row).then(|| column.value(row))?).ok()
}

fn floats(list: &FixedSizeListArray, row: usize) -> Option<Vec<f32>> {
    if list.is_null(row) {
        return None;
    }
    let values = list.value(row);
    if let Some(values) = values.as_primitive_opt::<Float32Type>() {
        return Some(values.values().to_vec());
    }
    values
        .as_primitive_opt::<Float16Type>()
        .map(|values| values.values().iter().map(|value| f16::to_f32(*value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: &[Vec<f32>]) -> EmbeddingSample {
        EmbeddingSample {
            dimension: rows[0].len(),
            values: rows.concat(),
            rows: (0..rows.len()).map(|i| (format!("{i}.jpg"), Some(i % 3), i % 2)).collect(),
        }
    }

    #[test]
    fn points_on_a_plane_are_found_again_with_their_distances() {
        // two directions of 40 dimensions, of lengths 5 and 2, off the axes
        let rows: Vec<Vec<f32>> = (0..100)
            .map(|i| {
                let (a, b) = ((f64::from(i) * 0.7).sin() * 5.0, (f64::from(i) * 1.3).cos() * 2.0);
                (0..40).map(|k| (3.0 + a * f64::from(k % 2) + b * f64::from((k + 1) % 2)) as f32).collect()
            })
            .collect();
        let map = sample(&rows).map(100).unwrap();
        assert!((map.explained[0] + map.explained[1] - 100.0).abs() < 0.01, "{:?}", map.explained);
        assert!(map.explained[0] > map.explained[1]);
        let apart = |a: &MapPoint, b: &MapPoint| ((a.x - b.x).powi(2) + (a.y - b.y).powi(2)).sqrt();
        for (i, j) in [(0, 1), (3, 77), (50, 99)] {
            let truth: f64 =
                rows[i].iter().zip(&rows[j]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            assert!((apart(&map.points[i], &map.points[j]) - truth).abs() < 1e-3 * truth.max(1.0));
        }
    }

    #[test]
    fn the_share_of_variance_is_that_of_the_eigenvalues() {
        // independent axes of variances 16, 4, 1, 1, …: the first two have 20 of 20 + 6
        let rows: Vec<Vec<f32>> = (0..16)
            .map(|i: u32| (0..8).map(|k| [4.0, 2.0, 1.0][(k as usize).min(2)] * hadamard(i, k + 1)).collect())
            .collect();
        let map = sample(&rows).map(16).unwrap();
        assert!((map.explained[0] - 100.0 * 16.0 / 26.0).abs() < 1e-6, "{:?}", map.explained);
        assert!((map.explained[1] - 100.0 * 4.0 / 26.0).abs() < 1e-6, "{:?}", map.explained);
    }

    /// Rows of a Hadamard matrix are orthogonal, and all but the first have the mean 0.
    fn hadamard(i: u32, k: u32) -> f32 {
        if (i & k).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
    }

    #[test]
    fn equal_embeddings_and_too_few_have_no_map() {
        assert_eq!(sample(&vec![vec![1.0, 2.0, 3.0]; 50]).map(50), None);
        assert_eq!(sample(&[vec![1.0, 2.0], vec![3.0, 4.0]]).map(2), None);
    }

    #[test]
    fn a_sample_is_bounded_in_rows_and_bytes() {
        assert_eq!(EmbeddingSample::most(2_048), 2_000);
        assert_eq!(EmbeddingSample::most(1 << 20), 16);
    }
}
