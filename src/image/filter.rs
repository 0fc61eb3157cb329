//! The weights of Pillow's 8-bit resampling, to the bit.
//!
//! An output's weights depend on its own index alone, so an [`Axis`] gives them for any range of outputs of an image that
//! is never made. Arithmetic stays in double and in Pillow's order (`ImagingResample`, `precompute_coeffs` and
//! `normalize_coeffs_8bpc`), because a sum in another order may round to another integer.

use std::f64::consts::PI;

use super::geometry::Shown;
use super::options::Interpolation;

/// Fraction bits of a weight: 32, less 8 of the sample, less 2 for overshoot.
pub(super) const FRACTION: u32 = 32 - 8 - 2;

/// One direction of a resize, `n_in` samples to `n_out`, seen through `count` outputs from `first` on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    interpolation: Interpolation,
    n_in: u32,
    first: u64,
    count: u32,
    scale: f64,
    support: f64,
    inverse_filter_scale: f64,
    /// The input that each output copies, where they copy one; `n_in` for none.
    copied: Vec<u32>,
}

/// The inputs `lo..hi` that an output touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) lo: u32,
    pub(super) hi: u32,
}

/// The part of an image that the square depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) columns: Window,
    pub(super) rows: Window,
}

impl Window {
    /// How many inputs.
    pub(super) fn len(self) -> usize {
        (self.hi - self.lo) as usize
    }

    /// Whether it holds this input.
    pub(super) fn holds(self, input: u32) -> bool {
        (self.lo..self.hi).contains(&input)
    }
}

impl Default for Axis {
    fn default() -> Axis {
        Axis::divided(Interpolation::Bilinear, 1, 1, 1, Shown { first: 0, count: 1, border: 0 })
    }
}

impl Axis {
    /// Of `whole` samples that come as one for each `divisor` of them, the last of which may be of fewer: windows are
    /// where they would be in the whole.
    pub(super) fn divided(
        interpolation: Interpolation,
        whole: u32,
        divisor: u32,
        n_out: u64,
        Shown { first, count, .. }: Shown,
    ) -> Axis {
        let n_in = whole.div_ceil(divisor);
        let scale = f64::from(whole) / f64::from(divisor) / n_out as f64;
        let filter_scale = scale.max(1.0);
        let support = match interpolation {
            Interpolation::Nearest | Interpolation::Box => 0.5,
            Interpolation::Bilinear | Interpolation::Hamming => 1.0,
            Interpolation::Bicubic => 2.0,
            Interpolation::Lanczos => 3.0,
        };
        let copied = match interpolation {
            Interpolation::Nearest => copied(scale, n_in, first, count),
            _ => Vec::new(),
        };
        Axis {
            interpolation,
            n_in,
            first,
            count,
            scale,
            support: support * filter_scale,
            inverse_filter_scale: 1.0 / filter_scale,
            copied,
        }
    }

    /// How many outputs.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The inputs that any output touches.
    pub(super) fn needed(&self) -> Window {
        Window { lo: self.window(0).lo, hi: self.window(self.count - 1).hi }
    }

    fn centre(&self, output: u32) -> f64 {
        ((self.first + u64::from(output)) as f64 + 0.5) * self.scale
    }

    /// Of output `first + output`. Never empty; both ends never decrease from one output to the next.
    pub(super) fn window(&self, output: u32) -> Window {
        if let Some(&input) = self.copied.get(output as usize) {
            let lo = input.min(self.n_in - 1);
            return Window { lo, hi: lo + 1 };
        }
        let centre = self.centre(output);
        let lo = (centre - self.support + 0.5).max(0.0) as u32;
        let hi = ((centre + self.support + 0.5) as u64).min(u64::from(self.n_in)) as u32;
        debug_assert!(lo < hi, "an empty window at {output} of {self:?}");
        Window { lo, hi }
    }

    /// Appends the weights of [`Axis::window`] as integers of [`FRACTION`] fraction bits. `real` is scratch.
    pub(super) fn weights(&self, output: u32, real: &mut Vec<f64>, fixed: &mut Vec<i32>) {
        if let Some(&input) = self.copied.get(output as usize) {
            return fixed.push(if input < self.n_in { 1 << FRACTION } else { 0 });
        }
        let Window { lo, hi } = self.window(output);
        let centre = self.centre(output);
        let mut sum = 0.0;
        real.clear();
        real.extend((lo..hi).map(|x| {
            let weight =
                filter(self.interpolation, (f64::from(x) - centre + 0.5) * self.inverse_filter_scale);
            sum += weight;
            weight
        }));
        let one = f64::from(1u32 << FRACTION);
        fixed.extend(real.iter().map(|&weight| {
            let weight = if sum == 0.0 { weight } else { weight / sum };
            let half = if weight < 0.0 { -0.5 } else { 0.5 };
            (half + weight * one) as i32
        }));
    }
}

