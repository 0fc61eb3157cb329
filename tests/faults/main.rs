//! Tests of the program with failpoints in it: processes that die at a chosen step, decoders that break, and the
//! protocol with one of its rules switched off.

// clippy's allowances for tests do not cover the functions that tests share
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(dead_code)]

mod ahead;
mod decoder;
mod held;
mod interrupted;
mod jpeg;
mod model;
mod parquet;
mod repair;
mod steps;
#[path = "../integration/support/mod.rs"]
mod support;
