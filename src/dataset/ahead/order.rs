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
    /// Nothing yet, but soon.
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
    /// was not asked for, which is left to the caller then.
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

    /// As [`Order::take`], but the window stays for the next reading of the part.
    pub fn look(&mut self, window: &WindowId) -> Option<H>
    where
        H: Clone,
    {
        let entry = self.entry(window.part, window.number)?;
        let asked = entry.asked.get(&window.index).map(|asked| asked.request.clone());
        if asked.is_none() {
            entry.next = entry.next.max(window.index + 1);
        }
        asked
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

    /// Asks for windows, `most` of them, while there is room. The first that has none ends it: a later window that would fit must not
    /// take the room that an earlier one waits for. Nor do windows after a part that is just being opened, and those
    /// after a part of which more will be asked for leave half of the room to it: what they take comes free only after
    /// that part.
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
mod tests {
    use super::*;

    type Parts = Order<(), (u32, u64)>;

    fn even(until: u64) -> Cuts {
        Cuts::Even { from: 0, until, window: 10 }
    }

    /// The windows that are asked for now, as (part, index).
    fn asked(windows: &mut Parts) -> Vec<(u32, u64)> {
        let mut asked = Vec::new();
        windows.ask(usize::MAX, |(), window, _| {
            asked.push((window.part.0, window.index));
            (window.part.0, window.index)
        });
        asked
    }

    fn opened(windows: &mut Parts, part: u32, until: u64) -> u64 {
        let (number, dropped) = windows.open(PartId(part), ());
        assert!(dropped.is_empty());
        windows.cut(PartId(part), number, even(until), true);
        number
    }

    fn id(part: u32, number: u64, index: u64) -> WindowId {
        WindowId { part: PartId(part), number, index }
    }

    #[test]
    fn windows_are_asked_for_in_the_order_of_parts_however_they_were_opened() {
        let mut windows = Parts::new(50);
        opened(&mut windows, 2, 100);
        let first = opened(&mut windows, 1, 25);
        assert_eq!(asked(&mut windows), [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]);
        assert_eq!(windows.take(&id(1, first, 0)), Some((1, 0)));
        assert_eq!(asked(&mut windows), [(2, 2)]);
    }

    #[test]
    fn a_small_window_of_a_later_part_does_not_take_the_room_that_an_earlier_one_waits_for() {
        let mut windows = Parts::new(14);
        let first = opened(&mut windows, 1, 100);
        let second = opened(&mut windows, 2, 3);
        assert_eq!(asked(&mut windows), [(1, 0)]);
        windows.close(PartId(1), first);
        assert_eq!(asked(&mut windows), [(2, 0)]);
        assert_eq!(windows.close(PartId(2), second), [(2, 0)]);
        assert_eq!(windows.free, 14);
    }

    #[test]
    fn a_window_that_failed_is_left_to_its_turn_and_no_other_of_its_part_is_asked_for_until_one_comes() {
        let mut windows = Parts::new(30);
        let first = opened(&mut windows, 1, 100);
        assert_eq!(asked(&mut windows).len(), 3);
        assert_eq!(windows.failed(&id(1, first, 1)), Some((1, 1)));
        assert_eq!(asked(&mut windows), []);
        assert!(windows.take(&id(1, first, 0)).is_some());
        assert_eq!(windows.take(&id(1, first, 1)), None);
        let second = opened(&mut windows, 2, 100);
        // half of the room is left to the part that failed
        assert_eq!(asked(&mut windows), []);
        windows.came(PartId(1), first);
        assert_eq!(asked(&mut windows), [(1, 3), (1, 4)]);
        windows.close(PartId(1), first);
        windows.close(PartId(2), second);
        assert_eq!(windows.free, 30);
    }

    #[test]
    fn nothing_is_asked_for_after_a_part_that_is_being_opened_until_it_is_known_or_left() {
        let mut windows = Parts::new(30);
        let (first, _) = windows.open(PartId(1), ());
        opened(&mut windows, 2, 100);
        assert_eq!(asked(&mut windows), []);
        windows.cut(PartId(1), first, even(10), true);
        assert_eq!(asked(&mut windows), [(1, 0), (2, 0), (2, 1)]);
        let (third, _) = windows.open(PartId(0), ());
        windows.leave(PartId(0), third);
        windows.take(&id(1, first, 0));
        assert_eq!(asked(&mut windows), [(2, 2)]);
    }

    #[test]
    fn parts_of_which_the_first_window_alone_is_known_leave_half_of_the_room_to_the_first_of_them() {
        let mut windows = Parts::new(80);
        let first = windows.open(PartId(0), ()).0;
        windows.cut(PartId(0), first, even(10), false);
        for part in 1..9 {
            let number = windows.open(PartId(part), ()).0;
            windows.cut(PartId(part), number, even(10), false);
        }
        assert_eq!(asked(&mut windows), [(0, 0), (1, 0), (2, 0), (3, 0)]);
        windows.cut(PartId(0), first, even(50), true);
        assert_eq!(asked(&mut windows), [(0, 1), (0, 2), (0, 3), (0, 4)]);
    }

    #[test]
    fn a_window_that_its_turn_comes_to_first_is_not_asked_for_a_second_time() {
        let mut windows = Parts::new(30);
        let (number, _) = windows.open(PartId(1), ());
        assert_eq!(windows.take(&id(1, number, 0)), None);
        windows.cut(PartId(1), number, even(30), true);
        assert_eq!(asked(&mut windows), [(1, 1), (1, 2)]);
    }

    #[test]
    fn a_trial_leaves_its_windows_to_the_reading_that_follows() {
        let mut windows = Parts::new(20);
        let number = opened(&mut windows, 1, 100);
        asked(&mut windows);
        for index in 0..5 {
            assert_eq!(windows.look(&id(1, number, index)).is_some(), index < 2, "{index}");
        }
        windows.begin(PartId(1), number);
        for index in 0..5 {
            assert_eq!(windows.take(&id(1, number, index)), Some((1, index)), "{index}");
            asked(&mut windows);
        }
    }

    #[test]
    fn what_is_opened_again_has_nothing_to_do_with_the_earlier_opening() {
        let mut windows = Parts::new(20);
        let earlier = opened(&mut windows, 1, 100);
        asked(&mut windows);
        let (number, dropped) = windows.open(PartId(1), ());
        assert_eq!(dropped.len(), 2);
        assert!(windows.close(PartId(1), earlier).is_empty());
        windows.cut(PartId(1), earlier, even(10), true);
        assert!(!windows.is_cut(PartId(1), number));
        assert_eq!(windows.free, 20);
    }

    /// A part that reads its windows in turn always gets on, whatever is asked for, fails, or is closed beside it, and no
    /// more bytes are asked for than there is room for.
    #[test]
    fn every_part_gets_to_its_end_in_turn_whatever_happens_to_the_windows() {
        for seed in 1..300_u64 {
            let mut dice = seed;
            let mut roll = |sides: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % sides
            };
            let room = roll(80);
            let mut windows = Parts::new(room);
            let numbers: Vec<u64> = (0..4).map(|part| windows.open(PartId(part), ()).0).collect();
            for (part, number) in (0..4).zip(numbers) {
                let length = 10 * roll(9) + 1;
                for index in 0..length.div_ceil(10) {
                    for _ in 0..roll(5) {
                        let other = roll(4) as u32;
                        let window = id(other, windows.number(PartId(other)).unwrap_or(0), roll(9));
                        match roll(5) {
                            0 => windows.cut(PartId(other), window.number, even(length), roll(2) == 0),
                            4 => windows.leave(PartId(other), window.number),
                            1 => drop(windows.failed(&window)),
                            2 => windows.came(PartId(other), window.number),
                            _ => drop(asked(&mut windows)),
                        }
                    }
                    // either it was asked for, or the part asks now: there is no third way, and no wait
                    let taken = windows.take(&id(part, number, index));
                    assert!(taken.is_none_or(|taken| taken == (part, index)));
                }
                windows.close(PartId(part), number);
                let held: u64 = windows
                    .parts
                    .values()
                    .flat_map(|entry| entry.asked.values())
                    .map(|asked| asked.bytes)
                    .sum();
                assert_eq!(windows.free + held, room);
            }
            assert_eq!(windows.free, room);
        }
    }
}
