//! Asks S3 for checksums, and stops if the store refuses the header that asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetResult, HeaderMap, HeaderValue, ObjectStore};

use crate::store::reply::Reply;

/// No object was read with the header yet.
const UNKNOWN: u8 = 0;
/// The store gave an object under the header.
const ACCEPTED: u8 = 1;
/// The store refused the header before it gave any object under it.
const REFUSED: u8 = 2;

/// A client of the store that sends the header with each request.
#[derive(Debug)]
pub(in crate::store) struct ChecksumMode {
    asking: Arc<dyn ObjectStore>,
    state: AtomicU8,
}

impl ChecksumMode {
    /// Takes the client that [`ChecksumMode::client`] has built.
    pub fn new(asking: Arc<dyn ObjectStore>) -> Self {
        ChecksumMode { asking, state: AtomicU8::new(UNKNOWN) }
    }

    /// Builds the client from the builder of `store`, whose credentials it shares. S3 refuses `x-amz-` headers that are
    /// not signed, and the client signs its default headers.
    ///
    /// # Errors
    /// `builder` is missing a setting or has one that does not fit, or `options` make no HTTP client.
    pub fn client(
        builder: AmazonS3Builder,
        store: &AmazonS3,
        options: ClientOptions,
    ) -> object_store::Result<AmazonS3> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        let builder = builder
            .with_client_options(options.with_default_headers(headers))
            .with_credentials(store.credentials().clone());
        builder.build()
    }

    /// Gets an object with the header, or without it by the client `plain` if the store refuses it.
    ///
    /// # Errors
    /// That of the request with the header; if the store refuses the header, that of the request without it.
    pub async fn get(
        &self,
        plain: &dyn ObjectStore,
        path: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        let state = self.state.load(Ordering::Relaxed);
        if state == REFUSED {
            return plain.get_opts(path, options).await;
        }
        let error = match self.asking.get_opts(path, options.clone()).await {
            Ok(object) => {
                // once refused, it stays so: the other client is in use
                let _ = self.state.compare_exchange(UNKNOWN, ACCEPTED, Ordering::Relaxed, Ordering::Relaxed);
                return Ok(object);
            }
            Err(error) => error,
        };
        if !may_be_the_header(&error, state == ACCEPTED) {
            return Err(error);
        }
        let object = plain.get_opts(path, options).await?;
        let is_first =
            self.state.compare_exchange(UNKNOWN, REFUSED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            tracing::warn!(
                %error,
                "the store refuses requests for checksums (x-amz-checksum-mode) and gives the same object without; \
                 it is not asked for checksums again"
            );
        }
        Ok(object)
    }
}

/// True for answers that may be a refusal of the header. A store that `accepted` it cannot mean the header by 403,
/// which is about credentials; a gateway may still fail to compute the checksum of one object.
fn may_be_the_header(error: &object_store::Error, accepted: bool) -> bool {
    Reply::beneath(error).is_some_and(|reply| match reply.status {
        400 => reply.code.as_deref() != Some("RequestTimeout") && !reply.is_about_expiry(),
        403 => !accepted,
        501 => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use object_store::client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
    };
    use object_store::{Error, RetryConfig};

    use super::*;

    /// Gives the status and the error code of the answer to a request for a key that asks for checksums, or does not.
    type Script = fn(&str, bool) -> (u16, &'static str);

    #[derive(Debug, Clone)]
    struct Scripted {
        script: Script,
        /// Whether each request asked.
        seen: Arc<Mutex<Vec<bool>>>,
    }

    impl HttpConnector for Scripted {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(self.clone()))
        }
    }

    #[async_trait]
    impl HttpService for Scripted {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            let asks = request.headers().contains_key("x-amz-checksum-mode");
            self.seen.lock().unwrap().push(asks);
            let key = request.uri().path().rsplit('/').next().unwrap();
            let (status, code) = (self.script)(key, asks);
            let mut response = HttpResponse::new(format!("<Error><Code>{code}</Code></Error>").into());
            *response.status_mut() = status.try_into().unwrap();
            let headers = response.headers_mut();
            headers.insert("content-length", HeaderValue::from_static("4"));
            headers.insert("last-modified", HeaderValue::from_static("Sun, 29 Nov 2026 00:00:00 GMT"));
            Ok(response)
        }
    }

    struct Store {
        mode: ChecksumMode,
        plain: AmazonS3,
        seen: Arc<Mutex<Vec<bool>>>,
    }

    impl Store {
        fn new(script: Script) -> Store {
            let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
            let builder = AmazonS3Builder::new()
                .with_bucket_name("bucket")
                .with_skip_signature(true)
                .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
                .with_http_connector(Scripted { script, seen: seen.clone() });
            let plain = builder.clone().build().unwrap();
            let asking = ChecksumMode::client(builder, &plain, ClientOptions::new()).unwrap();
            let mode = ChecksumMode::new(Arc::new(asking));
            Store { mode, plain, seen }
        }

        /// Gets an object. Returns its error and whether each request asked for checksums.
        async fn get(&self, key: &str) -> (Option<Error>, Vec<bool>) {
            self.seen.lock().unwrap().clear();
            let result = self.mode.get(&self.plain, &key.into(), GetOptions::default()).await;
            (result.err(), self.seen.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn a_store_that_refuses_the_header_is_asked_once_without_and_never_with_it_again() {
        let scripts: [Script; 3] = [
            |_, asks| if asks { (400, "InvalidArgument") } else { (200, "") },
            |_, asks| if asks { (403, "SignatureDoesNotMatch") } else { (200, "") },
            |_, asks| if asks { (501, "NotImplemented") } else { (200, "") },
        ];
        for script in scripts {
            let store = Store::new(script);
            let (error, asked) = store.get("a").await;
            assert!(error.is_none() && asked == [true, false], "{error:?} {asked:?}");
            let (error, asked) = store.get("b").await;
            assert!(error.is_none() && asked == [false], "{error:?} {asked:?}");
        }
    }

    #[tokio::test]
    async fn an_object_that_is_denied_either_way_does_not_switch_the_header_off() {
        let store = Store::new(|key, _| if key == "denied" { (403, "AccessDenied") } else { (200, "") });
        let (error, asked) = store.get("denied").await;
        assert!(matches!(error, Some(Error::PermissionDenied { .. })), "{error:?}");
        assert_eq!(asked, [true, false]);
        assert_eq!(store.get("a").await.1, [true]);
        // from now on it is known that the header is no reason for 403
        assert_eq!(store.get("denied").await.1, [true]);
    }

    #[tokio::test]
    async fn one_object_whose_checksum_cannot_be_given_does_not_switch_the_header_off() {
        let store =
            Store::new(|key, asks| if key == "old" && asks { (501, "NotImplemented") } else { (200, "") });
        for (key, expected) in [("a", &[true][..]), ("old", &[true, false]), ("b", &[true])] {
            let (error, asked) = store.get(key).await;
            assert!(error.is_none() && asked == expected, "{key}: {error:?} {asked:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_has_nothing_to_do_with_the_header_is_returned() {
        let scripts: [Script; 5] = [
            |_, _| (400, "RequestTimeout"),
            |_, _| (400, "ExpiredToken"),
            |_, _| (404, "NoSuchKey"),
            |_, _| (412, "PreconditionFailed"),
            |_, _| (503, "SlowDown"),
        ];
        for script in scripts {
            let (error, asked) = Store::new(script).get("a").await;
            assert!(error.is_some() && asked == [true], "{error:?} {asked:?}");
        }
    }
}
