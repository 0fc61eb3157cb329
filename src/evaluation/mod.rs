//! What is made of the rows of an output: its report, another truth, the comparison of two outputs, the pictures of
//! the worst mistakes.

pub(crate) mod compare;
pub(crate) mod gallery;
pub(crate) mod reporting;
pub(crate) mod scoring;
mod sources;
pub(crate) mod target_override;
