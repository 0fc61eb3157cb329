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

async fn written(status: u16, body: &str, asked: Asked) -> StoreError {
    let error = client(status, body).put(&"a".into(), "x".into()).await.unwrap_err();
    StoreError::from_answer(error, "writing", asked)
}

async fn listed(status: u16, body: &str) -> StoreError {
    let pages = client(status, body);
    let error = pages.list(None).try_collect::<Vec<_>>().await.unwrap_err();
    StoreError::from_store(error, "listing", false)
}

#[tokio::test]
async fn a_key_that_reads_like_a_code_does_not_change_the_class_of_a_passing_error() {
    for word in ["InvalidToken", "ExpiredToken", "AccessDenied", "NoSuchKey", "SlowDown", "status code: 403"]
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
        ("InvalidBucketName", Exit::NoInput),
        ("InvalidResourceName", Exit::NoInput),
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
    let error = written(501, "", Asked::Create).await;
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

#[tokio::test]
async fn a_create_that_is_refused_over_a_header_says_what_to_set() {
    for (status, code) in [(501, "NotImplemented"), (400, "InvalidArgument"), (400, "NotImplemented")] {
        let error = written(status, &document(code, "a"), Asked::Create).await;
        assert_eq!((error.exit(), code), (Exit::CannotCreate, code));
        assert!(error.to_string().contains("conditional_put = \"off\""), "{error}");
    }
    assert_eq!(written(400, "", Asked::Create).await.exit(), Exit::CannotCreate);
    for (code, asked) in [("RequestTimeout", Asked::Create), ("InvalidArgument", Asked::Write)] {
        let error = written(400, &document(code, "a"), asked).await;
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    }
    assert_eq!(written(400, &document("ExpiredToken", "a"), Asked::Create).await.exit(), Exit::Denied);
}

#[tokio::test]
async fn a_store_without_room_is_a_full_disk() {
    for (status, code) in [(507, "XMinioStorageFull"), (507, ""), (403, "QuotaExceeded")] {
        for asked in [Asked::Create, Asked::Write] {
            let error = written(status, &document(code, "a"), asked).await;
            assert_eq!((error.exit(), status), (Exit::Io, status));
            assert!(error.to_string().contains("no room"), "{error}");
        }
    }
    assert_eq!(read("a.jpg", 507, "").await.exit(), Exit::Unavailable);
}

#[tokio::test]
async fn a_region_that_the_store_names_is_a_matter_of_configuration() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    for error in
        [read("a.jpg", 400, body).await, listed(400, body).await, written(400, body, Asked::Create).await]
    {
        assert_eq!(error.exit(), Exit::Config);
        let text = error.to_string();
        assert!(text.contains("in the region `eu-west-1`; set AWS_REGION"), "{text}");
    }
    let unnamed = document("IllegalLocationConstraintException", "a");
    let error = written(400, &unnamed, Asked::Write).await;
    assert_eq!(error.exit(), Exit::Config);
    assert!(error.to_string().contains("does not name"), "{error}");
}

#[tokio::test]
async fn a_wrong_clock_is_no_refused_credential() {
    let skewed = document("RequestTimeTooSkewed", "a");
    for error in [read("a.jpg", 403, &skewed).await, listed(403, &skewed).await] {
        assert_eq!(error.exit(), Exit::Denied);
        let text = error.to_string();
        assert!(text.contains("clock") && !text.contains("access denied"), "{text}");
    }
    let key = read("RequestTimeTooSkewed", 403, &document("AccessDenied", "RequestTimeTooSkewed")).await;
    assert!(matches!(key, StoreError::Denied { .. }), "{key}");
}

#[tokio::test]
async fn an_object_in_an_archive_tier_is_no_refused_credential() {
    for (status, code) in [(403, "InvalidObjectState"), (409, "BlobArchived"), (409, "BlobBeingRehydrated")] {
        let error = read("a.jpg", status, &document(code, "a.jpg")).await;
        assert!(matches!(error, StoreError::Archived { .. }), "{code}: {error}");
        assert!(error.to_string().contains("archive tier") && error.unanswered().is_none(), "{error}");
        let other = read(code, status, &document("AccessDenied", code)).await;
        assert!(!matches!(other, StoreError::Archived { .. }), "{code}: {other}");
        let write = written(status, &document(code, "a.jpg"), Asked::Create).await;
        assert!(!matches!(write, StoreError::Archived { .. }), "{code}: {write}");
    }
}
