//! The reading of a part in its turn, as far as windows go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ids::PartId;

use super::order::{Cuts, WindowId};
use super::requests::{Ahead, Windows};

/// The reading of a part in its turn. Dropped, however the reading ended, it drops the windows of the part.
pub(in crate::dataset) struct Turn<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> {
    shared: Arc<Ahead<K, T>>,
    part: PartId,
    /// `None` if nothing of the part is read ahead.
    number: Option<u64>,
    is_trial: bool,
    /// A trial that reads its part once more, where nothing is read ahead for it.
    is_alone: AtomicBool,
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Turn<K, T> {
    pub(super) fn begin(shared: Arc<Ahead<K, T>>, part: PartId, is_trial: bool) -> Self {
        let number = shared.change(|order| {
            let number = order.number(part)?;
            if !is_trial {
                order.begin(part, number);
            }
            Some(number)
        });
        Turn { shared, part, number, is_trial, is_alone: AtomicBool::new(false) }
    }

    /// What is known of the part, if that was read ahead.
    pub async fn known(&self) -> Option<K> {
        let number = self.number?;
        let known = self.shared.order().source(self.part, number)?.known.clone()?;
        known.await
    }

    /// Cuts the part into windows, unless that was done ahead; true if it did.
    pub fn cut(&self, windows: impl FnOnce() -> Windows<T>) -> bool {
        let Some(number) = self.number else { return false };
        let is_cut = self.shared.order().is_cut(self.part, number);
        if !is_cut {
            self.shared.cut(self.part, number, windows());
        }
        !is_cut
    }

    fn window(&self, index: u64) -> Option<WindowId> {
        let number = self.number.filter(|_| !self.is_alone.load(Ordering::Relaxed))?;
        Some(WindowId { part: self.part, number, index })
    }

    /// The window, if it was asked for ahead and came. If not, the caller asks for it.
    pub async fn take(&self, index: u64) -> Option<T> {
        let window = self.window(index)?;
        let request = self.shared.change(|order| match self.is_trial {
            true => order.look(&window),
            false => order.take(&window),
        });
        request?.await
    }

    /// The caller asked for a window, and it came.
    pub fn came(&self, index: u64, got: &T) {
        if let Some(window) = self.window(index) {
            self.shared.came(&window, Some(got));
        }
    }

    /// The part is read again from its first window on, with other cuts. The windows of a trial stay as they are.
    pub fn restart(&self, cuts: Cuts) {
        if self.is_trial {
            return self.is_alone.store(true, Ordering::Relaxed);
        }
        let Some(number) = self.number else { return };
        drop(self.shared.change(|order| order.restart(self.part, number, cuts)));
    }
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Drop for Turn<K, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number.filter(|_| !self.is_trial) {
            self.shared.close(self.part, number);
        }
    }
}
