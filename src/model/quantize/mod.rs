//! Graphs of less than single precision, made from a drawn fp32 graph and from what its maps held over a sample.
//!
//! ```text
//! fp32 graph ─watch─► the same with its maps as outputs ─(engine, a sample)─► Histogram of each map
//!      ├────────────────────────────── to_int8 ◄─ Range of each map ◄──────────────┤
//!      └─ with the fp16 graph ──────── to_half ◄─ maps that fp16 cannot hold ◄──────┘
//! ```
//!
//! Both are rewrites of a finished graph, so they do not care how it was drawn. This module reads no image and runs
//! nothing: the caller provides the histograms.

mod file;
mod half;
mod histogram;
mod int8;
mod range;
mod rewrite;
mod weights;

pub use file::{check, watch};
pub use half::{HALF_LIMIT, to_half};
pub use histogram::Histogram;
pub use int8::to_int8;
pub use range::{Range, Ranges, Watched};

pub use super::calibration::Calibration;
