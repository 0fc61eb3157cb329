//! How far images are from others and from their class, by their sketches.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::near::{DIMS, Sketches};
use super::covariance::{Scatter, Shrunk};

/// Images with which every image is compared.
const MOST_REFERENCES: usize = 8192;
/// The neighbour whose distance counts.
const NEIGHBOUR: usize = 10;
/// Images between two checks whether the work must end.
const STEP: usize = 1024;

/// Distances of all images, in the order of their sketches.
#[derive(Debug, Default)]
pub struct Distances {
    /// One minus the cosine of the k-th nearest of the references.
    pub neighbour: Vec<f32>,
    /// The squared Mahalanobis distance from the mean of the image's class; NaN for images without a class.
    pub class: Vec<f32>,
    /// k.
    pub k: usize,
    /// Images with which every image was compared.
    pub references: usize,
    /// The weight of the sphere in the covariance; `None` if there is no covariance.
    pub shrinkage: Option<f64>,
}

/// A sketch as a vector of length 1.
fn unit(sketches: &Sketches, at: usize, vector: &mut [f64]) {
    let inverse = f64::from(sketches.inverse[at]);
    let values = &sketches.values[at];
    vector.iter_mut().zip(values).for_each(|(number, value)| *number = f64::from(*value) * inverse);
}

