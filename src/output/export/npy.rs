//! NumPy's file format, version 1.0: a matrix after a line of text.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// The type of a matrix's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
}

impl Element {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// A matrix as it grows row by row; its file is in memory.
#[derive(Debug)]
pub struct Npy {
    element: Element,
    width: usize,
    rows: usize,
    bytes: Vec<u8>,
}

/// Room for the text in front, so that the numbers need not be moved when their count is known. A multiple of
/// 64, as the format asks for.
const HEAD: usize = 128;

impl Npy {
    /// An empty matrix.
    pub fn new(element: Element, width: usize) -> Self {
        Npy { element, width, rows: 0, bytes: vec![0; HEAD] }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row; false if a number does not fit the type, and then nothing was added.
    pub fn push(&mut self, row: &[f32]) -> bool {
        debug_assert_eq!(row.len(), self.width);
        match self.element {
            Element::F32 => self.bytes.extend(row.iter().flat_map(|value| value.to_le_bytes())),
            Element::F16 => {
                let narrow: Vec<f16> = row.iter().map(|&value| f16::from_f32(value)).collect();
                if narrow.iter().any(|value| !value.is_finite()) {
                    return false;
                }
                self.bytes.extend(narrow.reinterpret_cast().iter().flat_map(|bits| bits.to_le_bytes()));
            }
        }
        self.rows += 1;
        true
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        let kind = match self.element {
            Element::F16 => "<f2",
            Element::F32 => "<f4",
        };
        let text = format!(
            "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}, {}), }}",
            self.rows, self.width
        );
        let mut head = b"\x93NUMPY\x01\x00".to_vec();
        head.extend(((HEAD - 10) as u16).to_le_bytes());
        head.extend(text.bytes());
        head.resize(HEAD - 1, b' ');
        head.push(b'\n');
        self.bytes[..HEAD].copy_from_slice(&head);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_its_head_and_its_numbers() {
        let mut matrix = Npy::new(Element::F16, 2);
        assert!(matrix.push(&[1.0, -2.0]) && matrix.push(&[0.5, 0.0]));
        assert!(!matrix.push(&[70_000.0, 0.0]));
        let bytes = matrix.finish();
        assert_eq!(bytes.len(), 128 + 8);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }");
        assert!(text.ends_with('\n'));
        assert_eq!(&bytes[128..], [0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0x00, 0x00]);
    }

    #[test]
    fn the_head_holds_the_largest_numbers() {
        let largest =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", u64::MAX, u64::MAX);
        assert!(largest.len() < HEAD - 10);
    }
}
