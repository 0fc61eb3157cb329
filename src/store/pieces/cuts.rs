//! Guesses of where a listing may be cut. They cost requests if they are wrong, and decide nothing.

use super::super::Entry;

/// Characters of a key that count, from where keys begin to differ.
const PLACES: usize = 10;
/// Places before those in which the keys of a page differ, so that a key some pages further can be named.
const CARRY: usize = 3;

/// The folder of a key, with the slash at its end.
pub(super) fn folder_of(key: &str) -> &str {
    key.rfind('/').map_or("", |at| &key[..=at])
}

/// The folder that a folder is in; `None` of the whole listing.
pub(super) fn parent_of(folder: &str) -> Option<&str> {
    Some(folder_of(folder.strip_suffix('/')?))
}

/// The density of keys: a key is read as a number whose digits are the characters that keys have, and `page` is what
/// one page of keys adds to that number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Density {
    /// What all keys begin with that the numbers are good for.
    front: String,
    digits: Vec<char>,
    last: String,
    position: f64,
    page: f64,
}

impl Density {
    /// Returns the density between the key `first` and the last key of `page`, which are `keys` keys apart. `None` if
    /// they allow no estimate.
    pub fn since(first: &str, keys: usize, page: &[Entry]) -> Option<Density> {
        let last = &page.last()?.key;
        let common = first.char_indices().zip(last.chars()).take_while(|((_, a), b)| a == b).count();
        let skipped: usize = last.chars().take(common.saturating_sub(CARRY)).map(char::len_utf8).sum();
        // what comes before the folder of both is not a digit
        let folder = folder_of(&last[..last.chars().take(common).map(char::len_utf8).sum()]).len();
        let front = &last[..skipped.max(folder)];
        let rests = page.iter().filter_map(|entry| entry.key.strip_prefix(front));
        let mut digits: Vec<char> = rests.flat_map(|rest| stem(rest).chars()).collect();
        digits.sort_unstable();
        digits.dedup();
        let none = Density { front: front.to_owned(), digits, last: last.clone(), position: 0.0, page: 0.0 };
        let (from, to) = (none.number(first)?, none.number(last)?);
        let page = (to - from) * page.len() as f64 / keys.max(1) as f64;
        (page > 0.0 && none.digits.len() > 1).then_some(Density { position: to, page, ..none })
    }

    /// Where a key is, from 0 to 1; `None` if it begins otherwise.
    fn number(&self, key: &str) -> Option<f64> {
        let rest = key.strip_prefix(self.front.as_str())?;
        let (base, mut place, mut number) = (self.digits.len() as f64, 1.0, 0.0);
        for letter in stem(rest).chars().take(PLACES) {
            place /= base;
            number += place * self.digits.partition_point(|digit| *digit < letter) as f64;
        }
        Some(number)
    }

    /// Returns a guess of the key that is `pages` pages after the last one; `None` beyond the keys that can be named.
    pub fn ahead(&self, pages: f64) -> Option<String> {
        let mut number = self.position + self.page * pages;
        if !(0.0..1.0).contains(&number) {
            return None;
        }
        let base = self.digits.len() as f64;
        let (mut key, mut place) = (self.front.clone(), 1.0);
        for _ in 0..PLACES {
            number *= base;
            let digit = (number as usize).min(self.digits.len() - 1);
            key.push(self.digits[digit]);
            number -= digit as f64;
            place /= base;
            // as exact as the guess is
            if place < self.page / 8.0 {
                break;
            }
        }
        (key > self.last).then_some(key)
    }

    /// Pages up to a key, at this density.
    pub fn pages_until(&self, until: Option<&str>) -> f64 {
        let end = until.and_then(|until| self.number(until)).unwrap_or(1.0);
        (end - self.position).max(0.0) / self.page
    }
}

/// A name without its extension.
fn stem(name: &str) -> &str {
    name.rfind('.').filter(|at| *at > 0).map_or(name, |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: impl IntoIterator<Item = String>) -> Vec<Entry> {
        keys.into_iter().map(|key| Entry { key, size: 1, ..Entry::default() }).collect()
    }

    #[test]
    fn a_folder_ends_with_its_slash_and_is_in_another() {
        assert_eq!(["a/b/c.jpg", "a/", "c.jpg"].map(folder_of), ["a/b/", "a/", ""]);
        assert_eq!(["a/b/", "a/", ""].map(parent_of), [Some("a/"), Some(""), None]);
    }

    fn density(keys: impl IntoIterator<Item = String>) -> Option<Density> {
        let page = page(keys);
        Density::since(&page.first()?.key, page.len(), &page)
    }

    #[test]
    fn numbers_go_on_as_they_began() {
        let density = density((3000..4000).map(|i| format!("in/{i:08}.jpg"))).unwrap();
        let cut = density.ahead(16.0).unwrap();
        assert!(cut.as_str() > "in/00019" && cut.as_str() < "in/00021", "{cut}");
        let pages = density.pages_until(Some("in/00013999.jpg"));
        assert!((9.0..11.0).contains(&pages), "{pages}");
        assert!(density.pages_until(None) > 100.0);
    }

    #[test]
    fn hashes_go_on_as_they_began() {
        // the first thousand of 65,536 keys that are spread evenly
        let density =
            density((0..1000_u32).map(|i| format!("{:08x}.png", i * 65_536 + i * 31 % 65_536))).unwrap();
        let pages = density.pages_until(None);
        assert!((50.0..80.0).contains(&pages), "{pages}");
        let cut = density.ahead(16.0).unwrap();
        assert!(cut.as_str() > "41" && cut.as_str() < "44", "{cut}");
    }

    #[test]
    fn folders_that_are_small_go_on_as_they_began() {
        let density = density((0..1000).map(|i| format!("in/c{:06}/{}.jpg", i / 3, i % 3))).unwrap();
        let cut = density.ahead(16.0).unwrap();
        assert!(cut.as_str() > "in/c003" && cut.as_str() < "in/c008", "{cut}");
    }

    #[test]
    fn what_says_nothing_of_the_keys_to_come_gives_no_cut() {
        assert_eq!(Density::since("a", 1, &[]), None);
        assert_eq!(density(["a/1".to_owned()]), None);
        let letters = density(["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!(letters.ahead(5.0), None);
        // letters that take more than a byte, and one that no key has
        let density = density(["ä1é".to_owned(), "ä2é".to_owned(), "ä3é".to_owned()]).unwrap();
        assert!(density.pages_until(Some("ü")) >= 0.0);
        drop(density.ahead(0.5));
    }
}