/// Computes the distances of all images; `classes` are theirs, below `count`. `None` once `stop` is true.
pub fn distances(
    sketches: &Sketches,
    classes: &[Option<u32>],
    count: usize,
    threads: usize,
    stop: &AtomicBool,
) -> Option<Distances> {
    let images = sketches.len();
    let step = images.div_ceil(MOST_REFERENCES).max(1);
    let references: Vec<usize> = (0..images).step_by(step).collect();
    let k = NEIGHBOUR.min(references.len().saturating_sub(1));
    let (means, shrunk) = class_covariance(sketches, classes, count);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let one = |at: usize, scratch: &mut Scratch| {
        let neighbour = nearest(sketches, at, (&references, k), &mut scratch.best);
        let class = match (&shrunk, classes[at]) {
            (Some(shrunk), Some(class)) => {
                unit(sketches, at, &mut scratch.vector);
                let mean = &means[class as usize * DIMS..][..DIMS];
                scratch.vector.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
                shrunk.distance(&scratch.vector, &mut scratch.solved) as f32
            }
            _ => f32::NAN,
        };
        (neighbour, class)
    };
    let work = || {
        let (mut scratch, mut found) = (Scratch::default(), Vec::new());
        scratch.vector.resize(DIMS, 0.0);
        loop {
            let first = next.fetch_add(STEP, Ordering::Relaxed);
            if first >= images || stop.load(Ordering::Relaxed) {
                return found;
            }
            let some: Vec<(f32, f32)> =
                (first..(first + STEP).min(images)).map(|at| one(at, &mut scratch)).collect();
            found.push((first, some));
        }
    };
    let mut pieces: Vec<(usize, Vec<(f32, f32)>)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended.flat_map(|found| found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    pieces.sort_unstable_by_key(|(first, _)| *first);
    let mut all = Distances { k, references: references.len(), ..Distances::default() };
    all.shrinkage = shrunk.as_ref().map(|shrunk| shrunk.shrinkage);
    for (neighbour, class) in pieces.into_iter().flat_map(|(_, some)| some) {
        all.neighbour.push(neighbour);
        all.class.push(class);
    }
    (all.neighbour.len() == images).then_some(all)
}

#[derive(Default)]
struct Scratch {
    best: Vec<f32>,
    vector: Vec<f64>,
    solved: Vec<f64>,
}

/// One minus the cosine of the k-th nearest reference, the image itself left out.
fn nearest(sketches: &Sketches, at: usize, (references, k): (&[usize], usize), best: &mut Vec<f32>) -> f32 {
    if k == 0 {
        return 0.0;
    }
    // descending
    best.clear();
    best.resize(k, f32::NEG_INFINITY);
    for &other in references {
        let cosine = sketches.cosine(at, sketches, other);
        if cosine > best[k - 1] && other != at {
            let place = best.partition_point(|better| *better >= cosine);
            best[place..].rotate_right(1);
            best[place] = cosine;
        }
    }
    1.0 - best[k - 1]
}

/// The means of the classes, and the covariance of all images around the mean of their class.
fn class_covariance(
    sketches: &Sketches,
    classes: &[Option<u32>],
    count: usize,
) -> (Vec<f64>, Option<Shrunk>) {
    let mut means = vec![0.0; count * DIMS];
    let mut rows = vec![0_u64; count];
    let mut vector = vec![0.0; DIMS];
    let known = || classes.iter().enumerate().filter_map(|(at, class)| Some((at, (*class)? as usize)));
    for (at, class) in known() {
        unit(sketches, at, &mut vector);
        means[class * DIMS..][..DIMS].iter_mut().zip(&vector).for_each(|(mean, value)| *mean += value);
        rows[class] += 1;
    }
    for (mean, rows) in means.chunks_exact_mut(DIMS).zip(&rows).filter(|(_, rows)| **rows > 0) {
        mean.iter_mut().for_each(|mean| *mean /= *rows as f64);
    }
    let mut scatter = Scatter::new(DIMS);
    for (at, class) in known() {
        unit(sketches, at, &mut vector);
        let mean = &means[class * DIMS..][..DIMS];
        vector.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
        scatter.add(&vector);
    }
    (means, scatter.finish())
}

/// The share of values that are lower than each value, of which the highest `most` are returned: position and share, the
/// highest first. Values that are not numbers are left out.
pub fn highest(values: &[f32], most: usize) -> Vec<(usize, f64)> {
    let mut order: Vec<u32> = (0..values.len() as u32).filter(|at| !values[*at as usize].is_nan()).collect();
    order.sort_unstable_by(|a, b| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b)));
    let of = order.len() as f64;
    let below = |value: f32| order.len() - order.partition_point(|at| values[*at as usize] >= value);
    let best = order.iter().take(most);
    best.map(|at| (*at as usize, below(values[*at as usize]) as f64 / of)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::near::Sketch;
    use super::*;

    /// Images around two directions, and one that is far from both.
    fn sketches() -> (Sketches, Vec<Option<u32>>) {
        let mut sketches = Sketches::default();
        let mut classes = Vec::new();
        for row in 0..60_u32 {
            let class = row % 2;
            let wobble = |at: usize| ((row as usize * 31 + at * 17) % 23) as i8 - 11;
            let mut values: [i8; DIMS] =
                std::array::from_fn(
                    |at| if (at < 64) == (class == 0) { 100 + wobble(at) } else { wobble(at) },
                );
            if row == 37 {
                values = std::array::from_fn(|at| if at.is_multiple_of(2) { 120 } else { -120 });
            }
            sketches.push(row, Sketch { values, signs: [0; 2] });
            classes.push(Some(class));
        }
        (sketches, classes)
    }

    #[test]
    fn an_image_apart_from_all_others_is_the_highest_by_both_distances() {
        let (sketches, classes) = sketches();
        let found = distances(&sketches, &classes, 2, 2, &AtomicBool::new(false)).unwrap();
        assert_eq!((found.k, found.references), (10, 60));
        assert_eq!(highest(&found.neighbour, 1)[0].0, 37);
        assert_eq!(highest(&found.class, 1)[0].0, 37);
        assert!(found.neighbour[37] > 0.9 && found.neighbour[0] < 0.1, "{found:?}");
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (sketches, classes) = sketches();
        let with = |threads| distances(&sketches, &classes, 2, threads, &AtomicBool::new(false)).unwrap();
        let (one, three) = (with(1), with(3));
        assert_eq!((one.neighbour, one.class), (three.neighbour, three.class));
        assert!(distances(&sketches, &classes, 2, 2, &AtomicBool::new(true)).is_none());
    }

    #[test]
    fn shares_are_of_the_values_that_are_lower() {
        let values = [0.5, f32::NAN, 0.9, 0.5, 0.1];
        assert_eq!(highest(&values, 3), [(2, 0.75), (0, 0.25), (3, 0.25)]);
        assert_eq!(highest(&[], 3), []);
    }
}
