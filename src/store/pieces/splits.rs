//! When and where a listing is cut: how many pieces more are worth their requests, and which keys they begin after.

use super::merge::Merge;
use super::piece::{Piece, State};
use super::source::PageSource;

/// Pages below which a piece is not worth the request that its end costs.
const FEWEST_PAGES: f64 = 5.0;
/// Pages of one folder, and multiples of the mean folder, after which a folder is large: it is cut inside.
const LARGE_PAGES: usize = 8;
const LARGE_FACTOR: f64 = 3.0;
/// Pages of a folder below which a page of folders is a hint at too few keys.
const SMALL_FOLDER: f64 = 0.05;
/// Folders that are counted.
const MOST_FOLDERS: usize = 4096;

impl<S: PageSource> Merge<S> {
    /// Cuts pieces, the nearest first, until as many are open as may be.
    pub fn split(&mut self) {
        if !self.cuts || self.spent.answers + 1 < self.plan.first {
            return;
        }
        let open = self.pieces.iter().filter(|piece| piece.is_open()).count();
        let on_their_way = self.pieces.iter().filter(|piece| matches!(piece.state, State::Asked)).count();
        let allowed = self.spent.allowance(open, on_their_way);
        if self.is_full() {
            self.make_room(allowed);
            return;
        }
        let mut free = self.plan.open.saturating_sub(open).min(allowed);
        let mut at = 0;
        while at < self.pieces.len() && free > 0 {
            let Cuts { keys, are_guessed } = self.cuts_of(at, free);
            free -= keys.len();
            let pieces = keys.len() + 1;
            for key in keys.into_iter().rev() {
                self.cut(at, key, are_guessed);
            }
            at += pieces;
        }
    }

    /// Lets the farthest piece begin again later where the head is long and no page more can wait.
    fn make_room(&mut self, allowed: usize) {
        let Some(far) = self.pieces.iter().rposition(|piece| piece.bytes > 0).filter(|far| *far > 1) else {
            return;
        };
        let pages = self.pieces[far].pages.len();
        let is_worth_it = allowed > pages && !self.cuts_of(0, 1).keys.is_empty();
        if is_worth_it && !matches!(self.pieces[far].state, State::Failed(_)) {
            self.begin_again(far);
        }
    }

    /// Keys at which a piece may be cut, at most `free` of them, ascending, all after what was read of it.
    fn cuts_of(&mut self, at: usize, free: usize) -> Cuts {
        let piece = &self.pieces[at];
        let (Some(last), true) = (piece.last.clone(), piece.is_open()) else { return Cuts::default() };
        let until = piece.until.clone();
        let folder = self.spent.pages_of_folder();
        if folder < SMALL_FOLDER {
            return if self.spent.answers < self.plan.first {
                Cuts::default()
            } else {
                self.guesses(at, free, until)
            };
        }
        if let Some(level) = self.hints.missing(&last, until.as_deref()) {
            if !self.asks_for_hints {
                self.ask_for_folders(level, &last);
            }
            return Cuts::default();
        }
        if self.spent.answers < self.plan.first {
            return Cuts::default();
        }
        let next = self.hints.between(&last, until.as_deref()).next().cloned();
        match next {
            Some(next) if self.pieces[at].is_in_a_large_folder(folder) => self.guesses(at, free, Some(next)),
            Some(_) => self.folders(&last, until.as_deref(), free),
            None => self.guesses(at, free, until),
        }
    }

    /// Cuts between folders: as many folders a piece as there are pages for, shared among the pieces that are free.
    fn folders(&self, last: &str, until: Option<&str>, free: usize) -> Cuts {
        let pages = self.spent.pages_of_folder().max(f64::MIN_POSITIVE);
        let folders = 1 + self.hints.between(last, until).take(MOST_FOLDERS).count();
        if (folders as f64) * pages < 2.0 * self.fewest() {
            return Cuts::default();
        }
        let fewest = (self.fewest() / pages).ceil().max(1.0);
        let most = (self.plan.pages as f64 / pages).max(fewest);
        let each = ((folders as f64) / (free + 1) as f64).ceil().clamp(fewest, most) as usize;
        let cuts = self.hints.between(last, until).skip(each - 1).step_by(each);
        Cuts { keys: cuts.take(free).cloned().collect(), are_guessed: false }
    }

    /// Cuts inside a folder, by the density of its keys. Few at first: the folder may end before any of them.
    fn guesses(&self, at: usize, free: usize, until: Option<String>) -> Cuts {
        let piece = &self.pieces[at];
        let Some(density) = &piece.density[usize::from(self.spent.has_gaps)] else { return Cuts::default() };
        let pages = density.pages_until(until.as_deref());
        if pages < 2.0 * self.fewest() {
            return Cuts::default();
        }
        let each = (self.plan.pages as f64).min(pages / 2.0);
        let unproven = self.pieces.iter().filter(|piece| piece.is_guessed && piece.first.is_none()).count();
        let may_guess = self.spent.guesses.max(1).saturating_sub(unproven);
        let last = piece.last.as_deref().unwrap_or_default();
        let is_inside = |key: &String| key.as_str() > last && until.as_ref().is_none_or(|until| key < until);
        let mut keys: Vec<String> = (1..=free.min(may_guess))
            .map_while(|number| density.ahead(each * number as f64))
            .take_while(is_inside)
            .collect();
        keys.dedup();
        Cuts { keys, are_guessed: true }
    }

    fn fewest(&self) -> f64 {
        FEWEST_PAGES.min(self.plan.pages as f64)
    }
}

impl<W> Piece<W> {
    fn is_in_a_large_folder(&self, mean: f64) -> bool {
        let is_large = self.pages_of_folder >= LARGE_PAGES;
        is_large && self.pages_of_folder as f64 >= LARGE_FACTOR * mean
    }
}

/// Where a piece may be cut.
#[derive(Debug, Default)]
struct Cuts {
    keys: Vec<String>,
    are_guessed: bool,
}
