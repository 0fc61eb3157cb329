//! What can go wrong with an engine, and the exit code that follows.

use crate::failure::{Exit, Failure};

/// The oldest ONNX Runtime whose interface is spoken here (the `ort` feature `api-24`).
pub(super) const OLDEST_MINOR: u32 = 24;
const FIX: &str = "run `make setup` in the project, install the wheel, the archive or the package, which have it, or give \
                   the library by `--onnxruntime PATH`";

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nowhere.
    #[error("no ONNX Runtime library was found; {FIX} (looked at: {})", looked.join(", "))]
    Missing {
        /// Places that were looked at.
        looked: Vec<String>,
    },
    /// The one that was asked for is not there.
    #[error("`{path}`, given by {by}, is not there; {FIX}")]
    NotThere {
        /// What was typed.
        path: String,
        /// Where it was typed.
        by: &'static str,
    },
    /// It does not load.
    #[error("`{path}` is no usable ONNX Runtime: {why}; {FIX}")]
    Unusable {
        /// The library.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// It is too old.
    #[error("`{path}` is ONNX Runtime {version}, but at least 1.{OLDEST_MINOR} is needed; {FIX}")]
    TooOld {
        /// The library.
        path: String,
        /// Its version.
        version: String,
    },
}

/// What can go wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// ONNX Runtime is missing or does not fit.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The graph was refused.
    #[error("ONNX Runtime does not take the model: {0}")]
    Load(String),
    /// The graph takes or gives something else than was announced.
    #[error("the model {0}")]
    Model(String),
    /// A provider that was asked for cannot be used.
    #[error("the provider `{provider}` is not there: {why}")]
    Provider {
        /// Which.
        provider: &'static str,
        /// What is missing, and what to install.
        why: String,
    },
    /// No device answers.
    #[error("no CUDA device answers: {0}")]
    NoDevice(String),
    /// Settings that do not fit this machine.
    #[error("{0}")]
    Options(String),
    /// The device, or the memory held in place for it, is too small for a batch.
    #[error(
        "a batch of {batch_size} does not fit into the device's memory: {why}; lower `engine.batch_size`"
    )]
    OutOfMemory {
        /// Rows of the batch that was tried.
        batch_size: usize,
        /// Words of the runtime or the driver.
        why: String,
    },
    /// A batch failed.
    #[error("inference failed: {0}")]
    Run(String),
    /// A batch failed twice in the same words, so that it would fail in every run.
    #[error(
        "a batch of {rows} images fails in the same way when it is run again: {why}; it holds {keys}; leave these images \
         out of the input, or report this with one of them"
    )]
    Repeated {
        /// How many images.
        rows: usize,
        /// The first of their keys.
        keys: String,
        /// The words of the runtime.
        why: String,
    },
}

/// Parts of the messages of ONNX Runtime and the allocator when out of memory.
const NO_MEMORY: [&str; 5] =
    ["bad_alloc", "bad allocation", "ailed to allocate", "ut of memory", "smaller than requested bytes"];

impl EngineError {
    /// Whether memory was missing, which there may be later.
    pub fn is_about_memory(&self) -> bool {
        match self {
            EngineError::OutOfMemory { .. } => true,
            EngineError::Run(why) => NO_MEMORY.iter().any(|words| why.contains(words)),
            _ => false,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let exit = match &error {
            EngineError::Runtime(_)
            | EngineError::Load(_)
            | EngineError::Model(_)
            | EngineError::Provider { .. }
            | EngineError::Options(_)
            | EngineError::OutOfMemory { .. } => Exit::Config,
            EngineError::NoDevice(_) => Exit::Unavailable,
            EngineError::Run(_) => Exit::TryAgain,
            EngineError::Repeated { .. } => Exit::Bug,
        };
        Failure::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_memory_is_known_by_the_words_of_the_runtime() {
        for (words, expected) in [
            ("Failed to allocate memory for requested buffer of size 4096", true),
            ("std::bad_alloc", true),
            ("Available memory of 10 is smaller than requested bytes of 20", true),
            ("Invalid input shape: {4}", false),
        ] {
            assert_eq!(EngineError::Run(words.into()).is_about_memory(), expected, "{words}");
        }
    }
}
