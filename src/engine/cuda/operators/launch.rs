//! How each kernel is launched for the shapes of its inputs. The numbers are those of the sources in `kernels`.

/// Channels that a thread reads at once.
const OCTET: i64 = 8;
/// `MOST_CHANNELS` and `MOST_HIDDEN` of `squeeze_excite.cu`; a block of `gate.cu` has one thread for each octet or more.
const MOST_CHANNELS: i64 = 4096;
const MOST_HIDDEN: i64 = 1024;
/// Octets of a map: kernels count them in 32 bits, and step beyond the end by less than a grid.
const MOST_OCTETS: i64 = 1 << 30;
/// Blocks of a grid's second and third axis.
const MOST_BLOCKS: i64 = 65_535;

const BLUR_THREADS: i64 = 256;
const BLUR_STRIP: i64 = 4;
const MEAN_THREADS: i64 = 512;
const MEAN_SLICE: i64 = 16;
const EXCITE_THREADS: i64 = 256;
const GATE_THREADS: i64 = 256;
/// Octets that a thread of `gate.cu` works on, so that it reads its gates once for several.
const GATE_STEPS: i64 = 4;

/// Axes of a map, `[n, h, w, c]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axes {
    pub images: i64,
    pub height: i64,
    pub width: i64,
    pub channels: i64,
}

/// Blocks of a launch, and threads of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub blocks: [u32; 3],
    pub threads: u32,
}

impl Grid {
    fn new(blocks: [i64; 3], threads: i64) -> Grid {
        // the axes were checked: each number is at least 1 and fits
        Grid { blocks: blocks.map(|count| count as u32), threads: threads as u32 }
    }
}

fn ceil(value: i64, by: i64) -> i64 {
    (value + by - 1) / by
}

impl Axes {
    /// Reads and checks a shape.
    ///
    /// # Errors
    /// It has other than four axes, an empty one, or sizes that the kernels do not take.
    pub fn of(shape: &[i64]) -> Result<Axes, String> {
        let &[images, height, width, channels] = shape else {
            return Err(format!("a map of axes {shape:?}; [n, h, w, c] is expected"));
        };
        if shape.iter().any(|axis| *axis < 1) || shape.iter().any(|axis| *axis > i64::from(i32::MAX)) {
            return Err(format!("a map of {shape:?} is empty or too large"));
        }
        if channels % OCTET != 0 || channels > MOST_CHANNELS {
            return Err(format!(
                "{channels} channels; a multiple of {OCTET} up to {MOST_CHANNELS} is expected"
            ));
        }
        let octets = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels / OCTET));
        if octets.is_none_or(|octets| octets > MOST_OCTETS) {
            return Err(format!("a map of {height} × {width} × {channels} is too large"));
        }
        Ok(Axes { images, height, width, channels })
    }

    pub fn to_shape(self) -> [i64; 4] {
        [self.images, self.height, self.width, self.channels]
    }

    /// Returns the axes of one value a channel.
    pub fn squeezed(self) -> Axes {
        Axes { height: 1, width: 1, ..self }
    }

    /// Returns the axes after a stride of 2.
    pub fn halved(self) -> Axes {
        Axes { height: ceil(self.height, 2), width: ceil(self.width, 2), ..self }
    }

    pub fn octets(self) -> i64 {
        self.channels / OCTET
    }

    /// Octets of one image.
    pub fn area(self) -> i64 {
        self.height * self.width * self.octets()
    }

    /// Returns the grid of `leaky_blur` for this input.
    pub fn blur(self) -> Grid {
        let out = self.halved();
        let strips = ceil(out.height, BLUR_STRIP).min(MOST_BLOCKS);
        let row = ceil(out.width * out.octets(), BLUR_THREADS);
        Grid::new([row, strips, self.images.min(MOST_BLOCKS)], BLUR_THREADS)
    }

    /// Returns the grid of `activated_mean`: slices of equal width, and as many rows of threads as fit.
    pub fn mean(self) -> Grid {
        let octets = self.octets();
        let slice = ceil(octets, ceil(octets, MEAN_SLICE));
        let threads = MEAN_THREADS / slice * slice;
        Grid::new([ceil(octets, slice), self.images.min(MOST_BLOCKS), 1], threads)
    }

    /// Returns the grid of `squeeze_excite`.
    ///
    /// # Errors
    /// The kernel does not take this number of hidden channels.
    pub fn excite(self, hidden: i64) -> Result<Grid, String> {
        if hidden < OCTET || hidden % OCTET != 0 || hidden > MOST_HIDDEN {
            return Err(format!(
                "{hidden} hidden channels; a multiple of {OCTET} up to {MOST_HIDDEN} is expected"
            ));
        }
        Ok(Grid::new([self.images, 1, 1], EXCITE_THREADS))
    }

    /// Returns the grid of `gate` and `gate_add_relu`: threads are a multiple of the octets.
    pub fn gate(self) -> Grid {
        let octets = self.octets();
        let threads = octets * (GATE_THREADS / octets).max(1);
        let blocks = ceil(self.area(), threads * GATE_STEPS);
        Grid::new([blocks, self.images.min(MOST_BLOCKS), 1], threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_cover_their_maps_within_the_limits_of_a_launch() {
        for channels in (8..=MOST_CHANNELS).step_by(8) {
            let axes = Axes::of(&[70_000, 57, 31, channels]).unwrap();
            let octets = channels / OCTET;
            let [blur, mean, gate] = [axes.blur(), axes.mean(), axes.gate()];
            assert!(i64::from(blur.blocks[0]) * BLUR_THREADS >= 16 * octets);
            assert!(mean.threads as i64 <= MEAN_THREADS && i64::from(mean.blocks[0]) * MEAN_SLICE >= octets);
            assert!(i64::from(gate.threads) % octets == 0 && gate.threads <= 512, "{channels}: {gate:?}");
            for grid in [blur, mean, gate] {
                assert!(grid.blocks[1..].iter().all(|count| (1..=65_535).contains(count)), "{grid:?}");
            }
        }
    }

    #[test]
    fn what_the_kernels_do_not_take_is_refused_with_its_numbers() {
        let wrong =
            [&[1, 2, 8][..], &[1, 2, 2, 12], &[0, 2, 2, 8], &[1, 2, 2, 8192], &[1, 1 << 16, 1 << 15, 8]];
        for shape in wrong {
            assert!(Axes::of(shape).is_err(), "{shape:?}");
        }
        let axes = Axes::of(&[1, 1, 1, 64]).unwrap();
        assert!(axes.excite(12).unwrap_err().contains("12 hidden channels"));
    }
}
