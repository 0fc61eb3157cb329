//! What `entropy.c` calls of [`huffman`](super::huffman).

use std::ffi::{c_int, c_uchar};

use super::huffman::{BLOCKS, Block, COMPONENTS, Definition, Kind, Member, Position, Scan, Wanted};

/// # Safety
///
/// As `tresnet_scan_begin` in `entropy.c` has it: `scan` is live and not borrowed, `members` are `count`.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_begin(scan: *mut Scan, members: *const Member, count: usize) {
    // SAFETY: the caller's promise.
    let (scan, members) = unsafe { (&mut *scan, std::slice::from_raw_parts(members, count.min(BLOCKS))) };
    scan.consists_of(members);
}

/// # Safety
///
/// As above; of `counts` there are 17, of `symbols` 256.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_define(
    scan: *mut Scan,
    ac: c_int,
    number: usize,
    counts: *const [c_uchar; 17],
    symbols: *const [c_uchar; 256],
) {
    // SAFETY: the caller's promise.
    let (scan, counts, symbols) = unsafe { (&mut *scan, *counts, *symbols) };
    let kind = if ac == 0 { Kind::Dc } else { Kind::Ac };
    scan.define(kind, number % COMPONENTS, &Definition { counts, symbols });
}

/// # Safety
///
/// `scan` is live and not borrowed; `position` can be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_take_over(scan: *mut Scan, position: *const Position) {
    // SAFETY: the caller's promise.
    let (scan, position) = unsafe { (&mut *scan, &*position) };
    scan.take_over(position);
}

/// # Safety
///
/// `scan` is live and not borrowed; `position` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_hand_back(scan: *const Scan, position: *mut Position) {
    // SAFETY: the caller's promise.
    unsafe { position.write((*scan).hand_back()) }
}

/// 1 when the MCU was decoded, 0 when libjpeg has to look at it.
///
/// # Safety
///
/// `scan` is live and not borrowed; `input` has `length` bytes, the same since `tresnet_scan_take_over`; `blocks` are
/// `count`, one behind the other, or null.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_mcu(
    scan: *mut Scan,
    input: *const c_uchar,
    length: usize,
    wanted: c_int,
    blocks: *mut Block,
    count: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let (scan, input) = unsafe { (&mut *scan, std::slice::from_raw_parts(input, length)) };
    let blocks = match blocks.is_null() {
        true => &mut [],
        // SAFETY: the caller's promise.
        false => unsafe { std::slice::from_raw_parts_mut(blocks, count) },
    };
    let wanted = match wanted {
        0 => Wanted::Nothing,
        1 => Wanted::Dc,
        _ => Wanted::All,
    };
    c_int::from(scan.mcu(input, wanted, blocks).is_ok())
}
