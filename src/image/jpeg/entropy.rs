//! What `entropy.c` calls of [`huffman`](super::huffman).
//!
//! A panic that reached C would abort the process. So each function catches it and reports it: libjpeg then decodes the rest
//! of the scan, or, where the place in the file is lost, the image fails.

use std::ffi::{c_int, c_uchar};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::huffman::{BLOCKS, Block, COMPONENTS, Definition, Kind, Member, Position, Scan, Wanted};

/// 1 if `work` returned, 0 if it panicked.
fn guarded(work: impl FnOnce()) -> c_int {
    c_int::from(catch_unwind(AssertUnwindSafe(work)).is_ok())
}

/// As [`guarded`]. After a panic the tables are made afresh: half of one would serve the images to come.
fn guarded_tables(scan: &mut Scan, work: impl FnOnce(&mut Scan)) -> c_int {
    let whole = guarded(|| work(scan));
    if whole == 0 {
        guarded(|| *scan = Scan::new());
    }
    whole
}

/// 1, or 0 if the scan is not to be decoded here.
///
/// # Safety
///
/// As `tresnet_scan_begin` in `entropy.c` has it: `scan` is live and not borrowed, `members` are `count`.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_begin(scan: *mut Scan, members: *const Member, count: usize) -> c_int {
    // SAFETY: the caller's promise.
    let (scan, members) = unsafe { (&mut *scan, std::slice::from_raw_parts(members, count.min(BLOCKS))) };
    guarded_tables(scan, |scan| scan.consists_of(members))
}

/// 1, or 0 if the scan is not to be decoded here.
///
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
) -> c_int {
    // SAFETY: the caller's promise.
    let (scan, counts, symbols) = unsafe { (&mut *scan, *counts, *symbols) };
    let kind = if ac == 0 { Kind::Dc } else { Kind::Ac };
    guarded_tables(scan, |scan| scan.define(kind, number % COMPONENTS, &Definition { counts, symbols }))
}

/// 1, or 0 if libjpeg has to go on.
///
/// # Safety
///
/// `scan` is live and not borrowed; `position` can be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_take_over(scan: *mut Scan, position: *const Position) -> c_int {
    // SAFETY: the caller's promise.
    let (scan, position) = unsafe { (&mut *scan, &*position) };
    guarded(|| scan.take_over(position))
}

/// 1, or 0 if the place in the file is lost; then nothing is written.
///
/// # Safety
///
/// `scan` is live and not borrowed; `position` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn tresnet_scan_hand_back(scan: *const Scan, position: *mut Position) -> c_int {
    // SAFETY: the caller's promise.
    let scan = unsafe { &*scan };
    match catch_unwind(AssertUnwindSafe(|| scan.hand_back())) {
        Ok(found) => {
            // SAFETY: the caller's promise.
            unsafe { position.write(found) };
            1
        }
        Err(_) => 0,
    }
}

/// 1 when the MCU was decoded, 0 when libjpeg has to look at it; the scan is then where it was before the call.
///
/// # Safety
///
/// `scan` is live and not borrowed; `input` has `length` bytes, the same since `tresnet_scan_take_over`; `blocks` are
/// `count`, contiguous, or null.
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
    match catch_unwind(AssertUnwindSafe(|| scan.mcu(input, wanted, blocks))) {
        Ok(decoded) => c_int::from(decoded.is_ok()),
        Err(_) => {
            scan.go_back();
            0
        }
    }
}
