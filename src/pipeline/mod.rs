//! Joins the stages: reading, decoding, inference, rows, parts. Data flows one way, ownership with it.
//!
//! Resources are taken in one order — part permit, slot row, bytes, request — and given back without taking
//! another, so nothing can deadlock. Only admission waits; every later hand-off is owned and cannot fail.

mod bench;
mod budget;
mod canary;
mod decode;
mod engine_thread;
mod exclude;
mod finish;
mod inputs;
mod intake;
mod isolate;
mod job_run;
mod lock;
mod meters;
mod opening;
mod part;
mod parts;
mod progress;
mod run;
mod share;
mod shared;
mod shutdown;
mod utilisation;
mod work;

pub use bench::{
    BenchOptions, BenchReport, CommitRate, DecodeRate, EncodeRate, EngineRate, Expected, FetchRate, Together,
    bench_job,
};
pub use decode::{Decoding, Fault};
pub use finish::{
    Finished, Outcome, Wishes, failed_gates, finish, judge, now, report_on, totals, write_report,
};
pub use isolate::child::serve as serve_decoding;
pub use isolate::{COMMAND as DECODE_COMMAND, Isolation};
pub use job_run::{Ended, Invocation, Opened, Planned, open_job, preflight, run_job, write_plan};
pub use meters::{Metered, Setup, Stages as StageMeters};
pub use opening::{Opening, Plan, PlannedPart};
pub use progress::{Progress, Snapshot};
pub use run::{Executed, Stages, execute};
pub use share::Share;
pub use shutdown::Shutdown;
pub use utilisation::{Bottleneck, Utilisation};
