//! What each operator of the domain `tresnet` computes, in single precision, on maps of `[n, h, w, c]`.

use std::num::NonZero;
use std::thread::{available_parallelism, scope};

/// Filters and pixels that one step multiplies, and numbers that it adds up side by side.
const FILTERS: usize = 2;
const PIXELS: usize = 4;
const LANES: usize = 8;

/// The axes of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axes {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
}

impl Axes {
    pub fn len(self) -> usize {
        self.n * self.h * self.w * self.c
    }
}

/// A convolution's numbers; `weight` is `[k, size, size, c]`.
pub struct Convolution<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub sum: Option<&'a [f32]>,
    pub size: usize,
    pub stride: usize,
    pub activation: &'a str,
    pub slope: f32,
}

impl Convolution<'_> {
    pub fn of(&self, x: &[f32], axes: Axes) -> (Vec<f32>, Axes) {
        let outputs = self.bias.len();
        let ceil = |side: usize| side.div_ceil(self.stride);
        let to = Axes { h: ceil(axes.h), w: ceil(axes.w), c: outputs, ..axes };
        let mut y = vec![0.0; to.len()];
        let row = to.w * to.c;
        let rows = to.n * to.h;
        let threads = available_parallelism().map_or(1, NonZero::get);
        let share = rows.div_ceil(threads);
        scope(|threads| {
            for (share_at, part) in y.chunks_mut(share * row).enumerate() {
                threads.spawn(move || {
                    let mut read = vec![0.0; to.w * self.size * self.size * axes.c];
                    for (at, y) in part.chunks_mut(row).enumerate() {
                        let at = share_at * share + at;
                        self.gather(x, axes, at, &mut read, to);
                        products(&read, self.weight, y, outputs);
                        self.end(y, at * row);
                    }
                });
            }
        });
        (y, to)
    }

    /// What the filters read for one row of outputs.
    fn gather(&self, x: &[f32], axes: Axes, at: usize, read: &mut [f32], to: Axes) {
        let (image, row) = (at / to.h, at % to.h);
        let taps = self.size * self.size;
        for (tap, place) in read.chunks_mut(axes.c).enumerate() {
            let (column, tap) = (tap / taps, tap % taps);
            let y = (row * self.stride + tap / self.size).wrapping_sub(self.size / 2);
            let x_at = (column * self.stride + tap % self.size).wrapping_sub(self.size / 2);
            if y >= axes.h || x_at >= axes.w {
                place.fill(0.0);
                continue;
            }
            let from = ((image * axes.h + y) * axes.w + x_at) * axes.c;
            place.copy_from_slice(&x[from..from + axes.c]);
        }
    }

    fn end(&self, y: &mut [f32], at: usize) {
        for (place, value) in y.iter_mut().enumerate() {
            let sum = self.sum.map_or(0.0, |sum| sum[at + place]);
            let before = *value + sum + self.bias[place % self.bias.len()];
            *value = match self.activation {
                "none" => before,
                "relu" => before.max(0.0),
                "leaky" => leaky(before, self.slope),
                other => panic!("no activation is called `{other}`"),
            };
        }
    }
}

pub fn leaky(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { value * slope }
}

/// Each row of `read` times each filter.
fn products(read: &[f32], weight: &[f32], y: &mut [f32], outputs: usize) {
    let length = weight.len() / outputs;
    assert!(length.is_multiple_of(LANES) && outputs.is_multiple_of(FILTERS), "{length} of {outputs}");
    let pixels = read.len() / length;
    for filter in (0..outputs).step_by(FILTERS) {
        let filters = [filter, filter + 1].map(|at| &weight[at * length..(at + 1) * length]);
        for first in (0..pixels).step_by(PIXELS) {
            let at = [0, 1, 2, 3].map(|next| (first + next).min(pixels - 1));
            let rows = at.map(|at| &read[at * length..(at + 1) * length]);
            for (at, sums) in at.into_iter().zip(dots(rows, filters)) {
                y[at * outputs + filter..][..FILTERS].copy_from_slice(&sums);
            }
        }
    }
}

