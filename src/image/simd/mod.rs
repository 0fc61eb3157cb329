//! The inner loops of resampling and packing (`scale.rs`), for the vectors that the machine has.
//!
//! Everything that resampling does is arithmetic of integers, so every choice gives the same bytes. Which loops are taken
//! is decided at run time: a build for any x86-64 is as fast as one for this machine. Elsewhere the portable loops are
//! taken, which compilers vectorise. Vectors of 512 bits were tried and gained nothing.

mod scale;

use super::filter::FRACTION;

/// Pixels of one step along a row: [`Simd::blend_pairs`] takes its taps in multiples of this many.
pub(super) const STEP: usize = 4;

/// Rounds half up when a sum is shifted down to a byte.
const HALF: i32 = 1 << (FRACTION - 1);

/// Bits of a weight's lower part in a table of pairs.
const LOW_BITS: u32 = FRACTION / 2;

/// Beyond this many taps the sums of the lower parts could leave 32 bits.
pub(super) const MOST_PAIRED_TAPS: usize = 4096;

/// Which loops to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simd {
    Portable,
    /// AVX2 and the conversions of half precision.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Simd {
    /// The best that this machine has.
    pub(super) fn detect() -> Simd {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            return Simd::Avx2;
        }
        Simd::Portable
    }

    /// Whether [`Simd::blend_pairs`] is there.
    pub(super) fn pairs(self) -> bool {
        self != Simd::Portable
    }

    /// Sets each sum to a half and `weight` times its byte of `line`.
    pub(super) fn begin(self, sums: &mut [i32], line: &[u8], weight: i32) {
        match self {
            Simd::Portable => begin(sums, line, weight),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::begin(sums, line, weight) },
        }
    }

    /// Adds `weight` times its byte of `line` to each sum.
    pub(super) fn add(self, sums: &mut [i32], line: &[u8], weight: i32) {
        match self {
            Simd::Portable => add(sums, line, weight),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::add(sums, line, weight) },
        }
    }

    /// Rounds sums to bytes.
    pub(super) fn round(self, sums: &[i32], bytes: &mut [u8]) {
        match self {
            Simd::Portable => round(sums, bytes),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::round(sums, bytes) },
        }
    }

    /// Gives each pixel of `line` the weighted sum of `taps` of `pixels` from its start on. `table` holds as many weights
    /// for each.
    ///
    /// # Panics
    /// If there are not that many pixels.
    pub(super) fn blend(self, pixels: &[u8], starts: &[u32], taps: usize, table: &[i32], line: &mut [u8]) {
        match self {
            Simd::Portable => blend(pixels, starts, taps, table, line),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::blend(pixels, starts, taps, table, line) },
        }
    }

    /// [`Simd::blend`] with a table that [`pair`] made. `taps` is a multiple of [`STEP`], at most [`MOST_PAIRED_TAPS`].
    ///
    /// # Panics
    /// If there are not that many pixels, or [`Simd::pairs`] returns `false`.
    pub(super) fn blend_pairs(
        self,
        pixels: &[u8],
        starts: &[u32],
        taps: usize,
        table: &[[i16; 32]],
        line: &mut [u8],
    ) {
        match self {
            Simd::Portable => unreachable!("no table of pairs is made"),
            // SAFETY: `detect` found the features. Known numbers of steps save the innermost loop.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe {
                match taps / STEP {
                    1 => x86::blend_pairs::<1>(pixels, starts, table, line),
                    2 => x86::blend_pairs::<2>(pixels, starts, table, line),
                    3 => x86::blend_pairs::<3>(pixels, starts, table, line),
                    steps => x86::blend_many_pairs(steps, pixels, starts, table, line),
                }
            },
        }
    }
}

/// The weights of one step as 16-bit factors: first their lower parts, then their upper ones. Each is repeated for the
/// four channels, beside that of the next pixel, with which it is multiplied and added in one instruction.
pub(super) fn pair(step: &[i32; STEP]) -> [i16; 32] {
    std::array::from_fn(|i| {
        let tap = i % 16 / 8 * 2 + i % 2;
        let weight = step[tap];
        (if i < 16 { weight & ((1 << LOW_BITS) - 1) } else { weight >> LOW_BITS }) as i16
    })
}

