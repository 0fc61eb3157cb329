//! Whether a classifier can separate two sets of embeddings.

use serde::Serialize;

use super::super::computing::{Stop, Stopped};
use super::super::near::{DIMS, Sketches};
use super::super::outliers::{Scatter, Shrunk};
use super::super::statistics::fair_coin_tail;

/// Images of each set that are compared, spread evenly over it.
const SAMPLE: usize = 10_000;
/// Images of each set without which nothing is said.
const FEWEST: usize = 200;

/// The change of embeddings between two sets, by sketches of length 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EmbeddingDrift {
    /// Images of each set that were compared.
    pub sample: u64,
    /// Share of held-out images, in percent, that a linear classifier assigns to their own set; 50 if it only guesses.
    pub accuracy: f64,
    /// The probability of such an accuracy, if both sets are drawn from the same images.
    pub p: f64,
    /// Fréchet's distance of two normal distributions with the means and covariances of the sets, squared.
    pub frechet: f64,
    /// The same between two sets of as many images, each of which is half of both: what chance alone gives.
    pub frechet_floor: f64,
}

/// Mean and covariance of some vectors.
struct Moments {
    mean: Vec<f64>,
    covariance: Shrunk,
}

/// Compares two sets; `None` if one has too few images.
///
/// # Errors
/// [`Stopped`] once `stop` asks for it.
pub fn embedding_drift(
    own: &Sketches,
    other: &Sketches,
    stop: &Stop,
) -> Result<Option<EmbeddingDrift>, Stopped> {
    let count = own.len().min(other.len()).min(SAMPLE);
    if count < FEWEST {
        return Ok(None);
    }
    let (a, b) = (sample(own, count), sample(other, count));
    let halves = |vectors: &[Vec<f64>]| -> [Vec<Vec<f64>>; 2] {
        [0, 1].map(|first| vectors.iter().skip(first).step_by(2).cloned().collect())
    };
    let ([train_a, test_a], [train_b, test_b]) = (halves(&a), halves(&b));
    stop.check()?;
    let Some((hits, of)) = classify((&train_a, &train_b), (&test_a, &test_b)) else { return Ok(None) };
    let distance = |x: &[Vec<f64>], y: &[Vec<f64>]| -> Result<Option<f64>, Stopped> {
        stop.check()?;
        let Some(x) = moments(x) else { return Ok(None) };
        stop.check()?;
        let Some(y) = moments(y) else { return Ok(None) };
        stop.check()?;
        Ok(Some(frechet(&x, &y)))
    };
    let Some(found) = distance(&a, &b)? else { return Ok(None) };
    let floor = distance(&[train_a, train_b].concat(), &[test_a, test_b].concat())?;
    Ok(floor.map(|floor| EmbeddingDrift {
        sample: count as u64,
        accuracy: 100.0 * hits as f64 / of as f64,
        p: fair_coin_tail(hits, of),
        frechet: found,
        frechet_floor: floor,
    }))
}

fn sample(sketches: &Sketches, count: usize) -> Vec<Vec<f64>> {
    let images = sketches.len();
    let vector = |at: usize| {
        let inverse = f64::from(sketches.inverse[at]);
        sketches.values[at].iter().map(|value| f64::from(*value) * inverse).collect()
    };
    (0..count).map(|at| vector(at * images / count)).collect()
}

fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; DIMS];
    for vector in vectors {
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= vectors.len() as f64);
    mean
}

fn scatter(vectors: &[Vec<f64>], mean: &[f64], scatter: &mut Scatter) {
    let mut centred = vec![0.0; DIMS];
    for vector in vectors {
        centred.iter_mut().zip(vector.iter().zip(mean)).for_each(|(to, (value, mean))| *to = value - mean);
        scatter.add(&centred);
    }
}

fn moments(vectors: &[Vec<f64>]) -> Option<Moments> {
    let mean = mean(vectors);
    let mut products = Scatter::new(DIMS);
    scatter(vectors, &mean, &mut products);
    Some(Moments { covariance: products.finish()?, mean })
}

/// D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions", *Journal of Multivariate
/// Analysis* 12 (1982), 450–455.
fn frechet(a: &Moments, b: &Moments) -> f64 {
    let means: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let spread =
        a.covariance.trace() + b.covariance.trace() - 2.0 * a.covariance.root_of_product(&b.covariance);
    means + spread.max(0.0)
}

/// Fisher's linear discriminant, learned from two sets and tried on two others of them: how many it assigns rightly, and of
/// how many. D. Lopez-Paz, M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
fn classify(
    (train_a, train_b): (&[Vec<f64>], &[Vec<f64>]),
    (test_a, test_b): (&[Vec<f64>], &[Vec<f64>]),
) -> Option<(u64, u64)> {
    let (a, b) = (mean(train_a), mean(train_b));
    let mut within = Scatter::new(DIMS);
    scatter(train_a, &a, &mut within);
    scatter(train_b, &b, &mut within);
    let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    let weights = within.finish()?.solve(&difference);
    let score =
        |vector: &[f64]| -> f64 { weights.iter().zip(vector).map(|(weight, value)| weight * value).sum() };
    let middle = (score(&a) + score(&b)) / 2.0;
    let hits = test_a.iter().filter(|vector| score(vector) > middle).count()
        + test_b.iter().filter(|vector| score(vector) <= middle).count();
    Some((hits as u64, (test_a.len() + test_b.len()) as u64))
}

#[cfg(test)]
mod tests {
    use super::super::super::near::Sketch;
    use super::super::super::random::Random;
    use super::*;

    fn embedding_drift(own: &Sketches, other: &Sketches) -> Option<EmbeddingDrift> {
        super::embedding_drift(own, other, &Stop::default()).unwrap()
    }

    fn set(seed: u64, shift: f64) -> Sketches {
        let mut random = Random::new(seed);
        let mut sketches = Sketches::default();
        for row in 0..600 {
            let values: [i8; DIMS] = std::array::from_fn(|at| {
                let shift = if at < 8 { shift } else { 0.0 };
                (30.0 * (random.normal() + shift)).clamp(-127.0, 127.0) as i8
            });
            sketches.push(row, Sketch { values, signs: [0; 2] });
        }
        sketches
    }

    #[test]
    fn a_shifted_set_is_told_apart_and_another_draw_is_not() {
        let (first, again, shifted) = (set(1, 0.0), set(2, 0.0), set(3, 0.8));
        let same = embedding_drift(&first, &again).unwrap();
        assert!(same.p > 0.001 && same.accuracy < 58.0, "{same:?}");
        let moved = embedding_drift(&shifted, &first).unwrap();
        assert!(moved.p < 1e-6 && moved.accuracy > 65.0, "{moved:?}");
        assert!(moved.frechet > 4.0 * moved.frechet_floor, "{moved:?}");
        assert!(same.frechet < 4.0 * same.frechet_floor, "{same:?}");
        assert_eq!(embedding_drift(&first, &Sketches::default()), None);
    }
}
