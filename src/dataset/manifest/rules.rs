//! What a job decides of the rows of its manifest.

/// The job's rules for the rows of its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ManifestRules {
    /// Rows of an image that an earlier row has are left out. They are an error otherwise.
    pub skips_duplicates: bool,
    /// Whether JSON lines have their targets under the names that version 0.1.0 did not know, too.
    pub later_targets: LaterTargets,
}

/// What becomes of a JSON line whose target is only under a name that version 0.1.0 did not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaterTargets {
    /// It has that target.
    Read,
    /// It has no target.
    #[default]
    Unread,
    /// It ends the job, which version 0.1.0 began.
    Refused,
}
