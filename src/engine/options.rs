//! How engines are set up: the job's `[engine]`, with every default resolved.

use super::{CudaOptions, DeviceRequest, OrtOptions, Provider};

/// What computes, and how. Nothing here decides what is computed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The requested provider.
    pub device: DeviceRequest,
    /// Numbers of the devices, each once, at least one.
    pub device_ids: Vec<u32>,
    /// Rows of a batch.
    pub batch: Batch,
    /// For the CPU.
    pub cpu: OrtOptions,
    /// For each CUDA device, but for its number.
    pub cuda: CudaOptions,
}

/// Rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// This many.
    Fixed(usize),
    /// As many as go fastest when several sizes are tried.
    Auto,
}

impl Options {
    /// Lists the settings as `name=value`, for the record of what ran.
    pub fn describe(&self, provider: Provider) -> String {
        match provider {
            Provider::Cpu => format!("threads={} spinning={}", self.cpu.threads, self.cpu.spinning),
            Provider::Cuda => {
                let CudaOptions {
                    memory_limit,
                    prefer_nhwc,
                    tf32,
                    conv_search,
                    fuse_conv_bias,
                    cuda_graph,
                    ..
                } = &self.cuda;
                let limit = memory_limit.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
                let search = format!("{conv_search:?}").to_lowercase();
                format!(
                    "memory_limit={limit} nhwc={prefer_nhwc} conv_search={search} cuda_graph={cuda_graph} \
                     fuse_conv_bias={fuse_conv_bias} tf32={tf32}"
                )
            }
        }
    }
}
