//! What can go wrong with storage, classified by what a scheduler should do about it.
//!
//! An error keeps its cause, down to the client's or the system's own error. Its text quotes the cause, redacted by
//! [`Redacted`]; nothing else here redacts. The class comes from types, statuses and error codes, never from
//! the text of an error: that contains the object's key.

use std::error::Error;
use std::io;

use crate::failure::{Exit, Failure};
use crate::telemetry::Redacted;

use super::causes::{cause_of, io_error};
use super::page::PageError;
use super::reply::Reply;
use super::unanswered::Unanswered;

/// A storage operation that failed for good, after all retries.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address cannot be used.
    #[error("`{uri}` is no usable address: {cause}")]
    BadUri {
        /// The address, redacted.
        uri: String,
        /// What is wrong with it.
        #[source]
        cause: Redacted,
    },
    /// The store's settings in the environment do not work.
    #[error("cannot open `{uri}`: {cause}")]
    Setup {
        /// The address, redacted.
        uri: String,
        /// What is wrong.
        #[source]
        cause: Redacted,
    },
    /// A key that would read as another object.
    #[error("the key `{key}` cannot be addressed: {why}; rename the object or leave it out of the input")]
    BadKey {
        /// The key, or as much of the listing's error as names it.
        key: String,
        /// What is wrong with it.
        why: String,
        /// The client's own word on it.
        #[source]
        cause: Redacted,
    },
    /// A listing whose keys do not increase, found too late to sort it.
    #[error(
        "the store lists the key `{key}` out of order, which a plan that was begun in order does not survive; set \
         `[input] listing = \"sort\"` and take a new `output.uri`"
    )]
    Disorder {
        /// The key.
        key: String,
    },
    /// A listing that cannot be relied on.
    #[error("{what}: {cause}")]
    Listing {
        /// What was tried.
        what: String,
        /// What the store answered.
        #[source]
        cause: PageError,
    },
    /// There is no such object or file.
    #[error("{what}: not found")]
    Missing {
        /// What was tried.
        what: String,
        /// The error of the store or the system, if there was one.
        #[source]
        cause: Option<Redacted>,
    },
    /// No right to do it.
    #[error("{what}: access denied: {cause}")]
    Denied {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// The place cannot be written.
    #[error("{what}: cannot be written: {cause}")]
    Unwritable {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// A full disk, a file too large, or another local error.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        #[source]
        cause: Redacted,
    },
    /// No answer, or an answer that a later try may better.
    #[error("{what}: the store does not answer: {cause}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// How it failed to answer.
        unanswered: Unanswered,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
}

/// What an error of `object_store` amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Missing,
    Denied,
    Unwritable,
    /// The store knows no conditional writes.
    Unconditional,
    Setup,
    Unavailable,
}

/// A write that the store answered with 501.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store does not know conditional writes ({source}); set `[storage] conditional_put = \"off\"` and see to it \
     that one process at a time plans"
)]
struct Unconditional {
    source: object_store::Error,
}

