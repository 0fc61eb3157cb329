//! The program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // ONNX Runtime reads this when it is loaded. Without it, ONNX Runtime keeps a store in the user's cache and looks
    // up a host of its makers, although `with_telemetry(false)` follows right after.
    // SAFETY: the process has no other thread yet.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    tresnet_batch::cli::main()
}
