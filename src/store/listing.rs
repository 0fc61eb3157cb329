//! Listing a folder in key order, through pages that fail and stores that do not sort.

use std::collections::VecDeque;

use super::local_walk::{Unreadable, walk};
use super::page::Listed;
use super::pieces::in_pieces;
use super::retry::RetryBudget;
use super::walk::PagedLocation;
use super::{Entry, Location, StoreError, Uri};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

/// Keys whose order is looked at before any is handed on: two pages' worth.
const TWO_PAGES: usize = 2000;

type Entries<'a> = BoxStream<'a, Result<Entry, StoreError>>;
type Objects<'a> = BoxStream<'a, Result<Listed, StoreError>>;

impl Location {
    /// Every object below, in byte order of the key, beginning after `after`.
    ///
    /// On local disk this is a sorted walk of our own; `unreadable` is called for files that cannot become a key. A
    /// store's listing is streamed, in pieces where the store has pages, with folder markers in it
    /// ([`Entry::is_marker`]), and its order is checked; a page that fails is asked for again from the last key on.
    ///
    /// # Errors
    /// An item is an error if a folder cannot be read, or a page is denied or fails until the retries are spent.
    /// [`StoreError::Disorder`]: a key is out of order, and it is too late to sort.
    pub fn entries<'a>(
        &'a self,
        after: Option<&str>,
        unreadable: Box<dyn Fn(Unreadable) + Send + Sync + 'a>,
    ) -> Entries<'a> {
        let after = after.map(str::to_owned);
        match &self.uri {
            Uri::Local(root) => walk(root.clone(), after, unreadable),
            Uri::Remote { .. } => self.listing(after),
        }
    }

    fn listing(&self, after: Option<String>) -> Entries<'_> {
        let pages = async move {
            // S3's directory buckets never sort
            let unsorted = matches!(&self.uri, Uri::Remote { bucket, .. } if bucket.ends_with("--x-s3"));
            if self.settings.sort_listing || unsorted || self.order.is_sorted() {
                return self.sorted(after).await;
            }
            let stored: Entries<'_> = match self.paged.clone() {
                Some(store) => {
                    let source = PagedLocation { location: self.clone(), store };
                    in_pieces(source, after.clone(), self.settings.pieces)
                }
                None => self.resumable(after.clone()),
            };
            let mut entries = ordered(stored).fuse();
            let mut head = VecDeque::new();
            while head.len() < TWO_PAGES {
                match entries.try_next().await {
                    Ok(Some(entry)) => head.push_back(Ok(entry)),
                    Ok(None) => break,
                    // after a key, it is too late: what the store orders before it is hidden
                    Err(StoreError::Disorder { .. }) if after.is_none() => {
                        tracing::warn!("the store lists keys out of order: all are collected and sorted");
                        self.order.sort();
                        return self.sorted(after).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(futures::stream::iter(head).chain(entries).boxed())
        };
        futures::stream::once(pages).try_flatten().boxed()
    }

    fn pages(&self, after: Option<&str>) -> Objects<'_> {
        self.listed(after.map(|key| self.whole_key(key)))
    }

    /// The listing of a store without pages; after an error that may pass, it continues after the greatest key seen.
    fn resumable(&self, after: Option<String>) -> Entries<'_> {
        struct Walk<'a> {
            pages: Option<Objects<'a>>,
            /// Where the store was asked to begin.
            begins: Option<String>,
            greatest: Option<String>,
            budget: Option<RetryBudget>,
        }
        let walk = Walk { pages: None, greatest: after.clone(), begins: after, budget: None };
        let entries = futures::stream::try_unfold(walk, move |mut walk| async move {
            loop {
                let pages = match &mut walk.pages {
                    Some(pages) => pages,
                    none => none.insert(self.pages(walk.greatest.as_deref())),
                };
                let error = match pages.next().await {
                    None => return Ok(None),
                    Some(Ok(object)) => {
                        let entry = self.entry(object);
                        walk.budget = None;
                        // a store that does not begin where it was asked to, or sorts otherwise than by bytes:
                        // what it hides cannot be known
                        if walk.begins.as_ref().is_some_and(|begins| entry.key <= *begins) {
                            return Err(StoreError::Disorder { key: entry.key });
                        }
                        walk.greatest = walk.greatest.take().max(Some(entry.key.clone()));
                        return Ok(Some((entry, walk)));
                    }
                    Some(Err(error)) => error,
                };
                let budget = walk.budget.get_or_insert_with(|| RetryBudget::new(self.settings.retry));
                if !error.is_transient() || !budget.wait().await {
                    return Err(error);
                }
                self.traffic.retried();
                tracing::warn!(%error, "storage: the listing continues after its last key");
                walk.pages = None;
                walk.begins = walk.greatest.clone();
            }
        });
        entries.boxed()
    }

    /// The whole listing, sorted.
    async fn sorted(&self, after: Option<String>) -> Result<Entries<'_>, StoreError> {
        let mut all: Vec<Entry> = self
            .retry(|| self.pages(None).map_ok(|object| self.entry(object)).try_collect::<Vec<Entry>>())
            .await?;
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all.dedup_by(|a, b| a.key == b.key);
        let begin = after.map_or(0, |after| all.partition_point(|entry| entry.key <= after));
        all.drain(..begin);
        Ok(futures::stream::iter(all.into_iter().map(Ok)).boxed())
    }
}

/// Hands keys on as long as they increase.
fn ordered(entries: Entries<'_>) -> Entries<'_> {
    let mut last: Option<String> = None;
    let checked = entries.and_then(move |entry| {
        let in_order = last.as_ref().is_none_or(|last| entry.key > *last);
        last = Some(entry.key.clone());
        futures::future::ready(if in_order {
            Ok(entry)
        } else {
            Err(StoreError::Disorder { key: entry.key })
        })
    });
    checked.boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, path::Path};

    use super::*;
    use crate::store::Settings;

    fn listing(keys: &[(&str, u64)]) -> Entries<'static> {
        let entry =
            |(key, size): &(&str, u64)| Entry { key: (*key).to_owned(), size: *size, ..Entry::default() };
        let entries: Vec<Result<Entry, StoreError>> = keys.iter().map(entry).map(Ok).collect();
        futures::stream::iter(entries).boxed()
    }

    async fn keys(stream: Entries<'_>) -> Vec<String> {
        let entries: Vec<Entry> = stream.try_collect().await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    #[tokio::test]
    async fn a_key_out_of_order_is_an_error_that_names_it() {
        let error = ordered(listing(&[("b", 1), ("a", 1)])).try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("`a`"), "{error}");
    }

    #[tokio::test]
    async fn a_sorted_listing_begins_after_a_key() {
        let store = Arc::new(InMemory::new());
        for key in ["in/c.jpg", "in/a/1.jpg", "in/b.jpg"] {
            store.put(&Path::from(key), "x".into()).await.unwrap();
        }
        let settings = Settings { sort_listing: true, ..Settings::default() };
        let location = Location::over(store, "s3://bucket/in", settings).unwrap();
        assert_eq!(keys(location.listing(None)).await, ["a/1.jpg", "b.jpg", "c.jpg"]);
        assert_eq!(keys(location.listing(Some("a/1.jpg".into()))).await, ["b.jpg", "c.jpg"]);
    }
}
