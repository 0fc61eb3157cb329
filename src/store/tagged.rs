//! GETs of an object that must still have the tag of the plan.
//!
//! The tag of the plan comes from a listing, and not every store writes one tag alike in a listing and in the answer
//! to a GET: Azure leaves the quotes out of listings, a proxy that compresses makes a tag weak. Tags are therefore
//! compared without both. On GCS the two can be different tags of one object, so where they differ another listing of
//! the key decides.

use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};

use super::entry::{opaque_tag, quoted, strong};
use super::{FetchError, Location, StoreError, Uri};

/// Why there is no response to read.
pub(super) enum Refused {
    /// The client's error.
    Client(object_store::Error),
    /// The object has changed, or the answer cannot be relied on.
    Object(FetchError),
}

impl Location {
    /// Begins to read an object or a range of it. Returns the response and the object's tag: the text of the plan if
    /// there is one, since that is what rows and later runs are compared with.
    pub(super) async fn get_tagged(
        &self,
        path: &Path,
        key: &str,
        planned: Option<&str>,
        range: Option<GetRange>,
    ) -> Result<(GetResult, Option<String>), Refused> {
        use object_store::Error as E;
        let get = |if_match: Option<String>| {
            let options = GetOptions { if_match, range: range.clone(), ..GetOptions::default() };
            self.store.get_opts(path, options)
        };
        let response = match get(planned.filter(|_| !self.lists_other_tags()).map(quoted)).await {
            // some stores compare with quotes and weak prefix; the tag of the answer decides
            Err(E::Precondition { .. }) => get(None).await,
            response => response,
        };
        let response = response.map_err(Refused::Client)?;
        let Some(planned) = planned else {
            let etag = strong(response.meta.e_tag.clone());
            return Ok((response, etag));
        };
        let found = response.meta.e_tag.as_deref().map(opaque_tag).filter(|tag| !tag.is_empty());
        let Some(found) = found else {
            // an error document under a good status carries no tag
            let why = "the answer carries no entity tag";
            let error = StoreError::unavailable(format!("reading `{key}`"), why);
            return Err(Refused::Object(error.into()));
        };
        if found != opaque_tag(planned) && !self.is_listed_with(path, planned).await? {
            return Err(Refused::Object(FetchError::Changed));
        }
        Ok((response, Some(planned.to_owned())))
    }

    /// True if the tag of a listing may be another than that of a GET of the same object.
    fn lists_other_tags(&self) -> bool {
        matches!(self.uri, Uri::Remote { scheme: "gs", .. })
    }

    async fn is_listed_with(&self, path: &Path, planned: &str) -> Result<bool, Refused> {
        if !self.lists_other_tags() {
            return Ok(false);
        }
        let listed = self.listed_tag(path).await.map_err(|error| Refused::Object(error.into()))?;
        Ok(listed.is_some_and(|listed| opaque_tag(&listed) == opaque_tag(planned)))
    }
}
