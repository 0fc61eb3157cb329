//! Joins the stages: reading, decoding, inference, rows, parts. Data flows one way, ownership with it.
//!
//! Resources are taken in one order — part permit, slot row, bytes, request — and given back without taking
//! another, so nothing can deadlock. Only admission waits; every later hand-off is owned and cannot fail.

mod engine_thread;
mod finish;
mod inputs;
mod intake;
mod job_run;
mod part;
mod parts;
mod progress;
mod run;
mod shutdown;
mod work;

pub use finish::{Finished, Wishes, failed_gates, finish, judge, now, report_on, totals, write_report};
pub use job_run::{Ended, Invocation, Opened, open_job, run_job};
pub use progress::{Progress, Snapshot};
pub use run::{Executed, PlannedPart, Stages, execute};
pub use shutdown::Shutdown;
