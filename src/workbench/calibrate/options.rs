//! What is calibrated on what.

use std::path::Path;

use crate::model::WeightSet;

/// What a person asked for.
#[derive(Debug, Clone, Copy)]
pub struct CalibrationOptions<'a> {
    /// A checkpoint, or a fp32 graph of ours.
    pub model: &'a Path,
    /// timm's configuration; default: the one beside the checkpoint.
    pub config: Option<&'a Path>,
    /// Which weights of a training checkpoint; default: averaged ones, if the file has them.
    pub weights: Option<WeightSet>,
    /// Pixels a side; default: the job's, or the model's own.
    pub image_size: Option<u32>,
    /// A job file, or a folder of images.
    pub calibrate: &'a str,
    /// Where the images of the comparison are; default: others of `calibrate`.
    pub check: Option<&'a str>,
    /// Images whose maps are measured.
    pub images: usize,
    /// Images of the comparison.
    pub checks: usize,
    /// Which of the evenly spread samples is taken.
    pub seed: u64,
    /// `--onnxruntime`.
    pub onnxruntime: Option<&'a Path>,
}
