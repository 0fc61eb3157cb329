//! What came out of a measurement of the network.

use serde::Serialize;

use super::options::Table;

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was measured.
    pub name: String,
    /// Arithmetic of the graph.
    pub precision: String,
    /// Pixels a side.
    pub image_size: u32,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Median over the rounds.
    pub images_per_s: f64,
    /// Time of a batch; with several in flight, of one after another.
    pub ms_per_batch: f64,
    /// 10⁹ floating-point operations a second, if the network's are known.
    pub gflops: Option<f64>,
    /// Seconds to draw the graph and to load it; on a CUDA device this includes the first run of each lane.
    pub load_seconds: f64,
    /// Seconds of the batches after it that are not measured.
    pub warm_up_seconds: f64,
    /// The peak increase of host memory, in bytes, while it was loaded and ran its first batches. On a CUDA device,
    /// weights and maps are in device memory instead.
    pub peak_bytes: Option<u64>,
    /// The increase of a CUDA device's memory, in bytes, after its first batches: ONNX Runtime's arena does not shrink.
    /// Other programs on that device disturb it.
    pub device_bytes: Option<u64>,
    /// Median of the rounds' ratios to the control measured in turn with it.
    pub ratio: Option<f64>,
    /// The least and the largest of these ratios.
    pub ratio_range: Option<[f64; 2]>,
    /// What the paper reports for it on one V100 in mixed precision at 224, images a second.
    pub paper_images_per_s: Option<f64>,
    /// What a reader must know of it.
    pub note: Option<&'static str>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct EngineReport {
    /// The table.
    pub table: Table,
    /// The provider that ran.
    pub provider: &'static str,
    /// Its device.
    pub device: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Threads that the machine has.
    pub cores: usize,
    /// Rounds.
    pub rounds: usize,
    /// In the order of the table; the first is the control if there are ratios.
    pub rows: Vec<Measured>,
}
