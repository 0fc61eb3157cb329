//! What a listing in pieces needs of a store.

use futures::future::BoxFuture;

use super::super::{Entry, StoreError};

/// A page of a listing.
pub(in crate::store) struct PageOf<W> {
    /// Its keys, as the store ordered them.
    pub entries: Vec<Entry>,
    /// Where the listing continues; `None` after its last page.
    pub walk: Option<W>,
    /// True if the store began before the key after which it was asked to begin.
    pub began_early: bool,
}

/// Some folders of a level, which are only hints.
#[derive(Debug, Default)]
pub(in crate::store) struct Folders {
    /// Their keys, each with the slash at its end.
    pub keys: Vec<String>,
    /// True if there may be more after these.
    pub has_more: bool,
}

/// What is listed: a folder of a store that lists page by page. Keys are those below it.
pub(in crate::store) trait PageSource: Send + Sync + 'static {
    /// Where one listing is.
    type Walk: Send + 'static;

    /// A listing that begins after a key. After a cut, it is not tried for long: the piece before can continue instead.
    fn begin(&self, after: Option<&str>, is_cut: bool) -> Self::Walk;

    /// The next page of a listing, after as many tries as it takes.
    fn next(&self, walk: Self::Walk) -> BoxFuture<'static, Result<PageOf<Self::Walk>, StoreError>>;

    /// Folders directly in `folder` from the one of the key `after` on. An error reads as none.
    fn folders(&self, folder: &str, after: &str) -> BoxFuture<'static, Folders>;

    /// True for a store that is known to begin early, whose keys before the beginning are left out of its pages.
    fn may_begin_early(&self) -> bool;
}
