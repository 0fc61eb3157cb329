//! The requests for windows: sent in their order, and forgotten when they fail.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use crate::ids::PartId;
use crate::tasks::{Task, has_threads};

use super::order::{Cuts, Order, WindowId};
use super::pace::Pace;

/// Sends one request for a window, and does not try again. `None` if that failed, for whatever reason.
pub(in crate::dataset) type Ask<T> = Arc<dyn Fn(Range<u64>) -> BoxFuture<'static, Option<T>> + Send + Sync>;

/// What the first window of a part shows of the others.
pub(in crate::dataset) type Then<T> = Box<dyn FnOnce(&T) -> Windows<T> + Send + Sync>;

/// The windows of one part.
pub(in crate::dataset) struct Windows<T> {
    pub cuts: Cuts,
    pub ask: Ask<T>,
    /// If the first window alone is known so far.
    pub then: Option<Then<T>>,
}

/// All parts, in order.
type Parts<K, T> = Order<Source<K, T>, Request<T>>;

/// The windows of all parts, and the requests for them.
pub(super) struct Ahead<K, T> {
    order: Mutex<Parts<K, T>>,
    pace: Arc<Pace>,
}

/// A request, or another reading, whose result several may wait for.
pub(super) type Request<T> = Shared<BoxFuture<'static, Option<T>>>;

/// What a part is read from.
pub(super) struct Source<K, T> {
    pub known: Option<Request<K>>,
    ask: Option<Ask<T>>,
    then: Option<Then<T>>,
}

impl<K, T> Default for Source<K, T> {
    fn default() -> Self {
        Source { known: None, ask: None, then: None }
    }
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Ahead<K, T> {
    pub fn new(bytes: u64) -> Self {
        Ahead { order: Mutex::new(Order::new(bytes)), pace: Arc::default() }
    }

    pub fn order(&self) -> MutexGuard<'_, Parts<K, T>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the requests that there is room for.
    fn send(self: &Arc<Self>, order: &mut Parts<K, T>) {
        // what is dropped while the process ends may have no runtime around it
        if !has_threads() {
            return;
        }
        order.ask(self.pace.more(), |source, window, range| {
            let (shared, asked) = (self.clone(), source.ask.as_ref().map(|ask| ask(range)));
            let on_its_way = self.pace.begin();
            let request = Task::start(async move {
                let got = match asked {
                    Some(asked) => asked.await,
                    None => None,
                };
                on_its_way.end(got.is_some());
                shared.came(&window, got.as_ref());
                got
            });
            request.boxed().shared()
        });
    }

    /// Changes the order, and sends what there is room for then. What is no longer needed is dropped without the lock.
    pub fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut Parts<K, T>) -> R) -> R {
        let mut order = self.order();
        let changed = change(&mut order);
        self.send(&mut order);
        changed
    }

    pub fn cut(self: &Arc<Self>, part: PartId, number: u64, windows: Windows<T>) {
        self.change(|order| cut(order, part, number, windows));
    }

    pub fn leave(self: &Arc<Self>, part: PartId, number: u64) {
        self.change(|order| order.leave(part, number));
    }

    pub fn close(self: &Arc<Self>, part: PartId, number: u64) {
        drop(self.change(|order| order.close(part, number)));
    }

    /// A window came, or a request ahead of its turn failed.
    pub fn came(self: &Arc<Self>, window: &WindowId, got: Option<&T>) {
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

fn cut<K, T>(order: &mut Parts<K, T>, part: PartId, number: u64, windows: Windows<T>) {
    if let Some(source) = order.source(part, number) {
        let are_all = windows.then.is_none();
        (source.ask, source.then) = (Some(windows.ask), windows.then);
        order.cut(part, number, windows.cuts, are_all);
    }
}
