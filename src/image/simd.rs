//! The inner loops of resampling and packing, each for the widest vectors that the machine has.
//!
//! Everything here is arithmetic of 32-bit integers, so all of them give the same bytes; which is taken is decided once,
//! at run time, and a build for any x86-64 is as fast as one for this machine. Other machines take the portable loops,
//! which compilers vectorise.

use super::filter::{FRACTION, Window};

/// Weights of a window come in multiples of this many, filled up with zeros.
pub(super) const STEP: usize = 4;

/// Rounds half up when a sum is shifted down to a byte.
pub(super) const HALF: i32 = 1 << (FRACTION - 1);

/// Which loops to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simd {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Simd {
    /// The widest that this machine has.
    pub(super) fn detect() -> Simd {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                return Simd::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Simd::Avx2;
            }
        }
        Simd::Portable
    }

    /// All that this machine has.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Simd> {
        match Simd::detect() {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => vec![Simd::Portable, Simd::Avx2, Simd::Avx512],
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => vec![Simd::Portable, Simd::Avx2],
            Simd::Portable => vec![Simd::Portable],
        }
    }

    /// Adds `weight` times each byte of `line` to its sum.
    pub(super) fn accumulate(self, sums: &mut [i32], line: &[u8], weight: i32) {
        match self {
            Simd::Portable => accumulate(sums, line, weight),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::accumulate_avx2(sums, line, weight) },
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { x86::accumulate_avx512(sums, line, weight) },
        }
    }

    /// Rounds sums to bytes.
    pub(super) fn round(self, sums: &[i32], bytes: &mut [u8]) {
        match self {
            Simd::Portable => round(sums, bytes),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::round_avx2(sums, bytes) },
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { x86::round_avx512(sums, bytes) },
        }
    }

    /// Gives each pixel of `line` the weighted sum of the pixels in its window. `pixels` begin with input `first`;
    /// `table` holds the weights, each window's filled up to a multiple of [`STEP`].
    pub(super) fn blend(self, pixels: &[u8], windows: &[Window], first: u32, table: &[i32], line: &mut [u8]) {
        match self {
            Simd::Portable => blend(pixels, windows, first, table, line),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::blend_avx2(pixels, windows, first, table, line) },
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { x86::blend_avx512(pixels, windows, first, table, line) },
        }
    }
}

#[inline(always)]
fn accumulate(sums: &mut [i32], line: &[u8], weight: i32) {
    for (sum, &sample) in sums.iter_mut().zip(line) {
        *sum += weight * i32::from(sample);
    }
}

#[inline(always)]
fn round(sums: &[i32], bytes: &mut [u8]) {
    for (byte, &sum) in bytes.iter_mut().zip(sums) {
        *byte = (sum >> FRACTION).clamp(0, 255) as u8;
    }
}

#[inline(always)]
fn blend(pixels: &[u8], windows: &[Window], first: u32, table: &[i32], line: &mut [u8]) {
    let mut table = table;
    for (window, to) in windows.iter().zip(line.chunks_exact_mut(4)) {
        let (weights, rest) = table.split_at(window.len().next_multiple_of(STEP));
        table = rest;
        blend_one(&pixels[(window.lo - first) as usize * 4..], &weights[..window.len()], to);
    }
}

