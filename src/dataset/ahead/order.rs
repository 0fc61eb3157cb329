//! Which windows are asked for ahead of their turn: in the order of parts and of the windows of a part, while there is
//! room for them at once. Nothing here waits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::ids::PartId;

/// How the bytes of a part are cut into windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dataset) enum Cuts {
    /// Windows of equal length, the last one shorter.
    Even {
        /// Where the first one begins.
        from: u64,
        /// Where the last one ends.
        until: u64,
        /// Bytes of a window.
        window: u64,
    },
    /// Any ranges, in the order in which they are needed.
    Listed(Arc<[Range<u64>]>),
}

impl Cuts {
    fn get(&self, index: u64) -> Option<Range<u64>> {
        match self {
            Cuts::Even { from, until, window } => {
                let start = from.checked_add(index.checked_mul(*window)?)?;
                (start < *until).then(|| start..start.saturating_add(*window).min(*until))
            }
            Cuts::Listed(ranges) => ranges.get(usize::try_from(index).ok()?).cloned(),
        }
    }
}

/// A window of a part. Parts that are opened a second time have another `number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WindowId {
    pub part: PartId,
    pub number: u64,
    pub index: u64,
}

/// The windows that were asked for ahead of their turn. `S` is what a part is read from, `H` one request for a window.
pub(super) struct Order<S, H> {
    room: u64,
    free: u64,
    opened: u64,
    parts: BTreeMap<PartId, Entry<S, H>>,
}

struct Entry<S, H> {
    number: u64,
    source: S,
    windows: Windows,
    /// The first window that was not asked for.
    next: u64,
    /// A request failed: no other is sent ahead before one succeeds.
    has_failed: bool,
    asked: BTreeMap<u64, Asked<H>>,
}

/// What is known of a part's windows.
enum Windows {
    /// Nothing yet: the part is being opened.
    Opening,
    /// Nothing: the part is left to its reading.
    Unknown,
    /// Their cuts, or that of the first one alone.
    Known { cuts: Cuts, are_all: bool },
}

struct Asked<H> {
    bytes: u64,
    request: H,
}

impl<S, H> Order<S, H> {
    /// Room for `bytes` of windows.
    pub fn new(bytes: u64) -> Self {
        Order { room: bytes, free: bytes, opened: 0, parts: BTreeMap::new() }
    }

    /// Opens a part whose windows are not known yet. Returns its number, and the requests of an earlier opening.
    pub fn open(&mut self, part: PartId, source: S) -> (u64, Vec<H>) {
        let dropped = self.number(part).map_or_else(Vec::new, |number| self.close(part, number));
        self.opened += 1;
        let number = self.opened;
        let (windows, asked) = (Windows::Opening, BTreeMap::new());
        let entry = Entry { number, source, windows, next: 0, has_failed: false, asked };
        self.parts.insert(part, entry);
        (number, dropped)
    }

    /// The number of the part, if it is open.
    pub fn number(&self, part: PartId) -> Option<u64> {
        self.parts.get(&part).map(|entry| entry.number)
    }

    fn entry(&mut self, part: PartId, number: u64) -> Option<&mut Entry<S, H>> {
        self.parts.get_mut(&part).filter(|entry| entry.number == number)
    }

    /// What a part is read from.
    pub fn source(&mut self, part: PartId, number: u64) -> Option<&mut S> {
        self.entry(part, number).map(|entry| &mut entry.source)
    }

    /// True if the windows of the part are known, or if it is not open.
    pub fn is_cut(&self, part: PartId, number: u64) -> bool {
        self.parts
            .get(&part)
            .is_none_or(|entry| entry.number != number || matches!(entry.windows, Windows::Known { .. }))
    }

    /// The windows of a part are known: all of them, or the first one alone.
    pub fn cut(&mut self, part: PartId, number: u64, cuts: Cuts, are_all: bool) {
        if let Some(entry) = self.entry(part, number) {
            entry.windows = Windows::Known { cuts, are_all };
        }
    }

