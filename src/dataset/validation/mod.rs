//! Ground truth of the ImageNet validation set from a separate file, joined by the number in an image's name
//! (`ILSVRC2012_val_00000001.JPEG`) and never by position, so that a subset of the images is scored right.

mod conventions;
mod image_number;
mod truth;

pub use conventions::Convention;
pub use truth::ValidationTruth;