#[inline(always)]
fn begin(sums: &mut [i32], line: &[u8], weight: i32) {
    for (sum, &sample) in sums.iter_mut().zip(line) {
        *sum = HALF + weight * i32::from(sample);
    }
}

#[inline(always)]
fn add(sums: &mut [i32], line: &[u8], weight: i32) {
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
fn blend(pixels: &[u8], starts: &[u32], taps: usize, table: &[i32], line: &mut [u8]) {
    for ((to, &start), weights) in line.chunks_exact_mut(4).zip(starts).zip(table.chunks_exact(taps)) {
        let mut sums = [HALF; 4];
        let pixels = &pixels[start as usize * 4..][..taps * 4];
        for (weight, pixel) in weights.iter().zip(pixels.chunks_exact(4)) {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(sample);
            }
        }
        round(&sums, to);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn begin(sums: &mut [i32], line: &[u8], weight: i32) {
        super::begin(sums, line, weight);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn add(sums: &mut [i32], line: &[u8], weight: i32) {
        super::add(sums, line, weight);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn round(sums: &[i32], bytes: &mut [u8]) {
        super::round(sums, bytes);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend(pixels: &[u8], starts: &[u32], taps: usize, table: &[i32], line: &mut [u8]) {
        super::blend(pixels, starts, taps, table, line);
    }

    /// The sums of one output: four lanes over its even pairs of taps, four over its odd ones.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sums(pixels: &[u8], table: &[[i16; 32]]) -> __m256i {
        // of four pixels the first two to the lower half and the others to the upper one, channels side by side, widened
        let spread = _mm256_setr_epi8(
            0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, 8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14,
            -1, 11, -1, 15, -1,
        );
        let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (pixels, weights) in pixels.chunks_exact(4 * STEP).zip(table) {
            // SAFETY: 16 bytes of pixels and 64 of weights are read.
            let (pixels, low_weights, high_weights) = unsafe {
                (
                    _mm_loadu_si128(pixels.as_ptr().cast()),
                    _mm256_loadu_si256(weights.as_ptr().cast()),
                    _mm256_loadu_si256(weights.as_ptr().add(16).cast()),
                )
            };
            let pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(pixels), spread);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, low_weights));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, high_weights));
        }
        _mm256_add_epi32(low, _mm256_slli_epi32::<{ LOW_BITS as i32 }>(high))
    }

    /// The rounded sums of two outputs.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn two(first: __m256i, second: __m256i) -> __m256i {
        let sums = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(first, second),
            _mm256_permute2x128_si256::<0x31>(first, second),
        );
        _mm256_srai_epi32::<{ FRACTION as i32 }>(_mm256_add_epi32(sums, _mm256_set1_epi32(HALF)))
    }

    /// Four outputs at a time, so that their rounding and storing is shared.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn blend_steps(steps: usize, pixels: &[u8], starts: &[u32], table: &[[i16; 32]], line: &mut [u8]) {
        let output = |i: usize| {
            let from = &pixels[starts[i] as usize * 4..][..steps * STEP * 4];
            sums(from, &table[i * steps..][..steps])
        };
        for (four, to) in line.chunks_mut(16).enumerate() {
            let i = four * 4;
            // a last group of fewer repeats its first
            let at = |j: usize| output(if j * 4 < to.len() { i + j } else { i });
            let words = _mm256_packs_epi32(two(at(0), at(1)), two(at(2), at(3)));
            // pixels 0 and 2 are in the lower half, 1 and 3 in the upper one
            let bytes = _mm256_packus_epi16(words, words);
            let bytes =
                _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            match <&mut [u8; 16]>::try_from(&mut *to) {
                // SAFETY: 16 bytes are written.
                Ok(to) => unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), bytes) },
                Err(_) => {
                    let mut all = [0; 16];
                    // SAFETY: 16 bytes are written.
                    unsafe { _mm_storeu_si128(all.as_mut_ptr().cast(), bytes) };
                    to.copy_from_slice(&all[..to.len()]);
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend_pairs<const STEPS: usize>(
        pixels: &[u8],
        starts: &[u32],
        table: &[[i16; 32]],
        line: &mut [u8],
    ) {
        blend_steps(STEPS, pixels, starts, table, line);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend_many_pairs(
        steps: usize,
        pixels: &[u8],
        starts: &[u32],
        table: &[[i16; 32]],
        line: &mut [u8],
    ) {
        blend_steps(steps, pixels, starts, table, line);
    }
}
