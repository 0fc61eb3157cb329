//! The budget of encoded bytes in flight.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit: a semaphore counts in 32 bits.
const UNIT: u64 = 1024;

/// The budget of encoded bytes in flight.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    permits: Arc<Semaphore>,
    units: u32,
}

impl ByteBudget {
    pub fn new(bytes: u64) -> Self {
        let units =
            u32::try_from((bytes / UNIT).max(1)).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        ByteBudget { permits: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Never more than the whole budget, so that a large image waits for the others and not for ever.
    pub fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units)
    }

    pub async fn reserve(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_many_owned(self.units(bytes)).await.ok()
    }

    /// Room for `units` more, where it is there at once.
    pub fn try_more(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_many_owned(units).ok()
    }
}
