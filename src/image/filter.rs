//! The weights of Pillow's 8-bit resampling, to the bit.
//!
//! An output's weights depend on its own index alone, so an [`Axis`] gives them for any range of outputs of an image that
//! is never made. Arithmetic stays in double and in Pillow's order (`ImagingResample`, `precompute_coeffs` and
//! `normalize_coeffs_8bpc`), because a sum in another order may round to another integer.

use super::options::Interpolation;

/// Fraction bits of a weight: 32, less 8 of the sample, less 2 for overshoot.
pub(super) const FRACTION: u32 = 32 - 8 - 2;

/// One direction of a resize, `n_in` samples to `n_out`, seen through outputs `first` and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    interpolation: Interpolation,
    n_in: u32,
    first: u64,
    scale: f64,
    support: f64,
    inverse_filter_scale: f64,
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

impl Axis {
    pub(super) fn new(interpolation: Interpolation, n_in: u32, n_out: u64, first: u64) -> Axis {
        Axis::divided(interpolation, n_in, 1, n_out, first)
    }

    /// Of `whole` samples that come as one for each `divisor` of them, the last of which may stand for fewer: windows lie
    /// where they would in the whole.
    pub(super) fn divided(
        interpolation: Interpolation,
        whole: u32,
        divisor: u32,
        n_out: u64,
        first: u64,
    ) -> Axis {
        let n_in = whole.div_ceil(divisor);
        let scale = f64::from(whole) / f64::from(divisor) / n_out as f64;
        let filter_scale = scale.max(1.0);
        let support = match interpolation {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        };
        Axis {
            interpolation,
            n_in,
            first,
            scale,
            support: support * filter_scale,
            inverse_filter_scale: 1.0 / filter_scale,
        }
    }

    fn centre(&self, output: u32) -> f64 {
        ((self.first + u64::from(output)) as f64 + 0.5) * self.scale
    }

    /// Of output `first + output`. Never empty; both ends never decrease from one output to the next.
    pub(super) fn window(&self, output: u32) -> Window {
        let centre = self.centre(output);
        let lo = (centre - self.support + 0.5).max(0.0) as u32;
        let hi = ((centre + self.support + 0.5) as u64).min(u64::from(self.n_in)) as u32;
        debug_assert!(lo < hi, "an empty window at {output} of {self:?}");
        Window { lo, hi }
    }

    /// Appends the weights of [`Axis::window`] as integers of [`FRACTION`] fraction bits. `real` is scratch.
    pub(super) fn weights(&self, output: u32, real: &mut Vec<f64>, fixed: &mut Vec<i32>) {
        let Window { lo, hi } = self.window(output);
        let centre = self.centre(output);
        let mut sum = 0.0;
        real.clear();
        real.extend((lo..hi).map(|x| {
            let weight = self.filter((f64::from(x) - centre + 0.5) * self.inverse_filter_scale);
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

    fn filter(&self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self.interpolation {
            Interpolation::Bilinear if x < 1.0 => 1.0 - x,
            Interpolation::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Interpolation::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Interpolation; 2] = [Interpolation::Bilinear, Interpolation::Bicubic];

    fn weights(axis: &Axis, output: u32) -> Vec<i32> {
        let mut fixed = Vec::new();
        axis.weights(output, &mut Vec::new(), &mut fixed);
        fixed
    }

    #[test]
    fn an_axis_of_equal_sizes_copies_its_samples() {
        for interpolation in FILTERS {
            let axis = Axis::new(interpolation, 9, 9, 0);
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
        for interpolation in FILTERS {
            let whole = Axis::new(interpolation, 500, 341, 0);
            let part = Axis::new(interpolation, 500, 341, 58);
            for output in 0..224 {
                assert_eq!(whole.window(58 + output), part.window(output));
                assert_eq!(weights(&whole, 58 + output), weights(&part, output));
            }
        }
    }

    #[test]
    fn windows_are_never_empty_and_never_go_back() {
        for interpolation in FILTERS {
            for (n_in, n_out) in [(1, 7), (2, 5_000), (7, 1), (500, 341), (341, 500), (100_003, 224)] {
                let axis = Axis::new(interpolation, n_in, n_out, 0);
                let mut before = Window { lo: 0, hi: 1 };
                for output in 0..n_out as u32 {
                    let window = axis.window(output);
                    assert!(window.lo < window.hi && window.hi <= n_in, "{n_in} to {n_out}: {window:?}");
                    assert!(
                        window.lo >= before.lo && window.hi >= before.hi,
                        "{n_in} to {n_out}: {window:?}"
                    );
                    before = window;
                }
            }
        }
    }
}
