//! The network alone, on numbers that are in memory already: no image is read, no row is made.
//!
//! The first row of a table is its control. Every other row is measured in turn with it, so that its ratio holds on a
//! machine that is busy with something else, too.

mod forms;
mod measured;
mod options;
mod peak;
mod rounds;
mod subject;
mod tables;

use crate::engine::{Provider, Runtime, choose, processor};
use crate::failure::Failure;

pub use measured::{EngineReport, Measured};
pub use options::{EngineBenchOptions, Table};
use rounds::Bench;

/// Measures the network. Calls `tell` with what is being done.
///
/// # Errors
/// Models that cannot be read or loaded, a provider that is not installed, outputs that are not finite.
pub fn bench_engine(
    options: &EngineBenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<EngineReport, Failure> {
    let choice = choose(options.wish, options.onnxruntime.as_deref())?;
    let device_id = u32::try_from(options.cuda.device_id).unwrap_or(0);
    let device = match choice.provider {
        Provider::Cpu => processor(),
        Provider::Cuda => choice.names(&[device_id])?.remove(0),
    };
    let runtime = Runtime::for_choice(&choice)?;
    let bench = Bench { options, provider: choice.provider, runtime };
    let rows = bench.table(tell)?;
    Ok(EngineReport {
        table: options.table,
        provider: choice.provider.as_str(),
        device,
        onnxruntime: bench.runtime.version().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: options.rounds,
        rows,
    })
}
