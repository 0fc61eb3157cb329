//! The network on one device.

use crate::engine::{
    CudaEngine, CudaOptions, Engine, EngineError, GraphFiles, GraphNames, OrtCpu, OrtOptions, Provider,
    Runtime,
};
use crate::model::Form;

/// Returns the form of the network that is fastest on a provider.
pub(crate) fn form_for(provider: Provider) -> Form {
    match provider {
        Provider::Cpu => Form::FOR_CPU,
        Provider::Cuda => Form::FOR_CUDA,
    }
}

/// A graph and the names of its inputs and outputs.
pub(crate) struct Network<'a> {
    pub graph: GraphFiles<'a>,
    pub names: GraphNames,
}

/// How a session is set up.
pub(crate) struct Settings<'a> {
    /// Rows of a batch.
    pub batch_size: usize,
    pub cpu: OrtOptions,
    pub cuda: &'a CudaOptions,
}

/// The network on one device.
///
/// # Errors
/// As the provider's engine.
pub(crate) fn load(
    runtime: &Runtime,
    provider: Provider,
    network: Network<'_>,
    settings: Settings<'_>,
) -> Result<Box<dyn Engine>, EngineError> {
    let (Network { graph, names }, Settings { batch_size, cpu, cuda }) = (network, settings);
    Ok(match provider {
        Provider::Cpu => Box::new(OrtCpu::load(runtime, graph, names, cpu)?),
        Provider::Cuda => Box::new(CudaEngine::load(runtime, graph, names, batch_size, cuda)?),
    })
}
