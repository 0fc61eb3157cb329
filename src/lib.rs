//! Offline image classification at scale: object storage in, TResNet on ONNX Runtime, Parquet out, exactly
//! one row per image.
//!
//! Data flow, which is also the flow of ownership:
//!
//! ```text
//!  job.toml ─► ResolvedJob ─► plan ─► part ─► fetch ─► decode ─► batch ─► infer ─► rows ─► part file ─► report
//!              every default  frozen  one     async    CPU       slot     one owner  top-k   one PUT =
//!              resolved       once    output  GETs     workers            a session  embed.  the commit
//! ```
//!
//! | folder | what it is for |
//! |---|---|
//! | [`job`] | the TOML as typed, and everything resolved from it |
//! | [`store`] | object stores and local disk, as one narrow type |
//! | [`hub`] | models of a Hugging Face hub, fetched into its cache |
//! | [`dataset`] | what the images are, and the frozen plan of them |
//! | [`image`] | bytes in, one row of pixels out, to the bit of the reference |
//! | [`model`] | TResNet: checkpoint → architecture → ONNX graph |
//! | [`engine`] | batches on a device, one owner a session |
//! | [`pipeline`] | the data path of a run |
//! | [`runner`] | a job from its file to `_SUCCESS` |
//! | [`evaluation`] | what is made of an output's rows |
//! | [`audit`] | what an output's rows show about its data |
//! | [`workbench`] | benchmarks, calibration, `doctor`, `init` |
//! | [`output`] | rows, part files, the commit, the finish |
//! | [`report`] | accuracy from the rows alone |
//! | [`cli`] | the commands; the only place that prints |

pub mod audit;
pub mod classes;
pub mod cli;
pub mod dataset;
pub mod engine;
pub mod evaluation;
pub mod failpoints;
pub mod failure;
pub mod hub;
pub mod ids;
pub mod image;
pub mod job;
pub mod model;
mod open_files;
pub mod output;
pub mod pipeline;
pub mod regular_file;
pub mod report;
pub mod runner;
pub mod sample;
pub mod store;
mod sync;
mod tasks;
pub mod telemetry;
pub mod tensor;
pub mod workbench;