    /// Nothing can be known of the windows of a part ahead of its turn.
    pub fn leave(&mut self, part: PartId, number: u64) {
        if let Some(entry) = self.entry(part, number) {
            entry.windows = Windows::Unknown;
        }
    }

    /// The part is read: what was not asked for ahead of its turn comes next.
    pub fn begin(&mut self, part: PartId, number: u64) {
        if let Some(entry) = self.entry(part, number) {
            entry.next = entry.asked.last_key_value().map_or(0, |(last, _)| last + 1);
        }
    }

    /// The part is read again, in other windows. Returns the requests that are no longer needed.
    pub fn restart(&mut self, part: PartId, number: u64, cuts: Cuts) -> Vec<H> {
        let Some(entry) = self.entry(part, number) else { return Vec::new() };
        (entry.windows, entry.next) = (Windows::Known { cuts, are_all: true }, 0);
        let asked = std::mem::take(&mut entry.asked);
        self.release(asked)
    }

    fn release(&mut self, asked: BTreeMap<u64, Asked<H>>) -> Vec<H> {
        self.free += asked.values().map(|asked| asked.bytes).sum::<u64>();
        asked.into_values().map(|asked| asked.request).collect()
    }

    /// Forgets a part. Returns its requests.
    pub fn close(&mut self, part: PartId, number: u64) -> Vec<H> {
        if self.entry(part, number).is_none() {
            return Vec::new();
        }
        let asked = self.parts.remove(&part).map(|entry| entry.asked).unwrap_or_default();
        self.release(asked)
    }

    /// Takes a window's request: from now on its bytes are among those that the part with the turn owns. `None` if it
    /// was not asked for; the caller asks for it then.
    pub fn take(&mut self, window: &WindowId) -> Option<H> {
        let entry = self.entry(window.part, window.number)?;
        match entry.asked.remove(&window.index) {
            Some(asked) => {
                self.free += asked.bytes;
                Some(asked.request)
            }
            None => {
                entry.next = entry.next.max(window.index + 1);
                None
            }
        }
    }

    /// A request ahead of its turn failed: it is forgotten, and the part's reading asks again in turn.
    pub fn failed(&mut self, window: &WindowId) -> Option<H> {
        let entry = self.entry(window.part, window.number)?;
        entry.has_failed = true;
        let asked = entry.asked.remove(&window.index)?;
        self.free += asked.bytes;
        Some(asked.request)
    }

    /// A window of the part came.
    pub fn came(&mut self, part: PartId, number: u64) {
        if let Some(entry) = self.entry(part, number) {
            entry.has_failed = false;
        }
    }

    /// Asks for at most `most` windows, while there is room. The first window without room ends it: a later one that
    /// would fit must not take the room that an earlier one waits for. No window is asked for after a part that is just
    /// being opened. Windows after a part of which more will be asked for leave half of the room to it, because what
    /// they take comes free only after that part.
    pub fn ask(&mut self, most: usize, mut ask: impl FnMut(&S, WindowId, Range<u64>) -> H) {
        let mut left = most;
        let mut kept = 0;
        for (part, entry) in &mut self.parts {
            let (cuts, are_all) = match &entry.windows {
                Windows::Opening => return,
                Windows::Unknown => continue,
                Windows::Known { cuts, are_all } => (cuts, *are_all),
            };
            while !entry.has_failed
                && let Some(range) = cuts.get(entry.next)
            {
                let bytes = range.end - range.start;
                if left == 0 || bytes + kept > self.free {
                    return;
                }
                left -= 1;
                self.free -= bytes;
                let window = WindowId { part: *part, number: entry.number, index: entry.next };
                entry.asked.insert(entry.next, Asked { bytes, request: ask(&entry.source, window, range) });
                entry.next += 1;
            }
            if !are_all || entry.has_failed {
                kept = self.room / 2;
            }
        }
    }
}

#[cfg(test)]
mod tests;
