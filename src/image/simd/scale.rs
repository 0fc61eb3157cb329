//! The inner loops of packing: bytes to the elements of the network's input.

use half::f16;

use super::Simd;

impl Simd {
    /// Writes `v·scale + offset` of each pixel's byte `v` of one channel, in double and then rounded to single precision.
    pub(in crate::image) fn scale_f32(
        self,
        square: &[u8],
        channel: usize,
        scale: [f64; 2],
        plane: &mut [f32],
    ) {
        match self {
            Simd::Portable => scale_f32(square, channel, scale, plane),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::scale_f32(square, channel, scale, plane) },
        }
    }

    /// [`Simd::scale_f32`], and that rounded to half precision.
    pub(in crate::image) fn scale_f16(
        self,
        square: &[u8],
        channel: usize,
        scale: [f64; 2],
        plane: &mut [f16],
    ) {
        match self {
            Simd::Portable => scale_f16(square, channel, scale, plane),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::scale_f16(square, channel, scale, plane) },
        }
    }
    /// One line of pixels of all channels, scaled, into a line of 4×4 squares: of each square's 48 elements the 12 that
    /// begin at `first`.
    pub(in crate::image) fn scale_squares(
        self,
        line: &[u8],
        scale: &[[f64; 2]; 3],
        squares: &mut [f16],
        first: usize,
    ) {
        match self {
            Simd::Portable => scale_squares(line, scale, squares, first),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::scale_squares(line, scale, squares, first) },
        }
    }
}

#[inline(always)]
fn scaled(pixel: &[u8], channel: usize, [factor, offset]: [f64; 2]) -> f32 {
    let pixel = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], pixel[3]]);
    // through i32, whose conversion has an instruction
    (f64::from((pixel >> (8 * channel)) as i32 & 0xff) * factor + offset) as f32
}

#[inline(always)]
fn scale_f32(square: &[u8], channel: usize, scale: [f64; 2], plane: &mut [f32]) {
    for (to, pixel) in plane.iter_mut().zip(square.chunks_exact(4)) {
        *to = scaled(pixel, channel, scale);
    }
}

#[inline(always)]
fn scale_f16(square: &[u8], channel: usize, scale: [f64; 2], plane: &mut [f16]) {
    for (to, pixel) in plane.iter_mut().zip(square.chunks_exact(4)) {
        *to = f16::from_f32(scaled(pixel, channel, scale));
    }
}

fn scale_squares(line: &[u8], scale: &[[f64; 2]; 3], squares: &mut [f16], first: usize) {
    for (square, pixels) in squares.chunks_exact_mut(48).zip(line.chunks_exact(16)) {
        let to = square[first..first + 12].chunks_exact_mut(3);
        for (to, pixel) in to.zip(pixels.chunks_exact(4)) {
            for (channel, to) in to.iter_mut().enumerate() {
                *to = f16::from_f32(scaled(pixel, channel, scale[channel]));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::f16;

    /// [`super::scaled`] of eight pixels.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn scaled(pixels: &[u8; 32], channel: __m128i, factor: __m256d, offset: __m256d) -> __m256 {
        // SAFETY: 32 bytes are read.
        let pixels = unsafe { _mm256_loadu_si256(pixels.as_ptr().cast()) };
        let bytes = _mm256_and_si256(_mm256_srl_epi32(pixels, channel), _mm256_set1_epi32(0xff));
        let half = |bytes: __m128i| {
            _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(bytes), factor), offset))
        };
        _mm256_set_m128(half(_mm256_extracti128_si256::<1>(bytes)), half(_mm256_castsi256_si128(bytes)))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scale_f32(square: &[u8], channel: usize, scale: [f64; 2], plane: &mut [f32]) {
        let (factor, offset) = (_mm256_set1_pd(scale[0]), _mm256_set1_pd(scale[1]));
        let shift = _mm_cvtsi32_si128(8 * channel as i32);
        let (groups, rest) = plane.as_chunks_mut::<8>();
        let (eights, last) = square.as_chunks::<32>();
        for (to, pixels) in groups.iter_mut().zip(eights) {
            // SAFETY: eight floats are written.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), scaled(pixels, shift, factor, offset)) };
        }
        super::scale_f32(last, channel, scale, rest);
    }

    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn scale_f16(square: &[u8], channel: usize, scale: [f64; 2], plane: &mut [f16]) {
        let (factor, offset) = (_mm256_set1_pd(scale[0]), _mm256_set1_pd(scale[1]));
        let shift = _mm_cvtsi32_si128(8 * channel as i32);
        let (groups, rest) = plane.as_chunks_mut::<8>();
        let (eights, last) = square.as_chunks::<32>();
        for (to, pixels) in groups.iter_mut().zip(eights) {
            let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(scaled(pixels, shift, factor, offset));
            // SAFETY: eight halves are written.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), halves) };
        }
        super::scale_f16(last, channel, scale, rest);
    }

    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn scale_squares(line: &[u8], scale: &[[f64; 2]; 3], squares: &mut [f16], first: usize) {
        let [factor, offset] =
            [0, 1].map(|part| _mm256_setr_pd(scale[0][part], scale[1][part], scale[2][part], 0.0));
        // of two pixels' halves those of the fourth channel are left out
        let three = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);
        let pixel = |bytes: &[u8]| {
            let bytes = _mm_cvtsi32_si128(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            let values = _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(bytes));
            _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(values, factor), offset))
        };
        let two = |bytes: &[u8]| {
            let pixels = _mm256_set_m128(pixel(&bytes[4..8]), pixel(&bytes[..4]));
            _mm_shuffle_epi8(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(pixels), three)
        };
        for (square, pixels) in squares.as_chunks_mut::<48>().0.iter_mut().zip(line.as_chunks::<16>().0) {
            let to: &mut [f16] = &mut square[first..first + 12];
            let (left, right) = (two(&pixels[..8]), two(&pixels[8..]));
            // SAFETY: 24 bytes are written: 16, of which the last four are written again, then 8 and 4.
            unsafe {
                let to = to.as_mut_ptr().cast::<u8>();
                _mm_storeu_si128(to.cast(), left);
                _mm_storel_epi64(to.add(12).cast(), right);
                to.add(20).cast::<i32>().write_unaligned(_mm_extract_epi32::<2>(right));
            }
        }
    }
}
