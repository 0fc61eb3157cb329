//! What a listing leaves out, counted while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::store::escaped;

/// What follows a dot is an extension up to this many bytes; a longer one is part of a name.
const LONGEST_EXTENSION: usize = 12;
/// Extensions of which a file is named.
const MOST_NAMED: usize = 16;

/// What a listing saw and did not take, so that nothing is dropped in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Files by their extension (with its dot).
    pub extensions: BTreeMap<String, u64>,
    /// The first of these that a pattern finds, by their extension.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found_by_pattern: BTreeMap<String, String>,
    /// What is no file: links to a folder above them, FIFOs, sockets, devices, and what was deleted while it was listed. In
    /// jobs that version 0.1.0 began, also links to nothing and names that are no text.
    pub unreadable: u64,
    /// Empty objects that a console put where a person made a folder.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub markers: u64,
    /// Files whose name or one of whose folders is hidden.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden: u64,
    /// Images without a target (they are in no class folder or in no truth file): planned all the same.
    pub without_target: u64,
    /// Images that are in an output of `input.exclude_done`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub already_done: u64,
    /// Rows of a manifest whose image an earlier row has (`input.duplicates = "skip"`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u64,
    /// Images after the first one of a list in a row of Parquet; known when the rows were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further_images: u64,
    /// Versions of objects in an inventory that newer ones have replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub old_versions: u64,
    /// Delete markers in an inventory: their objects were deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delete_markers: u64,
    /// Objects in an inventory that are not below the input.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub outside: u64,
}

impl LeftOut {
    /// True where all was taken and had a target.
    pub fn is_empty(&self) -> bool {
        *self == LeftOut::default()
    }

    /// Keeps the first key of an extension, and of few extensions: a listing may have any number of them.
    fn name(&mut self, extension: &str, key: &str) {
        if self.found_by_pattern.len() < MOST_NAMED || self.found_by_pattern.contains_key(extension) {
            self.found_by_pattern.entry(extension.to_owned()).or_insert_with(|| key.to_owned());
        }
    }

    /// What an error for an empty input appends: the counts in brackets, or nothing.
    pub(in crate::dataset) fn in_brackets(&self) -> String {
        if self.is_empty() { String::new() } else { format!(" ({self})") }
    }

    /// Adds another listing's counts.
    pub fn add(&mut self, other: &LeftOut) {
        for (extension, count) in &other.extensions {
            *self.extensions.entry(extension.clone()).or_default() += count;
        }
        for (extension, key) in &other.found_by_pattern {
            self.name(extension, key);
        }
        self.unreadable += other.unreadable;
        self.markers += other.markers;
        self.hidden += other.hidden;
        self.without_target += other.without_target;
        self.already_done += other.already_done;
        self.duplicates += other.duplicates;
        self.further_images += other.further_images;
        self.old_versions += other.old_versions;
        self.delete_markers += other.delete_markers;
        self.outside += other.outside;
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> =
            self.extensions.iter().map(|(extension, count)| format!("{count} {extension}")).collect();
        if !parts.is_empty() {
            parts = vec![format!("left out: {}", parts.join(", "))];
        }
        if !self.found_by_pattern.is_empty() {
            let named: Vec<String> = self.found_by_pattern.values().map(|key| format!("`{key}`")).collect();
            parts.push(format!("the pattern also finds {}", named.join(", ")));
        }
        if self.unreadable > 0 {
            parts.push(format!("{} cannot become a row", self.unreadable));
        }
        if self.markers > 0 {
            parts.push(format!("{} folder markers (empty objects)", self.markers));
        }
        if self.hidden > 0 {
            parts.push(format!("{} hidden files (by their name or a folder of theirs)", self.hidden));
        }
        if self.without_target > 0 {
            parts.push(format!(
                "taken without a target, since no class folder and no truth file has them: {}",
                self.without_target
            ));
        }
        if self.already_done > 0 {
            parts.push(format!("left out, since an excluded output has them: {}", self.already_done));
        }
        if self.duplicates > 0 {
            parts.push(format!("left out, since an earlier row has the image: {}", self.duplicates));
        }
        if self.further_images > 0 {
            parts.push(format!(
                "left out, since a row is the first image of its list: {}",
                self.further_images
            ));
        }
        for (count, what) in [
            (self.old_versions, "old versions of objects"),
            (self.delete_markers, "delete markers"),
            (self.outside, "objects of the inventory that are not below the input"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        f.write_str(&parts.join("; "))
    }
}

/// Counts what a listing leaves out. A source is listed through a shared reference, hence the lock.
#[derive(Debug, Default)]
pub struct LeftOutCounter(Mutex<LeftOut>);

impl LeftOutCounter {
    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut LeftOut)) {
        if let Ok(mut left_out) = self.0.lock() {
            change(&mut left_out);
        }
    }

    /// Counts a file that is left out for its extension, given without the dot.
    pub fn count_extension(&self, extension: Option<&str>) {
        let extension = shown(extension);
        self.count(|left_out| *left_out.extensions.entry(extension).or_default() += 1);
    }

    /// Names a file that is counted by its extension.
    pub fn name(&self, extension: Option<&str>, key: &str) {
        self.count(|left_out| left_out.name(&shown(extension), &escaped(key)));
    }

    /// Counts and names what a local disk lists and cannot become a row.
    pub fn refuse(&self, path: &str, why: &str) {
        tracing::warn!(path, why, "a file cannot become a row");
        self.count(|left_out| left_out.unreadable += 1);
    }

    /// Returns what was left out since the last call.
    pub fn take(&self) -> LeftOut {
        self.0.lock().map(|mut left_out| std::mem::take(&mut *left_out)).unwrap_or_default()
    }
}

/// How an extension without its dot is counted.
fn shown(extension: Option<&str>) -> String {
    let extension = extension.filter(|extension| extension.len() <= LONGEST_EXTENSION);
    extension.map_or("(no extension)".into(), |extension| format!(".{}", escaped(extension)))
}

/// Returns the extension of a key's name in lower case, without the dot; slashes at a key's end are no part of it.
pub fn extension_of(key: &str) -> Option<String> {
    let name = key.trim_end_matches('/').rsplit('/').next().unwrap_or(key);
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_of_each_of_the_first_extensions_is_named() {
        let counter = LeftOutCounter::default();
        for number in 0..100 {
            let extension = format!("x{}", number % 50);
            counter.name(Some(&extension), &format!("{number}.{extension}"));
        }
        let mut left_out = counter.take();
        assert_eq!(left_out.found_by_pattern.len(), MOST_NAMED);
        assert_eq!(left_out.found_by_pattern[".x0"], "0.x0");
        assert!(left_out.to_string().contains("the pattern also finds `0.x0`"));
        let later = LeftOut {
            found_by_pattern: [(".x0".to_owned(), "later".to_owned())].into(),
            ..LeftOut::default()
        };
        left_out.add(&later);
        assert_eq!(left_out.found_by_pattern[".x0"], "0.x0");
    }
}
