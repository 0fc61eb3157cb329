//! A listing in pieces that are asked for at the same time and handed on in key order.
//!
//! A piece is a range of keys, after one and until another, and the pieces cover all keys. Where they are cut is a
//! guess that costs requests if it is wrong and never decides a key: a piece reads beyond its end, to the first key
//! that is not its own, and that must be the first key of its neighbour. So the pieces together are what one listing
//! would have given, in whatever order the store lists. If the two keys differ, both pieces are asked for again; if
//! they still differ, all pieces from there on become one, which continues where it was.

mod cuts;
mod hints;
mod merge;
mod piece;
mod plan;
mod source;
mod spent;
mod splits;
#[cfg(test)]
mod tests;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use super::{Entry, StoreError};
use merge::Merge;

pub use plan::PiecePlan;
pub(super) use source::{Folders, PageOf, PageSource};

/// Every key after `after`, in the order of the store, which is that of bytes or an error.
pub(super) fn in_pieces<S: PageSource>(
    source: S,
    after: Option<String>,
    plan: PiecePlan,
) -> BoxStream<'static, Result<Entry, StoreError>> {
    let merge = Merge::new(source, after, plan);
    let pages = futures::stream::try_unfold(merge, |mut merge| async move {
        Ok(merge.next_page().await?.map(|page| (page, merge)))
    });
    pages.map_ok(|page| futures::stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
}
