//! The main job on local disk, from image files to Parquet, through the program itself.

mod again;
mod bad_input;
mod canary;
pub mod crash;
mod isolate;
mod parity;
mod reports;
mod rows;
mod runtime;
mod seen;
