//! The element types that weights come in, as bytes in a file.

use half::{bf16, f16};

/// A floating-point type, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an F32.
    Bf16,
}

impl Float {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Float::F64 => 8,
            Float::F32 => 4,
            Float::F16 | Float::Bf16 => 2,
        }
    }

    /// All whole values of `data` in single precision: F64 is rounded, the others are exact.
    pub(super) fn decode(self, data: &[u8]) -> Vec<f32> {
        match self {
            #[allow(clippy::cast_possible_truncation)]
            Float::F64 => each(data, |bytes| f64::from_le_bytes(bytes) as f32),
            Float::F32 => each(data, f32::from_le_bytes),
            Float::F16 => each(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Float::Bf16 => each(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        }
    }
}

fn each<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = data.as_chunks::<N>();
    chunks.iter().map(|chunk| value(*chunk)).collect()
}
