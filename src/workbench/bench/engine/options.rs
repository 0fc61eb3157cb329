//! What a measurement of the network is asked for.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{CudaOptions, DeviceRequest, OrtOptions};
use crate::model::Precision;

/// What is measured, and how long.
#[derive(Debug, Clone)]
pub struct EngineBenchOptions {
    /// The provider.
    pub wish: DeviceRequest,
    /// `--onnxruntime`.
    pub onnxruntime: Option<PathBuf>,
    /// Models to measure, the first being the control of the others; none: random weights of `archs`.
    pub models: Vec<PathBuf>,
    /// A model that takes the control's place in tables of forms and optimisations, such as another exporter's graph.
    pub against: Option<PathBuf>,
    /// Networks with random weights.
    pub archs: Vec<String>,
    /// Pixels a side; none: the model's own, or 224.
    pub image_sizes: Vec<u32>,
    /// Rows of a batch; none: 32 on a CPU, 128 on CUDA.
    pub batch_sizes: Vec<usize>,
    /// Arithmetic; none: what a job on this provider takes.
    pub precision: Option<Precision>,
    /// What is compared.
    pub table: Table,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// The least time of a round.
    pub time: Duration,
    /// Options of a CPU session.
    pub cpu: OrtOptions,
    /// Options of a CUDA session.
    pub cuda: CudaOptions,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// The models or networks that were named.
    Models,
    /// TResNet-M, L and XL at 224 and 448, beside the paper's figures.
    Basic,
    /// Other ways of drawing the same network.
    Forms,
    /// The network without one of its refinements: the speed half of the paper's ablation.
    Ablation,
    /// The same graph run without one of the engine's optimisations.
    Optimisations,
}
