//! Embeddings of the images of candidates, in memory or in a file, by the position of their rows.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use half::f16;

use super::super::element::Element;

/// Embeddings of some rows.
#[derive(Debug)]
pub struct Vectors {
    element: Element,
    width: usize,
    /// The rows, ascending; vector `n` is that of row `rows[n]`.
    rows: Vec<u32>,
    stored: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File { file: File, pending: Vec<u8> },
}

/// Bytes that are written at a time.
const PENDING: usize = 1 << 20;

impl Vectors {
    /// For vectors of `rows`, which ascend, in `file`, or in memory without one.
    pub fn new(element: Element, width: usize, rows: Vec<u32>, file: Option<File>) -> Vectors {
        let place = match file {
            Some(file) => Place::File { file, pending: Vec::new() },
            None => Place::Memory(Vec::new()),
        };
        Vectors { element, width, rows, stored: 0, place }
    }

    /// Returns the rows whose vectors are requested.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Whether the vectors of all rows are stored.
    pub fn is_whole(&self) -> bool {
        self.stored == self.rows.len()
    }

    /// Stores the vector of the next row, as it is in the column.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.place {
            Place::Memory(stored) => stored.extend_from_slice(bytes),
            Place::File { file, pending } => {
                pending.extend_from_slice(bytes);
                if pending.len() >= PENDING {
                    file.write_all(pending)?;
                    pending.clear();
                }
            }
        }
        self.stored += 1;
        Ok(())
    }

    /// Ends the storing.
    ///
    /// # Errors
    /// The vectors that are left cannot be written to the file.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Place::File { file, pending } = &mut self.place {
            file.write_all(pending)?;
            *pending = Vec::new();
        }
        Ok(())
    }

    /// Reads the vector of a row.
    ///
    /// # Errors
    /// The file cannot be read, or the row is not stored.
    pub fn read(&self, row: u32, vector: &mut Vec<f32>, bytes: &mut Vec<u8>) -> io::Result<()> {
        let at = self.rows.binary_search(&row).map_err(|_| io::ErrorKind::NotFound)?;
        let size = self.width * self.element.bytes();
        let begin = at * size;
        let stored = match &self.place {
            Place::Memory(stored) => stored.get(begin..begin + size).ok_or(io::ErrorKind::UnexpectedEof)?,
            Place::File { file, .. } => {
                bytes.resize(size, 0);
                file.read_exact_at(bytes, begin as u64)?;
                bytes
            }
        };
        vector.clear();
        match self.element {
            Element::F16 => {
                let numbers = stored.as_chunks::<2>().0.iter();
                vector.extend(numbers.map(|number| f16::from_le_bytes(*number).to_f32()));
            }
            Element::F32 => {
                vector.extend(stored.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)))
            }
        }
        Ok(())
    }
}

/// An embedding scaled to length 1, minus the mean of such; false if it is zero or not finite.
pub fn centre(embedding: &mut [f32], mean: &[f32]) -> bool {
    let square: f64 = embedding.iter().map(|value| f64::from(*value).powi(2)).sum();
    if !(square > 0.0 && square.is_finite()) {
        return false;
    }
    let length = square.sqrt();
    for (value, mean) in embedding.iter_mut().zip(mean) {
        *value = (f64::from(*value) / length - f64::from(*mean)) as f32;
    }
    true
}

/// The cosine of two vectors, in double precision; 0 if one is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let (mut dot, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        dot += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let lengths = (of_a * of_b).sqrt();
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_from_memory_and_from_a_file() {
        for file in [None, Some(tempfile::tempfile().unwrap())] {
            let mut vectors = Vectors::new(Element::F16, 2, vec![3, 8], file);
            for vector in [[1.0, -2.5], [0.25, 4.0]] {
                let bytes = vector.into_iter().flat_map(|value| f16::from_f32(value).to_le_bytes());
                vectors.push(&bytes.collect::<Vec<u8>>()).unwrap();
            }
            vectors.flush().unwrap();
            assert!(vectors.is_whole());
            let (mut vector, mut bytes) = (Vec::new(), Vec::new());
            vectors.read(8, &mut vector, &mut bytes).unwrap();
            assert_eq!(vector, [0.25, 4.0]);
            vectors.read(3, &mut vector, &mut bytes).unwrap();
            assert_eq!(vector, [1.0, -2.5]);
            assert!(vectors.read(4, &mut vector, &mut bytes).is_err());
        }
    }

    #[test]
    fn a_centred_embedding_is_scaled_before_the_mean_is_taken_off() {
        let mut embedding = [3.0, 4.0];
        assert!(centre(&mut embedding, &[0.5, 0.5]));
        assert!((embedding[0] - 0.1).abs() < 1e-7 && (embedding[1] - 0.3).abs() < 1e-7);
        assert!(!centre(&mut [0.0, 0.0], &[0.5, 0.5]));
        assert!(!centre(&mut [f32::NAN, 1.0], &[0.5, 0.5]));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
    }
}
