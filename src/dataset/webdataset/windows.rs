//! The windows of a shard, as they are asked for ahead of their turn.

use std::sync::Arc;

use crate::dataset::ahead::{Ask, Cuts, Then, Windows};
use crate::dataset::plan::PlanRow;
use crate::store::{Location, Window};

/// The windows of a shard as it was planned. Without its size or its tag the first one is read before the others: they
/// must be of the same version.
pub(super) fn windows(input: &Location, shard: &PlanRow, window: u64) -> Windows<Window> {
    let (input, key) = (input.clone(), Arc::<str>::from(shard.key.as_str()));
    match (shard.size, &shard.etag) {
        (Some(size), Some(_)) => all(input, key, window, (size, shard.etag.clone())),
        (size, etag) => {
            let ask = ask(input.clone(), key.clone(), size, etag.clone());
            let then: Then<Window> =
                Box::new(move |first| all(input, key, window, (first.size, first.etag.clone())));
            Windows { cuts: Cuts::Even { from: 0, until: window, window }, ask, then: Some(then) }
        }
    }
}

fn all(input: Location, key: Arc<str>, window: u64, version: (u64, Option<String>)) -> Windows<Window> {
    let (size, etag) = version;
    let ask = ask(input, key, Some(size), etag);
    Windows { cuts: Cuts::Even { from: 0, until: size, window }, ask, then: None }
}

fn ask(input: Location, key: Arc<str>, size: Option<u64>, etag: Option<String>) -> Ask<Window> {
    Arc::new(move |range| {
        let (input, key, etag) = (input.clone(), key.clone(), etag.clone());
        Box::pin(async move {
            let _permit = input.permit().await;
            let window = input.window(&key, range, etag.as_deref()).await.ok()?;
            // a shard that has changed is handled where it is read
            size.is_none_or(|size| size == window.size).then_some(window)
        })
    })
}
