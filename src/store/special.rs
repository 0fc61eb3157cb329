//! What is no file, where `object_store` would open it on a local disk.

use crate::regular_file::{self, NotRegular};
use crate::telemetry::Redacted;

use super::{Location, StoreError, Uri};

impl Location {
    /// On a local disk, fails for a FIFO, a socket or a device: the client would wait for its writer, or read for ever.
    pub(super) async fn refuse_special(&self, name: &str) -> Result<(), StoreError> {
        let Uri::Local(root) = &self.uri else { return Ok(()) };
        let path = root.join(name);
        match tokio::task::spawn_blocking(move || regular_file::check(&path)).await {
            // no later try betters it
            Ok(Err(error)) if NotRegular::is_cause_of(&error) => {
                Err(StoreError::Setup { uri: format!("{}/{name}", self.uri), cause: Redacted::new(error) })
            }
            // all else is the client's to report
            _ => Ok(()),
        }
    }
}
