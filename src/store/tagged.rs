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
            let options = GetOptions { if_match, range: range.clone(), ..self.only(path) };
            async {
                match options.range {
                    None => self.checksums.get(&self.store, path, options).await,
                    Some(_) => self.store.get_opts(path, options).await,
                }
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use object_store::ClientOptions;
    use object_store::aws::AmazonS3Builder;
    use object_store::client::*;

    use super::super::page;
    use super::super::paged_store::remote;
    use super::*;
    use crate::store::{Planned, Settings};

    /// A store of one object, `a`, whose tag is `read` in answers and `listed` in listings. `If-Match` is compared
    /// with the former as it is.
    #[derive(Debug, Clone, Copy)]
    struct Tags {
        read: &'static str,
        listed: &'static str,
    }

    impl HttpConnector for Tags {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(*self))
        }
    }

    #[async_trait]
    impl HttpService for Tags {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            if request.uri().query().is_some_and(|query| query.contains("prefix=a")) {
                let page = format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>4</Size><LastModified>2026-01-01T00:00:00Z\
                     </LastModified><ETag>{}</ETag></Contents></ListBucketResult>",
                    self.listed
                );
                let mut response =
                    HttpResponse::new("<ListBucketResult></ListBucketResult>".to_owned().into());
                response.extensions_mut().insert(Arc::new(page::parse(page.as_bytes()).unwrap()));
                return Ok(response);
            }
            let wanted = request.headers().get("if-match");
            let is_met = wanted.is_none_or(|wanted| wanted == self.read);
            let mut response = HttpResponse::new("body".to_owned().into());
            *response.status_mut() = if is_met { 200 } else { 412 }.try_into().unwrap();
            for (name, value) in [
                ("etag", self.read),
                ("content-length", "4"),
                ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ] {
                response.headers_mut().insert(name, value.try_into().unwrap());
            }
            Ok(response)
        }
    }

    /// The row's tag, or why there is none.
    async fn fetched(scheme: &str, tags: Tags, planned: &str) -> Result<Option<String>, String> {
        let client = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_skip_signature(true)
            .with_http_connector(tags)
            .build()
            .unwrap();
        let (store, paged) = remote(client);
        let location = Location::over(Arc::clone(&store), &format!("{scheme}://bucket"), Settings::default());
        let location = Location { paged, ..location.unwrap() };
        let planned = Planned { etag: Some(planned), size: Some(4) };
        let fetched = location.fetch("a", planned, 100).await;
        fetched.map(|fetched| fetched.etag).map_err(|error| format!("{error:?}"))
    }

    #[tokio::test]
    async fn a_plan_with_any_text_of_a_tag_is_read_and_keeps_its_text() {
        for read in ["\"x\"", "W/\"x\"", "x"] {
            for planned in ["\"x\"", "x"] {
                for scheme in ["az", "s3", "gs"] {
                    let tag = fetched(scheme, Tags { read, listed: "other" }, planned).await;
                    assert_eq!(tag.as_ref().unwrap().as_deref(), Some(planned), "{scheme} {read}");
                }
            }
        }
    }

    #[tokio::test]
    async fn on_gcs_a_listing_decides_whether_another_tag_is_another_object() {
        let same = Tags { read: "\"-CIDx=\"", listed: "\"5d41\"" };
        assert_eq!(fetched("gs", same, "5d41").await, Ok(Some("5d41".to_owned())));
        assert_eq!(fetched("gs", same, "\"7a69\"").await, Err("Changed".to_owned()));
        for scheme in ["az", "s3"] {
            assert_eq!(fetched(scheme, same, "5d41").await, Err("Changed".to_owned()));
        }
    }
}
