//! A job without a model, for tests that drive the library's rooms themselves.

use tresnet_batch::job::{Components, Frozen, FrozenModel, PROTOCOL, fingerprint};

/// The frozen `job.json` of a job with these components, over `s3://sim/in`.
pub fn frozen(components: Components, dim: usize) -> Frozen {
    Frozen {
        protocol: PROTOCOL,
        version: "0".into(),
        created: "2026-01-01T00:00:00Z".into(),
        name: "simulated".into(),
        fingerprint: fingerprint(&components),
        components,
        input: "s3://sim/in".into(),
        preprocess: String::new(),
        model: FrozenModel {
            arch: "none".into(),
            sha256: String::new(),
            precision: "fp32".into(),
            classes: 2,
            dim,
            labels: None,
            weights: None,
            parameters: None,
            hub: None,
        },
        folder_targets: None,
        truth: None,
        excluded: Vec::new(),
    }
}
