//! Texts that do not lie beside their image, and the images that wait for them.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::error::TarError;
use super::texts::{Missing, Text};

/// Bytes of such texts that a shard may have, with [`EACH`] for each: a constant, because rows must not depend on the
/// machine.
const MOST_HELD: usize = 64 << 20;
/// What one text takes beside its bytes, on every machine.
const EACH: usize = 28;
const _: () = assert!(size_of::<Entry>() <= EACH);

/// 128 bits of a name's hash.
pub(super) type NameHash = [u8; 16];

pub(super) fn hash(name: &str) -> NameHash {
    let hash = Sha256::digest(name);
    std::array::from_fn(|byte| hash[byte])
}

/// One text, in order of its name, its kind and its place in the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    sample: NameHash,
    kind: Text,
    /// Where its bytes begin, which also is its place in the shard.
    at: u32,
    length: u32,
    /// Its bytes are the reason why it was not read.
    is_error: bool,
}

/// The texts of a shard that no image beside them has taken.
#[derive(Debug, Default)]
pub(super) struct Apart {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Samples of each name that are without a text, by kind.
    waiting: HashMap<NameHash, [u32; 3]>,
    /// How often each image was without a text so far, by kind.
    seen: HashMap<NameHash, [u32; 3]>,
}

/// What an image gets of the texts apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// The shard has none for it.
    None,
    /// Its own.
    Text(Result<Vec<u8>, String>),
    /// There is another number of texts than of samples with the name: which is whose, no one knows.
    Unequal { samples: usize, texts: usize },
}

impl Apart {
    /// Holds a text.
    ///
    /// # Errors
    /// If that is more than a shard may have.
    pub fn hold(&mut self, sample: &str, kind: Text, text: &Result<Vec<u8>, String>) -> Result<(), TarError> {
        let (bytes, is_error) = match text {
            Ok(bytes) => (bytes.as_slice(), false),
            Err(why) => (why.as_bytes(), true),
        };
        if self.bytes.len() + bytes.len() + (self.entries.len() + 1) * EACH > MOST_HELD {
            return Err(TarError::Limit {
                why: format!(
                    "has more than {} MiB of texts (`.cls`, `.json`, `.txt`) that do not lie beside their image; pack \
                     each text beside its image",
                    MOST_HELD >> 20
                ),
            });
        }
        self.entries.push(Entry {
            sample: hash(sample),
            kind,
            // below MOST_HELD
            at: self.bytes.len() as u32,
            length: bytes.len() as u32,
            is_error,
        });
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Notes an image of a sample that is without some texts; `image` is its member's name.
    pub fn wait(&mut self, sample: &str, image: &str, missing: Missing) {
        let seen = self.seen.entry(hash(image)).or_default();
        let waiting = self.waiting.entry(hash(sample)).or_default();
        for kind in 0..3 {
            seen[kind] += u32::from(missing[kind]);
            // the images of one sample differ in their suffix
            waiting[kind] = waiting[kind].max(seen[kind]);
        }
    }

    /// Every text and every image has come; the images come once more, to be joined.
    pub fn close(&mut self) {
        // an empty text has the place of the next one, so the order in the shard must not be lost
        self.entries.sort_by_key(|entry| (entry.sample, entry.kind));
        self.seen.clear();
    }

    /// The number of the next image of this name that is without some texts, by kind, from 0.
    pub fn number(&mut self, image: &str, missing: Missing) -> [u32; 3] {
        let seen = self.seen.entry(hash(image)).or_default();
        let number = *seen;
        for kind in 0..3 {
            seen[kind] += u32::from(missing[kind]);
        }
        number
    }

    /// The text of a kind for the sample with this number among those of its name.
    pub fn join(&self, sample: &str, kind: Text, number: u32) -> Joined {
        let sample = hash(sample);
        let samples = self.waiting.get(&sample).map_or(0, |waiting| waiting[kind as usize]);
        let entries = self.of(sample, kind);
        if entries.is_empty() {
            return Joined::None;
        }
        match entries.get(number as usize) {
            Some(entry) if entries.len() == samples as usize => {
                let bytes = &self.bytes[entry.at as usize..][..entry.length as usize];
                Joined::Text(match entry.is_error {
                    true => Err(String::from_utf8_lossy(bytes).into_owned()),
                    false => Ok(bytes.to_vec()),
                })
            }
            _ => Joined::Unequal { samples: samples as usize, texts: entries.len() },
        }
    }

    fn of(&self, sample: NameHash, kind: Text) -> &[Entry] {
        let begin = self.entries.partition_point(|entry| (entry.sample, entry.kind) < (sample, kind));
        let end = self.entries.partition_point(|entry| (entry.sample, entry.kind) <= (sample, kind));
        &self.entries[begin..end]
    }

    fn is_waited_for(&self, entry: &Entry) -> bool {
        self.waiting.get(&entry.sample).is_some_and(|waiting| waiting[entry.kind as usize] > 0)
    }

    /// Texts that no image waits for.
    pub fn unclaimed(&self) -> u64 {
        self.entries.iter().filter(|entry| !self.is_waited_for(entry)).count() as u64
    }

    /// Whether any image gets a text, or an error in its place.
    pub fn changes_rows(&self) -> bool {
        self.entries.iter().any(|entry| self.is_waited_for(entry))
    }
}
