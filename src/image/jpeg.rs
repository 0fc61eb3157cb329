//! JPEG, by libjpeg-turbo through the shim in `jpeg_shim.c`.
//!
//! What is decoded and what is refused follows Pillow: its colour conversions, its upsampling, and its rule for files
//! that end too early (`truncated` when libjpeg asks for more bytes before the last row is out). Warnings are accepted as
//! Pillow accepts them, unless the limits say otherwise. Every row is decoded, also those below the crop, because a cut
//! would else go unseen; a decode of the crop alone belongs here.

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint};
use std::marker::PhantomData;
use std::ptr::NonNull;

use turbojpeg_sys as _; // for its archive: the shim calls libjpeg's own functions in it

use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;
use super::options::DecoderWarnings;

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
}

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
    fn tresnet_jpeg_start(jpeg: *mut Context) -> c_int;
    fn tresnet_jpeg_row(jpeg: *mut Context, row: *mut c_uchar) -> c_int;
    fn tresnet_jpeg_finish(jpeg: *mut Context) -> c_int;
}

/// libjpeg's context and the rows in hand, kept from image to image.
pub(super) struct Jpeg {
    context: NonNull<Context>,
    row: Vec<u8>,
    rgb: Vec<u8>,
}

// SAFETY: the context is one heap allocation that holds no thread's identity; it moves with its only owner.
unsafe impl Send for Jpeg {}

impl Drop for Jpeg {
    fn drop(&mut self) {
        // SAFETY: `context` came from `tresnet_jpeg_new` and is freed here alone.
        unsafe { tresnet_jpeg_free(self.context.as_ptr()) }
    }
}

impl Jpeg {
    /// `None` when there is no memory for the context.
    pub(super) fn new() -> Option<Jpeg> {
        // SAFETY: no preconditions; a null result is handled.
        let context = NonNull::new(unsafe { tresnet_jpeg_new() })?;
        Some(Jpeg { context, row: Vec::new(), rgb: Vec::new() })
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
        let channels: usize = match header.components {
            1 | 3 => 3,
            4 => 4,
            other => return Err(Error::unsupported(format!("a JPEG of {other} components"))),
        };
        let upright = !canvas.wants_orientation();
        canvas.start(if upright { Orientation::Upright } else { Orientation::of_jpeg(bytes) })?;

        image.start()?;
        self.row.clear();
        self.row.resize(header.width as usize * channels, 0);
        for y in 0..header.height {
            image.row(&mut self.row).map_err(|error| at_row(error, y, header.height))?;
            if channels == 4 {
                cmyk_to_rgb(&self.row, &mut self.rgb);
                canvas.row(&self.rgb);
            } else {
                canvas.row(&self.row);
            }
        }
        image.finish()?;
        match image.warning() {
            Some(warning) if limits.decoder_warnings == DecoderWarnings::Error => {
                Err(Error::corrupt(warning))
            }
            _ => Ok(()),
        }
    }
}

/// An image being read; what libjpeg allocated for it goes when this does, also in a panic.
struct Image<'a> {
    context: NonNull<Context>,
    /// libjpeg reads from them until it is closed.
    bytes: PhantomData<&'a [u8]>,
    row_length: usize,
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
        let mut image = Image { context, bytes: PhantomData, row_length: 0, max_scans };
        let mut header = Header::default();
        let most = c_int::try_from(max_scans).unwrap_or(c_int::MAX);
        // SAFETY: the context is live and not shared; `bytes` stay borrowed as long as `image` lives, whose drop makes
        // libjpeg forget them; `header` is written before the call returns.
        let status = unsafe {
            tresnet_jpeg_open(context.as_ptr(), bytes.as_ptr(), bytes.len(), most, &raw mut header)
        };
        image.check(status, "in its header")?;
        image.row_length = header.width as usize * if header.components == 4 { 4 } else { 3 };
        Ok((image, header))
    }

    fn start(&mut self) -> Result<(), Error> {
        // SAFETY: `open` succeeded, or there would be no image.
        let status = unsafe { tresnet_jpeg_start(self.context.as_ptr()) };
        self.check(status, "before its first row")
    }

    fn row(&mut self, row: &mut [u8]) -> Result<(), Error> {
        assert_eq!(row.len(), self.row_length, "a row of the image's width");
        // SAFETY: libjpeg writes `width` pixels of 3 samples, or 4 where there are four components, which `start` asked
        // for; `row` has that length. Out of turn, libjpeg reports an error.
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
            _ => Err(Error::corrupt(self.message())),
        }
    }
}

fn at_row(error: Error, row: u32, height: u32) -> Error {
    match error {
        Error::Truncated { .. } => Error::truncated(format!("at row {row} of {height}")),
        other => other,
    }
}

/// Pillow's `CMYK;I` followed by `convert("RGB")`: the file holds inverted inks, as Adobe writes them and Pillow assumes
/// of all. Ink × light / 255 is rounded without a division, as `MULDIV255` does.
fn cmyk_to_rgb(inverted: &[u8], rgb: &mut Vec<u8>) {
    rgb.clear();
    for inks in inverted.chunks_exact(4) {
        let light = i32::from(inks[3]);
        rgb.extend(inks[..3].iter().map(|&ink| {
            let product = (255 - i32::from(ink)) * light + 128;
            let shade = ((product >> 8) + product) >> 8;
            (light - shade).clamp(0, 255) as u8
        }));
    }
}
