//! The job file as typed: every key optional except where nothing could be guessed.
//!
//! The comments of the keys are the descriptions in the schema that editors show (`schema.rs`).

use serde::Deserialize;

use crate::output::{Activation, Embedding};

pub use super::choices::{
    BatchSize, Checksums, Compression, ConditionalPut, ConvSearch, Decode, DecoderWarnings, Device, Exif,
    Extensions, Format, Interpolation, Listing, Mode, Precision, ReportFormat, TargetsSpec, Weights,
};
use super::units::Quantity;

/// A job file of tresnet-batch.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What the job is called, and what its machine costs.
    #[serde(default)]
    pub job: Job,
    /// Where the images are.
    pub input: Input,
    /// Which network.
    pub model: Model,
    /// From image to input; each default is the model's own.
    #[serde(default)]
    pub preprocess: Preprocess,
    /// What computes. No key decides rows.
    #[serde(default)]
    pub engine: Engine,
    /// Where the rows go and what they hold.
    pub output: Output,
    /// What an image and the whole run may cost.
    #[serde(default)]
    pub limits: Limits,
    /// How storage is used.
    #[serde(default)]
    pub storage: Storage,
    /// What is written about the accuracy, and what must hold.
    #[serde(default)]
    pub report: Report,
}

/// What the job is called.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name for logs and reports; default: the file's name.
    pub name: Option<String>,
    /// What the machine costs an hour, in any currency; a run then reports its cost.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub price_per_hour: Option<f64>,
}

/// Where the images are.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A path or an address (`s3://`, `gs://`, `az://`, `file://`) of a folder, or a pattern of files.
    pub uri: String,
    /// What the images are stored in.
    #[serde(default)]
    pub format: Format,
    /// Where ground truth comes from.
    #[serde(default)]
    pub targets: TargetsSpec,
    /// The file that lists the images; required with `format = "manifest"`.
    pub manifest: Option<String>,
    /// The truth file; required with the targets `imagenet-val` and `imagenet-real`.
    pub targets_file: Option<String>,
    /// Class names: `imagenet-1k`, or a file with one name a line; default: the model's own.
    pub classes: Option<String>,
    /// Finished outputs, or folders of them, whose images are left out of a new job's plan.
    pub exclude_done: Option<Vec<String>>,
    /// Columns of the input that are carried into the output; not for folders.
    pub carry_columns: Option<Vec<String>>,
    /// Images in all, at most; not for `webdataset`.
    pub limit: Option<u64>,
    /// Which objects of a folder are images: those with a known extension, or any.
    #[serde(default)]
    pub extensions: Extensions,
    /// Whether a store's own order is relied on (`auto`), or all keys are collected and sorted.
    #[serde(default)]
    pub listing: Listing,
    /// The manifest's column of keys.
    pub path_column: Option<String>,
    /// The manifest's column of targets.
    pub target_column: Option<String>,
    /// What becomes of a second row of one image in a manifest.
    pub duplicates: Option<Duplicates>,
    /// The column of images in Parquet files.
    pub image_column: Option<String>,
    /// The column of keys in Parquet files; default: the file's name and the row's number.
    pub key_column: Option<String>,
    /// Folders of stores and web servers below which a manifest may name objects by their addresses.
    pub roots: Option<Vec<String>>,
}

/// What becomes of a second row of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Duplicates {
    Error,
    Skip,
}

/// Which network.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A checkpoint (.safetensors, .pth, .bin), an index of safetensors files, an .onnx file, the folder of one, or a
    /// model of a Hugging Face hub (hf://ORG/NAME).
    pub path: String,
    /// timm's `config.json`, or one of Hugging Face's two; default: the one beside the model.
    pub config: Option<String>,
    /// Arithmetic of the graph that is built from a checkpoint; default: fp32, on CUDA fp16.
    pub precision: Option<Precision>,
    /// Which weights of a training checkpoint: `ema`, their average, or `raw`; default: `ema` where the file has it.
    pub weights: Option<Weights>,
    /// The ONNX graph's input for the images; default: the only one.
    pub input: Option<String>,
    /// The ONNX graph's tensor with a number for each class; default: the output `logits`, or the only one.
    pub logits: Option<String>,
    /// The ONNX graph's tensor with the pooled features; default: the output `embedding`, if there is one.
    pub embedding: Option<String>,
}

