//! Windows of shards and row groups that are read ahead of their turn.
//!
//! The part with the turn to admit owns two windows: the one that becomes rows, and the next one. All others have the
//! room of [`Sizes::ahead`], which nothing waits for (ARCHITECTURE.md, "In which order are resources taken?"). A request
//! that fails ahead of its turn is forgotten, and the part's reading asks again, with retries.

mod order;
mod pace;
mod requests;
mod sizes;
mod turn;

use std::sync::Arc;

use futures::FutureExt;

use crate::ids::PartId;
use crate::tasks::{Task, has_threads};

use self::requests::{Ahead, Source};

pub(super) use self::order::Cuts;
pub(super) use self::requests::{Ask, Then, Windows};
pub(super) use self::sizes::Sizes;
pub(super) use self::turn::Turn;

/// Keeps a part warm: dropped, it ends the part's requests.
#[derive(Default)]
pub struct Warm {
    _open: Option<Box<dyn Send>>,
}

/// The windows of a dataset that are read ahead. `K` is what is known of a part before its windows, `T` is a window.
pub(super) struct ReadAhead<K, T> {
    shared: Arc<Ahead<K, T>>,
    sizes: Sizes,
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> ReadAhead<K, T> {
    pub fn new(sizes: Sizes) -> Self {
        ReadAhead { shared: Arc::new(Ahead::new(sizes.ahead())), sizes }
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Begins to read a part ahead of its turn; `open` returns what is known of it, and its windows.
    pub fn warm(
        &self,
        part: PartId,
        open: impl Future<Output = Option<(K, Windows<T>)>> + Send + 'static,
    ) -> Warm {
        if self.sizes.ahead() == 0 || !has_threads() {
            return Warm::default();
        }
        let source = Source::default();
        let mut order = self.shared.order();
        let (number, dropped) = order.open(part, source);
        let shared = self.shared.clone();
        let opening = Task::start(async move {
            match open.await {
                Some((known, windows)) => {
                    shared.cut(part, number, windows);
                    Some(known)
                }
                None => {
                    shared.leave(part, number);
                    None
                }
            }
        });
        if let Some(source) = order.source(part, number) {
            source.known = Some(opening.boxed().shared());
        }
        drop(order);
        drop(dropped);
        Warm { _open: Some(Box::new(Open { shared: self.shared.clone(), part, number })) }
    }

    /// The reading of a part, in its turn.
    pub fn turn(&self, part: PartId) -> Turn<K, T> {
        Turn::begin(self.shared.clone(), part)
    }
}

/// Closes a part when it is dropped.
struct Open<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> {
    shared: Arc<Ahead<K, T>>,
    part: PartId,
    number: u64,
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Drop for Open<K, T> {
    fn drop(&mut self) {
        self.shared.close(self.part, self.number);
    }
}

#[cfg(test)]
mod tests;
