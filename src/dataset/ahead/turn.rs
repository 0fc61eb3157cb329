//! The reading of a part in its turn, as far as windows go.

use std::sync::Arc;

use crate::ids::PartId;

use super::order::{Cuts, WindowId};
use super::requests::{Ahead, Windows};

/// The reading of a part in its turn. Dropped, however the reading ended, it drops the windows of the part.
pub(in crate::dataset) struct Turn<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> {
    shared: Arc<Ahead<K, T>>,
    part: PartId,
    /// `None` if nothing of the part is read ahead.
    number: Option<u64>,
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Turn<K, T> {
    pub(super) fn begin(shared: Arc<Ahead<K, T>>, part: PartId) -> Self {
        let number = shared.change(|order| {
            let number = order.number(part)?;
            order.begin(part, number);
            Some(number)
        });
        Turn { shared, part, number }
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
        Some(WindowId { part: self.part, number: self.number?, index })
    }

    /// The window, if it was asked for ahead and came. If not, the caller asks for it.
    pub async fn take(&self, index: u64) -> Option<T> {
        let window = self.window(index)?;
        let request = self.shared.change(|order| order.take(&window));
        request?.await
    }

    /// The caller asked for a window, and it came.
    pub fn came(&self, index: u64, got: &T) {
        if let Some(window) = self.window(index) {
            self.shared.came(&window, Some(got));
        }
    }

    /// The part is read again from its first window on, with other cuts.
    pub fn restart(&self, cuts: Cuts) {
        let Some(number) = self.number else { return };
        drop(self.shared.change(|order| order.restart(self.part, number, cuts)));
    }
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Drop for Turn<K, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.close(self.part, number);
        }
    }
}
