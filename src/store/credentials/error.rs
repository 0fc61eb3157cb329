//! Why there are no credentials.

/// A text leads with what to set or to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum CredentialError {
    /// No source has any.
    #[error(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a \
         role; for a public bucket set `storage.anonymous_input = true` or AWS_SKIP_SIGNATURE=true (asked: {asked})"
    )]
    Missing {
        /// The sources and the answer of each, in order.
        asked: String,
    },
    /// No variable has any, and the machine has no identity on GCS or Azure.
    #[error("{advice} (asked: the machine's metadata service, {why})")]
    NoIdentity {
        /// What to set.
        advice: &'static str,
        /// What the service did.
        why: String,
    },
    /// A source has some, and does not give them.
    #[error("{advice}: {source_name} gives no credentials: {why}")]
    Refused {
        /// Which source.
        source_name: String,
        /// Its answer.
        why: String,
        /// What to do.
        advice: String,
    },
    /// A profile or a variable cannot be used.
    #[error("{0}")]
    Setup(String),
    /// A service that gives them does not answer, or asks to come back later.
    #[error("{source_name} does not answer: {why}")]
    Unanswered {
        /// Which source.
        source_name: String,
        /// What happened.
        why: String,
    },
}

impl CredentialError {
    /// True if asking again soon may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, CredentialError::Unanswered { .. })
    }
}

impl From<CredentialError> for object_store::Error {
    fn from(error: CredentialError) -> Self {
        object_store::Error::Generic { store: "S3", source: Box::new(error) }
    }
}
