//! `--version`: the build, and the ONNX Runtime that it would load.

use serde_json::{Value, json};

use crate::engine::installed_library;

use super::print;

/// The commit that a release is built from; `make release` and `make wheel` set the variable.
const COMMIT: Option<&str> = option_env!("TRESNET_BATCH_COMMIT");
/// The triple of the build, from build.rs.
const TARGET: &str = env!("TRESNET_BATCH_TARGET");

/// Prints the whole version, or the short one of `-V`.
pub(super) fn show(is_short: bool) {
    let name = concat!("tresnet-batch ", env!("CARGO_PKG_VERSION"));
    if is_short {
        return print::document("version", "version", format_args!("{name}\n"));
    }
    let features: &[&str] = if cfg!(feature = "failpoints") { &["failpoints"] } else { &[] };
    let (found, library) = match installed_library() {
        Ok((path, version)) => {
            (format!("{version}, {}", path.display()), json!({ "version": version, "path": path }))
        }
        Err(why) => (why.to_string(), Value::Null),
    };
    // empty if it was built outside of a checkout
    let released = COMMIT.filter(|commit| !commit.is_empty());
    let commit = released.unwrap_or("unknown: no release");
    let shown = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    print::document_of(
        json!({
            "command": "version",
            "exit": 0,
            "version": name,
            "commit": released,
            "target": TARGET,
            "features": features,
            "onnxruntime": library,
        }),
        format_args!(
            "{name}\ncommit        {commit}\ntarget        {TARGET}\nfeatures      {shown}\nONNX Runtime  {found}\n"
        ),
    );
}
