//! What can be wrong with a model's files.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::checkpoint::torch::error::TorchError;
use super::precision::Precision;

/// Entries of each list that a message spells out; the rest is counted.
const LISTED: usize = 8;

/// Why a checkpoint, a configuration or a graph cannot be used.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Weights that cannot be written.
    #[error("the weights do not make a safetensors file")]
    Write {
        /// The error of the format's own writer.
        source: safetensors::SafeTensorError,
    },
    /// The file system refused.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// A file above the cap of its kind.
    #[error("`{path}` holds more than {limit} bytes, the most that is read of such a file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The cap in bytes.
        limit: u64,
    },
    /// A PyTorch checkpoint that is refused.
    #[error("`{path}` cannot be read as a PyTorch checkpoint: {reason}")]
    Torch {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        reason: TorchError,
    },
    /// Averaged weights are asked for, and the file has one set of weights.
    #[error("`model.weights` is \"ema\", and `{path}` has one set of weights: leave the key out")]
    NoEma {
        /// The file.
        path: PathBuf,
    },
    /// An index of several files of weights that does not fit them.
    #[error("the index `{path}` cannot be followed: {reason}")]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two networks in one file.
    #[error(
        "`{}` and `{}` are the same tensor of two networks: save the state of one of them alone", .names[0], .names[1]
    )]
    SameTensor {
        /// Two names of one tensor.
        names: [String; 2],
    },
    /// A PyTorch checkpoint of an old format, which only PyTorch reads.
    #[error(
        "`{path}` is {what}: load it with torch.load(PATH, weights_only=True) and save the result with torch.save"
    )]
    OldTorch {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// Something else where a checkpoint should be.
    #[error(
        "`{path}` is no checkpoint (it looks like {what}): give a `.safetensors` file, or a `.pth` as PyTorch saves it"
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// The bytes are no valid safetensors file.
    #[error("`{path}` is not a valid safetensors file: it may be cut short or damaged, fetch it again")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the format's reader found.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// The header contradicts the file, found before any tensor is touched.
    #[error("`{path}` has an impossible safetensors header: {reason}")]
    Header {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// A tensor of integers, bytes or 8-bit floats where weights are expected.
    #[error("tensor `{tensor}` holds `{dtype}`: weights are read from F64, F32, F16 or BF16")]
    Dtype {
        /// Its name.
        tensor: String,
        /// Its element type as the file spells it.
        dtype: String,
    },
    /// Names or shapes that make no TResNet.
    #[error(transparent)]
    Tensors(Box<TensorMismatch>),
    /// `--arch` and the weights disagree.
    #[error("the weights are `{found}`, not `{wanted}`: drop the architecture's name or give its weights")]
    Architecture {
        /// The name that was asked for.
        wanted: String,
        /// What the tensors make.
        found: String,
    },
    /// NaN or infinity among the weights.
    #[error("tensor `{tensor}` holds a value that is not finite: the checkpoint is damaged or diverged")]
    NonFinite {
        /// Its name.
        tensor: String,
    },
    /// A variance that no batch norm can have.
    #[error("tensor `{tensor}` holds the negative variance `{value}`: the checkpoint is damaged")]
    Variance {
        /// Its name.
        tensor: String,
        /// The first such value.
        value: f32,
    },
    /// A weight beyond 65504 in fp16, or beyond what f32 holds.
    #[error("`{layer}` overflows {precision}: {}", match precision {
        Precision::Fp16 => "build this model as fp32",
        Precision::Fp32 | Precision::Int8 => "its batch norm's variance is nearly zero, the checkpoint is damaged",
    })]
    Overflow {
        /// The weight or bias in the graph.
        layer: String,
        /// The precision that cannot hold it.
        precision: Precision,
    },
    /// The stem divides by four, and every blur needs two rows to reflect.
    #[error("image size `{size}` does not fit the network: take a multiple of 4 from {least} to {most}")]
    ImageSize {
        /// What was asked for, in pixels.
        size: u32,
        /// Smallest that works.
        least: u32,
        /// Largest that is allowed.
        most: u32,
    },
    /// Names and outputs do not pair up.
    #[error("{names} class names for {classes} classes: give one name a class, in the order of the outputs")]
    ClassCount {
        /// How many names.
        names: usize,
        /// How many outputs.
        classes: usize,
    },
    /// A class-map file with a line that names nothing.
    #[error("line {line} of `{path}` {reason}: a class map has one name a line, from class 0 on")]
    ClassMap {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `config.json` that is no JSON object, or has a field of the wrong kind.
    #[error("`{path}` is not a model configuration as timm writes it")]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where parsing stopped.
        #[source]
        source: serde_json::Error,
    },
    /// A field with a value that cannot be meant.
    #[error("`{field}` in `{path}` is `{value}`: expected {expected}")]
    ConfigValue {
        /// The file.
        path: PathBuf,
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// Something else where an ONNX model should be.
    #[error("it is no ONNX model (it looks like {what}): give the `.onnx` file that the exporter wrote")]
    NotAGraph {
        /// What it looks like.
        what: &'static str,
    },
    /// Bytes that are no ONNX model.
    #[error("not an ONNX model: the file may be cut short, or be something else")]
    OnnxSyntax(#[source] prost::DecodeError),
    /// ONNX, but no network for images of a form that is known.
    #[error("the ONNX graph cannot be used: {reason}")]
    OnnxGraph {
        /// What is missing or in excess.
        reason: String,
    },
    /// A file beside a graph that holds weights of it.
    #[error("the weights of the ONNX graph in `{location}` cannot be used: {reason}")]
    WeightFile {
        /// The path that the graph has.
        location: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// A graph that no ranges can be measured of.
    #[error("{reason}")]
    NotForQuantizing {
        /// What it is instead.
        reason: String,
    },
    /// A graph was to be drawn in a precision that takes ranges.
    #[error(
        "int8 takes ranges measured on images: make the graph with `model quantize WEIGHTS --calibrate JOB`"
    )]
    NeedsRanges,
    /// A value under one of our metadata keys that we did not write.
    #[error("metadata `{key}` of the ONNX model is `{value}`, which this version cannot read")]
    OnnxMetadata {
        /// The key with its prefix.
        key: String,
        /// Its value, shortened.
        value: String,
    },
    /// More than protobuf can hold.
    #[error("the graph would take {bytes} bytes, more than an ONNX file may hold: build it as fp16")]
    GraphTooLarge {
        /// Its encoded size.
        bytes: usize,
    },
}

