//! Directories that claim what no page has. What is read is compared with Pillow in tests/integration/image.rs.

use super::super::{Decoder, Error, Options};
use super::tag;

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// Returns a gray page of 4 × 4 pixels and 8 bits; the tags in `changed` replace its tags, or are added to them. Values
/// come after the directory.
fn page(changed: &[(u16, u16, &[u32])]) -> Vec<u8> {
    let own: &[(u16, u16, &[u32])] = &[
        (tag::WIDTH, SHORT, &[4]),
        (tag::LENGTH, SHORT, &[4]),
        (tag::BITS, SHORT, &[8]),
        (tag::COMPRESSION, SHORT, &[1]),
        (tag::PHOTOMETRIC, SHORT, &[1]),
        (tag::STRIP_OFFSETS, LONG, &[8]),
        (tag::SAMPLES, SHORT, &[1]),
        (tag::ROWS_PER_STRIP, SHORT, &[4]),
        (tag::STRIP_BYTES, LONG, &[16]),
    ];
    let is_changed = |tag: u16| changed.iter().any(|change| change.0 == tag);
    let is_of_strips = |tag: u16| [tag::STRIP_OFFSETS, tag::STRIP_BYTES].contains(&tag);
    let is_left_out = |tag: u16| is_changed(tag) || is_of_strips(tag) && is_changed(tag::TILE_OFFSETS);
    let mut entries: Vec<_> = own.iter().filter(|own| !is_left_out(own.0)).chain(changed).collect();
    entries.sort_by_key(|entry| entry.0);
    let mut out = [b"II*\0".as_slice(), &24u32.to_le_bytes(), &(0..16).collect::<Vec<u8>>()].concat();
    out.extend((entries.len() as u16).to_le_bytes());
    let mut at = (24 + 2 + entries.len() * 12 + 4) as u32;
    let mut after = Vec::new();
    for (tag, kind, values) in entries {
        let mut bytes: Vec<u8> = match *kind {
            LONG => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            _ => values.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect(),
        };
        if bytes.len() > 4 {
            let begin = at.to_le_bytes().to_vec();
            at += bytes.len() as u32;
            after.extend(bytes);
            bytes = begin;
        }
        bytes.resize(4, 0);
        out.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        out.extend((values.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    out.extend([0; 4]);
    [out, after].concat()
}

fn read(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    Decoder::new(Options { crop_pct: 1.0, ..Options::new(4) })
        .unwrap()
        .crop(bytes)
        .map(|(_, square)| square.to_vec())
}

#[test]
fn a_page_of_gray_has_its_samples_as_red_green_and_blue() {
    let expected: Vec<u8> = (0..16).flat_map(|shade| [shade; 3]).collect();
    assert_eq!(read(&page(&[])), Ok(expected));
}

#[test]
fn claims_that_no_page_can_meet_are_refused_by_their_kind() {
    let tiles = |across: u32, down: u32| {
        page(&[
            (tag::TILE_WIDTH, LONG, &[across]),
            (tag::TILE_LENGTH, LONG, &[down]),
            (tag::TILE_OFFSETS, LONG, &[8]),
            (tag::TILE_BYTES, LONG, &[16]),
        ])
    };
    let of_lzw = |begins: &[u32], lengths: &[u32]| {
        page(&[
            (tag::COMPRESSION, SHORT, &[5]),
            (tag::ROWS_PER_STRIP, SHORT, &[1]),
            (tag::STRIP_OFFSETS, LONG, begins),
            (tag::STRIP_BYTES, LONG, lengths),
        ])
    };
    let cases = [
        ("a tile larger than any image", tiles(1 << 20, 1 << 20), "limit", "pixels of a tile"),
        ("a tile without columns", tiles(0, 16), "corrupt", ""),
        (
            "strips that share bytes without end",
            of_lzw(&[8; 4], &[1 << 25; 4]),
            "limit",
            "bytes of all strips",
        ),
        ("a strip that is empty", of_lzw(&[8; 4], &[0; 4]), "corrupt", "is empty"),
        ("a strip after the end", of_lzw(&[9999; 4], &[4; 4]), "truncated", "before strip"),
        ("a strip that ends after the end", of_lzw(&[8; 4], &[9999; 4]), "truncated", "in strip"),
        ("fewer strips than rows", of_lzw(&[8; 3], &[4; 3]), "corrupt", ""),
        ("too many pixels", page(&[(tag::WIDTH, LONG, &[1 << 30])]), "limit", "pixels"),
        ("no columns", page(&[(tag::WIDTH, SHORT, &[0])]), "corrupt", ""),
        ("offsets in text", page(&[(tag::STRIP_OFFSETS, 2, &[8, 8])]), "corrupt", "of type 2"),
        (
            "a palette of three colours",
            page(&[(tag::PHOTOMETRIC, SHORT, &[3]), (tag::COLOUR_MAP, SHORT, &[7; 9])]),
            "corrupt",
            "a palette of 9",
        ),
    ];
    for (what, bytes, kind, words) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
    }
}

#[test]
fn a_tag_with_more_values_than_any_page_needs_is_refused_before_they_are_read() {
    let mut bytes = page(&[(tag::STRIP_OFFSETS, LONG, &[8; 2])]);
    let entry = bytes.windows(4).position(|four| four == [0x11, 0x01, 0x04, 0x00]).unwrap();
    bytes[entry + 4..entry + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&bytes).expect_err("four thousand million strips");
    assert_eq!(error.kind(), "limit", "{error}");
}

#[test]
fn a_file_cut_anywhere_is_refused_without_harm() {
    let whole = page(&[(tag::ORIENTATION, SHORT, &[6])]);
    for end in 0..whole.len() - 4 {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
}
