//! Tests that need failpoints in the program.
fn main() {}
