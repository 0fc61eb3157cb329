//! What the clients of all stores have in common.

use std::time::Duration;

use object_store::RetryConfig;

/// How long a connection may take to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one may be kept unused.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The client's own tries of a request.
pub(super) fn inner_retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}
