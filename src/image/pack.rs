//! From the square's bytes to the elements of the network's input.

use half::f16;

use crate::tensor::{Layout, RowMut};

use super::simd::Simd;

/// What each byte of each channel becomes: `(v / 255 − mean) / std`, computed in double and rounded once to the element
/// type. With mean 0 and std 1 that is the very value of `torch`'s `uint8.float() / 255` for all 256 bytes (a test shows
/// it); with other constants `torch` rounds three times and may differ in the last place.
pub struct Packer {
    simd: Simd,
    single: [[f32; 256]; 3],
    half: [[f16; 256]; 3],
    /// Factor and offset of each channel that give these very tables; `None` where no such numbers do.
    single_scale: Option<[[f64; 2]; 3]>,
    half_scale: Option<[[f64; 2]; 3]>,
}

impl Packer {
    /// The tables for these constants.
    pub fn new(mean: [f64; 3], std: [f64; 3]) -> Packer {
        Packer::with(Simd::detect(), mean, std)
    }

    fn with(simd: Simd, mean: [f64; 3], std: [f64; 3]) -> Packer {
        let value = |channel: usize, byte: usize| (byte as f64 / 255.0 - mean[channel]) / std[channel];
        let single: [[f32; 256]; 3] = std::array::from_fn(|c| std::array::from_fn(|v| value(c, v) as f32));
        let half: [[f16; 256]; 3] =
            std::array::from_fn(|c| std::array::from_fn(|v| f16::from_f64(value(c, v))));
        // a product and a sum round otherwise than a quotient and a difference: all 256 bytes are tried
        let scale: [[f64; 2]; 3] = std::array::from_fn(|c| [1.0 / (255.0 * std[c]), -mean[c] / std[c]]);
        let square: Vec<u8> = (0..=255).flat_map(|byte| [byte; 4]).collect();
        let (mut singles, mut halves) = ([0.0; 256], [f16::ZERO; 256]);
        let mut same_single = |c: usize| {
            simd.scale_f32(&square, c, scale[c], &mut singles);
            singles.map(f32::to_bits) == single[c].map(f32::to_bits)
        };
        let mut same_half = |c: usize| {
            simd.scale_f16(&square, c, scale[c], &mut halves);
            halves.map(f16::to_bits) == half[c].map(f16::to_bits)
        };
        Packer {
            simd,
            single_scale: (0..3).all(&mut same_single).then_some(scale),
            half_scale: (0..3).all(&mut same_half).then_some(scale),
            single,
            half,
        }
    }

    /// Writes a square into a row. Of the square's four bytes a pixel (as of [`Decoder::square`](super::Decoder::square))
    /// the last is left out. Bytes stay as they are: where the row is U8, the graph normalises.
    ///
    /// # Panics
    /// If the row has not three elements for each pixel of the square.
    pub fn pack(&self, square: &[u8], layout: Layout, row: RowMut<'_>) {
        match (row, layout) {
            (RowMut::F32(row), Layout::Nchw) => match self.single_scale {
                Some(scale) => planes(row, square).for_each(|(channel, plane)| {
                    self.simd.scale_f32(square, channel, scale[channel], plane);
                }),
                None => write(square, layout, row, |c, byte| self.single[c][usize::from(byte)]),
            },
            (RowMut::F16(row), Layout::Nchw) => match self.half_scale {
                Some(scale) => planes(row, square).for_each(|(channel, plane)| {
                    self.simd.scale_f16(square, channel, scale[channel], plane);
                }),
                None => write(square, layout, row, |c, byte| self.half[c][usize::from(byte)]),
            },
            (RowMut::F16(row), Layout::SpaceToDepth) => match self.half_scale {
                Some(scale) => each_line(row, square, |line, squares, first| {
                    self.simd.scale_squares(line, &scale, squares, first);
                }),
                None => write(square, layout, row, |c, byte| self.half[c][usize::from(byte)]),
            },
            (RowMut::F32(row), _) => write(square, layout, row, |c, byte| self.single[c][usize::from(byte)]),
            (RowMut::F16(row), _) => write(square, layout, row, |c, byte| self.half[c][usize::from(byte)]),
            (RowMut::U8(row), _) => write(square, layout, row, |_, byte| byte),
        }
    }
}

/// The planes of a row for a square.
fn planes<'a, T>(row: &'a mut [T], square: &[u8]) -> impl Iterator<Item = (usize, &'a mut [T])> {
    let pixels = square.len() / 4;
    assert_eq!(row.len(), pixels * 3, "a row holds one square");
    row.chunks_exact_mut(pixels.max(1)).enumerate()
}

/// Calls `write` for each line of a square with the squares of 4×4 pixels that it is in, and where its elements begin
/// in each of them. Four pixels of one line are contiguous there.
fn each_line<T>(row: &mut [T], square: &[u8], mut write: impl FnMut(&[u8], &mut [T], usize)) {
    let side = (square.len() / 4).isqrt();
    assert!(
        row.len() == side * side * 3 && side * side * 4 == square.len() && side.is_multiple_of(4),
        "a row holds one square of a side that divides by four"
    );
    for (y, line) in square.chunks_exact((side * 4).max(1)).enumerate() {
        write(line, &mut row[y / 4 * side * 12..][..side * 12], y % 4 * 12);
    }
}

