//! JPEG, by libjpeg-turbo through the shim in `shim.c`.
//!
//! What is decoded and what is refused follows Pillow: its colour conversions, its upsampling, and its rule for files
//! that end too early (`truncated` when libjpeg asks for more bytes before the last row is out). Warnings are accepted
//! as Pillow accepts them, unless the limits forbid them.
//!
//! Of an image of one scan that runs up to an end marker, only the blocks are transformed that the square's filters
//! reach, and nothing below them is read: such a file cannot run out of bytes. Of all others every row is decoded, also
//! those that are not needed, because a cut would go undetected otherwise.

mod encode;
mod entropy;
mod huffman;
mod part;

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use turbojpeg_sys as _; // for its archive: the shim calls libjpeg's own functions in it

use crate::image::canvas::Canvas;
use crate::image::error::Error;
use crate::image::exif::Orientation;
use crate::image::filter::Region;
use crate::image::options::{DecoderWarnings, Limits};
use huffman::Scan;

pub use encode::encode_jpeg;
pub(super) use part::{Colours, Part};

/// The shim's context, known here by its address alone.
#[repr(C)]
struct Context {
    _private: [u8; 0],
}

/// As `struct tresnet_jpeg_header` in the shim.
#[repr(C)]
#[derive(Default)]
struct Header {
    width: c_uint,
    height: c_uint,
    components: c_int,
    precision: c_int,
    lossless: c_int,
    partial: c_int,
}

/// Columns beside those that are needed. Upsampled chroma of the outermost columns of a partial decode is missing its
/// neighbour; two columns would be enough.
const MARGIN: u32 = 8;

unsafe extern "C" {
    fn tresnet_jpeg_new() -> *mut Context;
    fn tresnet_jpeg_free(jpeg: *mut Context);
    fn tresnet_jpeg_close(jpeg: *mut Context);
    fn tresnet_jpeg_message(jpeg: *const Context) -> *const c_char;
    fn tresnet_jpeg_warnings(jpeg: *const Context) -> c_long;
    fn tresnet_jpeg_open(
        jpeg: *mut Context,
        bytes: *const c_uchar,
        length: usize,
        max_scans: c_int,
        header: *mut Header,
    ) -> c_int;
    fn tresnet_jpeg_start(
        jpeg: *mut Context,
        divisor: c_uint,
        colours: c_int,
        width: *mut c_uint,
        height: *mut c_uint,
    ) -> c_int;
    fn tresnet_jpeg_columns(
        jpeg: *mut Context,
        scan: *mut c_void,
        left: *mut c_uint,
        width: *mut c_uint,
    ) -> c_int;
    fn tresnet_jpeg_skip(jpeg: *mut Context, count: c_uint) -> c_int;
    fn tresnet_jpeg_row(jpeg: *mut Context, row: *mut c_uchar) -> c_int;
    fn tresnet_jpeg_finish(jpeg: *mut Context) -> c_int;
}

/// libjpeg's context, the decoder of its scans, and the current row, kept from image to image.
pub(super) struct Jpeg {
    context: NonNull<Context>,
    /// From a box, released in `drop`. Touched by the shim alone, through `entropy.rs`.
    scan: NonNull<Scan>,
    row: Vec<u8>,
}

// SAFETY: both are heap allocations that hold no thread's identity; they move with their only owner.
unsafe impl Send for Jpeg {}

impl Drop for Jpeg {
    fn drop(&mut self) {
        // SAFETY: `context` came from `tresnet_jpeg_new`, `scan` from a box, and both are freed here alone.
        unsafe {
            tresnet_jpeg_free(self.context.as_ptr());
            drop(Box::from_raw(self.scan.as_ptr()));
        }
    }
}

impl Jpeg {
    /// `None` when there is no memory for the context.
    pub(super) fn new() -> Option<Jpeg> {
        // SAFETY: no preconditions; a null result is handled.
        let context = NonNull::new(unsafe { tresnet_jpeg_new() })?;
        let scan = NonNull::from(Box::leak(Box::new(Scan::new())));
        Some(Jpeg { context, scan, row: Vec::new() })
    }

