//! A store whose operations are repeated with other credentials if it reports that theirs have expired.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::credentials::Credentials;
use super::reply::Reply;

/// Other credentials that one operation may take: those of the first renewal may expire at once too.
const RENEWALS: usize = 2;

/// A store and the credentials of its requests.
#[derive(Debug, Clone)]
pub(super) struct Renewing<S> {
    store: Arc<S>,
    credentials: Arc<Credentials>,
}

impl<S> Renewing<S> {
    pub fn new(store: S, credentials: Arc<Credentials>) -> Self {
        Renewing { store: Arc::new(store), credentials }
    }

    /// Repeats an operation that failed because its credentials have expired, as soon as there are others.
    async fn renewed<T, F>(&self, is_head: bool, operation: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut renewals = 0;
        loop {
            let generation = self.credentials.generation();
            let error = match operation().await {
                Err(error) if renewals < RENEWALS && is_about_expiry(&error, is_head) => error,
                done => return done,
            };
            renewals += 1;
            match self.credentials.renew(generation).await {
                Ok(true) => tracing::info!("the store's credentials had expired and are renewed"),
                Ok(false) => return Err(error),
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

/// Returns whether the store reports that the credentials have expired. The answer to a HEAD has no code, and S3
/// answers 400.
fn is_about_expiry(error: &object_store::Error, is_head: bool) -> bool {
    let Some(reply) = Reply::beneath(error) else { return false };
    reply.is_about_expiry() || is_head && reply.status == 400 && reply.code.is_none()
}

impl<S: fmt::Display> fmt::Display for Renewing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Renewing<S> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.renewed(false, || self.store.put_opts(location, payload.clone(), opts.clone())).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.renewed(false, || self.store.put_multipart_opts(location, opts.clone())).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.renewed(options.head, || self.store.get_opts(location, options.clone())).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = Renewing { store: self.store.clone(), credentials: self.credentials.clone() };
        locations
            .then(move |location| {
                let this = Renewing { store: this.store.clone(), credentials: this.credentials.clone() };
                async move {
                    let location = location?;
                    this.renewed(false, || this.store.delete(&location)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.renewed(false, || self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.renewed(false, || self.store.copy_opts(from, to, options.clone())).await
    }
}

#[async_trait]
impl<S: PaginatedListStore> PaginatedListStore for Renewing<S> {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        opts: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        self.renewed(false, || self.store.list_paginated(prefix, opts.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use object_store::aws::{AmazonS3Builder, AwsCredential};
    use object_store::client::*;
    use object_store::{ClientOptions, RetryConfig};

    use super::*;
    use crate::store::credentials::{Answer, CredentialError, Source};

    /// Refuses this many requests with a status and a code, and answers those after them.
    #[derive(Debug, Clone)]
    struct Refusing {
        times: usize,
        status: u16,
        code: &'static str,
        seen: Arc<AtomicUsize>,
    }

    impl HttpConnector for Refusing {
        fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
            Ok(HttpClient::new(self.clone()))
        }
    }

    #[async_trait]
    impl HttpService for Refusing {
        async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
            let is_refused = self.seen.fetch_add(1, Ordering::SeqCst) < self.times;
            let is_head = request.method() == "HEAD";
            let body = match (is_refused, is_head) {
                (true, false) => format!("<Error><Code>{}</Code></Error>", self.code),
                (_, true) => String::new(),
                (false, false) if request.method() == "GET" => "body".to_owned(),
                (false, false) => String::new(),
            };
            let mut response = HttpResponse::new(body.into());
            *response.status_mut() = if is_refused { self.status } else { 200 }.try_into().unwrap();
            for (name, value) in
                [("etag", "x"), ("content-length", "4"), ("last-modified", "Sun, 29 Nov 2026 00:00:00 GMT")]
            {
                response.headers_mut().insert(name, value.try_into().unwrap());
            }
            Ok(response)
        }
    }

    /// Gives other keys each time, or none.
    #[derive(Debug)]
    struct Keys {
        asked: Arc<AtomicUsize>,
        gives: bool,
    }

    #[async_trait]
    impl Source for Keys {
        async fn ask(&self) -> std::result::Result<Answer, CredentialError> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            if !self.gives {
                return Err(CredentialError::Missing { asked: "nothing".to_owned() });
            }
            let (key_id, secret_key) = (number.to_string(), "s".to_owned());
            let credential = Arc::new(AwsCredential { key_id, secret_key, token: None });
            Ok(Answer { credential, expiry: None, by: "a test".to_owned() })
        }
    }

    struct Store {
        store: Renewing<object_store::aws::AmazonS3>,
        seen: Arc<AtomicUsize>,
        asked: Arc<AtomicUsize>,
    }

    fn store(times: usize, status: u16, code: &'static str, gives: bool) -> Store {
        let (seen, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let client = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            // the service looks at no signature
            .with_skip_signature(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Refusing { times, status, code, seen: seen.clone() })
            .build()
            .unwrap();
        let credentials = Credentials::new(Keys { asked: asked.clone(), gives });
        Store { store: Renewing::new(client, Arc::new(credentials)), seen, asked }
    }

    impl Store {
        fn counts(&self) -> (usize, usize) {
            (self.seen.load(Ordering::SeqCst), self.asked.load(Ordering::SeqCst))
        }
    }

    #[tokio::test]
    async fn an_operation_whose_credentials_have_expired_is_repeated_with_others() {
        let path = Path::from("a");
        for code in ["ExpiredToken", "TokenRefreshRequired"] {
            let of = store(1, 400, code, true);
            assert_eq!(of.store.get(&path).await.unwrap().bytes().await.unwrap(), "body");
            assert_eq!(of.counts(), (2, 1), "{code}");
        }
        let of = store(1, 400, "ExpiredToken", true);
        of.store.put(&path, "body".into()).await.unwrap();
        assert_eq!(of.counts(), (2, 1));
        let of = store(1, 400, "", true);
        of.store.head(&path).await.unwrap();
        assert_eq!(of.counts(), (2, 1));
    }

    #[tokio::test]
    async fn other_refusals_renew_nothing() {
        for (status, code) in [(400, "InvalidRequest"), (403, "AccessDenied"), (403, "InvalidAccessKeyId")] {
            let of = store(1, status, code, true);
            assert!(of.store.get(&Path::from("a")).await.is_err());
            assert_eq!(of.counts(), (1, 0), "{code}");
        }
    }

    #[tokio::test]
    async fn a_store_that_calls_all_credentials_expired_is_not_asked_for_ever() {
        let of = store(usize::MAX, 400, "ExpiredToken", true);
        let error = of.store.get(&Path::from("a")).await.unwrap_err();
        assert!(Reply::beneath(&error).unwrap().is_about_expiry());
        assert_eq!(of.counts(), (1 + RENEWALS, RENEWALS));
    }

    #[tokio::test]
    async fn without_other_credentials_the_error_is_that_of_their_source() {
        let of = store(1, 400, "ExpiredToken", false);
        let error = of.store.get(&Path::from("a")).await.unwrap_err().to_string();
        assert!(error.contains("no AWS credentials"), "{error}");
        assert_eq!(of.counts(), (1, 1));
    }
}
