//! How ranges of a graph's maps were measured.

use serde::{Deserialize, Serialize};

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
