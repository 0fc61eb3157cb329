//! A checkpoint's files in, its tensors under timm's names out.
//!
//! ```text
//! bytes ─load─► safetensors, sharded, torch ─tensors by name─► prefixes ─► layout ─► Checkpoint ─inference─► Architecture
//! ```
//!
//! [`load()`] chooses the reader by the file's content; readers know nothing of each other or of a network.

mod family;
mod floats;
mod inference;
mod layout;
mod load;
mod prefixes;
mod random;
mod safetensors;
mod sharded;
mod sniff;
pub(super) mod torch;
mod weights;

pub use load::{ChosenCheckpoint, MAX_CHECKPOINT_BYTES, PUBLISHED_NAMES, load, load_set, published_in};
pub(super) use sniff::known_kind;
pub use weights::{Checkpoint, TakenSet, Tensor, WeightSet};
