//! The providers and their facts. One more provider is one more variant of [`Provider`].

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    Cpu,
    /// NVIDIA's GPUs.
    Cuda,
}

impl Provider {
    /// All of them, the ones that `auto` prefers first.
    pub const ALL: [Provider; 2] = [Provider::Cuda, Provider::Cpu];

    /// Its name in job files, footers and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
        }
    }

    /// True where it computes on the cores that decode.
    pub fn shares_cores(self) -> bool {
        self == Provider::Cpu
    }

    /// The folder in which the project's setup puts its ONNX Runtime.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Provider::Cpu => ".runtime/cpu",
            Provider::Cuda => ".runtime/cuda",
        }
    }

    /// The file beside ONNX Runtime that carries it; none where it is in every build.
    pub(super) fn file(self) -> Option<&'static str> {
        match self {
            Provider::Cpu => None,
            Provider::Cuda => Some("libonnxruntime_providers_cuda.so"),
        }
    }

    /// What fetches its ONNX Runtime.
    pub(super) fn setup(self) -> &'static str {
        match self {
            Provider::Cpu => "run `make setup` in the project",
            Provider::Cuda => {
                "install the wheel with its extra `cuda`, or run `make setup-cuda` in the project"
            }
        }
    }
}
