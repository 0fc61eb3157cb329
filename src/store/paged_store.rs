//! A store that lists page by page.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;

/// The listing side of a store on the network.
#[derive(Clone)]
pub(super) struct PagedStore(pub Arc<dyn PaginatedListStore>);

impl fmt::Debug for PagedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PagedStore")
    }
}

/// A store twice: to read and write, and to list page by page.
pub(super) fn remote<S: ObjectStore + PaginatedListStore>(
    store: S,
) -> (Arc<dyn ObjectStore>, Option<PagedStore>) {
    let store = Arc::new(store);
    (store.clone(), Some(PagedStore(store)))
}
