//! The names of [`super`] as `loom` needs them: every call is a point where another thread may run, and `loom` tries
//! every choice up to a number of preemptions.
//!
//! A channel here is a list under a lock. It replaces the one of `async-channel`, which `loom` cannot look into.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use loom::sync::Condvar;

pub use loom::cell::UnsafeCell;
pub use loom::future::block_on;
pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
pub use loom::sync::{Arc, Mutex, MutexGuard};
pub use loom::thread::JoinHandle;

/// Preemptions that a model tries where `LOOM_MAX_PREEMPTIONS` sets no number.
const PREEMPTIONS: usize = 2;
/// Words of a thread's stack. The 4096 of `loom` are too few to open a file or to report a failed assertion.
const STACK: usize = 64 << 10;

/// Runs `check` once for every interleaving of its threads, of which it may have four beside its own.
pub fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(check);
}

/// Starts a thread of a model.
///
/// # Panics
/// `loom` cannot start the thread.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    loom::thread::Builder::new().stack_size(STACK).spawn(work).unwrap()
}

/// Waits until these threads have ended.
///
/// # Panics
/// One of the threads panicked.
pub fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

pub fn peek<T, R>(cell: &UnsafeCell<T>, look: impl FnOnce(*const T) -> R) -> R {
    cell.with(look)
}

pub fn take<T, R>(cell: &UnsafeCell<T>, take: impl FnOnce(*mut T) -> R) -> R {
    cell.with_mut(take)
}

/// Tokio's own. Each call is one step: `loom` may switch threads before it, and not within it.
#[derive(Default)]
pub struct Notify {
    notify: tokio::sync::Notify,
    calls: AtomicUsize,
}

impl Notify {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn notify_one(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_one();
    }

    pub async fn notified(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        self.notify.notified().await;
    }
}

/// A value that is set once. What was done before is seen by every thread that sees the value.
pub struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    is_set: AtomicBool,
}

impl<T> OnceLock<T> {
    pub fn new() -> Self {
        OnceLock { value: std::sync::OnceLock::new(), is_set: AtomicBool::new(false) }
    }

    /// Sets the value, once.
    ///
    /// # Errors
    /// `value`, if another one is set already.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }

    pub fn get(&self) -> Option<&T> {
        self.is_set.load(Ordering::Acquire).then(|| self.value.get())?
    }

    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

/// A channel with room for `capacity` items; one item too many fails the model.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let queue = Queue { items: VecDeque::new(), closed: false };
    let channel = Arc::new(Channel { capacity, queue: Mutex::new(queue), changed: Condvar::new() });
    (Sender(channel.clone()), Receiver(channel))
}

struct Channel<T> {
    capacity: usize,
    queue: Mutex<Queue<T>>,
    changed: Condvar,
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
}

pub struct Sender<T>(Arc<Channel<T>>);
pub struct Receiver<T>(Arc<Channel<T>>);

impl<T> Sender<T> {
    /// Puts an item in; an item for a closed channel comes back.
    ///
    /// # Errors
    /// `item`, if the channel is closed.
    ///
    /// # Panics
    /// The channel is full, or a thread panicked while it held the channel's lock.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        let mut queue = self.0.queue.lock().unwrap();
        if queue.closed {
            return Err(item);
        }
        assert!(queue.items.len() < self.0.capacity, "a channel has no room for an item");
        queue.items.push_back(item);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Ends all waiting; items that are in the channel stay there.
    ///
    /// # Panics
    /// A thread of the model panicked while it held the channel's lock.
    pub fn close(&self) {
        self.0.queue.lock().unwrap().closed = true;
        self.0.changed.notify_all();
    }
}

/// The channel is closed and empty, or only empty.
#[derive(Debug)]
pub struct Nothing;

impl<T> Receiver<T> {
    /// Waits for an item. The wait is within one poll.
    ///
    /// # Errors
    /// [`Nothing`]: the channel is closed and empty.
    ///
    /// # Panics
    /// A thread of the model panicked while it held the channel's lock.
    pub async fn recv(&self) -> Result<T, Nothing> {
        let mut queue = self.0.queue.lock().unwrap();
        loop {
            match queue.items.pop_front() {
                Some(item) => return Ok(item),
                None if queue.closed => return Err(Nothing),
                None => queue = self.0.changed.wait(queue).unwrap(),
            }
        }
    }

    /// Takes an item without waiting.
    ///
    /// # Errors
    /// [`Nothing`]: the channel is empty.
    ///
    /// # Panics
    /// A thread of the model panicked while it held the channel's lock.
    pub fn try_recv(&self) -> Result<T, Nothing> {
        self.0.queue.lock().unwrap().items.pop_front().ok_or(Nothing)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

thread_local! {
    // every thread of a model runs on the one thread of its test
    static EACH_TAKES: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
    static BLOCKING: std::cell::RefCell<Vec<JoinHandle<()>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A clock that shows the same time for everything, since a model must not depend on a real one.
pub struct Instant;

impl Instant {
    pub fn now() -> Self {
        Instant
    }

    pub fn elapsed(&self) -> Duration {
        EACH_TAKES.get()
    }
}

/// How long everything takes from now on that this test measures.
pub fn each_takes(time: Duration) {
    EACH_TAKES.set(time);
}

/// Starts a thread of a model in place of one of tokio's.
pub fn spawn_blocking(work: impl FnOnce() + Send + 'static) {
    let thread = spawn(work);
    BLOCKING.with_borrow_mut(|threads| threads.push(thread));
}

/// Waits until every thread of [`spawn_blocking`] has ended, and those that they started.
///
/// # Panics
/// One of the threads panicked.
pub fn blocking_threads_end() {
    while let Some(thread) = BLOCKING.with_borrow_mut(Vec::pop) {
        thread.join().unwrap();
    }
}
