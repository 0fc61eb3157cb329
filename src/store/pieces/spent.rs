//! What a listing has cost so far, what it brought, and what more pieces may cost.

use super::piece::Brought;

/// Requests beyond those that one piece would need: a few to begin with, and a share of the pages.
const SPARE: f64 = 15.0;
const SPARE_SHARE: f64 = 0.15;
/// Guessed pieces in a row with keys, after which keys are taken to have no gaps.
const PROVEN: usize = 4;

/// What a listing has cost so far, and what it brought.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub requests: usize,
    /// Pages that came.
    pub answers: usize,
    /// Keys of the listing.
    pub keys: usize,
    /// Runs of keys of one folder.
    pub folders: usize,
    /// Keys of the longest page.
    page: usize,
    /// Guessed pieces that had keys since the last that had none.
    pub guesses: usize,
    /// True if one had none lately: keys have gaps, and their density shows over many pages only.
    pub has_gaps: bool,
}

impl Spent {
    pub fn largest(&mut self, keys: usize) {
        self.page = self.page.max(keys);
    }

    pub fn brought(&mut self, brought: &Brought) {
        self.keys += brought.keys;
        self.folders += brought.folder_changes;
    }

    pub fn guessed(&mut self, has_keys: bool) {
        self.guesses = if has_keys { self.guesses + 1 } else { 0 };
        self.has_gaps = !has_keys || self.has_gaps && self.guesses < PROVEN;
    }

    /// Full pages of what came.
    fn pages(&self) -> f64 {
        self.keys as f64 / self.page.max(1) as f64
    }

    /// Pages of a folder, as far as it is known.
    pub fn pages_of_folder(&self) -> f64 {
        self.pages() / (self.folders + 1) as f64
    }

    /// Pieces that may be opened beside those that are open: each costs about the request that finds its end.
    pub fn allowance(&self, open: usize, on_their_way: usize) -> usize {
        let wasted = (self.requests - on_their_way.min(self.requests)) as f64 - self.pages() + open as f64;
        (SPARE + SPARE_SHARE * self.pages() - wasted).max(0.0) as usize
    }
}
