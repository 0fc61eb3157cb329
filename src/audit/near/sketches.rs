//! The sketches of all images of an output, and estimates of their cosines.

use super::planes::Planes;
use super::projection::{DIMS, Sketch, WORDS};

/// Sketches in the order of their rows: 160 bytes an image.
#[derive(Debug, Default)]
pub struct Sketches {
    /// The row of each.
    pub rows: Vec<u32>,
    pub values: Vec<[i8; DIMS]>,
    /// One over the length of `values`.
    pub inverse: Vec<f32>,
    pub signs: Vec<[u64; WORDS]>,
    pub planes: Planes,
}

impl Sketches {
    /// With room for `rows` sketches.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn with_capacity(rows: usize) -> Result<Sketches, std::collections::TryReserveError> {
        let mut sketches = Sketches::default();
        sketches.rows.try_reserve_exact(rows)?;
        sketches.values.try_reserve_exact(rows)?;
        sketches.inverse.try_reserve_exact(rows)?;
        sketches.signs.try_reserve_exact(rows)?;
        Ok(sketches)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn push(&mut self, row: u32, sketch: Sketch) {
        let square: i32 = sketch.values.iter().map(|value| i32::from(*value) * i32::from(*value)).sum();
        self.planes.push(sketch.signs[0]);
        self.rows.push(row);
        self.inverse.push(1.0 / (square as f32).sqrt());
        self.values.push(sketch.values);
        self.signs.push(sketch.signs);
    }

    /// The estimated cosine of image `a` of this output and image `b` of `other`.
    pub fn cosine(&self, a: usize, other: &Sketches, b: usize) -> f32 {
        dot(&self.values[a], &other.values[b]) as f32 * self.inverse[a] * other.inverse[b]
    }

    /// The number of signs in which two images differ.
    pub fn distance(&self, a: usize, other: &Sketches, b: usize) -> u32 {
        self.signs[a].iter().zip(&other.signs[b]).map(|(a, b)| (a ^ b).count_ones()).sum()
    }
}

fn dot(a: &[i8; DIMS], b: &[i8; DIMS]) -> i32 {
    // eight sums, so that a compiler keeps them in a vector
    let mut sums = [0_i32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += i32::from(i16::from(*a) * i16::from(*b));
        }
    }
    sums.iter().sum()
}
