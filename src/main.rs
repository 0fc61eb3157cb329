//! The program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Read by ONNX Runtime when it is loaded. Without it, it keeps a store in the user's cache and asks for a host of
    // its makers, although its API says no (`with_telemetry(false)`) right after.
    // SAFETY: the process has no other thread yet.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    tresnet_batch::cli::main()
}
