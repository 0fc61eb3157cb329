//! How much of windows is held.

/// Bytes of a window: at 10 MB/s and 50 ms, 6 % of its time is latency.
const WINDOW: u64 = 8 << 20;
/// Bytes of the smallest window.
const SMALLEST: u64 = 256 << 10;
/// Parts that are read ahead, at most.
const MOST_PARTS: u64 = 64;

/// How much of windows is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dataset) struct Sizes {
    total: u64,
    window: u64,
}

impl Default for Sizes {
    /// Only the two windows of the part with the turn.
    fn default() -> Self {
        Sizes { total: 2 * WINDOW, window: WINDOW }
    }
}

impl Sizes {
    /// Windows of `total` bytes together. Where that is little they are smaller, and never fewer than four unless they
    /// are the smallest.
    pub fn of(total: u64) -> Self {
        let window = (total / 4).clamp(SMALLEST, WINDOW);
        Sizes { total: total.max(2 * window), window }
    }

    /// Bytes of one window.
    pub fn window(self) -> u64 {
        self.window
    }

    /// Bytes of all windows.
    pub fn total(self) -> u64 {
        self.total
    }

    /// Bytes of windows ahead of their turn: all but the two that the part with the turn owns.
    pub fn ahead(self) -> u64 {
        self.total - 2 * self.window
    }

    /// Parts that are read ahead: at most one for each whole window that there is room for.
    pub fn parts(self) -> usize {
        (self.ahead() / self.window).min(MOST_PARTS) as usize
    }
}
