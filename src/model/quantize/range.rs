//! What is measured of a graph's maps, and the ranges that come of it.

use std::collections::BTreeMap;

/// Steps between the ends of a range in eight bits.
pub(super) const LEVELS: f64 = 255.0;

/// What is measured of a fp32 graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The maps that an int8 graph holds in eight bits.
    Int8,
    /// Everything that is computed.
    All,
}

/// The range of values that eight bits cover; it includes zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// At most 0.
    pub low: f64,
    /// At least 0.
    pub high: f64,
}

/// Ranges of maps, by name.
pub type Ranges = BTreeMap<String, Range>;
