//! Small pictures as JPEG, for pages that people look at.

use std::ptr;

use turbojpeg_sys as turbo;

/// A compressor of libjpeg-turbo and the bytes that it made, freed together.
struct Compressor {
    handle: turbo::tjhandle,
    bytes: *mut u8,
    length: turbo::size_t,
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: both came from libjpeg-turbo or are null, which it accepts, and are freed here alone.
        unsafe {
            turbo::tj3Free(self.bytes.cast());
            turbo::tj3Destroy(self.handle);
        }
    }
}

/// Encodes `width · height` pixels of red, green and blue as a baseline JPEG with halved chroma; `quality` is from 1 to
/// 100. Returns `None` if `rgb` has another length or libjpeg-turbo fails, as without memory.
pub fn encode_jpeg(rgb: &[u8], width: u16, height: u16, quality: u8) -> Option<Vec<u8>> {
    if rgb.is_empty() || rgb.len() != usize::from(width) * usize::from(height) * 3 {
        return None;
    }
    // SAFETY: no preconditions; a null handle is handled.
    let handle = unsafe { turbo::tj3Init(turbo::TJINIT_TJINIT_COMPRESS as i32) };
    let mut made = Compressor { handle, bytes: ptr::null_mut(), length: 0 };
    if made.handle.is_null() {
        return None;
    }
    let settings = [
        (turbo::TJPARAM_TJPARAM_QUALITY, i32::from(quality.clamp(1, 100))),
        (turbo::TJPARAM_TJPARAM_SUBSAMP, turbo::TJSAMP_TJSAMP_420),
    ];
    // SAFETY: the handle is a compressor; `rgb` has three bytes for each of `width · height` pixels, and a pitch of 0
    // means rows without padding; libjpeg-turbo allocates the output and returns its address and length.
    let done = unsafe {
        settings.iter().all(|(name, value)| turbo::tj3Set(made.handle, *name as i32, *value) == 0)
            && turbo::tj3Compress8(
                made.handle,
                rgb.as_ptr(),
                i32::from(width),
                0,
                i32::from(height),
                turbo::TJPF_TJPF_RGB,
                &raw mut made.bytes,
                &raw mut made.length,
            ) == 0
    };
    let length = usize::try_from(made.length).ok()?;
    if !done || made.bytes.is_null() {
        return None;
    }
    // SAFETY: libjpeg-turbo wrote `length` bytes there, and they are freed after they are copied.
    Some(unsafe { std::slice::from_raw_parts(made.bytes, length) }.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Decoder, Options};

    #[test]
    fn what_is_encoded_is_decoded_to_nearly_the_same_pixels() {
        let pixels: Vec<u8> =
            (0..96 * 96).flat_map(|i| [(i % 96) as u8 * 2, (i / 96) as u8 * 2, 90]).collect();
        let bytes = encode_jpeg(&pixels, 96, 96, 90).unwrap();
        assert!(bytes.starts_with(b"\xff\xd8\xff") && bytes.len() < pixels.len() / 5, "{}", bytes.len());
        let mut decoder = Decoder::new(Options { crop_pct: 1.0, ..Options::new(96) }).unwrap();
        let (_, decoded) = decoder.crop(&bytes).unwrap();
        let furthest = pixels.iter().zip(decoded).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest < Some(16), "{furthest:?}");
    }

    #[test]
    fn pixels_of_another_length_are_refused() {
        assert_eq!(encode_jpeg(&[0; 11], 2, 2, 80), None);
        assert_eq!(encode_jpeg(&[], 0, 0, 80), None);
    }
}
