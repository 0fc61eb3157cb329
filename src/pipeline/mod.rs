//! Joins the stages: reading, decoding, inference, rows, parts. Data flows one way, ownership with it.
//!
//! Resources are taken in one order — part permit, slot row, bytes, request — and given back without taking
//! another, so nothing can deadlock. Only admission waits; every later hand-off is owned and cannot fail.

mod bench;
mod budget;
mod calibrate;
mod canary;
mod compare;
mod decode;
mod device;
mod doctor;
mod engine_thread;
mod exclude;
mod failed;
mod finish;
mod gallery;
mod init;
mod inputs;
mod intake;
mod isolate;
mod job_run;
mod lock;
mod memory;
mod meters;
mod metrics;
mod opening;
mod other_truth;
mod part;
mod parts;
mod preflight;
mod progress;
mod reporting;
mod run;
mod scoring;
mod share;
mod shared;
mod shutdown;
mod sources;
mod utilisation;
mod work;

pub use bench::{
    BenchOptions, BenchReport, CommitRate, DecodeRate, EncodeRate, EngineBenchOptions, EngineRate,
    EngineReport, Expected, FetchRate, Measured, Table, Together, bench_engine, bench_job,
};
pub use calibrate::{Compared, Correct, Largest, Measuring, Quantized, largest, quantize};
pub use compare::compare;
pub use decode::{Decoding, Fault};
pub use device::{Ran, Tried};
pub use doctor::{Asked, Check, Estimate, Examined, Known, State, examine};
pub use finish::{Finished, Outcome, Wishes, failed_gates, finish, judge, now, totals};
pub use init::{Start, start_job};
pub use isolate::child::serve as serve_decoding;
pub use isolate::{COMMAND as DECODE_COMMAND, Isolation};
pub use job_run::{Ended, Invocation, Opened, Planned, open_job, run_job, write_plan};
pub use meters::{Metered, Setup, Stages as StageMeters};
pub use metrics::{Metrics, RunEnd, job_of_metrics};
pub use opening::{Opening, Plan, PlannedPart};
pub use other_truth::OtherTruth;
pub use preflight::preflight;
pub use progress::{Progress, Snapshot};
pub use reporting::Reported;
pub use run::{Executed, Stages, execute};
pub use scoring::view_of;
pub use share::Share;
pub use shutdown::Shutdown;
pub use utilisation::{Bottleneck, Utilisation};
