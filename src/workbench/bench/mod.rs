//! Each stage of a job alone, then all together, on the job's own input and model.
//!
//! The stages are those of a run, fed and emptied by this module: the same admission, workers, engine, encoder
//! and commit. Plan and rows go to memory; only the commit, measured alone, writes to the job's output, below a
//! folder of control data that no reader takes for rows, and deletes what it wrote.

mod engine;
mod job;
mod report;
mod scratch;
mod stage_bench;
mod stages;

pub use engine::{EngineBenchOptions, EngineReport, Measured, Table, bench_engine};
pub use job::bench_job;
pub(super) use job::measure;
pub use report::{BenchReport, CommitRate};
pub use stages::BenchOptions;
