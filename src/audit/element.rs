//! The numbers of an embedding.

/// The widest embedding that is compared.
pub(super) const MOST_WIDTH: usize = 1 << 16;

/// How the numbers of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F16,
    F32,
}

impl Element {
    pub fn bytes(self) -> usize {
        match self {
            Element::F16 => 2,
            Element::F32 => 4,
        }
    }
}
