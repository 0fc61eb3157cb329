//! Which names of a shard came before.

use std::collections::HashMap;

use super::apart::{NameHash, hash};

/// How often each name came, by its hash.
#[derive(Default)]
pub(super) struct Names(HashMap<NameHash, u32>);

impl Names {
    /// The name, with `#2` and so on where it came before.
    pub fn unique(&mut self, name: String) -> String {
        let mut unique = name.clone();
        loop {
            let count = self.count_on(&unique);
            if count == 1 {
                return unique;
            }
            // counted at the plain name, so that a name that comes a million times is looked up once or twice
            let count = if unique == name { count } else { self.count_on(&name) };
            unique = format!("{name}#{count}");
        }
    }

    fn count_on(&mut self, name: &str) -> u32 {
        let count = self.0.entry(hash(name)).or_default();
        *count += 1;
        *count
    }
}
