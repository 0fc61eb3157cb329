//! Foreign texts of the page.

use crate::report::html::words::{NONE, name};

/// Characters of a key that are shown.
pub(super) const KEY: usize = 160;

/// A class by its name, or else its index.
pub(super) fn called(text: &Option<String>, class: Option<u32>) -> String {
    match (text, class) {
        (Some(text), _) => name(text),
        (None, Some(class)) => format!("class {class}"),
        (None, None) => NONE.to_owned(),
    }
}
