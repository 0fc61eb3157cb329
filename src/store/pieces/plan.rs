//! How a listing is cut.

/// How a listing is cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PiecePlan {
    /// Pieces that are open at the same time; with 1, a listing is never cut.
    pub open: usize,
    /// Pages that a piece aims at.
    pub pages: usize,
    /// Pages that are asked for one after another before the first cut.
    pub first: usize,
    /// Bytes of pages that wait for their turn, at most.
    pub bytes: usize,
}

impl Default for PiecePlan {
    fn default() -> Self {
        PiecePlan { open: 16, pages: 16, first: 4, bytes: 64 << 20 }
    }
}
