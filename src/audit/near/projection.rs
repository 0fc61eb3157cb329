//! A short sketch of an embedding, from which the cosine of two embeddings is estimated.
//!
//! The centred embedding goes through a randomised Hadamard transform, which spreads it over all coordinates, and 256 of
//! these are taken: 128 as numbers of a byte, 128 by their sign alone. N. Ailon, B. Chazelle, "The Fast
//! Johnson–Lindenstrauss Transform and Approximate Nearest Neighbors", *SIAM Journal on Computing* 39 (2009), 302–322;
//! signs: M. S. Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002.

use super::super::random::Random;

/// Numbers of a sketch.
pub const DIMS: usize = 128;
/// Words of signs of a sketch.
pub const WORDS: usize = 2;

const SIGNS: usize = 64 * WORDS;
const SEED: u64 = 0x6175_6469_7421;

/// The sketch of one embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    pub values: [i8; DIMS],
    pub signs: [u64; WORDS],
}

/// The projection of embeddings of one width; the same on every machine.
#[derive(Debug)]
pub struct Projection {
    /// Factors of 1 and −1 before each of two transforms.
    factors: [Vec<f32>; 2],
    /// The coordinates that are taken.
    taken: Vec<u32>,
}

impl Projection {
    /// For embeddings of `width` numbers.
    pub fn new(width: usize) -> Projection {
        let padded = width.max(DIMS + SIGNS).next_power_of_two();
        let mut random = Random::new(SEED);
        let mut factors = || (0..padded).map(|_| if random.next() & 1 == 0 { 1.0 } else { -1.0 }).collect();
        let factors = [factors(), factors()];
        let mut taken: Vec<u32> = (0..padded as u32).collect();
        for at in 0..DIMS + SIGNS {
            let other = at + random.below((padded - at) as u64) as usize;
            taken.swap(at, other);
        }
        taken.truncate(DIMS + SIGNS);
        Projection { factors, taken }
    }

    /// Sketches an embedding; `None` if it is zero or not finite. `scratch` keeps its memory between calls.
    pub fn sketch(&self, embedding: &[f32], scratch: &mut Vec<f32>) -> Option<Sketch> {
        let [first, second] = &self.factors;
        scratch.clear();
        scratch.extend(embedding.iter().zip(first).map(|(value, factor)| value * factor));
        scratch.resize(first.len(), 0.0);
        hadamard(scratch);
        scratch.iter_mut().zip(second).for_each(|(value, factor)| *value *= factor);
        hadamard(scratch);
        let (numbers, signs) = self.taken.split_at(DIMS);
        let most = numbers.iter().map(|at| scratch[*at as usize].abs()).fold(0.0, f32::max);
        if !(most > 0.0 && most.is_finite()) {
            return None;
        }
        let mut sketch = Sketch { values: [0; DIMS], signs: [0; WORDS] };
        for (value, at) in sketch.values.iter_mut().zip(numbers) {
            *value = (scratch[*at as usize] / most * 127.0).round() as i8;
        }
        for (bit, at) in signs.iter().enumerate() {
            sketch.signs[bit / 64] |= u64::from(scratch[*at as usize] < 0.0) << (bit % 64);
        }
        Some(sketch)
    }
}

/// The Walsh–Hadamard transform in place, not scaled; the length is a power of two.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_that_of_the_matrix_of_hadamard() {
        // scipy.linalg.hadamard(8) @ [1, 2, 3, 4, 5, 6, 7, 8]
        let mut values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        hadamard(&mut values);
        assert_eq!(values, [36.0, -4.0, -8.0, 0.0, -16.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_zero_and_an_infinite_embedding_have_no_sketch() {
        let projection = Projection::new(8);
        assert_eq!(projection.sketch(&[0.0; 8], &mut Vec::new()), None);
        assert_eq!(projection.sketch(&[f32::INFINITY; 8], &mut Vec::new()), None);
        assert!(projection.sketch(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &mut Vec::new()).is_some());
    }
}