/// The inputs of outputs `first..first + count` of the filter that copies, as Pillow's `ImagingScaleAffine` finds them: it
/// adds `scale` up from output 0 on, so that rounding adds up too. Beyond the last input, where that may lead, an output is
/// black.
fn copied(scale: f64, n_in: u32, first: u64, count: u32) -> Vec<u32> {
    let mut at = scale * 0.5;
    for _ in 0..first {
        at += scale;
    }
    let next = |_| {
        let input = (at as u32).min(n_in);
        at += scale;
        input
    };
    (0..count).map(next).collect()
}

/// The weight at `x`, in units of the filter's scale.
fn filter(interpolation: Interpolation, x: f64) -> f64 {
    const A: f64 = -0.5;
    let distance = x.abs();
    match interpolation {
        // of the inputs at both ends the later one counts
        Interpolation::Nearest | Interpolation::Box if x > -0.5 && x <= 0.5 => 1.0,
        Interpolation::Bilinear if distance < 1.0 => 1.0 - distance,
        Interpolation::Hamming if distance == 0.0 => 1.0,
        Interpolation::Hamming if distance < 1.0 => {
            let x = distance * PI;
            // Pillow's numbers are of single precision
            libm::sin(x) / x * (f64::from(0.54_f32) + f64::from(0.46_f32) * libm::cos(x))
        }
        Interpolation::Bicubic if distance < 1.0 => {
            let x = distance;
            ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
        }
        Interpolation::Bicubic if distance < 2.0 => {
            let x = distance;
            (((x - 5.0) * x + 8.0) * x - 4.0) * A
        }
        Interpolation::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
        _ => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    libm::sin(x) / x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(interpolation: Interpolation, n_in: u32, n_out: u64, outputs: std::ops::Range<u64>) -> Axis {
        let shown = Shown { first: outputs.start, count: (outputs.end - outputs.start) as u32, border: 0 };
        Axis::divided(interpolation, n_in, 1, n_out, shown)
    }

    fn weights(axis: &Axis, output: u32) -> Vec<i32> {
        let mut fixed = Vec::new();
        axis.weights(output, &mut Vec::new(), &mut fixed);
        fixed
    }

    #[test]
    fn an_axis_of_equal_sizes_copies_its_samples() {
        for interpolation in Interpolation::ALL {
            let axis = axis(interpolation, 9, 9, 0..9);
            for output in 0..9 {
                let window = axis.window(output);
                for (x, weight) in (window.lo..window.hi).zip(weights(&axis, output)) {
                    assert_eq!(
                        weight,
                        if x == output { 1 << FRACTION } else { 0 },
                        "{interpolation:?} {output}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_weights_of_an_output_do_not_depend_on_where_the_range_begins() {
        for interpolation in Interpolation::ALL {
            let whole = axis(interpolation, 500, 341, 0..341);
            let part = axis(interpolation, 500, 341, 58..282);
            for output in 0..224 {
                assert_eq!(whole.window(58 + output), part.window(output));
                assert_eq!(weights(&whole, 58 + output), weights(&part, output));
            }
        }
    }

    #[test]
    fn windows_are_never_empty_and_never_go_back() {
        for interpolation in Interpolation::ALL {
            for (n_in, n_out) in [(1, 7), (2, 5_000), (7, 1), (500, 341), (341, 500), (100_003, 224)] {
                let axis = axis(interpolation, n_in, n_out, 0..n_out);
                let mut before = Window { lo: 0, hi: 1 };
                for output in 0..n_out as u32 {
                    let window = axis.window(output);
                    assert!(window.lo < window.hi && window.hi <= n_in, "{n_in} to {n_out}: {window:?}");
                    assert!(
                        window.lo >= before.lo && window.hi >= before.hi,
                        "{n_in} to {n_out}: {window:?}"
                    );
                    assert_eq!(weights(&axis, output).len(), window.len(), "{interpolation:?}");
                    before = window;
                }
            }
        }
    }

    #[test]
    fn a_copied_sample_is_where_the_added_up_scale_leads() {
        // 3.5 times 2/7 is 1, but 1/7 and three times 2/7 added up are less
        let added = axis(Interpolation::Nearest, 2, 7, 0..7);
        let inputs: Vec<u32> = (0..7).map(|output| added.window(output).lo).collect();
        assert_eq!(inputs, [0, 0, 0, 0, 1, 1, 1]);
        let part = axis(Interpolation::Nearest, 2, 7, 3..5);
        assert_eq!((part.window(0).lo, part.window(1).lo), (0, 1));
        // beyond the last input nothing is copied
        assert_eq!(copied(1.0, 3, 2, 2), [2, 3]);
    }

    #[test]
    fn of_the_samples_at_both_ends_of_a_box_the_later_counts() {
        assert_eq!(filter(Interpolation::Box, 0.5), 1.0);
        assert_eq!(filter(Interpolation::Box, -0.5), 0.0);
    }
}
