//! Any bytes as a TIFF, or as the strips and tiles of one whose directory the first bytes choose: then the page has the
//! same pixels in each way that a directory can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tresnet_batch::image::{Decoder, DecoderWarnings, Error, Limits, Options};

const SIDE: u32 = 32;

/// Bytes that choose a page.
const CHOICE: usize = 12;

const COMPRESSIONS: [u16; 16] = [1, 2, 3, 4, 5, 7, 8, 32773, 50000, 32946, 5, 7, 3, 4, 6, 34925];
const BITS: [u16; 8] = [1, 2, 4, 8, 8, 8, 16, 12];
const SHORT: u16 = 3;
const LONG: u16 = 4;
const LONG8: u16 = 16;
const UNDEFINED: u16 = 7;

/// How a directory is written.
#[derive(Clone, Copy)]
struct Way {
    is_big_endian: bool,
    is_big: bool,
}

impl Way {
    fn number(self, value: u64, length: usize) -> Vec<u8> {
        match self.is_big_endian {
            true => value.to_be_bytes()[8 - length..].to_vec(),
            false => value.to_le_bytes()[..length].to_vec(),
        }
    }
}

/// Numbers of a tag, in its type.
struct Entry(u16, u16, Vec<u64>);

/// The head and the directory.
fn directory(way: Way, entries: &[Entry]) -> Vec<u8> {
    let place = if way.is_big { 8 } else { 4 };
    let mut out = if way.is_big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    let version: &[u64] = if way.is_big { &[43, 8, 0] } else { &[42] };
    for part in version {
        out.extend(way.number(*part, 2));
    }
    out.extend(way.number(if way.is_big { 16 } else { 8 }, place));
    out.extend(way.number(entries.len() as u64, if way.is_big { 8 } else { 2 }));
    let mut at = out.len() + entries.len() * (4 + 2 * place) + place;
    let mut after = Vec::new();
    for Entry(tag, kind, values) in entries {
        let length = match *kind {
            SHORT => 2,
            LONG => 4,
            LONG8 => 8,
            _ => 1,
        };
        let mut value: Vec<u8> = values.iter().flat_map(|value| way.number(*value, length)).collect();
        if value.len() > place {
            let begin = way.number(at as u64, place);
            at += value.len();
            after.extend(value);
            value = begin;
        }
        value.resize(place, 0);
        out.extend(way.number(u64::from(*tag), 2));
        out.extend(way.number(u64::from(*kind), 2));
        out.extend(way.number(values.len() as u64, place));
        out.extend(value);
    }
    out.resize(out.len() + place, 0);
    out.extend(after);
    out
}

/// The directory that the first bytes choose, of strips or tiles that share out the others from `base` on.
fn entries(choice: [u8; CHOICE], data: &[u8], base: u64, way: Way) -> Vec<Entry> {
    let [compression, kind, bits, samples, extra, width, height, part, tile, options, colours, more] =
        choice.map(u64::from);
    let (width, height) = (width + 1, height + 1);
    let is = |bit: u64| options >> bit & 1;
    let bits = u64::from(BITS[bits as usize % BITS.len()]);
    let samples = samples % 8;
    let photometric = kind % 10;
    let (across, down) = match is(0) {
        0 => (width, part % height + 1),
        _ => (tile % 5 * 16 + 16, part % 5 * 16 + 16),
    };
    let planes = if is(1) == 1 { samples.max(1) } else { 1 };
    let count = width.div_ceil(across) * height.div_ceil(down) * planes;
    let all = data.len() as u64;
    // each a share, or all of them the whole
    let (step, length) = if is(7) == 1 { (0, all) } else { (all / count, all / count) };
    let begins = (0..count).map(|index| base + index * step).collect();
    let lengths = vec![length; count as usize];
    let mut entries = vec![
        Entry(256, LONG, vec![width]),
        Entry(257, LONG, vec![height]),
        Entry(258, SHORT, vec![bits; samples.max(1) as usize]),
        Entry(259, SHORT, vec![u64::from(COMPRESSIONS[compression as usize % COMPRESSIONS.len()])]),
        Entry(262, SHORT, vec![photometric]),
        Entry(266, SHORT, vec![1 + is(2)]),
        Entry(274, SHORT, vec![more % 10]),
        Entry(277, SHORT, vec![samples]),
        Entry(284, SHORT, vec![1 + is(1)]),
        Entry(292, LONG, vec![more >> 4]),
        Entry(317, SHORT, vec![1 + is(3)]),
    ];
    let place = if way.is_big { LONG8 } else { LONG };
    if is(0) == 0 {
        entries.extend([Entry(273, place, begins), Entry(278, LONG, vec![down]), Entry(279, place, lengths)]);
    } else {
        entries.extend([Entry(322, LONG, vec![across]), Entry(323, LONG, vec![down])]);
        entries.extend([Entry(324, place, begins), Entry(325, place, lengths)]);
    }
    if photometric == 3 {
        let values = (0..3u64 << bits.min(8)).map(|index| (index * (colours + 1) * 257) & 0xffff).collect();
        entries.push(Entry(320, SHORT, values));
    }
    if extra & 3 > 0 {
        entries.push(Entry(338, SHORT, vec![extra >> 2 & 3; extra as usize & 3]));
    }
    if is(4) == 1 {
        let end = data.len().min(colours as usize);
        entries.push(Entry(347, UNDEFINED, data[..end].iter().map(|byte| u64::from(*byte)).collect()));
    }
    if is(5) == 1 {
        entries.push(Entry(530, SHORT, vec![1 + (extra >> 4 & 1), 1 + (extra >> 5 & 1)]));
    }
    entries.sort_by_key(|entry| entry.0);
    entries
}

/// The page that the first bytes choose.
fn page(choice: [u8; CHOICE], data: &[u8], way: Way) -> Vec<u8> {
    let base = directory(way, &entries(choice, data, 0, way)).len() as u64;
    [&directory(way, &entries(choice, data, base, way)), data].concat()
}

fn square(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    decoder.crop(bytes).map(|(source, square)| {
        assert!(source.width > 0 && source.height > 0, "{source:?}");
        square.to_vec()
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let mut limits = Limits { max_pixels: 1 << 16, max_scans: 20, ..Limits::default() };
    if first & 2 != 0 {
        limits.decoder_warnings = DecoderWarnings::Error;
    }
    let mut decoder =
        Decoder::new(Options { limits, ..Options::new(SIDE) }).expect("options that are allowed");
    if first & 1 == 0 {
        let once = square(&mut decoder, rest);
        assert!(once == square(&mut decoder, rest), "the second time it was otherwise");
        return;
    }
    let Some((choice, data)) = rest.split_first_chunk::<CHOICE>() else { return };
    let way = |is_big_endian, is_big| Way { is_big_endian, is_big };
    let plain = square(&mut decoder, &page(*choice, data, way(false, false)));
    let big = square(&mut decoder, &page(*choice, data, way(false, true)));
    assert_eq!(plain, big, "with places of eight bytes it was otherwise");
    // samples of two bytes are in the order of the directory
    if BITS[choice[2] as usize % BITS.len()] != 16 {
        let turned = square(&mut decoder, &page(*choice, data, way(true, false)));
        assert_eq!(plain, turned, "in the other order it was otherwise");
    }
});
