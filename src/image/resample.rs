//! Pillow's two-pass resampling as a stream: rows of the source go in, the square comes out.
//!
//! Pillow makes a byte image between its two passes. Here a source row is added to the sums of the outputs that it
//! touches as it comes, and what would be the image between is a row at most: one that was resampled horizontally before
//! it is added, or one whose sums are complete and which is resampled horizontally then. Sums of integers do not depend on
//! their order, so the bytes are Pillow's, and memory depends on the square and the source's width. Rows that no output
//! touches cost nothing. A pixel is four bytes throughout, so that its channels are lanes of a vector; the fourth is
//! resampled with the others and means nothing.
//!
//! Which pass comes first changes bytes, since each rounds. Up to version 12 Pillow always began with the horizontal one;
//! version 13 begins with the vertical one where rows are reduced and by more than twice as many as columns
//! (python-pillow/Pillow#9549; the rule was inferred from its results, and `tests/integration/image.rs` holds it).

use std::collections::VecDeque;

use super::columns::Columns;
use super::filter::{Axis, Region, Window};
use super::geometry::{Geometry, Shown};
use super::options::Interpolation;
use super::simd::Simd;

/// One square in the making, and its buffers, which are kept from image to image.
pub(super) struct Resampler {
    simd: Simd,
    /// Side of the square.
    size: u32,
    /// Rows of the square that show the image.
    count: u32,
    /// Where the first of them begins in the square, and how long each is, in bytes.
    at: (usize, usize),
    columns: Columns,
    rows: Axis,
    /// The source pixels that matter.
    needed: Region,
    vertical_first: bool,
    /// The row that comes next.
    row: u32,
    /// Outputs `done..done + open.len()` have begun and not ended.
    open: VecDeque<Output>,
    done: u32,
    spare: Vec<Output>,
    /// The one row between the passes.
    line: Vec<u8>,
    square: Vec<u8>,
    real: Vec<f64>,
}

/// A row of the square that still waits for source rows.
#[derive(Default)]
struct Output {
    window: Window,
    weights: Vec<i32>,
    sums: Vec<i32>,
}

impl Resampler {
    pub(super) fn new() -> Resampler {
        Resampler::with(Simd::detect())
    }

    fn with(simd: Simd) -> Resampler {
        Resampler {
            simd,
            size: 0,
            count: 0,
            at: (0, 0),
            columns: Columns::new(simd),
            rows: Axis::default(),
            needed: Region::default(),
            vertical_first: false,
            row: 0,
            open: VecDeque::new(),
            done: 0,
            spare: Vec::new(),
            line: Vec::new(),
            square: Vec::new(),
            real: Vec::new(),
        }
    }

    /// Drops the current image and expects the needed rows of an image of `width` × `height` pixels, top row first.
    /// They come with both sides divided by `divisor`, and rounded up.
    pub(super) fn begin(
        &mut self,
        interpolation: Interpolation,
        (width, height): (u32, u32),
        divisor: u32,
        to: &Geometry,
    ) {
        let Shown { count: across, border: left, .. } = to.across;
        let Shown { count: down, border: top, .. } = to.down;
        self.columns.begin(Axis::divided(interpolation, width, divisor, to.width, to.across));
        self.rows = Axis::divided(interpolation, height, divisor, to.height, to.down);
        let rows = self.rows.needed();
        self.needed = Region { columns: self.columns.needed(), rows };
        self.vertical_first = begins_vertically((width, height), (to.width, to.height));
        (self.size, self.count) = (to.size, down);
        self.at = ((top as usize * to.size as usize + left as usize) * 4, across as usize * 4);
        self.row = rows.lo;
        self.done = 0;
        self.spare.extend(self.open.drain(..));
        let between = if self.vertical_first { self.columns.needed().len() } else { across as usize };
        self.line.resize(between * 4, 0);
        self.square.resize(to.size as usize * to.size as usize * 4, 0);
        if (across, down) != (to.size, to.size) {
            let [red, green, blue] = to.fill;
            self.square.as_chunks_mut().0.fill([red, green, blue, 0]);
        }
    }

    /// The pixels that the square depends on, once begun.
    pub(super) fn needed(&self) -> Region {
        self.needed
    }

