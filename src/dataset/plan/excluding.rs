//! Leaves out of a plan what other outputs have done.
//!
//! Where both sides come in byte order of the key, it is a streamed anti-join. Else the done ones are held as
//! hashes of 128 bits: by object and tag for shards and files, by key alone for manifests, which know no tags.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures::stream::{BoxStream, Peekable, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::dataset::DatasetError;
use crate::store::{ListingOrder, opaque_tag};

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow};
use super::source::{PlanShape, PlanSource};

/// An item of a finished output that need not be classified again: an image, a whole shard, or a whole row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneImage {
    /// Key below the input that is being planned; of a row group, [`group_key`].
    pub key: String,
    /// Tag of the object that was classified, where it is known.
    pub etag: Option<String>,
}

/// The objects of one finished output.
pub trait DoneImages: Send + Sync {
    /// True where they come in byte order of the key, each once, and so do the rows of the plan.
    fn is_ordered(&self) -> bool;
    /// All of them.
    ///
    /// # Errors
    /// An item is an error if the output or its plan cannot be read any more.
    fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>>;
}

/// A source without the images that are done.
pub struct Excluding<'a> {
    source: Box<dyn PlanSource + 'a>,
    done: Vec<Box<dyn DoneImages>>,
    excluded: AtomicU64,
}

type Done<'a> = Pin<Box<Peekable<BoxStream<'a, Result<DoneImage, DatasetError>>>>>;

impl<'a> Excluding<'a> {
    /// `source` less `done`.
    pub fn new(source: Box<dyn PlanSource + 'a>, done: Vec<Box<dyn DoneImages>>) -> Self {
        Excluding { source, done, excluded: AtomicU64::new(0) }
    }

    async fn held(&self) -> Result<DoneHashes, DatasetError> {
        let mut held = DoneHashes::default();
        for done in self.done.iter().filter(|done| !done.is_ordered()) {
            let mut images = done.images();
            while let Some(image) = images.try_next().await? {
                held.add(&image);
            }
        }
        Ok(held)
    }
}

impl PlanSource for Excluding<'_> {
    fn shape(&self) -> PlanShape<'_> {
        self.source.shape()
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let rows = self.source.rows(after);
        if self.done.is_empty() {
            return rows;
        }
        let ordered = self.done.iter().filter(|done| done.is_ordered());
        let done: Vec<Done<'_>> = ordered.map(|done| Box::pin(done.images().peekable())).collect();
        let left =
            futures::stream::try_unfold((rows, done, None), move |(mut rows, mut done, held)| async move {
                let held = match held {
                    Some(held) => held,
                    None => self.held().await?,
                };
                while let Some(row) = rows.try_next().await? {
                    let mut is_done = held.holds(&row);
                    for images in &mut done {
                        is_done |= holds(images, &row).await?;
                    }
                    if is_done {
                        self.excluded.fetch_add(1, Relaxed);
                    } else {
                        return Ok(Some((row, (rows, done, Some(held)))));
                    }
                }
                Ok(None)
            });
        left.boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        let mut left_out = self.source.take_left_out();
        left_out.already_done += self.excluded.swap(0, Relaxed);
        left_out
    }

    fn order(&self) -> Option<&ListingOrder> {
        self.source.order()
    }

    fn empty_error(&self) -> DatasetError {
        self.source.empty_error()
    }
}

/// What a row group is called: its file, its first row, and how many it has. A part of a group is another one.
pub fn group_key(file: &str, first: i64, rows: u32) -> String {
    format!("{file}!{first}+{rows}")
}

/// Done objects as hashes.
#[derive(Default)]
struct DoneHashes {
    /// Keys, whatever their tag.
    keys: HashSet<u128>,
    /// Keys of which no tag is known.
    untagged: HashSet<u128>,
    /// Keys with their tags.
    tagged: HashSet<u128>,
}

impl DoneHashes {
    fn add(&mut self, image: &DoneImage) {
        self.keys.insert(hash(&image.key, ""));
        match &image.etag {
            Some(etag) => self.tagged.insert(hash(&image.key, etag)),
            None => self.untagged.insert(hash(&image.key, "")),
        };
    }

