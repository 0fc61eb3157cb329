//! The horizontal pass: one row's needed pixels in, one row of the square out.

use super::filter::{Axis, Window};
use super::simd::{self, MOST_PAIRED_TAPS, STEP, Simd};

/// Above this many weights the pass makes them anew for each row instead of keeping them: such a table is only met in
/// images of a hundred thousand columns, which have few rows.
const MAX_TABLE: u64 = 1 << 18;

/// The weights of every column of the square, kept from image to image where widths repeat.
pub(super) struct Columns {
    simd: Simd,
    axis: Axis,
    /// Whether all below is `axis`'s.
    is_ready: bool,
    needed: Window,
    /// Inputs that each output is summed over: its window, and beside it inputs of weight 0, so that all are alike.
    taps: usize,
    /// Of each output, the first of these inputs, counted from the first that is needed.
    starts: Vec<u32>,
    /// Of each output, `taps` weights; empty where they are made for each row.
    table: Vec<i32>,
    /// The same in steps, where that is quicker.
    pairs: Vec<[i16; 32]>,
    real: Vec<f64>,
    fixed: Vec<i32>,
}

impl Columns {
    pub(super) fn new(simd: Simd) -> Columns {
        Columns {
            simd,
            axis: Axis::default(),
            is_ready: false,
            needed: Window::default(),
            taps: 0,
            starts: Vec::new(),
            table: Vec::new(),
            pairs: Vec::new(),
            real: Vec::new(),
            fixed: Vec::new(),
        }
    }

    /// The inputs that any output touches.
    pub(super) fn needed(&self) -> Window {
        self.needed
    }

    /// Gets ready for the outputs of `axis`.
    pub(super) fn begin(&mut self, axis: Axis) {
        if self.is_ready && self.axis == axis {
            return;
        }
        self.is_ready = false;
        self.axis = axis;
        let (axis, size) = (&self.axis, self.axis.count());
        self.needed = axis.needed();
        self.starts.clear();
        self.table.clear();
        self.pairs.clear();
        let widest = (0..size).map(|output| axis.window(output).len()).max().unwrap_or(0);
        self.taps = widest.next_multiple_of(STEP).min(self.needed.len());
        if self.taps as u64 * u64::from(size) <= MAX_TABLE {
            self.table.reserve(self.taps * size as usize);
            for output in 0..size {
                let Window { lo, .. } = axis.window(output);
                let start = (lo - self.needed.lo).min((self.needed.len() - self.taps) as u32);
                let before = (lo - self.needed.lo - start) as usize;
                self.fixed.clear();
                self.fixed.resize(before, 0);
                axis.weights(output, &mut self.real, &mut self.fixed);
                self.fixed.resize(self.taps, 0);
                self.table.extend_from_slice(&self.fixed);
                self.starts.push(start);
            }
        }
        if self.simd.pairs() && self.taps <= MOST_PAIRED_TAPS {
            let (steps, rest) = self.table.as_chunks::<STEP>();
            if self.taps.is_multiple_of(STEP) && rest.is_empty() {
                self.pairs.extend(steps.iter().map(simd::pair));
            }
        }
        self.is_ready = true;
    }

    /// Forgets the table, as if it were too large.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        assert!(!self.table.is_empty());
        self.table.clear();
        self.pairs.clear();
    }

    /// Resamples the needed pixels of a row.
    pub(super) fn apply(&mut self, pixels: &[u8], line: &mut [u8]) {
        let simd = self.simd;
        if !self.pairs.is_empty() {
            return simd.blend_pairs(pixels, &self.starts, self.taps, &self.pairs, line);
        }
        if !self.table.is_empty() {
            return simd.blend(pixels, &self.starts, self.taps, &self.table, line);
        }
        for (output, pixel) in (0..self.axis.count()).zip(line.chunks_exact_mut(4)) {
            let window = self.axis.window(output);
            self.fixed.clear();
            self.axis.weights(output, &mut self.real, &mut self.fixed);
            simd.blend(pixels, &[window.lo - self.needed.lo], window.len(), &self.fixed, pixel);
        }
    }
}
