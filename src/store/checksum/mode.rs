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
    fn new(asking: Arc<dyn ObjectStore>) -> Self {
        ChecksumMode { asking, state: AtomicU8::new(UNKNOWN) }
    }

    /// Builds the client from the builder of `store`, whose credentials it shares. S3 refuses `x-amz-` headers that are
    /// not signed, and the client signs its default headers.
    pub fn of_s3(
        builder: AmazonS3Builder,
        store: &AmazonS3,
        options: ClientOptions,
    ) -> object_store::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        let builder = builder
            .with_client_options(options.with_default_headers(headers))
            .with_credentials(store.credentials().clone());
        Ok(Self::new(Arc::new(builder.build()?)))
    }

    /// Gets an object with the header, or without it by the client `plain` if the store refuses it.
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
        400 => reply.code.as_deref() != Some("RequestTimeout"),
        403 => !accepted,
        501 => true,
        _ => false,
    })
}