/// The weighted sum of as many pixels as there are weights.
#[inline(always)]
fn blend_one(pixels: &[u8], weights: &[i32], to: &mut [u8]) {
    let mut sums = [HALF; 4];
    for (weight, pixel) in weights.iter().zip(pixels.chunks_exact(4)) {
        for (sum, &sample) in sums.iter_mut().zip(pixel) {
            *sum += weight * i32::from(sample);
        }
    }
    round(&sums, to);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn accumulate_avx2(sums: &mut [i32], line: &[u8], weight: i32) {
        accumulate(sums, line, weight);
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn accumulate_avx512(sums: &mut [i32], line: &[u8], weight: i32) {
        accumulate(sums, line, weight);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn round_avx2(sums: &[i32], bytes: &mut [u8]) {
        round(sums, bytes);
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn round_avx512(sums: &[i32], bytes: &mut [u8]) {
        round(sums, bytes);
    }

    /// A pixel's four sums to its four bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(sums: __m128i, to: &mut [u8]) {
        let sums = _mm_srai_epi32::<{ FRACTION as i32 }>(sums);
        let bytes = _mm_packus_epi16(_mm_packs_epi32(sums, sums), sums);
        to.copy_from_slice(&_mm_cvtsi128_si32(bytes).to_le_bytes());
    }

    /// Windows whose steps end inside `pixels` are read whole; the few behind them, which would be read beyond the row's
    /// end, take the portable loop.
    #[inline(always)]
    fn by_steps(
        pixels: &[u8],
        windows: &[Window],
        first: u32,
        mut table: &[i32],
        line: &mut [u8],
        sum: impl Fn(&[u8], &[i32]) -> __m128i,
        store: impl Fn(__m128i, &mut [u8]),
    ) {
        for (window, to) in windows.iter().zip(line.chunks_exact_mut(4)) {
            let (weights, rest) = table.split_at(window.len().next_multiple_of(STEP));
            table = rest;
            let from = &pixels[(window.lo - first) as usize * 4..];
            match from.get(..weights.len() * 4) {
                Some(from) => store(sum(from, weights), to),
                None => blend_one(from, &weights[..window.len()], to),
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend_avx2(pixels: &[u8], windows: &[Window], first: u32, table: &[i32], line: &mut [u8]) {
        let low = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
        let high = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
        by_steps(
            pixels,
            windows,
            first,
            table,
            line,
            |pixels, weights| {
                let mut sums = _mm256_castsi128_si256(_mm_set1_epi32(HALF));
                sums = _mm256_inserti128_si256::<1>(sums, _mm_setzero_si128());
                for (pixels, weights) in pixels.chunks_exact(16).zip(weights.chunks_exact(STEP)) {
                    // SAFETY: both hold 16 bytes.
                    let (pixels, weights) = unsafe {
                        (_mm_loadu_si128(pixels.as_ptr().cast()), _mm_loadu_si128(weights.as_ptr().cast()))
                    };
                    let weights = _mm256_castsi128_si256(weights);
                    let first = _mm256_mullo_epi32(
                        _mm256_cvtepu8_epi32(pixels),
                        _mm256_permutevar8x32_epi32(weights, low),
                    );
                    let second = _mm256_mullo_epi32(
                        _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(pixels, pixels)),
                        _mm256_permutevar8x32_epi32(weights, high),
                    );
                    sums = _mm256_add_epi32(sums, _mm256_add_epi32(first, second));
                }
                _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
            },
            |sums, to| store(sums, to),
        );
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    pub(super) fn blend_avx512(
        pixels: &[u8],
        windows: &[Window],
        first: u32,
        table: &[i32],
        line: &mut [u8],
    ) {
        let spread = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        by_steps(
            pixels,
            windows,
            first,
            table,
            line,
            |pixels, weights| {
                let mut sums = _mm512_zextsi128_si512(_mm_set1_epi32(HALF));
                for (pixels, weights) in pixels.chunks_exact(16).zip(weights.chunks_exact(STEP)) {
                    // SAFETY: both hold 16 bytes.
                    let (pixels, weights) = unsafe {
                        (_mm_loadu_si128(pixels.as_ptr().cast()), _mm_loadu_si128(weights.as_ptr().cast()))
                    };
                    let weights = _mm512_permutexvar_epi32(spread, _mm512_castsi128_si512(weights));
                    sums = _mm512_add_epi32(sums, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(pixels), weights));
                }
                let half =
                    _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
                _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
            },
            |sums, to| store(sums, to),
        );
    }
}
