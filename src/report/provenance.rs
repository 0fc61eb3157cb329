//! Where the numbers of a report come from.

use serde::Serialize;

/// Where the numbers come from. Every text is the caller's, who has already taken secrets out of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Provenance {
    /// The job's name.
    pub job: String,
    /// Version of the tool that wrote the rows.
    pub tool_version: String,
    /// Architecture, such as `tresnet_m`.
    pub model_arch: String,
    /// SHA-256 of the weights, hexadecimal.
    pub model_sha256: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// Execution providers that really ran; several when workers differed.
    pub providers: Vec<String>,
    /// Names of their devices, if the rows' files record them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Preprocessing on one line.
    pub preprocess: String,
    /// Where the ground truth comes from.
    pub targets: String,
    /// Where the images are.
    pub input_uri: String,
    /// Where the rows are.
    pub output_uri: String,
    /// When the report was made.
    pub created: String,
    /// The job's fingerprint.
    pub fingerprint: String,
    /// Whether the output was finished (`_SUCCESS`) when it was read.
    pub complete: bool,
}

impl Provenance {
    /// Providers and devices on one line.
    pub fn computed_by(&self) -> String {
        let providers = self.providers.join(", ");
        if self.devices.is_empty() { providers } else { format!("{providers} ({})", self.devices.join("; ")) }
    }
}
