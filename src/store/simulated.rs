//! A location over a store that a test simulates, its pages of listings included.

use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::paged_store::remote;
use super::traffic::{Traffic, metered};
use super::{Location, Settings, StoreError};

/// Makes clients whose answers are looked at as those of a store on the network.
#[derive(Debug)]
struct Over<C> {
    inner: C,
    traffic: Arc<Traffic>,
}

impl<C: HttpConnector> HttpConnector for Over<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(metered(self.inner.connect(options)?, self.traffic.clone()))
    }
}

impl Location {
    /// A folder of `store` whose listings are S3's, page by page, answered by `pages`. `uri` is what it is called.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn over_pages(
        store: Arc<dyn ObjectStore>,
        pages: impl HttpConnector,
        uri: &str,
        settings: Settings,
    ) -> Result<Location, StoreError> {
        let location = Location::over(store, uri, settings)?;
        let listing = AmazonS3Builder::new()
            .with_bucket_name("simulated")
            .with_skip_signature(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Over { inner: pages, traffic: location.traffic.clone() })
            .build()
            .map_err(|error| StoreError::from_store(error, format!("opening `{uri}`"), false))?;
        let (_, paged) = remote(listing);
        Ok(Location { paged, ..location })
    }
}