/// From image to input; each default is the model's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Side of the square input in pixels; default: the model's own.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub image_size: Option<u32>,
    /// Side of the crop by the resized side; default: the model's own, but 1 where `mode = "squash"` is typed.
    pub crop_pct: Option<f64>,
    /// `crop`: the shorter side is resized; `squash`: both sides; `border`: the longer one; default: the model's own.
    pub mode: Option<Mode>,
    /// Resampling filter, one of Pillow's; default: the model's own.
    pub interpolation: Option<Interpolation>,
    /// Means of red, green and blue that are subtracted, of values from 0 to 1; default: the model's own.
    pub mean: Option<[f64; 3]>,
    /// Standard deviations of red, green and blue; default: the model's own.
    pub std: Option<[f64; 3]>,
    /// Whether the orientation in the EXIF data is applied; timm ignores it.
    #[cfg_attr(test, schemars(extend("default" = "ignore")))]
    pub exif: Option<Exif>,
    /// `exact`: Pillow's pixels; `fast`: large JPEGs are decoded at a fraction of their size, to other pixels.
    #[cfg_attr(test, schemars(extend("default" = "exact")))]
    pub decode: Option<Decode>,
}

/// Where it is computed.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// `auto`: CUDA where it is installed and a device answers, else the CPU.
    #[serde(default)]
    pub device: Device,
    /// Numbers of the CUDA devices, each once.
    #[cfg_attr(test, schemars(extend("default" = [0])))]
    pub device_ids: Option<Vec<u32>>,
    /// Images a batch, or `auto`; default: 32, or what the ONNX graph takes.
    pub batch_size: Option<BatchSize>,
    /// Threads of the CPU provider; default: all cores.
    pub threads: Option<usize>,
    /// Whether these threads spin while they wait for work.
    #[cfg_attr(test, schemars(extend("default" = false)))]
    pub spinning: Option<bool>,
    // the rest is for CUDA only; `engine::CudaOptions` has more on each
    /// CUDA: what ONNX Runtime's arena may hold of the device's memory; default: all.
    pub memory_limit: Option<Quantity>,
    /// CUDA: keep maps interleaved, as tensor cores read them.
    #[cfg_attr(test, schemars(extend("default" = true)))]
    pub nhwc: Option<bool>,
    /// CUDA: cuDNN's heuristics for the plans of convolutions: `exhaustive` asks mode B, `heuristic` mode A, `default`
    /// FALLBACK; with `tf32 = false` the default for fp32 is `default`.
    #[cfg_attr(test, schemars(extend("default" = "exhaustive")))]
    pub conv_search: Option<ConvSearch>,
    /// CUDA: launch a batch as one captured graph.
    #[cfg_attr(test, schemars(extend("default" = true)))]
    pub cuda_graph: Option<bool>,
    /// CUDA: add biases inside convolutions; only with `nhwc`.
    #[cfg_attr(test, schemars(extend("default" = false)))]
    pub fuse_conv_bias: Option<bool>,
    /// CUDA: let fp32 multiply on tensor cores in TF32; `false` takes them from fp16 too.
    #[cfg_attr(test, schemars(extend("default" = true)))]
    pub tf32: Option<bool>,
}

/// Where the rows go and what they hold.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// A path or an address (`s3://`, `gs://`, `az://`, `file://`) of the folder that the rows are written to.
    pub uri: String,
    /// Predictions kept an image.
    #[cfg_attr(test, schemars(extend("default" = 5)))]
    pub top_k: Option<usize>,
    /// Whether embeddings are kept, and in which precision.
    #[cfg_attr(test, schemars(extend("default" = "f32")))]
    pub embedding: Option<Embedding>,
    /// Scale embeddings to length 1.
    #[cfg_attr(test, schemars(extend("default" = false)))]
    pub normalize_embedding: Option<bool>,
    /// Keep all logits; default: false, but true with the targets `imagenet-a` and `imagenet-r`.
    pub logits: Option<bool>,
    /// Keep a hash of each image's encoded bytes, by which `audit` finds images that are the same.
    #[cfg_attr(test, schemars(extend("default" = false)))]
    pub content_hash: Option<bool>,
    /// `softmax`, or `sigmoid` for models with several labels an image.
    #[cfg_attr(test, schemars(extend("default" = "softmax")))]
    pub activation: Option<Activation>,
    /// Rows of one part file; default: 1024 on a CPU, 4096 on CUDA, 32768 there without vectors.
    pub rows_per_part: Option<u32>,
    /// Compression of the part files.
    #[cfg_attr(test, schemars(extend("default" = "zstd")))]
    pub compression: Option<Compression>,
}

