//! Graphs of less than single precision, made from a drawn fp32 graph and from what its maps held over a sample.
//!
//! ```text
//! fp32 graph ─watch─► the same with its maps as outputs ─(engine, a sample)─► Histogram of each map
//!      ├────────────────────────────── to_int8 ◄─ Range of each map ◄──────────────┤
//!      └─ with the fp16 graph ──────── to_half ◄─ maps that fp16 cannot hold ◄──────┘
//! ```
//!
//! Both are rewrites of a finished graph, so they do not care how it was drawn. This room sees no image and runs
//! nothing: whoever calls it brings the histograms.

mod file;
mod half;
mod histogram;
mod int8;
mod rewrite;
mod weights;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use file::{check, watch};
pub use half::{HALF_LIMIT, to_half};
pub use histogram::Histogram;
pub use int8::to_int8;

/// What is measured of a fp32 graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The maps that an int8 graph holds in eight bits.
    Int8,
    /// Everything that is computed.
    All,
}

/// The values that eight bits are spread over; zero lies in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// At most 0.
    pub low: f64,
    /// At least 0.
    pub high: f64,
}

/// Ranges of maps, by name.
pub type Ranges = BTreeMap<String, Range>;

/// How a graph came by its ranges: `tresnet.calibration` in its properties, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// How ranges were made of values: `mse`, or `max` where only the largest values were looked at.
    pub method: String,
    /// Images of the sample.
    pub images: u64,
    /// Maps of a fp16 graph that stay in fp32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fp32_maps: Vec<String>,
}
