//! Tools for reviews.

/// A tool for reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewTool {
    /// FiftyOne: a `FiftyOneImageClassificationDataset`.
    FiftyOne,
    /// Label Studio: tasks, and the configuration of a project.
    LabelStudio,
}
