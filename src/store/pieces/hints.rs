//! Folders that are known: natural places to cut a listing.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use super::cuts::{folder_of, parent_of};
use super::source::Folders;

/// Folders that are remembered; those that were passed are forgotten first.
const MOST: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Hints {
    folders: BTreeSet<String>,
    /// Levels that were asked for, and up to where they are known; `None` is to their end.
    levels: HashMap<String, Option<String>>,
}

impl Hints {
    /// The level whose folders after `last` should be asked for next, from that of its folder up; `None` if a folder
    /// before `until` is known, or nothing more can be.
    pub fn missing(&self, last: &str, until: Option<&str>) -> Option<String> {
        let folder = folder_of(last);
        let mut level = parent_of(folder).unwrap_or_default();
        loop {
            match self.levels.get(level) {
                None => return Some(level.to_owned()),
                Some(_) if self.between(last, until).next().is_some() => return None,
                Some(Some(known)) if known.as_str() <= folder => return Some(level.to_owned()),
                Some(_) => {}
            }
            match parent_of(level) {
                // what is beyond this level is beyond the piece
                Some(_) if until.is_some_and(|until| until.starts_with(level)) => return None,
                Some(parent) => level = parent,
                None => return None,
            }
        }
    }

    /// Learns the folders of a level.
    pub fn learn(&mut self, level: String, found: Folders) {
        let known = if found.has_more { found.keys.last().cloned() } else { None };
        self.folders.extend(found.keys);
        self.levels.insert(level, known);
    }

    /// Folders that begin after a key and before another.
    pub fn between<'a>(&'a self, last: &'a str, until: Option<&'a str>) -> impl Iterator<Item = &'a String> {
        let begin = Bound::Excluded(last);
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        let is_empty = until.is_some_and(|until| until <= last);
        let range = (!is_empty).then(|| self.folders.range::<str, _>((begin, end)));
        range.into_iter().flatten()
    }

    /// Forgets folders before a key, if there are many.
    pub fn forget(&mut self, before: &str) {
        if self.folders.len() > MOST {
            self.folders = self.folders.split_off(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(keys: &[&str], has_more: bool) -> Folders {
        Folders { keys: keys.iter().map(|key| (*key).to_owned()).collect(), has_more }
    }

    #[test]
    fn levels_are_asked_for_from_the_folder_of_a_key_upwards() {
        let mut hints = Hints::default();
        let missing = |hints: &Hints, last: &str| hints.missing(last, None);
        assert_eq!(missing(&hints, "train/a/1.jpg").as_deref(), Some("train/"));
        hints.learn("train/".into(), folders(&["train/a/", "train/b/"], true));
        assert_eq!(missing(&hints, "train/a/1.jpg"), None);
        assert_eq!(missing(&hints, "train/b/1.jpg").as_deref(), Some("train/"));
        hints.learn("train/".into(), folders(&["train/b/"], false));
        assert_eq!(missing(&hints, "train/b/1.jpg").as_deref(), Some(""));
        hints.learn(String::new(), folders(&["train/", "val/"], false));
        assert_eq!(hints.between("train/b/1.jpg", None).collect::<Vec<_>>(), ["val/"]);
        assert_eq!(missing(&hints, "val/1.jpg"), None);
        assert_eq!(hints.between("val/1.jpg", None).count(), 0);
    }

    #[test]
    fn a_listing_without_folders_asks_once() {
        let mut hints = Hints::default();
        assert_eq!(hints.missing("1.jpg", None).as_deref(), Some(""));
        hints.learn(String::new(), Folders::default());
        assert_eq!(hints.missing("1.jpg", None), None);
    }

    #[test]
    fn only_folders_between_two_keys_are_cuts() {
        let mut hints = Hints::default();
        hints.learn(String::new(), folders(&["a/", "b/", "c/", "d/"], false));
        assert_eq!(hints.between("a/9", Some("d/")).collect::<Vec<_>>(), ["b/", "c/"]);
        assert_eq!(hints.between("d/9", Some("b/")).count(), 0);
    }
}
