//! The common form of a checkpoint, whatever layout it came in.

use std::collections::BTreeMap;
use std::fmt;

/// Last parts of the names of counters that only training reads: batch norm's, and that of an average over models.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];

/// One tensor of weights, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lengths of its axes, outermost first.
    pub shape: Vec<usize>,
    /// The values, as many as the shape has elements. Wider types were rounded to f32, narrower ones are exact.
    pub values: Vec<f32>,
}

impl Tensor {
    /// Whether no value is NaN or infinite. It looks at all of them: a loop that ends early is not vectorised.
    pub(in crate::model) fn is_finite(&self) -> bool {
        self.values.iter().fold(true, |finite, value| finite & value.is_finite())
    }
}

/// The tensors of a network under timm's names (the authors' were translated), without the counters that only training reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of the file, 64 hexadecimal digits: the identity of the weights. Of several files it is that of their
    /// hashes and names, as [`load()`](super::load()) describes.
    pub sha256: String,
}

impl Checkpoint {
    /// Whether the name of a tensor begins so.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        let mut from_here = self.tensors.range(prefix.to_owned()..);
        from_here.next().is_some_and(|(name, _)| name.starts_with(prefix))
    }
}

/// Which of the weights of a training checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightSet {
    /// Their average over the training.
    Ema,
    /// Those that the training changes.
    Raw,
}

impl WeightSet {
    /// Its name in a job file.
    pub fn as_str(self) -> &'static str {
        match self {
            WeightSet::Ema => "ema",
            WeightSet::Raw => "raw",
        }
    }
}

impl fmt::Display for WeightSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The dictionary that was taken out of a training checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSet {
    /// What it holds.
    pub set: WeightSet,
    /// Its key.
    pub key: String,
    /// The key of the other set, where the file has both.
    pub other: Option<String>,
    /// What version 0.1.0 took of such a file, or raw where it refused the file.
    pub earlier: WeightSet,
}

impl TakenSet {
    /// The choice for a person, where there was one.
    pub fn text(&self) -> Option<String> {
        let other = self.other.as_ref()?;
        Some(format!("the {} weights (`{}`, not `{other}`)", self.set, self.key))
    }

    /// What distinguishes a job with these weights from one with the other ones; nothing for those that version 0.1.0
    /// took.
    pub fn component(&self) -> Option<&'static str> {
        (self.other.is_some() && self.set != self.earlier).then(|| self.set.as_str())
    }
}

/// What a file holds, before anything is decided about it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Floating-point tensors by name, without counters.
    pub tensors: BTreeMap<String, Tensor>,
    /// Name and type of the first tensor that holds something else.
    pub unreadable: Option<(String, String)>,
    /// What was chosen, where there are several sets of weights.
    pub taken: Option<TakenSet>,
}

/// Whether a name is that of a counter, which readers leave out.
pub(super) fn is_counter(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| COUNTERS.contains(&last))
}
