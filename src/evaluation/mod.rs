//! What is made of the rows of an output: its report, targets that override its own, the comparison of two outputs, the
//! pictures of the worst mistakes.

pub(crate) mod attached_audit;
pub(crate) mod compare;
mod embeddings;
pub(crate) mod gallery;
mod image_row;
mod multi_label;
pub(crate) mod page_link;
pub(crate) mod pictures;
pub(crate) mod report_input;
pub(crate) mod reporting;
pub(crate) mod row_view;
mod sources;
pub(crate) mod target_override;
