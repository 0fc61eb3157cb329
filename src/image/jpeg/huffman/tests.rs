use super::*;

/// Codes of these lengths in turn, each for its own number: 0, 10, 110, … as long as they last.
fn staircase(symbols: &[u8]) -> Definition {
    let mut definition = Definition { counts: [0; 17], symbols: [0; 256] };
    for (place, symbol) in symbols.iter().enumerate() {
        definition.counts[place + 1] = 1;
        definition.symbols[place] = *symbol;
    }
    definition
}

/// Bits written as text, filled up with ones; 0xff is stuffed.
fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let bytes =
        bits.chunks(8).map(|eight| (0..8).fold(0, |byte, i| byte << 1 | eight.get(i).copied().unwrap_or(1)));
    bytes.flat_map(|byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] }).collect()
}

fn scan(dc: &[u8], ac: &[u8]) -> Scan {
    let mut scan = Scan::new();
    scan.define(Kind::Dc, 0, &staircase(dc));
    scan.define(Kind::Ac, 0, &staircase(ac));
    scan.consists_of(&[Member::default()]);
    scan.take_over(&Position { read: 0, bits: 0, left: 0, dc: [0; COMPONENTS] });
    scan
}

fn block(scan: &mut Scan, input: &[u8]) -> Option<Block> {
    let mut blocks = [[0; 64]];
    scan.mcu(input, Wanted::All, &mut blocks).ok()?;
    Some(blocks[0])
}

#[test]
fn coefficients_lie_where_the_zigzag_leads() {
    // T.81, figure A.6: the first diagonal goes down and to the left
    assert_eq!(PLACES[..10], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]);
    assert_eq!(PLACES[54..], [39, 46, 53, 60, 61, 54, 47, 55, 62, 63]);
}

#[test]
fn differences_add_up_and_runs_pass_over_zeros() {
    // DC: 0 is size 2, 10 is size 0. AC: 0 is the end, 10 is run 1 size 1, 110 is 16 zeros, 1110 is size 12
    let mut scan = scan(&[2, 0], &[0x00, 0x11, 0xf0, 0x0c]);
    let input = bytes("0 11  10 1  10 0  0   10  110  1110 100000000001  0   0 00  0");
    let first = block(&mut scan, &input).expect("a block");
    let mut expected = [0; 64];
    (expected[0], expected[usize::from(PLACES[2])], expected[usize::from(PLACES[4])]) = (3, 1, -1);
    assert_eq!(first, expected);
    let second = block(&mut scan, &input).expect("a block");
    let mut expected = [0; 64];
    (expected[0], expected[usize::from(PLACES[17])]) = (3, 2049);
    assert_eq!(second, expected);
    assert_eq!(block(&mut scan, &input).expect("a block")[0], 0, "a difference of -3");
}

#[test]
fn a_block_without_its_end_is_left_where_it_began() {
    let mut scan = scan(&[2, 0], &[0x00, 0x11]);
    let input = bytes("0 11  10 1  0   10  10 1  10 1");
    assert!(block(&mut scan, &input).is_some());
    let before = scan.hand_back();
    assert!(block(&mut scan, &input).is_none(), "the data ends within the block");
    let after = scan.hand_back();
    assert_eq!((after.read, after.left, after.dc), (before.read, before.left, before.dc));
    assert_eq!((after.read, after.left, after.dc[0]), (1, 1, 3), "7 bits of the first byte are taken");
}

#[test]
fn codes_that_are_none_and_runs_out_of_the_block_are_unusual() {
    let ac = [0x00, 0xf1];
    for (what, bits) in [("11 is no code", "10  11"), ("80 zeros", "10  10 1 10 1 10 1 10 1 10 1")] {
        let mut scan = scan(&[2, 0], &ac);
        let input = [bytes(bits), vec![0; 40]].concat();
        assert!(block(&mut scan, &input).is_none(), "{what}");
        assert_eq!(scan.hand_back().read, 0, "{what}");
    }
}

#[test]
fn a_scan_goes_on_from_bits_that_were_read_before_it() {
    // as libjpeg holds them: of 0x5b the lower five bits are left
    let mut scan = scan(&[2, 0], &[0x00, 0x11]);
    scan.take_over(&Position { read: 0, bits: 0x5b, left: 5, dc: [7, 0, 0, 0] });
    let Position { read, bits, left, dc } = scan.hand_back();
    assert_eq!((read, bits & 31, left, dc[0]), (0, 0x1b, 5, 7));
    scan.take_over(&Position { read: 0, bits: 0b01100, left: 5, dc: [7, 0, 0, 0] });
    let block = block(&mut scan, &[0x7f]).expect("size 2, 11, the end");
    assert_eq!((block[0], block[1]), (10, 0));
    assert_eq!(scan.hand_back().left, 1);
}