fn dots(rows: [&[f32]; PIXELS], filters: [&[f32]; FILTERS]) -> [[f32; FILTERS]; PIXELS] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both
        return unsafe { dots_avx2(rows, filters) };
    }
    rows.map(|row| {
        filters.map(|filter| {
            let mut sums = [0.0; LANES];
            for (row, filter) in row.as_chunks::<LANES>().0.iter().zip(filter.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    sums[lane] += row[lane] * filter[lane];
                }
            }
            sums.iter().sum()
        })
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dots_avx2(rows: [&[f32]; PIXELS], filters: [&[f32]; FILTERS]) -> [[f32; FILTERS]; PIXELS] {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps};
    let length = filters[0].len();
    assert!(rows.iter().chain(&filters).all(|all| all.len() == length) && length.is_multiple_of(LANES));
    let mut sums = [[_mm256_setzero_ps(); FILTERS]; PIXELS];
    let mut at = 0;
    while at < length {
        // SAFETY: every slice has a multiple of eight numbers, and `at` is before its end
        let load = |all: &[f32]| unsafe { _mm256_loadu_ps(all.as_ptr().add(at)) };
        let [first, second] = [load(filters[0]), load(filters[1])];
        for (sums, row) in sums.iter_mut().zip(rows) {
            let row = load(row);
            sums[0] = _mm256_fmadd_ps(row, first, sums[0]);
            sums[1] = _mm256_fmadd_ps(row, second, sums[1]);
        }
        at += LANES;
    }
    sums.map(|sums| {
        sums.map(|sum| {
            let mut lanes = [0.0f32; LANES];
            // SAFETY: there is room for eight numbers
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
            lanes.iter().sum()
        })
    })
}

pub fn leaky_blur(x: &[f32], axes: Axes, slope: f32) -> (Vec<f32>, Axes) {
    let to = Axes { h: axes.h.div_ceil(2), w: axes.w.div_ceil(2), ..axes };
    let mut y = vec![0.0; to.len()];
    let reflected = |centre: usize, tap: usize, side: usize| {
        let at = (2 * centre + tap).abs_diff(1);
        if at < side { at } else { 2 * (side - 1) - at }
    };
    for (pixel, place) in y.chunks_mut(axes.c).enumerate() {
        let (image, row, column) = (pixel / (to.h * to.w), pixel / to.w % to.h, pixel % to.w);
        for tap in 0..9 {
            let weight = [1.0, 2.0, 1.0][tap / 3] * [1.0, 2.0, 1.0][tap % 3] / 16.0;
            let at = image * axes.h + reflected(row, tap / 3, axes.h);
            let from = (at * axes.w + reflected(column, tap % 3, axes.w)) * axes.c;
            for (sum, value) in place.iter_mut().zip(&x[from..from + axes.c]) {
                *sum += weight * leaky(*value, slope);
            }
        }
    }
    (y, to)
}

/// Sums in double precision: a map has thousands of pixels.
pub fn activated_mean(x: &[f32], axes: Axes, slope: f32) -> Vec<f32> {
    let images = x.chunks(axes.h * axes.w * axes.c);
    let means = images.flat_map(|image| {
        let mut sums = vec![0.0f64; axes.c];
        for pixel in image.chunks(axes.c) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += f64::from(leaky(*value, slope));
            }
        }
        sums.into_iter().map(|sum| (sum / (axes.h * axes.w) as f64) as f32).collect::<Vec<f32>>()
    });
    means.collect()
}

pub fn squeeze_excite(means: &[f32], layers: [(&[f32], &[f32]); 2], channels: usize) -> Vec<f32> {
    let gates = means.chunks(channels).flat_map(|mean| {
        let hidden = linear(mean, layers[0]).into_iter().map(|value| value.max(0.0));
        let gate = linear(&hidden.collect::<Vec<f32>>(), layers[1]);
        gate.into_iter().map(|value| 1.0 / (1.0 + (-value).exp())).collect::<Vec<f32>>()
    });
    gates.collect()
}

fn linear(from: &[f32], (weight, bias): (&[f32], &[f32])) -> Vec<f32> {
    let rows = weight.chunks(from.len()).zip(bias);
    let dot = |row: &[f32]| row.iter().zip(from).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    rows.map(|(row, bias)| (dot(row) + f64::from(*bias)) as f32).collect()
}

/// The gate's channel for each value of a map.
pub fn gated(x: &[f32], axes: Axes, gate: &[f32], mut each: impl FnMut(usize, f32, f32) -> f32) -> Vec<f32> {
    let image = axes.h * axes.w * axes.c;
    let value = |(at, value): (usize, &f32)| each(at, *value, gate[at / image * axes.c + at % axes.c]);
    x.iter().enumerate().map(value).collect()
}
