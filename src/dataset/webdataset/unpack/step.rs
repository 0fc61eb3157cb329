//! What one step of a codec gives.

/// What one step gave.
pub(super) struct Step {
    /// Bytes of output.
    pub written: usize,
    /// A member or frame has ended.
    pub is_done: bool,
}
