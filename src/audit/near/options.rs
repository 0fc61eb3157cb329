//! How near duplicates are looked for.

use std::path::PathBuf;

/// How near duplicates are looked for.
#[derive(Debug, Clone, Default)]
pub struct NearOptions {
    /// Cosine from which two images are near duplicates; calibrated if not given.
    pub threshold: Option<f64>,
    /// A folder for what an audit that is stopped resumes from.
    pub scratch: Option<PathBuf>,
}
