//! Some images of an input: the first, or an even sample.

pub(super) mod chosen;
mod evenly;
mod first_images;
pub(super) mod images;
pub(super) mod some_images;