    /// Takes the next needed row: its needed pixels.
    pub(super) fn push(&mut self, pixels: &[u8]) {
        debug_assert_eq!(pixels.len(), self.needed.columns.len() * 4, "the needed pixels of a row");
        debug_assert!(self.row < self.needed.rows.hi, "a needed row");
        let row = self.row;
        self.row += 1;
        self.open_outputs(row);
        let line = if self.vertical_first {
            pixels
        } else {
            self.columns.apply(pixels, &mut self.line);
            self.line.as_slice()
        };
        for output in &mut self.open {
            // every open window has begun at `row` or before, and those that ended are gone
            let weight = output.weights[(row - output.window.lo) as usize];
            if row == output.window.lo {
                self.simd.begin(&mut output.sums, line, weight);
            } else {
                self.simd.add(&mut output.sums, line, weight);
            }
        }
        self.close_outputs(row);
    }

    fn open_outputs(&mut self, row: u32) {
        loop {
            let next = self.done + self.open.len() as u32;
            if next == self.count {
                return;
            }
            let window = self.rows.window(next);
            if window.lo > row {
                return;
            }
            let mut output = self.spare.pop().unwrap_or_default();
            output.window = window;
            output.weights.clear();
            self.rows.weights(next, &mut self.real, &mut output.weights);
            output.sums.resize(self.line.len(), 0);
            self.open.push_back(output);
        }
    }

    fn close_outputs(&mut self, row: u32) {
        while self.open.front().is_some_and(|output| output.window.hi == row + 1) {
            let Some(output) = self.open.pop_front() else { return };
            let (first, length) = self.at;
            let to = &mut self.square[first + self.done as usize * self.size as usize * 4..][..length];
            if self.vertical_first {
                self.simd.round(&output.sums, &mut self.line);
                self.columns.apply(&self.line, to);
            } else {
                self.simd.round(&output.sums, to);
            }
            self.done += 1;
            self.spare.push(output);
        }
    }

    /// The square, four bytes a pixel, once every needed row has been pushed; else `None`.
    pub(super) fn finish(&self) -> Option<&[u8]> {
        (self.done == self.count).then_some(self.square.as_slice())
    }
}

