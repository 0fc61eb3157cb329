//! Images on their way: how many there are, and room for their encoded bytes, granted in the order of admission.
//!
//! An image is on its way from its admission until it is decoded, and it has *come* once its bytes are delivered, or
//! the reason why there are none. The earliest image that has not come may use bytes that no other gets: as much as the
//! largest image. What it took of them comes free when it is decoded, which needs only images that have come before it.
//! So the earliest image always gets its bytes in the end, whatever the others hold.
//!
//! Once as many are on their way as may be, the next are admitted together, when an eighth of them is decoded. One by one,
//! each decoded image would wake the thread that admits and one that reads (decision 0053).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::PoisonError;

use super::sync::{Arc, Mutex, MutexGuard, Notify};

/// Of all that may be on their way, this part is admitted together.
const TOGETHER: usize = 8;

/// Images on their way. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// An image is decoded, or more may be on their way.
    fewer: Notify,
}

struct State {
    /// Images that may be on their way.
    most: usize,
    on_their_way: usize,
    /// As many were on their way as may be, and not enough of them have been decoded since.
    is_full: bool,
    /// Bytes of all images on their way.
    bytes: u64,
    /// The part of them that is for the earliest image alone.
    aside: u64,
    /// Bytes of the largest image.
    largest: u64,
    held: u64,
    /// Number of the earliest image that has not come.
    earliest: u64,
    /// Whether it and those after it have come; the first one never has.
    came: VecDeque<bool>,
    /// Images that hold bytes of those set aside.
    favoured: BTreeSet<u64>,
    waiting: BTreeMap<u64, Waiting>,
}

/// What an image holds, or waits for.
struct Held {
    number: u64,
    bytes: u64,
    is_waiting: bool,
}

/// An image that waits for bytes.
struct Waiting {
    bytes: u64,
    granted: Arc<Notify>,
}

impl State {
    /// Whether an image may be admitted.
    fn has_place(&self) -> bool {
        let enough = if self.is_full { self.most - self.most.div_ceil(TOGETHER) } else { self.most - 1 };
        self.on_their_way <= enough
    }

    /// Admits an image, and returns its number.
    fn admit(&mut self) -> u64 {
        self.on_their_way += 1;
        self.is_full = self.on_their_way >= self.most;
        let number = self.earliest + self.came.len() as u64;
        self.came.push_back(false);
        number
    }

    fn grant(&mut self, number: u64, bytes: u64) -> bool {
        if self.held + bytes + self.aside <= self.bytes {
            self.held += bytes;
            return true;
        }
        let is_earliest = !self.came.is_empty() && number == self.earliest;
        // with no other favoured image, all but what is set aside is the most that the others hold
        let is_alone = self.favoured.iter().all(|other| *other == number);
        if is_earliest && (is_alone || self.held + bytes <= self.bytes) {
            self.held += bytes;
            self.favoured.insert(number);
            return true;
        }
        false
    }

    /// Grants bytes to those who wait, in their order. None overtakes another.
    fn grants(&mut self) -> Vec<Arc<Notify>> {
        let mut granted = Vec::new();
        while let Some((number, bytes)) = self.waiting.first_key_value().map(|(at, of)| (*at, of.bytes))
            && self.grant(number, bytes)
            && let Some((_, waiting)) = self.waiting.pop_first()
        {
            granted.push(waiting.granted);
        }
        granted
    }

    fn release(&mut self, held: Held) {
        let Held { number, bytes, is_waiting } = held;
        // what is not in the list any more was granted
        if !is_waiting || self.waiting.remove(&number).is_none() {
            self.held -= bytes;
            self.favoured.remove(&number);
        }
    }

