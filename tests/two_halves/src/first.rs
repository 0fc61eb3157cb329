//! The first half: a file's bytes to the packed coefficients of the blocks that the square needs.

use std::ffi::c_int;

use turbojpeg_sys as _; // for its archive: first_half.c calls libjpeg's own functions in it

use crate::Target;
use crate::image::jpeg::{Codes, Part};
use crate::pack::{Packed, Packer, Region};
use crate::resize::Resize;

pub(crate) const COMPONENTS: usize = 4;
const BLOCK: usize = 64;
const SIDE: u32 = 8;

/// Why a file stays with the program's own decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// libjpeg reads no coefficients of it.
    Unread,
    /// Its colours are none that the kernels know, or scans of it are missing.
    Kind,
}

/// As `struct component` in `first_half.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Component {
    horizontal: u32,
    vertical: u32,
    width: u32,
    height: u32,
    blocks_across: u32,
    blocks_down: u32,
    expand: [u32; 2],
    dc_table: u32,
    ac_table: u32,
    quantization: [u16; BLOCK],
}

/// As `struct table` in `first_half.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Table {
    counts: [u8; 17],
    symbols: [u8; 256],
}

/// As `struct frame` in `first_half.h`.
#[repr(C)]
struct Frame {
    width: u32,
    height: u32,
    components: u32,
    colours: u32,
    is_progressive: u32,
    of: [Component; COMPONENTS],
    is_plain: u32,
    scan: usize,
    dc: [Table; COMPONENTS],
    ac: [Table; COMPONENTS],
}

#[repr(C)]
struct Reader {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn two_halves_open(bytes: *const u8, length: usize, reader: *mut *mut Reader, frame: *mut Frame)
    -> c_int;
    fn two_halves_read(reader: *mut Reader, frame: *mut Frame) -> c_int;
    fn two_halves_blocks(reader: *mut Reader, component: u32, row: u32) -> *const [i16; BLOCK];
    fn two_halves_close(reader: *mut Reader);
}

/// A component of which some blocks are needed. Named as in `image.h`.
pub(crate) struct Plane {
    pub packed: Packed,
    pub region: Region,
    pub width: u32,
    pub height: u32,
    pub expand: [u32; 2],
    pub smooth: [bool; 2],
    pub quantization: [u16; BLOCK],
}

/// The result of the first half, which is the input of the second.
pub struct Coefficients {
    pub(crate) planes: Vec<Plane>,
    pub(crate) colours: u32,
    pub(crate) resize: Resize,
    is_progressive: bool,
    is_plain: bool,
    file_blocks: usize,
}

/// Bytes of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// All coefficients of the file, two bytes each.
    pub whole: usize,
    /// Those of the needed blocks.
    pub dense: usize,
    /// The same, packed, with offsets and quantization.
    pub packed: usize,
    /// Windows and weights of the resampling.
    pub tables: usize,
    /// Memory of the kernels between their input and the row, on the device.
    pub between: usize,
}

/// The first half, for one thread. It keeps the decoder's tables from file to file, as the program does.
pub struct FirstHalf(Codes);

impl Default for FirstHalf {
    fn default() -> FirstHalf {
        FirstHalf(Codes::new())
    }
}

impl FirstHalf {
    /// Reads a file and packs the blocks that `target` needs.
    ///
    /// # Errors
    /// If the file is not for the two halves.
    pub fn read(&mut self, bytes: &[u8], target: &Target<'_>) -> Result<Coefficients, Kept> {
        let mut file = File::open(bytes)?;
        let resize = Resize::new(target, file.frame.width, file.frame.height);
        let plain = match file.frame.is_plain {
            0 => None,
            _ => self.pack_plain(&file, bytes, &resize),
        };
        let is_plain = plain.is_some();
        let packed = match plain {
            Some(packed) => packed,
            None => file.read_by_libjpeg(&resize)?,
        };
        let plane = |(component, packed): (&Component, Packed)| Plane {
            packed,
            region: component.region(&resize),
            width: component.width,
            height: component.height,
            expand: component.expand,
            smooth: component.smooth(),
            quantization: component.quantization,
        };
        let blocks =
            |component: &Component| component.blocks_across as usize * component.blocks_down as usize;
        Ok(Coefficients {
            planes: file.components().iter().zip(packed).map(plane).collect(),
            colours: file.frame.colours,
            is_progressive: file.frame.is_progressive != 0,
            is_plain,
            file_blocks: file.components().iter().map(blocks).sum(),
            resize,
        })
    }

    /// Returns `None` if libjpeg has to read the codes.
    fn pack_plain(&mut self, file: &File, bytes: &[u8], resize: &Resize) -> Option<Vec<Packed>> {
        let frame = &file.frame;
        for (is_dc, tables) in [(true, &frame.dc), (false, &frame.ac)] {
            for (number, &Table { counts, symbols }) in tables.iter().enumerate() {
                self.0.define(is_dc, number, counts, symbols);
            }
        }
        let is_alone = file.components().len() == 1;
        let part = |component: &Component| Part {
            // the MCUs of a lone component are its blocks
            horizontal: if is_alone { 1 } else { component.horizontal },
            vertical: if is_alone { 1 } else { component.vertical },
            dc: component.dc_table as u8,
            ac: component.ac_table as u8,
            region: component.region(resize),
        };
        let parts: Vec<Part> = file.components().iter().map(part).collect();
        let first = file.components().first()?;
        let most = if is_alone { SIDE } else { first.horizontal * first.expand[0] * SIDE };
        let across = if is_alone { first.blocks_across } else { frame.width.div_ceil(most) };
        self.0.pack(&bytes[frame.scan..], &parts, across)
    }
}