fn write<T>(square: &[u8], layout: Layout, row: &mut [T], element: impl Fn(usize, u8) -> T) {
    match layout {
        Layout::Nchw => {
            for (channel, plane) in planes(row, square) {
                for (to, pixel) in plane.iter_mut().zip(square.chunks_exact(4)) {
                    *to = element(channel, pixel[channel]);
                }
            }
        }
        Layout::Nhwc => {
            assert_eq!(row.len(), square.len() / 4 * 3, "a row holds one square");
            for (to, pixel) in row.chunks_exact_mut(3).zip(square.chunks_exact(4)) {
                for (channel, (to, &byte)) in to.iter_mut().zip(pixel).enumerate() {
                    *to = element(channel, byte);
                }
            }
        }
        Layout::SpaceToDepth => {
            each_line(row, square, |line, squares, first| {
                for (square, pixels) in squares.chunks_exact_mut(48).zip(line.chunks_exact(16)) {
                    let to = square[first..first + 12].chunks_exact_mut(3);
                    for (to, pixel) in to.zip(pixels.chunks_exact(4)) {
                        for (channel, (to, &byte)) in to.iter_mut().zip(pixel).enumerate() {
                            *to = element(channel, byte);
                        }
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_normalisation_each_byte_is_the_single_precision_quotient() {
        let packer = Packer::new([0.0; 3], [1.0; 3]);
        for byte in 0..=255u8 {
            // torchvision's ToTensor: float32 divided by float32 255
            let torch = f32::from(byte) / 255.0;
            for channel in 0..3 {
                assert_eq!(packer.single[channel][usize::from(byte)].to_bits(), torch.to_bits());
            }
        }
    }

    #[test]
    fn planes_follow_each_other_in_nchw_and_pixels_in_nhwc() {
        let square = [1, 2, 3, 77, 4, 5, 6, 77, 7, 8, 9, 77, 10, 11, 12, 77];
        let packer = Packer::new([0.0; 3], [1.0; 3]);
        let mut row = [0; 12];
        packer.pack(&square, Layout::Nchw, RowMut::U8(&mut row));
        assert_eq!(row, [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]);
        packer.pack(&square, Layout::Nhwc, RowMut::U8(&mut row));
        assert_eq!(row, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn squares_of_four_by_four_pixels_become_channels() {
        let side = 8;
        let square: Vec<u8> =
            (0..side * side).flat_map(|pixel: u8| [pixel, pixel + 64, pixel + 128, 255]).collect();
        let mut row = [0; 8 * 8 * 3];
        Packer::new([0.0; 3], [1.0; 3]).pack(&square, Layout::SpaceToDepth, RowMut::U8(&mut row));
        for (index, found) in row.into_iter().enumerate() {
            let (place, channel) = (index / 48, index % 48);
            let (y, x) = (place / 2 * 4 + channel / 12, place % 2 * 4 + channel % 12 / 3);
            assert_eq!(usize::from(found), y * 8 + x + channel % 3 * 64, "element {index}");
        }
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let packer = Packer::new(mean, std);
        let (mut single, mut half) = ([0.0; 3], [f16::ZERO; 3]);
        packer.pack(&[0, 128, 255, 0], Layout::Nchw, RowMut::F32(&mut single));
        packer.pack(&[0, 128, 255, 0], Layout::Nhwc, RowMut::F16(&mut half));
        for channel in 0..3 {
            let exact = ([0.0, 128.0, 255.0][channel] / 255.0 - mean[channel]) / std[channel];
            assert_eq!(single[channel], exact as f32);
            assert_eq!(half[channel], f16::from_f64(exact));
        }
    }

    #[test]
    #[should_panic(expected = "a row holds one square")]
    fn a_row_of_another_size_is_a_fault_of_the_caller() {
        Packer::new([0.0; 3], [1.0; 3]).pack(&[0; 16], Layout::Nchw, RowMut::U8(&mut [0; 9]));
    }

    #[test]
    fn vectors_and_tables_give_the_same_elements() {
        let square: Vec<u8> = (0..36 * 36 * 4).map(|i: u32| ((i * 7919) >> 3) as u8).collect();
        let cases = [
            ([0.0; 3], [1.0; 3]),
            ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ([0.5; 3], [0.5; 3]),
            ([1e-7, 0.3, -2.0], [1e-9, 1e7, 0.013]),
        ];
        for (mean, std) in cases {
            let table = Packer { single_scale: None, half_scale: None, ..Packer::new(mean, std) };
            for simd in [Simd::Portable, Simd::detect()] {
                let scaled = Packer::with(simd, mean, std);
                let single = |packer: &Packer| {
                    let mut row = vec![0.0; 36 * 36 * 3];
                    packer.pack(&square, Layout::Nchw, RowMut::F32(&mut row));
                    row.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let half = |packer: &Packer, layout| {
                    let mut row = vec![f16::ZERO; 36 * 36 * 3];
                    packer.pack(&square, layout, RowMut::F16(&mut row));
                    row.into_iter().map(f16::to_bits).collect::<Vec<_>>()
                };
                assert!(single(&scaled) == single(&table), "{simd:?} {mean:?} {std:?}");
                for layout in [Layout::Nchw, Layout::SpaceToDepth] {
                    let same = half(&scaled, layout) == half(&table, layout);
                    assert!(same, "{simd:?} {layout:?} {mean:?} {std:?}");
                }
            }
        }
    }

    #[test]
    fn the_usual_constants_need_no_table() {
        for (mean, std) in [([0.0; 3], [1.0; 3]), ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])] {
            let packer = Packer::new(mean, std);
            assert!(packer.single_scale.is_some() && packer.half_scale.is_some(), "{mean:?}");
        }
    }
}
