//! The pages of a listing, one request each, until the store reports that there are no more.
//!
//! The client's own listing follows any token for ever. Here a page or a token that comes again, and pages without a
//! key for ever, are errors, because the keys that follow them cannot be listed.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::TryFutureExt;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::ListResult;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::key::escaped;
use super::page::{Listed, Page, PageError};
use super::paged_store::PagedStore;
use super::{Location, StoreError, Uri};

/// Pages without a key that may follow one another: a store may give a token after it has looked at many deleted keys.
const MOST_EMPTY_PAGES: usize = 10_000;

/// What is listed.
pub(super) struct Query<'a> {
    pub folder: &'a Path,
    /// Only keys after this one.
    pub after: Option<String>,
    /// Only what is directly in the folder.
    pub is_flat: bool,
}

/// Where a listing is.
#[derive(Default)]
pub(super) struct Position {
    token: Option<String>,
    /// True after the last page.
    pub has_ended: bool,
    tokens: HashSet<u64>,
    pages: HashSet<u64>,
    empty_pages: usize,
}

impl Position {
    /// Records a page, and where the next one begins.
    fn advance(&mut self, page: &mut Page) -> Result<(), PageError> {
        if page.objects.is_empty() && page.folders.is_empty() {
            self.empty_pages += 1;
            if self.empty_pages > MOST_EMPTY_PAGES {
                return Err(PageError::NoKeys(self.empty_pages));
            }
        } else {
            self.empty_pages = 0;
            let keys = page.objects.iter().map(|object| &object.key).chain(&page.folders);
            if !self.pages.insert(hash_of(keys.collect::<Vec<_>>())) {
                return Err(PageError::Repeated);
            }
        }
        self.token = page.token.take();
        match &self.token {
            Some(token) if !self.tokens.insert(hash_of(token)) => return Err(PageError::Repeated),
            token => self.has_ended = token.is_none(),
        }
        Ok(())
    }
}