impl Coefficients {
    /// Whether the file has several scans that refine each other.
    pub fn is_progressive(&self) -> bool {
        self.is_progressive
    }

    /// Whether the program's own decoder read the codes, and not libjpeg.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Bytes to move and to hold them.
    pub fn sizes(&self, target: &Target<'_>) -> Sizes {
        let blocks: usize = self.planes.iter().map(|plane| plane.blocks()).sum();
        let bytes =
            |plane: &Plane| plane.packed.offsets.len() * 4 + plane.packed.entries.len() * 2 + BLOCK * 2;
        let Resize { across, down, .. } = &self.resize;
        let pixels = across.inputs() as usize * down.inputs() as usize;
        let side = target.size as usize;
        let line = if self.resize.begins_vertically { across.inputs() } else { down.inputs() } as usize;
        Sizes {
            whole: self.file_blocks * BLOCK * 2,
            dense: blocks * BLOCK * 2,
            packed: self.planes.iter().map(bytes).sum(),
            tables: [across, down].map(|axis| (axis.windows.len() + axis.weights.len()) * 4).iter().sum(),
            between: blocks * BLOCK + (pixels + line * side + side * side) * 4,
        }
    }
}

impl Plane {
    /// How many blocks are needed.
    pub fn blocks(&self) -> usize {
        self.region.across as usize * self.region.down as usize
    }
}

/// A file whose header is read; closed with its owner.
struct File {
    reader: *mut Reader,
    frame: Box<Frame>,
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: what `two_halves_open` made, or null; closed here alone.
        unsafe { two_halves_close(self.reader) }
    }
}

impl File {
    /// The bytes outlive the file: [`FirstHalf::read`] borrows them for longer.
    fn open(bytes: &[u8]) -> Result<File, Kept> {
        // SAFETY: a frame is numbers alone, each of which may be 0.
        let frame: Frame = unsafe { std::mem::zeroed() };
        let mut file = File { reader: std::ptr::null_mut(), frame: Box::new(frame) };
        // SAFETY: `bytes` outlive the reader; reader and frame are written before the call returns.
        let status = unsafe {
            two_halves_open(bytes.as_ptr(), bytes.len(), &raw mut file.reader, &raw mut *file.frame)
        };
        file.checked(status)
    }

    fn checked(self, status: c_int) -> Result<File, Kept> {
        match status {
            0 if self.components().iter().all(|component| !component.expand.contains(&0)) => Ok(self),
            1 => Err(Kept::Unread),
            _ => Err(Kept::Kind),
        }
    }

    fn components(&self) -> &[Component] {
        &self.frame.of[..self.frame.components as usize]
    }

    fn read_by_libjpeg(&mut self, resize: &Resize) -> Result<Vec<Packed>, Kept> {
        // SAFETY: the reader is open; the frame is written before the call returns.
        match unsafe { two_halves_read(self.reader, &raw mut *self.frame) } {
            0 => {}
            1 => return Err(Kept::Unread),
            _ => return Err(Kept::Kind),
        }
        let pack = |(number, component): (u32, &Component)| {
            let region = component.region(resize);
            let mut packer = Packer::new(region);
            for row in region.top..region.top + region.down {
                // SAFETY: all is read; the row is one of the component's.
                let blocks = unsafe { two_halves_blocks(self.reader, number, row) };
                if blocks.is_null() {
                    return Err(Kept::Unread);
                }
                // SAFETY: a row has that many blocks, and stays until the next call.
                let blocks = unsafe { std::slice::from_raw_parts(blocks, component.blocks_across as usize) };
                for (column, block) in (0..).zip(blocks) {
                    packer.add(column, row, block);
                }
            }
            packer.finish().ok_or(Kept::Unread)
        };
        (0..).zip(self.components()).map(pack).collect()
    }
}

impl Component {
    /// libjpeg's choice (`jinit_upsampler` in its jdsample.c).
    fn smooth(&self) -> [bool; 2] {
        match self.expand {
            [2, 1] => [self.width > 2, false],
            [1, 2] => [false, true],
            [2, 2] => [self.width > 2; 2],
            _ => [false; 2],
        }
    }

    /// The blocks that the square needs.
    fn region(&self, resize: &Resize) -> Region {
        let [smooth_x, smooth_y] = self.smooth();
        let (left, across) =
            blocks((resize.across.lo, resize.across.hi), self.expand[0], smooth_x, self.width);
        let (top, down) = blocks((resize.down.lo, resize.down.hi), self.expand[1], smooth_y, self.height);
        assert!(left + across <= self.blocks_across && top + down <= self.blocks_down);
        Region { left, top, across, down }
    }
}

/// The blocks with the samples that pixels `lo..hi` are made of: the first, and how many.
fn blocks((lo, hi): (u32, u32), expand: u32, smooth: bool, samples: u32) -> (u32, u32) {
    let beside = u32::from(smooth);
    let first = (lo / expand).saturating_sub(beside) / SIDE;
    let last = ((hi - 1) / expand + beside).min(samples - 1) / SIDE;
    (first, last + 1 - first)
}
