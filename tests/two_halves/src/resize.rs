//! The position of the square and the inputs of its pixels: torchvision's `Resize` and `CenterCrop`, Pillow's weights.

use crate::{Filter, Target};

/// One direction of the resize: the windows and weights of the square's outputs.
pub(crate) struct Axis {
    /// The first input that is needed.
    pub lo: u32,
    /// The end of those that are needed.
    pub hi: u32,
    /// Inputs of the widest output.
    pub taps: u32,
    /// Of each output, its first input and the end of its inputs, counted from `lo` on.
    pub windows: Vec<u32>,
    /// Of each output, `taps` weights with 22 fractional bits.
    pub weights: Vec<i32>,
}

/// Both directions.
pub(crate) struct Resize {
    pub across: Axis,
    pub down: Axis,
    /// Pillow 13 begins with the pass that shrinks more (docs/pixels.md).
    pub begins_vertically: bool,
}

impl Resize {
    /// Of an image of `width` × `height` pixels.
    pub fn new(target: &Target<'_>, width: u32, height: u32) -> Resize {
        let side = (f64::from(target.size) / target.crop_share).floor() as u32;
        let longer = |long: u32, short: u32| (f64::from(side) * f64::from(long) / f64::from(short)) as u32;
        let (to_width, to_height) =
            if width <= height { (side, longer(height, width)) } else { (longer(width, height), side) };
        let fewer = |from: u32, to: u32| i64::from(from) - i64::from(to);
        let (columns, rows) = (fewer(width, to_width), fewer(height, to_height));
        Resize {
            across: Axis::new(target, width, to_width),
            down: Axis::new(target, height, to_height),
            begins_vertically: rows > 0 && rows > 2 * columns,
        }
    }
}

impl Axis {
    fn new(target: &Target<'_>, from: u32, to: u32) -> Axis {
        let first = (f64::from(to - target.size) / 2.0).round_ties_even() as u32;
        let scale = f64::from(from) / f64::from(to);
        let filter_scale = scale.max(1.0);
        let support = filter_scale * if target.filter == Filter::Bilinear { 1.0 } else { 2.0 };
        let centre = |output: u32| (f64::from(first + output) + 0.5) * scale;
        let window = |output: u32| {
            let lo = (centre(output) - support + 0.5).max(0.0) as u32;
            (lo, ((centre(output) + support + 0.5) as u32).min(from))
        };
        let (lo, hi) = (window(0).0, window(target.size - 1).1);
        let taps = (0..target.size).map(|output| window(output).1 - window(output).0).max().unwrap_or(0);
        let mut axis = Axis { lo, hi, taps, windows: Vec::new(), weights: Vec::new() };
        for output in 0..target.size {
            let (start, end) = window(output);
            let weight =
                |x: u32| filter(target.filter, (f64::from(x) - centre(output) + 0.5) * (1.0 / filter_scale));
            let real: Vec<f64> = (start..end).map(weight).collect();
            let sum: f64 = real.iter().sum();
            axis.windows.extend([start - lo, end - lo]);
            axis.weights.extend(real.iter().map(|weight| fixed(weight / sum)));
            axis.weights.resize(axis.windows.len() / 2 * taps as usize, 0);
        }
        axis
    }

    /// Inputs that are needed.
    pub fn inputs(&self) -> u32 {
        self.hi - self.lo
    }
}

fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << 22) + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
}

fn filter(filter: Filter, x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    match filter {
        Filter::Bilinear => (1.0 - x).max(0.0),
        Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        Filter::Bicubic => 0.0,
    }
}
