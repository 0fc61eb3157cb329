//! The region that instance metadata names.

use std::future::Future;
use std::time::Duration;

use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::provider_config::ProviderConfig;

use super::http::Http;
use super::variables::Variables;

/// How long it is waited for: it is asked on the way to a store, and most machines without a region have no metadata.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks instance metadata for this machine's region.
pub(super) fn of_instance(variables: &Variables) -> Option<String> {
    let asked = async {
        let config = ProviderConfig::without_region().with_http_client(Http::default());
        let client = imds::Client::builder().configure(&config).max_attempts(1);
        let client = match variables.instance_endpoint() {
            Some(endpoint) => client.endpoint(endpoint).ok()?,
            None => client,
        };
        let provider = ImdsRegionProvider::builder().configure(&config).imds_client(client.build()).build();
        let region = tokio::time::timeout(LIMIT, provider.region()).await.ok()??;
        Some(region.as_ref().to_owned())
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    apart(asked)?.filter(|region| !region.is_empty() && region.bytes().all(is_letter))
}

/// Runs a future to its end on a separate thread: stores are opened by code that is not async, on a runtime's thread.
fn apart<T: Send>(future: impl Future<Output = T> + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            Some(runtime.block_on(future))
        });
        thread.join().ok().flatten()
    })
}
