//! How a CUDA session and its data path are set up.

use std::path::PathBuf;
use std::sync::Arc;

use ort::operator::OperatorDomain;

use super::EngineError;

/// Which of cuDNN's heuristics are asked for the plan of a convolution. ONNX Runtime 1.31 takes the first plan that
/// builds and times none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConvSearch {
    /// Mode B.
    #[default]
    Exhaustive,
    /// Mode A.
    Heuristic,
    /// Mode FALLBACK: slow engines that always exist. On sm_90 only they compute fp32 without tensor cores.
    Default,
}

impl ConvSearch {
    /// Returns the search for options that name none. Without TF32, fp32 needs [`ConvSearch::Default`]: modes A and B
    /// have no such plan on sm_90, and ONNX Runtime then takes one with TF32 and reports nothing. For fp16 FALLBACK is
    /// only slow.
    pub fn untyped(tf32: bool, is_single: bool) -> ConvSearch {
        if is_single && !tf32 { ConvSearch::Default } else { ConvSearch::Exhaustive }
    }
}

/// Makes a domain of operators of our own. Called once a session, on the thread that owns it, before the graph is read;
/// the domain lives as long as the session. Its kernels are launched on [`ort`]'s stream and become part of the captured
/// graph, so they neither allocate nor wait.
#[derive(Clone)]
pub struct Operators(Arc<MakeDomain>);

type MakeDomain = dyn Fn() -> ort::Result<OperatorDomain> + Send + Sync;

impl Operators {
    /// Operators that `make` makes. What it holds, plans and kernels for example, lives as long as the session.
    pub fn new(make: impl Fn() -> ort::Result<OperatorDomain> + Send + Sync + 'static) -> Operators {
        Operators(Arc::new(make))
    }

    /// Makes the domain for one session.
    ///
    /// # Errors
    /// ONNX Runtime refuses an operator, or what an operator needs is missing.
    pub fn domain(&self) -> ort::Result<OperatorDomain> {
        (self.0)()
    }
}

impl std::fmt::Debug for Operators {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Operators")
    }
}

/// The same operators: one is a clone of the other.
impl PartialEq for Operators {
    fn eq(&self, other: &Operators) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How a CUDA session is set up. A run uses the defaults; the switches exist so that a measurement can show the gain of
/// each.
#[derive(Debug, Clone, PartialEq)]
pub struct CudaOptions {
    /// Number of the device; default 0.
    pub device_id: i32,
    /// Bytes that ONNX Runtime's arena may hold on the device; default: as many as there are.
    pub memory_limit: Option<usize>,
    /// Keep maps interleaved (`[n, h, w, c]`), as tensor cores read them; default true.
    pub prefer_nhwc: bool,
    /// Let tensor cores multiply, in single precision by TF32; ONNX Runtime takes a no for half precision too. Default
    /// true.
    pub tf32: bool,
    /// Which heuristics choose the plan of a convolution; default: mode B.
    pub conv_search: ConvSearch,
    /// Add a convolution's bias inside it. Only together with `prefer_nhwc`: in the other layout the second and later
    /// runs add what the output held before. Default false.
    pub fuse_conv_bias: bool,
    /// Launch a batch as one captured graph and not kernel by kernel; default true.
    pub cuda_graph: bool,
    /// Slots and results in pinned memory, which the device copies from and to by itself; default true.
    pub pinned: bool,
    /// Batches in flight, 1 or 2; with 2, the copies of one go on beside the computing of the other. Default 2.
    pub lanes: usize,
    /// Copies on separate streams, synchronized by events; default true.
    pub copy_streams: bool,
    /// Let ONNX Runtime plan a run's memory as one block; default true.
    pub memory_pattern: bool,
    /// Where ONNX Runtime writes its profile when the engine is dropped; it adds a time to the name. Default: nowhere.
    pub profile: Option<PathBuf>,
    /// Operators of our own. Default: none.
    pub operators: Option<Operators>,
}

impl Default for CudaOptions {
    fn default() -> CudaOptions {
        CudaOptions {
            device_id: 0,
            memory_limit: None,
            prefer_nhwc: true,
            tf32: true,
            conv_search: ConvSearch::Exhaustive,
            fuse_conv_bias: false,
            cuda_graph: true,
            pinned: true,
            lanes: 2,
            copy_streams: true,
            memory_pattern: true,
            profile: None,
            operators: None,
        }
    }
}

impl CudaOptions {
    /// Refuses what would compute wrong numbers or nothing.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if self.fuse_conv_bias && !self.prefer_nhwc {
            return Err(EngineError::Load(
                "`fuse_conv_bias` without `prefer_nhwc` adds old outputs to new ones; switch both on or the former off"
                    .into(),
            ));
        }
        if !(1..=2).contains(&self.lanes) {
            return Err(EngineError::Load(format!("{} batches in flight; 1 or 2 are", self.lanes)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fp32_without_tf32_takes_the_fallback_engines() {
        assert_eq!(ConvSearch::untyped(false, true), ConvSearch::Default);
        for (tf32, is_single) in [(true, true), (true, false), (false, false)] {
            assert_eq!(ConvSearch::untyped(tf32, is_single), CudaOptions::default().conv_search);
        }
    }

    #[test]
    fn the_defaults_hold_and_what_would_go_wrong_is_refused() {
        assert!(CudaOptions::default().check().is_ok());
        let nchw = CudaOptions { prefer_nhwc: false, ..CudaOptions::default() };
        assert!(nchw.check().is_ok());
        let wrong = [
            CudaOptions { fuse_conv_bias: true, ..nchw },
            CudaOptions { lanes: 0, ..CudaOptions::default() },
            CudaOptions { lanes: 3, ..CudaOptions::default() },
        ];
        for options in wrong {
            assert!(options.check().is_err(), "{options:?}");
        }
    }
}