impl StoreError {
    /// The exit code that tells a scheduler what to do.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::BadUri { .. } | StoreError::Setup { .. } | StoreError::Disorder { .. } => {
                Exit::Config
            }
            StoreError::BadKey { .. } | StoreError::Missing { .. } => Exit::NoInput,
            StoreError::Denied { .. } => Exit::Denied,
            StoreError::Unwritable { .. } => Exit::CannotCreate,
            StoreError::Io { .. } => Exit::Io,
            StoreError::Unavailable { .. } | StoreError::Listing { .. } => Exit::Unavailable,
        }
    }

    /// True where trying again soon may help.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } => true,
            StoreError::Listing { cause, .. } => cause.may_pass(),
            _ => false,
        }
    }

    /// How the store failed to answer; `None` if it answered.
    pub fn unanswered(&self) -> Option<Unanswered> {
        match self {
            StoreError::Unavailable { unanswered, .. } => Some(*unanswered),
            _ => None,
        }
    }

    /// Makes an error that a later try may better.
    pub(super) fn unavailable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        StoreError::Unavailable {
            what: what.into(),
            unanswered: Unanswered::INCOMPLETE,
            cause: Redacted::new(cause),
        }
    }

    /// Makes an error of local work that did not come to its end, such as a panic.
    pub(super) fn local(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StoreError::Io { what: what.into(), cause: Redacted::new(cause) }
    }

    /// Classifies an error of `object_store`; `what` says what was tried, for a person.
    pub(super) fn from_store(error: object_store::Error, what: impl Into<String>, writing: bool) -> Self {
        let what = what.into();
        if let object_store::Error::InvalidPath { source } = error {
            let (key, why) = (source.to_string(), "its path is not plain".into());
            return StoreError::BadKey { key, why, cause: Redacted::new(source) };
        }
        if let Some(cause) = cause_of::<PageError>(&error) {
            return StoreError::Listing { what, cause: cause.clone() };
        }
        if let Some(error) = io_error(&error) {
            return StoreError::from_io(error, what, writing);
        }
        match classify(&error, writing) {
            Class::Missing => StoreError::Missing { what, cause: Some(Redacted::new(error)) },
            Class::Denied => StoreError::Denied { what, cause: Redacted::new(error) },
            Class::Unwritable => StoreError::Unwritable { what, cause: Redacted::new(error) },
            Class::Unconditional => {
                StoreError::Unwritable { what, cause: Redacted::new(Unconditional { source: error }) }
            }
            Class::Setup => StoreError::Setup { uri: what, cause: Redacted::new(error) },
            Class::Unavailable => {
                let unanswered = Unanswered::of(&error);
                StoreError::Unavailable { what, unanswered, cause: Redacted::new(error) }
            }
        }
    }

    /// Classifies an error of writing to the local file system.
    pub fn io(error: io::Error, what: impl Into<String>) -> Self {
        Self::from_io(error, what, true)
    }

    /// Classifies an error of the local file system.
    pub(super) fn from_io(error: io::Error, what: impl Into<String>, writing: bool) -> Self {
        use io::ErrorKind as K;
        let (what, kind, cause) = (what.into(), error.kind(), Redacted::new(error));
        match kind {
            K::NotFound => StoreError::Missing { what, cause: Some(cause) },
            K::NotADirectory if !writing => StoreError::Missing { what, cause: Some(cause) },
            K::PermissionDenied if !writing => StoreError::Denied { what, cause },
            K::PermissionDenied | K::ReadOnlyFilesystem | K::NotADirectory => {
                StoreError::Unwritable { what, cause }
            }
            _ => StoreError::Io { what, cause },
        }
    }
}

