//! A terminal: lines are broken between words, and what is written goes above a progress bar.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use console::Term;
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

/// Breaks the lines of a text between words, so that they fit the terminal; elsewhere the text stays as it is.
pub fn fitted(text: String, terminal: &Term) -> String {
    match terminal.is_term().then(|| terminal.size_checked()).flatten() {
        Some((_, columns)) => broken(&text, usize::from(columns)),
        None => text,
    }
}

/// Lines of at most `columns` letters, if no word is longer. The rest of a broken line is indented by two more than its
/// beginning.
fn broken(text: &str, columns: usize) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let begin = line.len() - line.trim_start_matches(' ').len();
        let indent = " ".repeat(begin + 2);
        let mut at = String::new();
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            let letters = word.trim_end_matches(' ').chars().count();
            if width + letters > columns && width > indent.len() {
                let next = std::mem::replace(&mut at, indent.clone());
                lines.push(next.trim_end_matches(' ').to_owned());
                width = indent.len();
            }
            at.push_str(word);
            width += word.chars().count();
        }
        lines.push(at);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_between_words_and_its_rest_is_indented() {
        let text = "targets  the class of an image\n  is its first folder\n";
        assert_eq!(broken(text, 14), "targets  the\n  class of an\n  image\n  is its first\n    folder\n");
        assert_eq!(broken(text, 80), text);
    }

    #[test]
    fn a_word_that_is_wider_than_the_terminal_stays_whole() {
        assert_eq!(
            broken("  rows: /a/long/path/of/rows here", 10),
            "  rows:\n    /a/long/path/of/rows\n    here"
        );
        assert_eq!(broken("/a/long/path", 4), "/a/long/path");
    }
}
