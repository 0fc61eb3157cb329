//! Windows of shards and row groups that are read ahead of their turn.
//!
//! The part with the turn to admit owns two windows: the one that becomes rows, and the next one. All others have the
//! room of [`Sizes::ahead`], which nothing waits for (ARCHITECTURE.md, "In which order are resources taken?"). A request
//! that fails ahead of its turn is forgotten, and the part's reading asks again with all the patience that it has.

mod order;
mod sizes;
mod turn;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use crate::ids::PartId;
use crate::tasks::{Task, has_threads};

use self::order::{Order, WindowId};

pub(super) use self::order::Cuts;
pub(super) use self::sizes::Sizes;
pub(super) use self::turn::Turn;

/// Sends one request for a window, and does not try again. `None` if that failed, for whatever reason.
pub(super) type Ask<T> = Arc<dyn Fn(Range<u64>) -> BoxFuture<'static, Option<T>> + Send + Sync>;

/// What the first window of a part shows of the others.
pub(super) type Then<T> = Box<dyn FnOnce(&T) -> Windows<T> + Send + Sync>;

/// The windows of one part.
pub(super) struct Windows<T> {
    pub cuts: Cuts,
    pub ask: Ask<T>,
    /// If the first window alone is known so far.
    pub then: Option<Then<T>>,
}

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

struct Ahead<K, T>(Mutex<Order<Source<K, T>, Request<T>>>);

type Request<T> = Shared<BoxFuture<'static, Option<T>>>;

/// What a part is read from.
struct Source<K, T> {
    known: Option<Request<K>>,
    ask: Option<Ask<T>>,
    then: Option<Then<T>>,
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> ReadAhead<K, T> {
    pub fn new(sizes: Sizes) -> Self {
        ReadAhead { shared: Arc::new(Ahead(Mutex::new(Order::new(sizes.ahead())))), sizes }
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Begins to read a part ahead of its turn; `open` tells what it consists of.
    pub fn warm(
        &self,
        part: PartId,
        open: impl Future<Output = Option<(K, Windows<T>)>> + Send + 'static,
    ) -> Warm {
        if self.sizes.ahead() == 0 || !has_threads() {
            return Warm::default();
        }
        let source = Source { known: None, ask: None, then: None };
        let mut order = self.shared.order();
        let (number, dropped) = order.open(part, source);
        let shared = self.shared.clone();
        let opening = Task::start(async move {
            let (known, windows) = open.await?;
            shared.cut(part, number, windows);
            Some(known)
        });
        if let Some(source) = order.source(part, number) {
            source.known = Some(opening.boxed().shared());
        }
        drop(order);
        drop(dropped);
        Warm { _open: Some(Box::new(Open { shared: self.shared.clone(), part, number })) }
    }

    /// The reading of a part, in its turn. A trial leaves the windows to the reading that follows.
    pub fn turn(&self, part: PartId, is_trial: bool) -> Turn<K, T> {
        Turn::begin(self.shared.clone(), part, is_trial)
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

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Ahead<K, T> {
    fn order(&self) -> MutexGuard<'_, Order<Source<K, T>, Request<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the requests that there is room for.
    fn go_on(self: &Arc<Self>, order: &mut Order<Source<K, T>, Request<T>>) {
        // what is dropped while the process ends may have no runtime around it
        if !has_threads() {
            return;
        }
        order.ask(|source, window, range| {
            let (shared, asked) = (self.clone(), source.ask.as_ref().map(|ask| ask(range)));
            let request = Task::start(async move {
                let got = match asked {
                    Some(asked) => asked.await,
                    None => None,
                };
                shared.came(&window, got.as_ref());
                got
            });
            request.boxed().shared()
        });
    }

    /// Changes the order, and sends what there is room for then. What is no longer needed is dropped without the lock.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut Order<Source<K, T>, Request<T>>) -> R) -> R {
        let mut order = self.order();
        let changed = change(&mut order);
        self.go_on(&mut order);
        changed
    }

    fn cut(self: &Arc<Self>, part: PartId, number: u64, windows: Windows<T>) {
        self.change(|order| cut(order, part, number, windows));
    }

    fn close(self: &Arc<Self>, part: PartId, number: u64) {
        drop(self.change(|order| order.close(part, number)));
    }

    /// A window came, or a request ahead of its turn failed.
    fn came(self: &Arc<Self>, window: &WindowId, got: Option<&T>) {
        let (part, number) = (window.part, window.number);
        let dropped = self.change(|order| {
            let Some(got) = got else { return order.failed(window) };
            order.came(part, number);
            if let Some(then) = order.source(part, number).and_then(|source| source.then.take()) {
                cut(order, part, number, then(got));
            }
            None
        });
        drop(dropped);
    }
}

fn cut<K, T>(order: &mut Order<Source<K, T>, Request<T>>, part: PartId, number: u64, windows: Windows<T>) {
    if let Some(source) = order.source(part, number) {
        (source.ask, source.then) = (Some(windows.ask), windows.then);
        order.cut(part, number, windows.cuts);
    }
}

#[cfg(test)]
mod tests;
