//! One listing of a store, page by page, from any key on: what a listing in pieces is made of.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use object_store::path::Path;

use super::paged_store::PagedStore;
use super::pages::{Position, Query};
use super::pieces::{Folders, PageOf, PageSource};
use super::retry::RetryBudget;
use super::{Entry, Location, StoreError, Uri};

/// How long the first page after a cut is tried.
const RETRY_OF_A_CUT: Duration = Duration::from_secs(10);

/// A folder of a store that lists page by page.
#[derive(Clone)]
pub(super) struct PagedLocation {
    pub location: Location,
    pub store: PagedStore,
}

/// Where a listing is.
pub(super) struct Walk {
    position: Position,
    /// The key after which the store was asked to begin.
    begins: Option<String>,
    greatest: Option<String>,
    budget: Option<RetryBudget>,
    /// How long a page is tried.
    retry: Duration,
}

impl PageSource for PagedLocation {
    type Walk = Walk;

    fn begin(&self, after: Option<&str>, is_cut: bool) -> Walk {
        let (after, retry) = (after.map(str::to_owned), self.location.settings.retry);
        let retry = if is_cut { retry.min(RETRY_OF_A_CUT) } else { retry };
        Walk { position: Position::default(), begins: after.clone(), greatest: after, budget: None, retry }
    }

    fn next(&self, walk: Walk) -> BoxFuture<'static, Result<PageOf<Walk>, StoreError>> {
        self.clone().page(walk).boxed()
    }

    fn folders(&self, folder: &str, after: &str) -> BoxFuture<'static, Folders> {
        self.clone().hints(folder.trim_end_matches('/').to_owned(), after.to_owned()).boxed()
    }

    fn may_begin_early(&self) -> bool {
        // what emulates Azure begins at the first key, whatever it is asked for
        matches!(&self.location.uri, Uri::Remote { scheme: "az", .. })
    }
}

impl PagedLocation {
    /// The next page; after an error that may pass, the listing continues after its greatest key.
    async fn page(self, mut walk: Walk) -> Result<PageOf<Walk>, StoreError> {
        let location = &self.location;
        let what = format!("listing `{}`", location.uri);
        loop {
            let after = walk.begins.as_deref().map(|key| location.whole_key(key));
            let query = Query { folder: &location.prefix, after, is_flat: false };
            let error = match location.next_page(&self.store, query, &mut walk.position, &what).await {
                Ok(page) => {
                    let entries = page.objects.into_iter().map(|object| location.entry(object));
                    return Ok(self.taken(entries.collect(), walk));
                }
                Err(error) => error,
            };
            let budget = walk.budget.get_or_insert_with(|| RetryBudget::new(walk.retry));
            if !error.is_transient() || !budget.wait().await {
                return Err(error);
            }
            location.traffic.retried();
            tracing::warn!(%error, "storage: the listing continues after its last key");
            (walk.position, walk.begins) = (Position::default(), walk.greatest.clone());
        }
    }

    fn taken(&self, mut entries: Vec<Entry>, mut walk: Walk) -> PageOf<Walk> {
        let began_early = match (&walk.begins, self.may_begin_early()) {
            (None, _) => false,
            (Some(begins), false) => entries.iter().any(|entry| entry.key <= *begins),
            (Some(begins), true) => {
                // Azure begins with the key itself, which is no reason to list in one piece
                let is_early = entries.iter().any(|entry| entry.key < *begins);
                entries.retain(|entry| entry.key > *begins);
                is_early
            }
        };
        if !entries.is_empty() {
            (walk.budget, walk.retry) = (None, self.location.settings.retry);
        }
        walk.greatest = entries.iter().map(|entry| &entry.key).chain(&walk.greatest).max().cloned();
        let walk = (!walk.position.has_ended).then_some(walk);
        PageOf { entries, walk, began_early }
    }

    /// One page of folders; whatever goes wrong, there are none.
    async fn hints(self, folder: String, after: String) -> Folders {
        let location = &self.location;
        let path = if folder.is_empty() { Ok(location.prefix.clone()) } else { location.path(&folder) };
        let Ok(path): Result<Path, _> = path else { return Folders::default() };
        let query = Query { folder: &path, after: Some(location.whole_key(&after)), is_flat: true };
        let mut position = Position::default();
        let page = match location.next_page(&self.store, query, &mut position, "listing folders").await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "the folders of a listing are not known");
                return Folders::default();
            }
        };
        let keys = page
            .folders
            .into_iter()
            .map(|key| location.entry(super::page::Listed { key, ..Default::default() }).key);
        let keys: Vec<String> = keys.collect();
        // a store that begins early, or that lists files only, would be asked for ever
        let has_more = !position.has_ended && keys.last().is_some_and(|last| *last > after);
        Folders { keys, has_more }
    }
}