    fn come(&mut self, number: u64) {
        let index = number.checked_sub(self.earliest).and_then(|index| usize::try_from(index).ok());
        if let Some(came) = index.and_then(|index| self.came.get_mut(index)) {
            *came = true;
        }
        while self.came.front() == Some(&true) {
            self.came.pop_front();
            self.earliest += 1;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that may make room, and grants it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let granted = {
            let mut state = self.state();
            change(&mut state);
            state.grants()
        };
        granted.iter().for_each(|granted| granted.notify_one());
    }
}

impl Admission {
    /// Room for `most` images on their way with `bytes` together, the largest of which has `largest`.
    ///
    /// Where `bytes` are fewer than two of the largest images, the earliest one may exceed them: half of them would be
    /// too few for it, and without the other half images would come one by one.
    pub fn new(most: usize, bytes: u64, largest: u64) -> Self {
        let largest = largest.min(bytes);
        let state = State {
            most: most.max(1),
            on_their_way: 0,
            is_full: false,
            bytes,
            aside: largest.min(bytes / 2),
            largest,
            held: 0,
            earliest: 0,
            came: VecDeque::new(),
            favoured: BTreeSet::new(),
            waiting: BTreeMap::new(),
        };
        Admission(Arc::new(Shared { state: Mutex::new(state), fewer: Notify::new() }))
    }

    /// From now on `most` images may be on their way. Those that are already stay.
    pub fn allow(&self, most: usize) {
        {
            let mut state = self.0.state();
            state.is_full &= most <= state.most;
            state.most = most.max(1);
        }
        self.0.fewer.notify_one();
    }

    /// Admits an image as soon as few enough are on their way. Call it from one task at a time.
    pub async fn admit(&self) -> Place {
        loop {
            {
                let mut state = self.0.state();
                if state.has_place() {
                    let number = state.admit();
                    let shared = self.0.clone();
                    return Place { shared, number, bytes: 0, is_waiting: false, has_come: false };
                }
            }
            self.0.fewer.notified().await;
        }
    }

    /// Images on their way.
    #[cfg(test)]
    pub fn on_their_way(&self) -> usize {
        self.0.state().on_their_way
    }

    /// Bytes that images hold.
    #[cfg(test)]
    pub fn held(&self) -> u64 {
        self.0.state().held
    }
}

/// An image on its way, until it is dropped.
pub(crate) struct Place {
    shared: Arc<Shared>,
    number: u64,
    bytes: u64,
    /// Its bytes may not be granted yet.
    is_waiting: bool,
    has_come: bool,
}

impl Place {
    /// Releases its bytes and waits for others, never more than the largest image has.
    pub async fn reserve(&mut self, bytes: u64) {
        self.release();
        let granted = {
            let mut state = self.shared.state();
            self.bytes = bytes.min(state.largest);
            let is_first = state.waiting.first_key_value().is_none_or(|(first, _)| *first > self.number);
            if is_first && state.grant(self.number, self.bytes) {
                return;
            }
            self.is_waiting = true;
            let granted = Arc::new(Notify::new());
            let waiting = Waiting { bytes: self.bytes, granted: granted.clone() };
            state.waiting.insert(self.number, waiting);
            granted
        };
        granted.notified().await;
        self.is_waiting = false;
    }

    /// Makes its bytes `bytes`, if that needs no waiting.
    pub fn fit(&mut self, bytes: u64) -> bool {
        let mut fits = true;
        self.shared.change(|state| {
            let bytes = bytes.min(state.largest);
            if bytes <= self.bytes {
                state.held -= self.bytes - bytes;
            } else {
                let is_first = state.waiting.first_key_value().is_none_or(|(first, _)| *first > self.number);
                fits = is_first && state.grant(self.number, bytes - self.bytes);
            }
            if fits {
                self.bytes = bytes;
            }
        });
        fits
    }

    /// Releases its bytes.
    pub fn release(&mut self) {
        let held = self.hold();
        if held.bytes > 0 || held.is_waiting {
            self.shared.change(|state| state.release(held));
        }
    }

    /// What it holds, which it holds no more.
    fn hold(&mut self) -> Held {
        let (bytes, is_waiting) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.is_waiting));
        Held { number: self.number, bytes, is_waiting }
    }

    /// The image has come, or the reason why there is none.
    pub fn come(&mut self) {
        if !std::mem::replace(&mut self.has_come, true) {
            self.shared.change(|state| state.come(self.number));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = self.hold();
        let mut has_place = false;
        self.shared.change(|state| {
            state.come(held.number);
            state.release(held);
            state.on_their_way -= 1;
            has_place = state.has_place();
        });
        if has_place {
            self.shared.fewer.notify_one();
        }
    }
}
