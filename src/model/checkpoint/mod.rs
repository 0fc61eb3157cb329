//! A checkpoint's file in, its tensors under timm's names out.
//!
//! ```text
//! bytes ─load─► safetensors, torch ─tensors by name─► layout ─► Checkpoint ─inference─► Architecture
//! ```
//!
//! [`load()`] chooses the reader by the file's content; readers know nothing of each other or of a network.

mod floats;
mod inference;
mod layout;
mod load;
mod random;
mod safetensors;
mod sniff;
pub(super) mod torch;
mod weights;

pub use load::{MAX_CHECKPOINT_BYTES, load};
pub use weights::{Checkpoint, Tensor};