/// The page as the connector read it.
fn page_of(mut answer: ListResult, what: &str) -> Result<Page, StoreError> {
    let page = answer.extensions.remove::<Arc<Page>>().map(Arc::unwrap_or_clone);
    page.ok_or_else(|| StoreError::Listing { what: what.to_owned(), cause: PageError::Empty })
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Location {
    /// Every object below this location whose whole key is after `after`, as the store gives them.
    pub(super) fn listed(&self, after: Option<String>) -> BoxStream<'_, Result<Listed, StoreError>> {
        let what = format!("listing `{}`", self.uri);
        let Some(store) = self.paged.clone() else {
            let listed = match &after {
                Some(after) => self.store.list_with_offset(Some(&self.prefix), &Path::from(after.as_str())),
                None => self.store.list(Some(&self.prefix)),
            };
            let listed = listed.map_ok(Listed::from);
            return listed.map_err(move |error| StoreError::from_store(error, what.clone(), false)).boxed();
        };
        // what emulates Azure begins at the first key, whatever it is asked for
        let skips = matches!(&self.uri, Uri::Remote { scheme: "az", .. });
        let skipped = after.clone().filter(|_| skips);
        let pages = futures::stream::try_unfold(Position::default(), move |mut position| {
            let (store, what, after) = (store.clone(), what.clone(), after.clone());
            async move {
                if position.has_ended {
                    return Ok(None);
                }
                let query = Query { folder: &self.prefix, after, is_flat: false };
                let page = self.next_page(&store, query, &mut position, &what).await?;
                Ok::<_, StoreError>(Some((page.objects, position)))
            }
        });
        pages
            .map_ok(|objects| futures::stream::iter(objects.into_iter().map(Ok)))
            .try_flatten()
            .try_filter(move |object| {
                let comes_after = skipped.as_ref().is_none_or(|skipped| object.key > *skipped);
                futures::future::ready(comes_after)
            })
            .boxed()
    }

    /// The objects and folders directly in a folder. Each page has the time of one read.
    pub(super) async fn listed_folder(&self, folder: &Path, what: &str) -> Result<Page, StoreError> {
        let Some(store) = &self.paged else {
            let listing = self.store.list_with_delimiter(Some(folder));
            let listing = listing.map_err(|error| StoreError::from_store(error, what, false));
            return Ok(self.in_time(what, 0, listing).await?.into());
        };
        let (mut position, mut all) = (Position::default(), Page::default());
        while !position.has_ended {
            let query = Query { folder, after: None, is_flat: true };
            let page = self.next_page(store, query, &mut position, what);
            let page = self.in_time(what, 0, page).await?;
            all.folders.extend(page.folders);
            all.objects.extend(page.objects);
        }
        Ok(all)
    }

    /// The tag of one object as a listing shows it now; `None` if no object of this name is listed.
    pub(super) async fn listed_tag(&self, path: &Path) -> Result<Option<String>, StoreError> {
        let Some(store) = &self.paged else { return Ok(None) };
        let what = format!("listing `{path}`");
        // of all keys with this prefix, the key itself is the first
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let answer = self.in_time(&what, 0, async {
            let answer = store.0.list_paginated(Some(path.as_ref()), options).await;
            answer.map_err(|error| StoreError::from_store(error, what.clone(), false))
        });
        let page = page_of(answer.await?.result, &what)?;
        Ok(page.objects.into_iter().find(|object| object.key == path.as_ref()).and_then(|object| object.etag))
    }

    /// One page, and where the next one begins in `position`.
    pub(super) async fn next_page(
        &self,
        store: &PagedStore,
        query: Query<'_>,
        position: &mut Position,
        what: &str,
    ) -> Result<Page, StoreError> {
        let wrong = |cause| StoreError::Listing { what: what.to_owned(), cause };
        let prefix = (!query.folder.as_ref().is_empty()).then(|| format!("{}/", query.folder));
        let options = PaginatedListOptions {
            offset: query.after,
            delimiter: query.is_flat.then_some("/".into()),
            page_token: position.token.take(),
            ..PaginatedListOptions::default()
        };
        let answer = store.0.list_paginated(prefix.as_deref(), options).await;
        let answer = answer.map_err(|error| StoreError::from_store(error, what, false))?;
        let mut page = page_of(answer.result, what)?;
        let prefix = prefix.unwrap_or_default();
        let keys = page.objects.iter().map(|object| &object.key).chain(&page.folders);
        if let Some(key) = keys.into_iter().find(|key| !key.starts_with(&prefix)) {
            let key = escaped(key);
            return Err(wrong(PageError::Outside { key, prefix }));
        }
        position.advance(&mut page).map_err(wrong)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], token: impl Into<Option<&'static str>>) -> Page {
        let listed = |key: &&str| Listed { key: (*key).to_owned(), ..Listed::default() };
        let token = token.into().map(str::to_owned);
        Page { objects: keys.iter().map(listed).collect(), token, ..Page::default() }
    }

    #[test]
    fn a_listing_ends_where_there_is_no_token() {
        let mut position = Position::default();
        position.advance(&mut page(&["a", "b"], "1")).unwrap();
        assert!(!position.has_ended);
        position.advance(&mut page(&[], "2")).unwrap();
        position.advance(&mut page(&["c"], None)).unwrap();
        assert!(position.has_ended);
    }

    #[test]
    fn a_page_or_a_token_that_comes_again_is_an_error() {
        let mut position = Position::default();
        position.advance(&mut page(&["a"], "1")).unwrap();
        position.advance(&mut page(&["b"], "2")).unwrap();
        assert_eq!(position.advance(&mut page(&["c"], "1")), Err(PageError::Repeated));
        assert_eq!(position.advance(&mut page(&["a"], "3")), Err(PageError::Repeated));
    }

    #[test]
    fn empty_pages_are_followed_but_not_for_ever() {
        let mut position = Position::default();
        for number in 0..MOST_EMPTY_PAGES {
            let token = Some(number.to_string());
            position.advance(&mut Page { token, ..Page::default() }).unwrap();
        }
        let error = position.advance(&mut page(&[], "more")).unwrap_err();
        assert_eq!(error, PageError::NoKeys(MOST_EMPTY_PAGES + 1));
    }
}