fn classify(error: &object_store::Error, writing: bool) -> Class {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } if writing => return Class::Unwritable,
        E::NotFound { .. } => return Class::Missing,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => return Class::Denied,
        E::UnknownConfigurationKey { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
            return Class::Setup;
        }
        _ => {}
    }
    match Reply::beneath(error) {
        Some(reply) if reply.denies() => Class::Denied,
        Some(reply) if reply.misses() => Class::Missing,
        Some(reply) if writing && reply.status == 501 => Class::Unconditional,
        _ => Class::Unavailable,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::of(error.exit(), error)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::TryStreamExt;
    use object_store::aws::AmazonS3Builder;
    use object_store::client::*;
    use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

    use super::*;

    /// A store that answers every request with this status and body.
    #[derive(Debug, Clone)]
    struct Answers(u16, String);

    impl HttpConnector for Answers {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(self.clone()))
        }
    }

    #[async_trait]
    impl HttpService for Answers {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            let mut response = HttpResponse::new(self.1.clone().into());
            *response.status_mut() = self.0.try_into().unwrap();
            Ok(response)
        }
    }

    /// The error document of S3 about this key.
    fn document(code: &str, key: &str) -> String {
        format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Key>{key}</Key></Error>")
    }

    fn client(status: u16, body: &str) -> impl ObjectStore {
        AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_skip_signature(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Answers(status, body.to_owned()))
            .build()
            .unwrap()
    }

    async fn read(key: &str, status: u16, body: &str) -> StoreError {
        let error = client(status, body).get(&key.into()).await.unwrap_err();
        StoreError::from_store(error, format!("reading `{key}`"), false)
    }

    async fn listed(status: u16, body: &str) -> StoreError {
        let pages = client(status, body);
        let error = pages.list(None).try_collect::<Vec<_>>().await.unwrap_err();
        StoreError::from_store(error, "listing", false)
    }

    #[tokio::test]
    async fn a_key_that_reads_like_a_code_does_not_change_the_class_of_a_passing_error() {
        for word in
            ["InvalidToken", "ExpiredToken", "AccessDenied", "NoSuchKey", "SlowDown", "status code: 403"]
        {
            let key = format!("{word}/{word}.jpg");
            for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (400, "RequestTimeout")] {
                let error = read(&key, status, &document(code, &key)).await;
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
                assert!(error.to_string().contains(word), "{error}");
                let error = listed(status, &document(code, &key)).await;
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn each_code_decides_the_class_of_a_status_that_means_nothing() {
        for (code, exit) in [
            ("AccessDenied", Exit::Denied),
            ("ExpiredToken", Exit::Denied),
            ("InvalidToken", Exit::Denied),
            ("InvalidAccessKeyId", Exit::Denied),
            ("InvalidAuthenticationInfo", Exit::Denied),
            ("NoSuchKey", Exit::NoInput),
            ("ContainerNotFound", Exit::NoInput),
            ("SlowDown", Exit::Unavailable),
            ("InvalidTokenOfAnotherKind", Exit::Unavailable),
        ] {
            let (one, all) = (document(code, "a.jpg"), document(code, "b.jpg"));
            assert_eq!((read("a.jpg", 400, &one).await.exit(), code), (exit, code));
            assert_eq!((listed(400, &all).await.exit(), code), (exit, code));
        }
        let grant = "{\"error\":\"invalid_grant\"}";
        assert_eq!(read("a.jpg", 400, grant).await.exit(), Exit::Denied);
    }

    #[tokio::test]
    async fn each_status_decides_the_class_of_a_read_and_of_a_listing() {
        for (status, exit) in [
            (401, Exit::Denied),
            (403, Exit::Denied),
            (404, Exit::NoInput),
            (500, Exit::Unavailable),
            (501, Exit::Unavailable),
            (503, Exit::Unavailable),
        ] {
            assert_eq!((read("a.jpg", status, "").await.exit(), status), (exit, status));
            assert_eq!((listed(status, "").await.exit(), status), (exit, status));
        }
        let error = client(501, "").put(&"a".into(), "x".into()).await.unwrap_err();
        let error = StoreError::from_store(error, "writing", true);
        assert_eq!(error.exit(), Exit::CannotCreate);
        assert!(error.to_string().contains("does not know conditional writes (Generic S3 error"), "{error}");
    }

    #[tokio::test]
    async fn the_clients_error_and_the_systems_are_found_among_the_causes() {
        fn causes(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
            std::iter::successors(error.source(), |&error| error.source())
        }
        let error = Failure::from(read("a.jpg", 500, "").await);
        assert!(causes(&error).any(|cause| cause.is::<StoreError>()));
        assert!(causes(&error).any(|cause| cause.is::<object_store::Error>()));
        let full = StoreError::from_io(io::Error::from_raw_os_error(28), "writing `a`", true);
        assert!(matches!(full, StoreError::Io { .. }), "{full}");
        assert!(causes(&full).any(|cause| cause.is::<io::Error>()));
    }

    #[tokio::test]
    async fn a_secret_in_a_cause_is_redacted_in_every_form_of_the_error() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>c4n4ry</AWSAccessKeyId>\
                    <StringToSign>c4n4ry</StringToSign></Error>";
        for error in [read("a.jpg", 403, body).await, listed(500, body).await, listed(404, body).await] {
            let text = format!("{error} {error:?}");
            let failure = Failure::from(error);
            let text = format!("{text} {failure} {failure:?} {}", failure.explain());
            assert!(!text.contains("c4n4ry"), "{text}");
            assert!(text.contains("<AWSAccessKeyId>***"), "{text}");
        }
    }
}
