//! Why a shard could not be read to its end.

/// What is wrong with a shard's bytes. The texts follow the words "the shard".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// Not an archive at all.
    #[error("is no tar archive: {why}")]
    NotTar {
        /// What its first bytes are.
        why: String,
    },
    /// An archive at first.
    #[error("is a broken tar archive: at byte {offset}, {why}")]
    Broken {
        /// Where, in the archive that is not compressed.
        offset: u64,
        /// What was found at `offset`.
        why: String,
    },
    /// Its compression is damaged.
    #[error("is damaged: its {codec} data that begin at byte {offset}: {why}")]
    Packed {
        /// How it is compressed.
        codec: &'static str,
        /// Where the damaged member or frame begins, in the compressed bytes.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// It ends inside a member or a header.
    #[error("ends too early: after {offset} bytes, inside {inside}")]
    Truncated {
        /// Bytes that there are.
        offset: u64,
        /// What was being read.
        inside: String,
    },
    /// It asks for more than a shard may have.
    #[error("{why}")]
    Limit {
        /// What it has too much of.
        why: String,
    },
    /// Version 0.1.0 gave it other rows, and the job is that version's.
    #[error("{why}")]
    OtherRules {
        /// What is read otherwise now.
        why: String,
    },
}
