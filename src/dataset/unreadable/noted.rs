//! The keys that were given up in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::dataset::ReadError;
use crate::store::Unanswered;

/// Keys whose parts are read once more at the end, and how many there may be.
#[derive(Debug)]
pub(super) struct Noted {
    keys: Mutex<BTreeSet<String>>,
    /// Keys that were counted by their reason.
    counted: Mutex<BTreeSet<String>>,
    /// Keys that have become a row, and what the store does for them.
    rows: Mutex<BTreeMap<String, Unanswered>>,
    most: usize,
}

impl Noted {
    pub fn new(most: usize) -> Self {
        Noted { keys: Mutex::default(), counted: Mutex::default(), rows: Mutex::default(), most }
    }

    pub fn contains(&self, key: &str) -> bool {
        lock(&self.keys).contains(key)
    }

    /// Notes a key.
    ///
    /// # Errors
    /// [`ReadError::TooManyUnreadable`] if it is one more than allowed.
    pub fn add(&self, key: &str) -> Result<(), ReadError> {
        let mut keys = lock(&self.keys);
        keys.insert(key.to_owned());
        match keys.len() > self.most {
            true => {
                Err(ReadError::TooManyUnreadable { key: key.to_owned(), count: keys.len(), most: self.most })
            }
            false => Ok(()),
        }
    }

    /// The key becomes a row.
    pub fn add_row(&self, key: &str, unanswered: Unanswered) {
        lock(&self.rows).insert(key.to_owned(), unanswered);
    }

    /// What the store does for a key that has become a row. A file with many parts is waited for once.
    pub fn row(&self, key: &str) -> Option<Unanswered> {
        lock(&self.rows).get(key).copied()
    }

    /// True the first time that a key is counted by its reason.
    pub fn counts(&self, key: &str) -> bool {
        lock(&self.counted).insert(key.to_owned())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
