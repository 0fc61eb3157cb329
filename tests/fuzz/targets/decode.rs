//! Any bytes as an image, under options that the first three of them choose.

#![no_main]

use half::f16;
use libfuzzer_sys::fuzz_target;
use tresnet_batch::image::{
    Decoder, DecoderWarnings, Error, Exif, Interpolation, Limits, Mode, Options, Source,
};
use tresnet_batch::tensor::{Layout, RowMut};

/// The value of every byte of a row before the row is written.
const BLANK: u8 = 0xa5;

/// Options from the first bytes of an input; the other bytes are the image.
struct Choice {
    options: Options,
    layout: Layout,
    /// Bytes of an element.
    element: u8,
    /// Whether the image is decoded a second time with the buffers of the first.
    again: bool,
}

/// One row, in any element type.
#[derive(PartialEq)]
enum Row {
    Bytes(Vec<u8>),
    Halves(Vec<f16>),
    Singles(Vec<f32>),
}

impl Row {
    fn blank(element: u8, length: usize) -> Row {
        match element {
            1 => Row::Bytes(vec![BLANK; length]),
            2 => Row::Halves(vec![f16::NAN; length]),
            _ => Row::Singles(vec![f32::NAN; length]),
        }
    }

    fn view(&mut self) -> RowMut<'_> {
        match self {
            Row::Bytes(row) => RowMut::U8(row),
            Row::Halves(row) => RowMut::F16(row),
            Row::Singles(row) => RowMut::F32(row),
        }
    }

    /// How many elements have their first value; bytes may have it by chance.
    fn blanks(&self) -> usize {
        match self {
            Row::Bytes(row) => row.iter().filter(|byte| **byte == BLANK).count(),
            Row::Halves(row) => row.iter().filter(|half| half.is_nan()).count(),
            Row::Singles(row) => row.iter().filter(|single| single.is_nan()).count(),
        }
    }
}

impl Choice {
    fn new([switches, side, more]: [u8; 3]) -> Choice {
        let is = |bit: u8| switches & (1 << bit) != 0;
        let mut options = Options::new(32 + u32::from(side) % 193);
        // the upper bits of `more` have no other use
        options.mode = match (is(0), more & 128 != 0) {
            (true, _) => Mode::Squash,
            (false, false) => Mode::Crop,
            (false, true) => Mode::Border,
        };
        options.interpolation = Interpolation::ALL[usize::from(is(1)) + usize::from(more >> 5 & 3) % 3 * 2];
        options.exif = if is(2) { Exif::Apply } else { Exif::Ignore };
        options.crop_pct = if is(3) { 1.0 } else { 0.875 };
        options.mean = [0.485, 0.456, 0.406];
        options.std = [0.229, 0.224, 0.225];
        // one input in sixteen has production's limits; the others are quick
        if more & 15 != 15 {
            options.limits = Limits { max_pixels: 1 << 16, max_scans: 20, ..options.limits };
        }
        if is(5) {
            options.limits.decoder_warnings = DecoderWarnings::Error;
        }
        Choice {
            options,
            layout: if is(4) { Layout::Nhwc } else { Layout::Nchw },
            element: [1, 1, 2, 4][usize::from(switches >> 6)],
            again: more & 16 != 0,
        }
    }

    /// The row of an image, or its error.
    fn decode(&self, decoder: &mut Decoder, image: &[u8]) -> Result<(Source, Row), Error> {
        let side = self.options.image_size as usize;
        let mut row = Row::blank(self.element, 3 * side * side);
        let decoded = decoder.decode_into(image, self.layout, row.view());
        let blanks = row.blanks();
        match decoded {
            Ok(source) => {
                assert!(source.width > 0 && source.height > 0, "{source:?}");
                assert!(self.element == 1 || blanks == 0, "{blanks} elements were left out");
                Ok((source, row))
            }
            Err(error) => {
                assert_eq!(blanks, 3 * side * side, "a row was written, and then: {error}");
                Err(error)
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((first, image)) = input.split_first_chunk::<3>() else { return };
    let choice = Choice::new(*first);
    let mut decoder = Decoder::new(choice.options).expect("options that are allowed");
    let decoded = choice.decode(&mut decoder, image);
    if choice.again {
        assert!(decoded == choice.decode(&mut decoder, image), "the second time it was otherwise");
    }
});
