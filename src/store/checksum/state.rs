//! What is known of the checksums of one location.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectStore};

use super::announced::{Announced, Checksum, Source};
use super::mode::ChecksumMode;
use super::trust::Trust;

/// The checksums of one location.
#[derive(Debug)]
pub(in crate::store) struct Checksums {
    is_on: bool,
    mode: Option<ChecksumMode>,
    content_md5: Trust,
    etag: Trust,
}

impl Checksums {
    /// `mode` is for stores that have to be asked for checksums.
    pub fn new(is_on: bool, mode: Option<ChecksumMode>) -> Self {
        Checksums { is_on, mode, content_md5: Trust::new("Content-MD5"), etag: Trust::new("entity tag") }
    }

    /// Gets a whole object, and asks for its checksum where that is needed. `plain` is the client of the location.
    ///
    /// # Errors
    /// Those of `plain`, or of [`ChecksumMode::get`] where the store has to be asked for checksums.
    pub async fn get(
        &self,
        plain: &dyn ObjectStore,
        path: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        match &self.mode {
            Some(mode) => mode.get(plain, path, options).await,
            None => plain.get_opts(path, options).await,
        }
    }

    /// The checksum to compare an object's bytes with; `None` if there is none that counts.
    pub fn choose(&self, announced: Announced) -> Option<Checksum> {
        let usable = |checksum: &Checksum| self.trust(checksum.source).is_none_or(|trust| !trust.is_off());
        announced.0.into_iter().find(|checksum| self.is_on && usable(checksum))
    }

    /// Records a comparison. Returns whether a difference counts.
    pub fn record(&self, source: Source, matches: bool) -> bool {
        self.trust(source).is_none_or(|trust| trust.record(matches))
    }

    fn trust(&self, source: Source) -> Option<&Trust> {
        match source {
            Source::Store => None,
            Source::ContentMd5 => Some(&self.content_md5),
            Source::Etag => Some(&self.etag),
        }
    }
}

impl Checksum {
    /// True if these are the bytes that it was computed from.
    pub fn matches(&self, bytes: &Bytes) -> bool {
        self.algorithm.of(bytes) == self.value
    }
}