    pub(super) fn decode(&mut self, bytes: &[u8], canvas: &mut Canvas<'_>) -> Result<(), Error> {
        if bytes.len() < 4 {
            return Err(Error::corrupt("nothing follows the start of image"));
        }
        let limits = &canvas.options().limits;
        let (mut image, header) = Image::open(self.context, bytes, limits.max_scans)?;
        canvas.admit(header.width, header.height)?;
        if header.precision != 8 {
            return Err(Error::unsupported(format!("a JPEG of {} bits a sample", header.precision)));
        }
        if !matches!(header.components, 1 | 3 | 4) {
            return Err(Error::unsupported(format!("a JPEG of {} components", header.components)));
        }
        let upright = !canvas.wants_orientation();
        let orientation = if upright { Orientation::Upright } else { Orientation::of_jpeg(bytes) };
        let divisor = if header.lossless == 0 { canvas.divisor(orientation) } else { 1 };
        canvas.start_divided(orientation, divisor)?;

        let height = image.start(divisor, Colours::OfFile)?;
        let Region { columns, rows } = canvas.region();
        let (mut left, mut below) = (0, height);
        let partial = header.partial != 0 && limits.decoder_warnings == DecoderWarnings::Accept;
        if partial {
            left = image.columns(
                self.scan,
                columns.lo.saturating_sub(MARGIN),
                columns.hi.saturating_add(MARGIN),
            )?;
            image.skip(rows.lo)?;
            canvas.skip(rows.lo);
            below = rows.hi;
        }
        let row = unaligned(&mut self.row, image.width as usize * 4);
        for y in canvas.next_row()..below {
            image.row(row).map_err(|error| at_row(error, y, height))?;
            if header.components == 4 && rows.holds(y) {
                cmyk_to_rgb(row);
            }
            canvas.row(left, row);
        }
        // in a partial decode an end marker is known to be there
        if !partial {
            image.finish()?;
        }
        match image.warning() {
            Some(warning) if limits.decoder_warnings == DecoderWarnings::Error => {
                Err(Error::corrupt(warning))
            }
            _ => Ok(()),
        }
    }

    /// Decodes the first rows of a JPEG that is a strip or a tile, row after row, each of `samples` bytes a pixel.
    ///
    /// # Errors
    /// Also if its size or its number of components is not the one expected.
    pub(in crate::image) fn part(
        &mut self,
        bytes: &[u8],
        expected: &Part,
        limits: &Limits,
    ) -> Result<Vec<u8>, Error> {
        let (mut image, header) = Image::open(self.context, bytes, limits.max_scans)?;
        if header.precision != 8 || header.lossless != 0 {
            return Err(Error::unsupported("a TIFF with JPEG that is lossless or has not 8 bits a sample"));
        }
        let fits = header.width == expected.width
            && (expected.rows..=expected.most_rows).contains(&header.height)
            && header.components == expected.samples as i32;
        if !fits {
            return Err(Error::corrupt(format!(
                "a strip or tile of {} × {} pixels and {} samples is a JPEG of {} × {} and {}",
                expected.width,
                expected.rows,
                expected.samples,
                header.width,
                header.height,
                header.components
            )));
        }
        image.stride = expected.samples as usize;
        let height = image.start(1, expected.colours)?;
        let line = expected.width as usize * image.stride;
        let mut rows = vec![0; line * expected.rows as usize];
        for (y, row) in (0..).zip(rows.chunks_exact_mut(line)) {
            image.row(row).map_err(|error| at_row(error, y, height))?;
        }
        match image.warning() {
            Some(warning) if limits.decoder_warnings == DecoderWarnings::Error => {
                Err(Error::corrupt(warning))
            }
            _ => Ok(rows),
        }
    }
}

/// An image being read; what libjpeg allocated for it goes when this does, also in a panic.
struct Image<'a> {
    context: NonNull<Context>,
    /// libjpeg reads from them until it is closed.
    bytes: PhantomData<&'a [u8]>,
    /// Pixels of a row.
    width: u32,
    /// Bytes of a pixel.
    stride: usize,
    max_scans: u32,
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // SAFETY: the context outlives its image: `Jpeg::decode` borrows its owner for longer.
        unsafe { tresnet_jpeg_close(self.context.as_ptr()) }
    }
}

impl<'a> Image<'a> {
    fn open(
        context: NonNull<Context>,
        bytes: &'a [u8],
        max_scans: u32,
    ) -> Result<(Image<'a>, Header), Error> {
        let image = Image { context, bytes: PhantomData, width: 0, stride: 4, max_scans };
        let mut header = Header::default();
        let most = c_int::try_from(max_scans).unwrap_or(c_int::MAX);
        // SAFETY: the context is live and not shared; `bytes` stay borrowed as long as `image` lives, whose drop makes
        // libjpeg forget them; `header` is written before the call returns.
        let status = unsafe {
            tresnet_jpeg_open(context.as_ptr(), bytes.as_ptr(), bytes.len(), most, &raw mut header)
        };
        image.check(status, "in its header")?;
        Ok((image, header))
    }

