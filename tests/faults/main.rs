//! Tests that plant faults in the program itself, through the feature `failpoints` and the variable `FAILPOINTS`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod decoder;
#[allow(dead_code)]
#[path = "../integration/support/mod.rs"]
mod support;
