//! Footers of files that several row groups are read from at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use crate::dataset::plan::PlanRow;
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError};

type Shared = OnceCell<ParquetObject>;

/// The footers that are in use, by key and tag of their file.
#[derive(Default)]
pub(super) struct Footers(Mutex<HashMap<(String, String), Weak<Shared>>>);

/// A footer that stays known while this exists.
#[derive(Clone)]
pub(super) struct Footer {
    pub object: ParquetObject,
    _shared: Option<Arc<Shared>>,
}

impl Footers {
    /// Reads the footer of a file, unless it is in use. Without a tag it may be another file each time.
    ///
    /// # Errors
    /// [`ParquetReadError::Refused`]: no request can ask for the file. Else those of [`ParquetObject::open_tagged`].
    pub async fn open(&self, input: &Location, file: &PlanRow) -> Result<Footer, ParquetReadError> {
        if let Some(error) = refusal(input, file).await {
            return Err(ParquetReadError::Refused { name: file.key.clone(), error });
        }
        let (key, size) = (&file.key, file.size.unwrap_or_default());
        let read = || ParquetObject::open_tagged(input, key, size, file.etag.as_deref());
        let Some(etag) = &file.etag else {
            return Ok(Footer { object: read().await?, _shared: None });
        };
        let shared = self.shared(key, etag);
        let object = shared.get_or_try_init(read).await?.clone();
        Ok(Footer { object, _shared: Some(shared) })
    }

    fn shared(&self, key: &str, etag: &str) -> Arc<Shared> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (key.to_owned(), etag.to_owned());
        if let Some(shared) = files.get(&name).and_then(Weak::upgrade) {
            return shared;
        }
        files.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::new());
        files.insert(name, Arc::downgrade(&shared));
        shared
    }
}

/// Why a file that was planned without a look into it cannot be asked for.
async fn refusal(input: &Location, file: &PlanRow) -> Option<FetchError> {
    if file.size.is_some() && input.unaddressable(&file.key).is_none() {
        return None;
    }
    let asked = input.window(&file.key, 0..1, file.etag.as_deref()).await;
    Some(asked.err().unwrap_or(FetchError::Changed))
}
