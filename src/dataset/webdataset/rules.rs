//! What a shard may ask for, and by which rules its rows are made.

/// What a shard may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Bytes of the images of one sample; a larger image comes without its bytes.
    pub image_bytes: u64,
    /// Bytes of a `.cls`, `.json` or `.txt`.
    pub text_bytes: u64,
}

impl ShardLimits {
    /// Limits with a room for texts that no label outgrows.
    pub fn new(image_bytes: u64) -> Self {
        ShardLimits { image_bytes, text_bytes: 1 << 20 }
    }
}

/// How the members of a shard become rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShardRules {
    /// Texts are joined wherever they are in the shard, archives after the end mark and compressed ones are read, and
    /// hidden members are left out.
    #[default]
    Current,
    /// As version 0.1.0 did, which had none of this: for its finished outputs.
    Earlier,
    /// By the current rules, and a shard to which version 0.1.0 gave other rows is an error: for its unfinished jobs.
    SameAsEarlier,
}
