//! Panics of the libraries that read Parquet: a damaged or hostile file is an error, whatever it does to them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failpoints;

/// Characters of a panic's text that are kept.
const LONGEST: usize = 200;

/// Runs `work`, which reads bytes of a Parquet file.
///
/// # Errors
/// The text of its panic.
pub fn guard_parquet<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        failpoints::pass("parquet.read");
        work()
    }));
    caught.map_err(|panic| format!("its reader panicked: {}", text(panic.as_ref())))
}

/// [`guard_parquet`] for work whose errors are texts for a person, too.
///
/// # Errors
/// Those of `work`, and the text of its panic.
pub fn guard_parquet_result<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    guard_parquet(work)?.map_err(|error| error.to_string())
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("for no reason given").chars().take(LONGEST).collect()
}

/// Ends after the first error.
pub(super) struct Guarded<I>(pub Option<I>);

impl<T, E: ToString, I: Iterator<Item = Result<T, E>>> Iterator for Guarded<I> {
    type Item = Result<T, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = self.0.as_mut()?;
        let next = match guard_parquet(|| batches.next()) {
            Ok(next) => next?.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        if next.is_err() {
            self.0 = None;
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words_and_ends_the_batches() {
        let batches = (0..3)
            .map(|number| if number == 1 { panic!("page {number} is odd") } else { Ok::<_, String>(number) });
        let mut guarded = Guarded(Some(batches));
        assert_eq!(guarded.next(), Some(Ok(0)));
        assert_eq!(guarded.next(), Some(Err("its reader panicked: page 1 is odd".into())));
        assert_eq!(guarded.next(), None);
    }
}