    fn holds(&self, row: &PlanRow) -> bool {
        let key = match row.group {
            Some(group) => &group_key(&row.key, group.first as i64, group.rows),
            None => &row.key,
        };
        match &row.etag {
            None => self.keys.contains(&hash(key, "")),
            Some(etag) => self.tagged.contains(&hash(key, etag)) || self.untagged.contains(&hash(key, "")),
        }
    }
}

fn hash(key: &str, etag: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    // one object has its tag with or without quotes, as it was listed or read
    hash.update(opaque_tag(etag));
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    u128::from_le_bytes(first)
}

/// True where the image is among `images`: by key and tag, by key alone where either side knows no tag.
async fn holds(images: &mut Done<'_>, row: &PlanRow) -> Result<bool, DatasetError> {
    loop {
        let next = images.as_mut().peek().await;
        match next {
            None => return Ok(false),
            Some(Ok(image)) if image.key > row.key => return Ok(false),
            Some(Ok(image)) if image.key == row.key => {
                return Ok(match (&image.etag, &row.etag) {
                    (Some(done), Some(planned)) => opaque_tag(done) == opaque_tag(planned),
                    _ => true,
                });
            }
            Some(Ok(_)) => {
                images.next().await;
            }
            Some(Err(_)) => {
                return match images.next().await {
                    Some(Err(error)) => Err(error),
                    _ => Ok(false),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List {
        items: Vec<(&'static str, Option<&'static str>)>,
        ordered: bool,
    }

    fn list(ordered: bool, items: &[(&'static str, Option<&'static str>)]) -> List {
        List { items: items.to_vec(), ordered }
    }

    impl PlanSource for List {
        fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
            let after = after.map(|after| after.key.clone()).unwrap_or_default();
            let rows = self.items.iter().filter(move |(key, _)| *key > after.as_str()).map(|(key, etag)| {
                let etag = etag.map(str::to_owned);
                Ok(PlanRow { key: (*key).to_owned(), etag, ..PlanRow::default() })
            });
            futures::stream::iter(rows.collect::<Vec<_>>()).boxed()
        }

        fn take_left_out(&self) -> LeftOut {
            LeftOut::default()
        }

        fn empty_error(&self) -> DatasetError {
            DatasetError::Missing { uri: String::new() }
        }
    }

    impl DoneImages for List {
        fn is_ordered(&self) -> bool {
            self.ordered
        }

        fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>> {
            let images = self
                .items
                .iter()
                .map(|(key, etag)| Ok(DoneImage { key: (*key).to_owned(), etag: etag.map(str::to_owned) }));
            futures::stream::iter(images.collect::<Vec<_>>()).boxed()
        }
    }

    async fn left(ordered: bool, after: Option<&str>) -> (Vec<String>, u64) {
        let one = Some("1");
        let given =
            list(true, &[("a", one), ("b", one), ("c", Some("2")), ("d", None), ("e", one), ("f", one)]);
        let done = [
            list(ordered, &[("a", Some("\"1\"")), ("c", one), ("d", one), ("zz", None)]),
            list(ordered, &[("Z", None), ("e", None)]),
        ];
        let done = done.into_iter().map(|list| Box::new(list) as Box<dyn DoneImages>).collect();
        let excluding = Excluding::new(Box::new(given), done);
        let after = after.map(|key| PlanPosition { key: key.into(), group: None });
        let rows: Vec<PlanRow> = excluding.rows(after.as_ref()).try_collect().await.unwrap();
        (rows.into_iter().map(|row| row.key).collect(), excluding.take_left_out().already_done)
    }

    #[tokio::test]
    async fn what_any_output_has_done_is_left_out_and_a_changed_object_is_not() {
        for ordered in [true, false] {
            assert_eq!(left(ordered, None).await, (vec!["b".to_owned(), "c".to_owned(), "f".to_owned()], 3));
        }
    }

    #[tokio::test]
    async fn a_listing_that_begins_behind_a_key_leaves_out_the_same() {
        for ordered in [true, false] {
            assert_eq!(left(ordered, Some("c")).await, (vec!["f".to_owned()], 2));
        }
    }
}
