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

    /// [`Simd::begin`] with a first line and [`Simd::add`] with a second one.
    pub(super) fn begin_two(self, sums: &mut [i32], lines: [&[u8]; 2], weights: [i32; 2]) {
        match self {
            Simd::Portable => begin_two(sums, lines, weights),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::begin_two(sums, lines, weights) },
        }
    }

    /// [`Simd::add`] of two lines.
    pub(super) fn add_two(self, sums: &mut [i32], lines: [&[u8]; 2], weights: [i32; 2]) {
        match self {
            Simd::Portable => add_two(sums, lines, weights),
            // SAFETY: `detect` found the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { x86::add_two(sums, lines, weights) },
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

    /// [`Simd::blend`] of one row, or of several of as many pixels, each into a line of its own, with a table that
    /// [`pair`] made. `taps` is a multiple of [`STEP`], at most [`MOST_PAIRED_TAPS`].
    ///
    /// # Panics
    /// If there are not that many pixels, or where [`Simd::pairs`] says no.
    pub(super) fn blend_pairs<const ROWS: usize>(
        self,
        rows: [&[u8]; ROWS],
        starts: &[u32],
        taps: usize,
        table: &[[i16; 32]],
        lines: [&mut [u8]; ROWS],
    ) {
        match self {
            Simd::Portable => unreachable!("no table of pairs is made"),
            // SAFETY: `detect` found the features. Known numbers of steps save the innermost loop.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe {
                match taps / STEP {
                    1 => x86::blend_pairs::<1, ROWS>(rows, starts, table, lines),
                    2 => x86::blend_pairs::<2, ROWS>(rows, starts, table, lines),
                    3 => x86::blend_pairs::<3, ROWS>(rows, starts, table, lines),
                    steps => x86::blend_many_pairs(steps, rows, starts, table, lines),
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
fn begin_two(sums: &mut [i32], [first, second]: [&[u8]; 2], weights: [i32; 2]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(first).zip(second) {
        *sum = HALF + weights[0] * i32::from(a) + weights[1] * i32::from(b);
    }
}

#[inline(always)]
fn add_two(sums: &mut [i32], [first, second]: [&[u8]; 2], weights: [i32; 2]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(first).zip(second) {
        *sum += weights[0] * i32::from(a) + weights[1] * i32::from(b);
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
    pub(super) fn begin_two(sums: &mut [i32], lines: [&[u8]; 2], weights: [i32; 2]) {
        super::begin_two(sums, lines, weights);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn add_two(sums: &mut [i32], lines: [&[u8]; 2], weights: [i32; 2]) {
        super::add_two(sums, lines, weights);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn round(sums: &[i32], bytes: &mut [u8]) {
        super::round(sums, bytes);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend(pixels: &[u8], starts: &[u32], taps: usize, table: &[i32], line: &mut [u8]) {
        super::blend(pixels, starts, taps, table, line);
    }

    /// The sums of one output in each row: four lanes over its even pairs of taps, four over its odd ones.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sums<const ROWS: usize>(rows: [&[u8]; ROWS], table: &[[i16; 32]]) -> [__m256i; ROWS] {
        // of four pixels the first two to the lower half and the others to the upper one, channels side by side, widened
        let spread = _mm256_setr_epi8(
            0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, 8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14,
            -1, 11, -1, 15, -1,
        );
        let mut low = [_mm256_setzero_si256(); ROWS];
        let mut high = low;
        for (step, weights) in table.iter().enumerate() {
            // SAFETY: 64 bytes of weights are read.
            let (low_weights, high_weights) = unsafe {
                (
                    _mm256_loadu_si256(weights.as_ptr().cast()),
                    _mm256_loadu_si256(weights.as_ptr().add(16).cast()),
                )
            };
            for ((row, low), high) in rows.iter().zip(&mut low).zip(&mut high) {
                let pixels = &row[step * 4 * STEP..][..4 * STEP];
                // SAFETY: 16 bytes of pixels are read.
                let pixels = unsafe { _mm_loadu_si128(pixels.as_ptr().cast()) };
                let pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(pixels), spread);
                *low = _mm256_add_epi32(*low, _mm256_madd_epi16(pixels, low_weights));
                *high = _mm256_add_epi32(*high, _mm256_madd_epi16(pixels, high_weights));
            }
        }
        let mut sums = low;
        for (sum, high) in sums.iter_mut().zip(high) {
            *sum = _mm256_add_epi32(*sum, _mm256_slli_epi32::<{ LOW_BITS as i32 }>(high));
        }
        sums
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

    /// Writes four outputs, or as many as there is room for.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store([a, b, c, d]: [__m256i; 4], to: &mut [u8]) {
        let words = _mm256_packs_epi32(two(a, b), two(c, d));
        // pixels 0 and 2 are in the lower half, 1 and 3 in the upper one
        let bytes = _mm256_packus_epi16(words, words);
        let bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
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

    /// Four outputs at a time, so that their rounding and storing is shared; rows at the same time share the weights.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn blend_steps<const ROWS: usize>(
        steps: usize,
        rows: [&[u8]; ROWS],
        starts: &[u32],
        table: &[[i16; 32]],
        mut lines: [&mut [u8]; ROWS],
    ) {
        let outputs = starts.len();
        for i in (0..outputs).step_by(4) {
            // a last group of fewer repeats its first
            let mut found = [[_mm256_setzero_si256(); 4]; ROWS];
            for j in 0..4 {
                let output = if i + j < outputs { i + j } else { i };
                let start = starts[output] as usize * 4;
                let pixels = rows.map(|row| &row[start..][..steps * STEP * 4]);
                let sums = sums(pixels, &table[output * steps..][..steps]);
                for (found, sum) in found.iter_mut().zip(sums) {
                    found[j] = sum;
                }
            }
            for (line, found) in lines.iter_mut().zip(found) {
                let end = line.len().min(i * 4 + 16);
                store(found, &mut line[i * 4..end]);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend_pairs<const STEPS: usize, const ROWS: usize>(
        rows: [&[u8]; ROWS],
        starts: &[u32],
        table: &[[i16; 32]],
        lines: [&mut [u8]; ROWS],
    ) {
        blend_steps(STEPS, rows, starts, table, lines);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blend_many_pairs<const ROWS: usize>(
        steps: usize,
        rows: [&[u8]; ROWS],
        starts: &[u32],
        table: &[[i16; 32]],
        lines: [&mut [u8]; ROWS],
    ) {
        blend_steps(steps, rows, starts, table, lines);
    }
}
