//! The CUDA kernels of `src/engine/cuda/kernels`, compiled for the CPU (`tests/support/kernels`).

use std::process::Command;

use crate::support::{root, scratch};

/// Random maps after those of the networks; a few seconds.
const ROUNDS: &str = "20";

#[test]
fn the_kernels_compute_what_their_operators_say_and_touch_no_other_memory() {
    let program = scratch().join("kernels_check");
    let built = Command::new(root().join("tests/support/kernels/build.sh"))
        .arg("check")
        .arg(&program)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).arg(ROUNDS).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    println!("{said}");
    for kernel in ["activated_mean", "gate", "gate_add_relu", "leaky_blur", "squeeze_excite"] {
        assert!(said.lines().any(|line| line.starts_with(&format!("{kernel}: "))), "no {kernel} in: {said}");
    }
}
