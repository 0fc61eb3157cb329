//! The program's own decode beside the two halves of decision 0060, for a bench and for tests.

use half::f16;
use tresnet_batch::image::{Decoder, Interpolation, Options};
use tresnet_batch::tensor::{Dtype, Layout, RowMut};
use two_halves::{Filter, FirstHalf, Run, Target, second_half};

/// Images that the kernels take at once.
const BATCH: usize = 16;

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// The form of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub size: u32,
    pub crop_share: f64,
    pub interpolation: Interpolation,
    pub layout: Layout,
    pub dtype: Dtype,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Images of which every byte was compared.
    pub images: usize,
    /// Of them, those of several scans that refine each other.
    pub progressive: usize,
    /// Of them, those whose codes the program's own decoder read.
    pub plain: usize,
    /// Bytes of squares and of rows.
    pub bytes: usize,
    /// Of them, those that differ.
    pub differing: usize,
    /// Positions of the files that stay with the program's own decode.
    pub kept: Vec<usize>,
    /// Files that the program does not decode.
    pub refused: usize,
}

/// Both ways to one form.
pub struct Both {
    decoder: Decoder,
    form: Form,
    elements: Vec<u32>,
}

impl Both {
    pub fn new(form: Form) -> Both {
        let options = Options {
            crop_pct: form.crop_share,
            interpolation: form.interpolation,
            mean: MEAN,
            std: STD,
            ..Options::new(form.size)
        };
        let value = |index: usize| {
            let (channel, byte) = (index / 256, index % 256);
            let value = (byte as f64 / 255.0 - MEAN[channel]) / STD[channel];
            match form.dtype {
                Dtype::F16 => u32::from(f16::from_f64(value).to_bits()),
                Dtype::F32 => (value as f32).to_bits(),
                Dtype::U8 => byte as u32,
            }
        };
        let decoder = Decoder::new(options).expect("good options");
        Both { decoder, form, elements: (0..3 * 256).map(value).collect() }
    }

    pub fn target(&self) -> Target<'_> {
        Target {
            size: self.form.size,
            crop_share: self.form.crop_share,
            filter: match self.form.interpolation {
                Interpolation::Bilinear => Filter::Bilinear,
                Interpolation::Bicubic => Filter::Bicubic,
                other => panic!("the prototype has no {other:?}"),
            },
            layout: match self.form.layout {
                Layout::Nchw => two_halves::Layout::Nchw,
                Layout::Nhwc => two_halves::Layout::Nhwc,
                Layout::SpaceToDepth => two_halves::Layout::SpaceToDepth,
            },
            element_bytes: self.form.dtype.size() as u32,
            elements: &self.elements,
        }
    }

    /// The program's row of a file, byte by byte; `None` where it refuses the file.
    pub fn row(&mut self, file: &[u8]) -> Option<Vec<u8>> {
        let elements = (self.form.size * self.form.size * 3) as usize;
        let (mut halves, mut singles, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        let row = match self.form.dtype {
            Dtype::F16 => {
                halves.resize(elements, f16::ZERO);
                RowMut::F16(&mut halves)
            }
            Dtype::F32 => {
                singles.resize(elements, 0.0_f32);
                RowMut::F32(&mut singles)
            }
            Dtype::U8 => {
                bytes.resize(elements, 0);
                RowMut::U8(&mut bytes)
            }
        };
        self.decoder.decode_into(file, self.form.layout, row).ok()?;
        let halves = halves.into_iter().flat_map(f16::to_ne_bytes);
        let singles = singles.into_iter().flat_map(f32::to_ne_bytes);
        Some(halves.chain(singles).chain(bytes).collect())
    }

    /// Decodes every file in both ways.
    pub fn compare(&mut self, files: &[impl AsRef<[u8]>], run: Run) -> Comparison {
        let (mut found, mut first_half) = (Comparison::default(), FirstHalf::default());
        let positions: Vec<usize> = (0..files.len()).collect();
        for positions in positions.chunks(BATCH) {
            let (mut batch, mut expected) = (Vec::new(), Vec::new());
            for &position in positions {
                let file = files[position].as_ref();
                let Some(row) = self.row(file) else {
                    found.refused += 1;
                    continue;
                };
                match first_half.read(file, &self.target()) {
                    Ok(coefficients) => {
                        found.progressive += usize::from(coefficients.is_progressive());
                        found.plain += usize::from(coefficients.is_plain());
                        batch.push(coefficients);
                        expected.push((self.decoder.square(file).expect("its row is there").1.to_vec(), row));
                    }
                    Err(_) => found.kept.push(position),
                }
            }
            let decoded = second_half(&batch, &self.target(), run);
            assert_eq!(decoded.len(), expected.len());
            for (decoded, (square, row)) in decoded.iter().zip(&expected) {
                found.images += 1;
                // the fourth byte of a pixel has no meaning
                let ours = decoded.square.iter().flat_map(|pixel| pixel.to_le_bytes().into_iter().take(3));
                let theirs = square.chunks_exact(4).flat_map(|pixel| &pixel[..3]);
                found.add(ours, theirs);
                found.add(decoded.row.iter().copied(), row);
            }
        }
        found
    }
}

impl Comparison {
    fn add<'a>(&mut self, ours: impl Iterator<Item = u8>, theirs: impl IntoIterator<Item = &'a u8>) {
        let mut theirs = theirs.into_iter();
        for byte in ours {
            self.bytes += 1;
            self.differing += usize::from(theirs.next() != Some(&byte));
        }
        assert!(theirs.next().is_none(), "the program's has more bytes");
    }
}