/// What an image and the whole run may cost.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Error rows by all rows, above which the job ends with 65.
    #[cfg_attr(test, schemars(range(min = 0, max = 1), extend("default" = 0.01)))]
    pub max_error_fraction: Option<f64>,
    /// Shards and row groups that could not be read to their end, above which the job ends with 65.
    #[cfg_attr(test, schemars(extend("default" = 0)))]
    pub max_damaged_inputs: Option<u64>,
    /// Objects that one process may give up because the store fails for them alone.
    #[cfg_attr(test, schemars(extend("default" = 10)))]
    pub max_unreadable: Option<u64>,
    /// Larger files are error rows `limit`.
    #[cfg_attr(test, schemars(extend("default" = "64MiB")))]
    pub max_encoded_bytes: Option<Quantity>,
    /// Larger images are error rows `limit`.
    #[cfg_attr(test, schemars(extend("default" = "50M")))]
    pub max_pixels: Option<Quantity>,
    /// Scans of a progressive JPEG, at most.
    #[cfg_attr(test, schemars(extend("default" = 100)))]
    pub max_scans: Option<u32>,
    /// Whether an image with a warning of libjpeg is an error row.
    #[cfg_attr(test, schemars(extend("default" = "accept")))]
    pub decoder_warnings: Option<DecoderWarnings>,
    /// Encoded bytes held at once.
    #[cfg_attr(test, schemars(extend("default" = "512MiB")))]
    pub in_flight_bytes: Option<Quantity>,
    /// Requests in flight, at most; default: what the measured latency and decode rate need, up to 4096.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub requests: Option<usize>,
    /// Threads that decode and make rows; default: one a core.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub decode_threads: Option<usize>,
    /// Seconds after a signal within which open parts are finished or given up.
    #[cfg_attr(test, schemars(extend("default" = 25)))]
    pub grace_seconds: Option<u64>,
}

/// How storage is used.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// `off` for stores without conditional writes; docs/stores.md has what it costs.
    #[serde(default)]
    pub conditional_put: ConditionalPut,
    /// Whether whole objects are compared with the checksums that their store sends.
    #[serde(default)]
    pub checksums: Checksums,
    /// Read the input without credentials, as public buckets allow it; the output is written with them.
    #[serde(default)]
    pub anonymous_input: bool,
    /// Agree to pay for requests to S3, as buckets of the kind "requester pays" require it.
    #[serde(default)]
    pub requester_pays: bool,
    /// Seconds for which one operation is tried again.
    #[cfg_attr(test, schemars(range(min = 1, max = 86_400), extend("default" = 150)))]
    pub retry_seconds: Option<u64>,
    /// Seconds that one read or one page of a listing may take.
    #[cfg_attr(test, schemars(range(min = 1, max = 86_400), extend("default" = 60)))]
    pub read_timeout_seconds: Option<u64>,
    /// Seconds that one write may take, and a second more for each MiB.
    #[cfg_attr(test, schemars(range(min = 1, max = 86_400), extend("default" = 60)))]
    pub write_timeout_seconds: Option<u64>,
}

/// What is written about the accuracy, and what must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Files that are written below `_report/` of the output.
    #[cfg_attr(test, schemars(extend("default" = ["json", "markdown"])))]
    pub formats: Option<Vec<ReportFormat>>,
    /// Gates such as `top1 >= 80.5`; one that does not hold ends every run with 65.
    #[serde(default)]
    pub require: Vec<String>,
}