/// Pillow's choice, from the sizes of the whole images (width, height) before and after.
fn begins_vertically(from: (u32, u32), to: (u64, u64)) -> bool {
    // a resized side is below 2^46: 16,384 times a side of 32 bits at most
    let fewer = |from: u32, to: u64| i64::from(from) - to as i64;
    let (columns, rows) = (fewer(from.0, to.0), fewer(from.1, to.1));
    rows > 0 && rows > 2 * columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::options::{Mode, Options};

    #[test]
    fn the_vertical_pass_comes_first_where_pillow_13_has_it_first() {
        // found with Pillow 13.0.0 itself, at both sides of the rule's edge
        for (from, to, expected) in [
            ((99, 122), (55, 34), false),
            ((99, 123), (55, 34), true),
            ((223, 300), (224, 224), true),
            ((300, 251), (224, 224), false),
            ((10, 100), (20, 101), false),
            ((10, 100), (20, 100), false),
            ((10, 100), (20, 99), true),
        ] {
            assert_eq!(begins_vertically(from, to), expected, "{from:?} to {to:?}");
        }
    }

    /// Pushes what is needed of rows of four bytes a pixel.
    fn push_all(resampler: &mut Resampler, rows: &[Vec<u8>]) {
        let Region { columns, rows: needed } = resampler.needed();
        for row in &rows[needed.lo as usize..rows.len().min(needed.hi as usize)] {
            resampler.push(&row[columns.lo as usize * 4..columns.hi as usize * 4]);
        }
    }

    fn run(
        resampler: &mut Resampler,
        options: &Options,
        width: u32,
        height: u32,
        rows: &[Vec<u8>],
    ) -> Vec<u8> {
        let to = Geometry::new(options, width, height);
        resampler.begin(options.interpolation, (width, height), 1, &to);
        push_all(resampler, rows);
        resampler.finish().expect("every row was given").to_vec()
    }

    fn ramp(width: u32, height: u32) -> Vec<Vec<u8>> {
        (0..height)
            .map(|y| {
                (0..width)
                    .flat_map(|x| [(x * 7 + y) as u8, (y * 5) as u8, (x ^ y) as u8, (x * y) as u8])
                    .collect()
            })
            .collect()
    }

    #[test]
    fn a_flat_image_stays_flat_under_every_filter() {
        for interpolation in Interpolation::ALL {
            for (width, height) in [(1, 1), (3, 500), (500, 3), (301, 299)] {
                let options = Options { interpolation, ..Options::new(32) };
                let rows = vec![[9, 128, 255, 3].repeat(width as usize); height as usize];
                let square = run(&mut Resampler::new(), &options, width, height, &rows);
                assert!(square.chunks(4).all(|pixel| pixel == [9, 128, 255, 3]), "{width}×{height}");
            }
        }
    }

    #[test]
    fn weights_made_for_each_row_give_the_same_bytes_as_a_table() {
        let options = Options { mode: Mode::Squash, ..Options::new(16) };
        let rows = ramp(300, 5);
        let mut resampler = Resampler::new();
        let with_table = run(&mut resampler, &options, 300, 5, &rows);
        resampler.columns.forget();
        assert_eq!(run(&mut resampler, &options, 300, 5, &rows), with_table);
    }

    #[test]
    fn an_image_left_half_way_leaves_nothing_in_the_next() {
        let options = Options::new(24);
        let (wide, tall) = (ramp(90, 40), ramp(31, 77));
        let mut resampler = Resampler::new();
        let alone = run(&mut resampler, &options, 31, 77, &tall);
        resampler.begin(options.interpolation, (90, 40), 1, &Geometry::new(&options, 90, 40));
        push_all(&mut resampler, &wide[..20]);
        assert_eq!(resampler.finish(), None);
        assert_eq!(run(&mut resampler, &options, 31, 77, &tall), alone);
    }

    #[test]
    fn a_border_has_its_colour_whatever_the_square_held_before() {
        let bright = Options { mean: [1.0; 3], ..Options::new(16) };
        let border = Options { mode: Mode::Border, crop_pct: 1.0, mean: [0.2, 0.4, 0.0], ..bright };
        let mut resampler = Resampler::new();
        run(&mut resampler, &bright, 30, 20, &ramp(30, 20));
        let square = run(&mut resampler, &border, 32, 16, &vec![[9, 128, 255, 3].repeat(32); 16]);
        for (row, pixels) in square.chunks(64).enumerate() {
            let expected = if (4..12).contains(&row) { [9, 128, 255] } else { [51, 102, 0] };
            assert!(pixels.chunks(4).all(|pixel| pixel[..3] == expected), "row {row}");
        }
    }

    #[test]
    fn rows_below_the_last_window_are_not_waited_for() {
        let options = Options::new(24);
        let rows = ramp(30, 400);
        let mut resampler = Resampler::new();
        resampler.begin(options.interpolation, (30, 400), 1, &Geometry::new(&options, 30, 400));
        let end = resampler.needed().rows.hi;
        assert!(end < 300, "{end}");
        push_all(&mut resampler, &rows[..end as usize]);
        assert!(resampler.finish().is_some());
    }

    #[test]
    fn every_vector_width_gives_the_bytes_of_the_portable_loops() {
        let sizes =
            [(300, 200, 224), (64, 64, 64), (33, 1000, 17), (1000, 33, 17), (5, 7, 40), (2500, 31, 8)];
        for interpolation in Interpolation::ALL {
            for mode in [Mode::Crop, Mode::Squash, Mode::Border] {
                for (width, height, size) in sizes {
                    let options = Options { interpolation, mode, ..Options::new(size) };
                    if Geometry::new(&options, width, height).check(options.rules).is_err() {
                        continue; // nothing would be left of it
                    }
                    let rows = ramp(width, height);
                    let squares = [Simd::Portable, Simd::detect()]
                        .map(|simd| run(&mut Resampler::with(simd), &options, width, height, &rows));
                    assert!(squares[0] == squares[1], "{width}×{height} to {size}, {options:?}");
                }
            }
        }
    }
}