    /// Gives the number of rows to come; `width` is set.
    fn start(&mut self, divisor: u32, colours: Colours) -> Result<u32, Error> {
        let mut height = 0;
        // SAFETY: `open` succeeded, or there would be no image; both numbers are written before the call returns.
        let status = unsafe {
            tresnet_jpeg_start(
                self.context.as_ptr(),
                divisor,
                colours as c_int,
                &raw mut self.width,
                &raw mut height,
            )
        };
        self.check(status, "before its first row")?;
        Ok(height)
    }

    /// Leaves out what is not between these columns, as far as libjpeg can; gives the first that is left. For images
    /// that may be partial, before the first row.
    fn columns(&mut self, scan: NonNull<Scan>, lo: u32, hi: u32) -> Result<u32, Error> {
        let mut left = lo;
        let mut width = hi.min(self.width) - lo;
        // SAFETY: as for `start`; both numbers are written before the call returns. Columns beyond the image are
        // reported as an error. `scan` lives as long as the context, and nothing else touches it.
        let status = unsafe {
            tresnet_jpeg_columns(self.context.as_ptr(), scan.as_ptr().cast(), &raw mut left, &raw mut width)
        };
        self.check(status, "before its first row")?;
        self.width = width;
        Ok(left)
    }

    /// Passes over rows, after `columns`.
    fn skip(&mut self, count: u32) -> Result<(), Error> {
        // SAFETY: as for `start`.
        let status = unsafe { tresnet_jpeg_skip(self.context.as_ptr(), count) };
        self.check(status, "in its rows")
    }

    fn row(&mut self, row: &mut [u8]) -> Result<(), Error> {
        assert_eq!(row.len(), self.width as usize * self.stride, "a row of the image's width");
        // SAFETY: libjpeg writes `width` pixels of the `stride` bytes that `start` asked for; `row` has that length. Out of
        // turn, libjpeg reports an error.
        let status = unsafe { tresnet_jpeg_row(self.context.as_ptr(), row.as_mut_ptr()) };
        self.check(status, "in its rows")
    }

    fn finish(&mut self) -> Result<(), Error> {
        // SAFETY: as for `row`.
        let status = unsafe { tresnet_jpeg_finish(self.context.as_ptr()) };
        self.check(status, "after its rows")
    }

    /// libjpeg's first warning, if there was any.
    fn warning(&self) -> Option<String> {
        // SAFETY: reads a counter of the live context.
        let count = unsafe { tresnet_jpeg_warnings(self.context.as_ptr()) };
        (count > 0).then(|| self.message())
    }

    fn message(&self) -> String {
        // SAFETY: the shim keeps a string with its terminator there, which changes only in calls that take the context.
        let message = unsafe { CStr::from_ptr(tresnet_jpeg_message(self.context.as_ptr())) };
        message.to_string_lossy().into_owned()
    }

    /// The statuses are those of the shim.
    fn check(&self, status: c_int, place: &'static str) -> Result<(), Error> {
        match status {
            0 => Ok(()),
            1 => Err(Error::truncated(place)),
            3 => Err(Error::limit("scans", u64::from(self.max_scans) + 1, u64::from(self.max_scans))),
            4 => Err(Error::corrupt("libjpeg found no memory for it")),
            5 => Err(Error::unsupported(format!("a JPEG of a kind that is not read: {}", self.message()))),
            // one that was caught before it reached C: it is the caller's to catch, as any decoder's
            6 => panic!("the decoder of a JPEG's scan panicked"),
            _ => Err(Error::corrupt(self.message())),
        }
    }
}

/// `length` bytes that do not begin at a multiple of 16: libjpeg-turbo writes those that do past the caches (`movntdq` in its
/// jdcolext), and they would be read back from memory at once.
fn unaligned(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    const WIDEST: usize = 32;
    buffer.resize(length + WIDEST + 4, 0);
    let start = buffer.as_ptr().addr().wrapping_neg() % WIDEST + 4;
    &mut buffer[start..start + length]
}

fn at_row(error: Error, row: u32, height: u32) -> Error {
    match error {
        Error::Truncated { .. } => Error::truncated(format!("at row {row} of {height}")),
        other => other,
    }
}

/// Pillow's `CMYK;I` followed by `convert("RGB")`, in place: the file holds inverted inks, as Adobe writes them and Pillow
/// assumes of all. Ink × light / 255 is rounded without a division, as `MULDIV255` does.
fn cmyk_to_rgb(row: &mut [u8]) {
    for pixel in row.chunks_exact_mut(4) {
        let light = i32::from(pixel[3]);
        for ink in &mut pixel[..3] {
            let product = (255 - i32::from(*ink)) * light + 128;
            let shade = ((product >> 8) + product) >> 8;
            *ink = (light - shade).clamp(0, 255) as u8;
        }
    }
}
