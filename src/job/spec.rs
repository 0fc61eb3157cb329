//! The job file as typed: every key optional except where nothing could be guessed.

use serde::Deserialize;

use crate::output::{Activation, Embedding};

use super::units::Quantity;

/// A job file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// `[job]`
    #[serde(default)]
    pub job: Job,
    /// `[input]`
    pub input: Input,
    /// `[model]`
    pub model: Model,
    /// `[preprocess]`
    #[serde(default)]
    pub preprocess: Preprocess,
    /// `[engine]`
    #[serde(default)]
    pub engine: Engine,
    /// `[output]`
    pub output: Output,
    /// `[limits]`
    #[serde(default)]
    pub limits: Limits,
    /// `[storage]`
    #[serde(default)]
    pub storage: Storage,
    /// `[report]`
    #[serde(default)]
    pub report: Report,
}

/// What the job is called.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// For logs and reports; default: the file's name.
    pub name: Option<String>,
    /// What the machine costs an hour, in any currency.
    pub price_per_hour: Option<f64>,
}

/// Where the images are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `s3://`, `gs://`, `az://` or another address of a store, `file://` or a path.
    pub uri: String,
    /// How the images lie there.
    #[serde(default)]
    pub format: Format,
    /// Ground truth.
    #[serde(default)]
    pub targets: TargetsSpec,
    /// Manifest file.
    pub manifest: Option<String>,
    /// Truth file.
    pub targets_file: Option<String>,
    /// Class names: `imagenet-1k`, or a class-map file.
    pub classes: Option<String>,
    /// Finished outputs whose images are left out.
    pub exclude_done: Option<Vec<String>>,
    /// Columns of the input that are carried into the output.
    pub carry_columns: Option<Vec<String>>,
    /// Images in all, at most.
    pub limit: Option<u64>,
    /// `image` (the known extensions) or `any`.
    #[serde(default)]
    pub extensions: Extensions,
    /// Whether the store's own order is relied on.
    #[serde(default)]
    pub listing: Listing,
    /// The manifest's column of keys.
    pub path_column: Option<String>,
    /// The manifest's column of targets.
    pub target_column: Option<String>,
    /// What becomes of a second row of one image in a manifest.
    pub duplicates: Option<Duplicates>,
}

/// What becomes of a second row of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Duplicates {
    Error,
    Skip,
}

/// How a listing comes into order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Listing {
    #[default]
    Auto,
    Sort,
}

/// How the images lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Extensions {
    #[default]
    Image,
    Any,
}

/// Which network.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A checkpoint or an .onnx file.
    pub path: String,
    /// timm's `config.json`; default: the one beside the checkpoint.
    pub config: Option<String>,
    /// Arithmetic of the graph.
    pub precision: Option<Precision>,
}

/// Arithmetic of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Precision {
    Fp32,
    Fp16,
    Int8,
}

/// From image to input; each default is the model's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Preprocess {
    pub image_size: Option<u32>,
    pub crop_pct: Option<f64>,
    pub mode: Option<Mode>,
    pub interpolation: Option<Interpolation>,
    pub mean: Option<[f64; 3]>,
    pub std: Option<[f64; 3]>,
    pub exif: Option<Exif>,
    pub decode: Option<Decode>,
}

/// Crop or squash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Mode {
    Crop,
    Squash,
}

/// Resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Interpolation {
    Bilinear,
    Bicubic,
}

/// EXIF orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Exif {
    Ignore,
    Apply,
}

/// How exact the decoding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Decode {
    Exact,
    Fast,
}

/// Where it is computed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Engine {
    /// Device.
    #[serde(default)]
    pub device: Device,
    /// Device numbers.
    pub device_ids: Option<Vec<u32>>,
    /// Images a batch.
    pub batch_size: Option<BatchSize>,
    /// Threads of the CPU provider; default: all cores.
    pub threads: Option<usize>,
    /// Whether these spin while they wait.
    pub spinning: Option<bool>,
    // the rest is for CUDA only; `engine::CudaOptions` says what each does
    pub memory_limit: Option<Quantity>,
    pub nhwc: Option<bool>,
    pub conv_search: Option<ConvSearch>,
    pub cuda_graph: Option<bool>,
    pub fuse_conv_bias: Option<bool>,
    pub tf32: Option<bool>,
}

/// How convolution algorithms are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ConvSearch {
    Exhaustive,
    Heuristic,
}

/// Device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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
#[serde(untagged)]
pub enum BatchSize {
    /// So many.
    Fixed(u32),
    /// `auto`.
    Named(String),
}

/// Where the rows go and what they hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Output {
    pub uri: String,
    pub top_k: Option<usize>,
    pub embedding: Option<Embedding>,
    pub normalize_embedding: Option<bool>,
    pub logits: Option<bool>,
    pub activation: Option<Activation>,
    pub rows_per_part: Option<u32>,
    pub compression: Option<Compression>,
}

/// Compression of the part files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Compression {
    Zstd,
    None,
}

/// What an image and the whole run may cost.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Limits {
    pub max_error_fraction: Option<f64>,
    pub max_damaged_inputs: Option<u64>,
    pub max_unreadable: Option<u64>,
    pub max_encoded_bytes: Option<Quantity>,
    pub max_pixels: Option<Quantity>,
    pub max_scans: Option<u32>,
    pub decoder_warnings: Option<DecoderWarnings>,
    pub in_flight_bytes: Option<Quantity>,
    pub requests: Option<usize>,
    pub decode_threads: Option<usize>,
    pub grace_seconds: Option<u64>,
}

/// How storage is used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Whether creates are conditional.
    #[serde(default)]
    pub conditional_put: ConditionalPut,
    /// Whether bytes are compared with the store's checksums.
    #[serde(default)]
    pub checksums: Checksums,
    /// How long one operation is tried again.
    pub retry_seconds: Option<u64>,
    /// How long one read may take.
    pub read_timeout_seconds: Option<u64>,
    /// How long one write may take, and a second more for each MiB.
    pub write_timeout_seconds: Option<u64>,
}

/// Whether creates are conditional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ConditionalPut {
    #[default]
    On,
    Off,
}

/// Whether bytes are compared with the store's checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Checksums {
    #[default]
    Auto,
    Off,
}

/// libjpeg's warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DecoderWarnings {
    Accept,
    Error,
}

/// What is written about the accuracy, and what must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Files to write.
    pub formats: Option<Vec<ReportFormat>>,
    /// Gates, such as `top1 >= 80.5`.
    #[serde(default)]
    pub require: Vec<String>,
}

/// A file of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
