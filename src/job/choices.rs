//! The values of keys that take one of a few words, as they are typed.

use serde::Deserialize;

use crate::model::WeightSet;

/// How a listing is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Listing {
    #[default]
    Auto,
    Sort,
}

/// How the images are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Format {
    #[default]
    Folder,
    Manifest,
    Webdataset,
    Parquet,
}

/// Where ground truth comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TargetsSpec {
    #[default]
    None,
    Folder,
    Manifest,
    Webdataset,
    Parquet,
    ImagenetVal,
    ImagenetReal,
    ImagenetV2,
    ImagenetA,
    ImagenetR,
}

/// Which file names are images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Extensions {
    #[default]
    Image,
    Any,
}

/// Arithmetic of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Precision {
    Fp32,
    Fp16,
    Int8,
}

/// Which weights of a training checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Weights {
    Ema,
    Raw,
}

impl From<Weights> for WeightSet {
    fn from(typed: Weights) -> WeightSet {
        match typed {
            Weights::Ema => WeightSet::Ema,
            Weights::Raw => WeightSet::Raw,
        }
    }
}

impl From<WeightSet> for Weights {
    fn from(set: WeightSet) -> Weights {
        match set {
            WeightSet::Ema => Weights::Ema,
            WeightSet::Raw => Weights::Raw,
        }
    }
}

/// How the square is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Mode {
    Crop,
    Squash,
    Border,
}

/// Resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Interpolation {
    Nearest,
    Box,
    Bilinear,
    Hamming,
    Bicubic,
    Lanczos,
}

impl Interpolation {
    /// The word that is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Interpolation::Nearest => "nearest",
            Interpolation::Box => "box",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Hamming => "hamming",
            Interpolation::Bicubic => "bicubic",
            Interpolation::Lanczos => "lanczos",
        }
    }
}

/// EXIF orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Exif {
    Ignore,
    Apply,
}

/// How exact the decoding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Decode {
    Exact,
    Fast,
}

/// Which of cuDNN's heuristics choose the plans of convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ConvSearch {
    Exhaustive,
    Heuristic,
    Default,
}

/// Device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Device {
    #[default]
    Auto,
    Cpu,
    Cuda,
}

/// Images a batch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(untagged)]
pub enum BatchSize {
    /// This number of images.
    Fixed(#[cfg_attr(test, schemars(range(min = 1, max = 65_536)))] u32),
    /// `auto`: several sizes are tried before the run.
    #[cfg_attr(test, schemars(extend("enum" = ["auto"])))]
    Named(String),
}

/// Compression of the part files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Compression {
    Zstd,
    None,
}

/// Whether creates are conditional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ConditionalPut {
    #[default]
    On,
    Off,
}

/// Whether bytes are compared with the store's checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Checksums {
    #[default]
    Auto,
    Off,
}

/// libjpeg's warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DecoderWarnings {
    Accept,
    Error,
}

/// A file of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ReportFormat {
    Json,
    Markdown,
    Html,
    /// One row as timm's `validate.py` writes it.
    Csv,
}

impl ReportFormat {
    /// How its file's name ends.
    pub fn extension(self) -> &'static str {
        match self {
            ReportFormat::Json => "json",
            ReportFormat::Markdown => "md",
            ReportFormat::Html => "html",
            ReportFormat::Csv => "csv",
        }
    }
}
