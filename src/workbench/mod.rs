//! What surrounds a run: measuring it (`bench`), ranges for other precisions (`calibrate`), checks before it
//! (`doctor`), a first job file (`init`), and the sampling of images that they share.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod doctor;
pub(crate) mod init;
mod sampling;