/// The difference between the tensors found and those of the network they come closest to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TensorMismatch {
    /// The network against which the tensors were held.
    pub expected: String,
    /// Names that it needs and that are missing in the file.
    pub missing: Vec<String>,
    /// Names that the file has and it does not know.
    pub unexpected: Vec<String>,
    /// Name, shape needed, shape found.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// What to do, where the names give it away.
    pub hint: Option<String>,
}

impl TensorMismatch {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl std::error::Error for TensorMismatch {}

impl fmt::Display for TensorMismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the tensors are not those of a `{}` in timm's layout", self.expected)?;
        if let Some(hint) = &self.hint {
            write!(out, ": {hint}")?;
        }
        list(out, "missing", &self.missing, |out, name| write!(out, "`{name}`"))?;
        list(out, "unexpected", &self.unexpected, |out, name| write!(out, "`{name}`"))?;
        list(out, "wrong shape", &self.misshapen, |out, (name, wanted, found)| {
            write!(out, "`{name}` is {found:?}, expected {wanted:?}")
        })
    }
}

fn list<T>(
    out: &mut fmt::Formatter<'_>,
    title: &str,
    items: &[T],
    mut each: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(out, "; {} {title}: ", items.len())?;
    for (position, item) in items.iter().take(LISTED).enumerate() {
        if position > 0 {
            out.write_str(", ")?;
        }
        each(out, item)?;
    }
    if items.len() > LISTED {
        write!(out, " and {} more", items.len() - LISTED)?;
    }
    Ok(())
}
