//! Leaves out of a plan what other outputs have done: a streamed anti-join, both sides in key order.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures::stream::{BoxStream, Peekable, StreamExt, TryStreamExt};

use crate::dataset::DatasetError;

use super::{LeftOut, PlanRow, PlanSource};

/// An image that stands in a finished output and need not be looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneImage {
    /// Key below the input that is being planned.
    pub key: String,
    /// Tag of the object that was classified, where it is known.
    pub etag: Option<String>,
}

/// The images of one finished output, in byte order of the key.
pub trait DoneImages: Send + Sync {
    /// All of them.
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
}

impl PlanSource for Excluding<'_> {
    fn rows(&self, after: Option<&str>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let rows = self.source.rows(after);
        if self.done.is_empty() {
            return rows;
        }
        let done: Vec<Done<'_>> = self.done.iter().map(|done| Box::pin(done.images().peekable())).collect();
        let left = futures::stream::try_unfold((rows, done), move |(mut rows, mut done)| async move {
            while let Some(row) = rows.try_next().await? {
                let mut is_done = false;
                for images in &mut done {
                    is_done |= holds(images, &row).await?;
                }
                if is_done {
                    self.excluded.fetch_add(1, Relaxed);
                } else {
                    return Ok(Some((row, (rows, done))));
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
}

/// True where the image is among `images`: by key and tag, by key alone where either side knows no tag.
async fn holds(images: &mut Done<'_>, row: &PlanRow) -> Result<bool, DatasetError> {
    loop {
        let next = images.as_mut().peek().await;
        match next {
            None => return Ok(false),
            Some(Ok(image)) if image.key > row.key => return Ok(false),
            Some(Ok(image)) if image.key == row.key => {
                let same = image.etag.is_none() || row.etag.is_none() || image.etag == row.etag;
                return Ok(same);
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

    struct List(Vec<(&'static str, Option<&'static str>)>);

    impl PlanSource for List {
        fn rows(&self, after: Option<&str>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
            let after = after.unwrap_or_default().to_owned();
            let rows = self.0.iter().filter(move |(key, _)| *key > after.as_str()).map(|(key, etag)| {
                let etag = etag.map(str::to_owned);
                Ok(PlanRow { key: (*key).to_owned(), size: None, etag, target: None })
            });
            futures::stream::iter(rows.collect::<Vec<_>>()).boxed()
        }

        fn take_left_out(&self) -> LeftOut {
            LeftOut::default()
        }
    }

    impl DoneImages for List {
        fn images(&self) -> BoxStream<'_, Result<DoneImage, DatasetError>> {
            let images = self
                .0
                .iter()
                .map(|(key, etag)| Ok(DoneImage { key: (*key).to_owned(), etag: etag.map(str::to_owned) }));
            futures::stream::iter(images.collect::<Vec<_>>()).boxed()
        }
    }

    async fn left(after: Option<&str>) -> (Vec<String>, u64) {
        let given = List(vec![
            ("a", Some("1")),
            ("b", Some("1")),
            ("c", Some("2")),
            ("d", None),
            ("e", Some("1")),
            ("f", Some("1")),
        ]);
        let done = [
            List(vec![("a", Some("1")), ("c", Some("1")), ("d", Some("1")), ("zz", None)]),
            List(vec![("Z", None), ("e", None)]),
        ];
        let done = done.into_iter().map(|list| Box::new(list) as Box<dyn DoneImages>).collect();
        let excluding = Excluding::new(Box::new(given), done);
        let rows: Vec<PlanRow> = excluding.rows(after).try_collect().await.unwrap();
        (rows.into_iter().map(|row| row.key).collect(), excluding.take_left_out().already_done)
    }

    #[tokio::test]
    async fn what_any_output_has_done_is_left_out_and_a_changed_object_is_not() {
        assert_eq!(left(None).await, (vec!["b".to_owned(), "c".to_owned(), "f".to_owned()], 3));
    }

    #[tokio::test]
    async fn a_listing_that_begins_behind_a_key_leaves_out_the_same() {
        assert_eq!(left(Some("c")).await, (vec!["f".to_owned()], 2));
    }
}
