//! A terminal with a progress bar: what is written goes above the bar.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

/// The bar that is shown, if one is.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

thread_local! {
    /// This thread writes above the bar, whose lock it has.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Shows a bar until [`hide`].
pub fn show(bar: ProgressBar) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
}

/// Takes the bar off the terminal and leaves nothing of it.
pub fn hide() {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

/// Writes whole lines to standard output or standard error, above the bar if there is one.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    if WRITES.get() {
        return write();
    }
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(bar) = bar else { return write() };
    struct Writing;
    impl Drop for Writing {
        fn drop(&mut self) {
            WRITES.set(false);
        }
    }
    bar.suspend(|| {
        WRITES.set(true);
        let _writing = Writing;
        write()
    })
}

/// Returns whether standard error shows colours and `NO_COLOR` is not set.
pub fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal()
        && !is_set("NO_COLOR")
        && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb")
}
