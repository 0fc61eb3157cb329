//! Some images of an input: the first, or an even sample.

pub(super) mod chosen;
mod evenly;
pub(super) mod images;
pub(super) mod some_images;
