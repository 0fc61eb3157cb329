//! Redirects of a store.
//!
//! The HTTP client follows them, and the client of the stores has no way to forbid that. What comes from another address
//! than the request's is neither the store's answer nor signed for it: a 404 there is no evidence about the object.

use bytes::Bytes;
use object_store::client::{HttpRequest, HttpResponse};
use tower_http::follow_redirect::RequestUri;
use url::Url;

/// Where a request goes.
#[derive(Clone)]
pub(super) struct Asked(RequestUri);

impl Asked {
    /// Takes it from a request.
    pub fn of(request: &HttpRequest) -> Asked {
        Asked(RequestUri(request.uri().clone()))
    }

    /// Puts a redirect that leads nowhere in place of an answer from elsewhere.
    pub fn unfollowed(&self, answer: HttpResponse) -> HttpResponse {
        let Asked(RequestUri(asked)) = self;
        let is_from_there = answer.extensions().get::<RequestUri>().is_none_or(|RequestUri(from)| {
            // nearly always the same text; else it may be the same address in another one
            from == asked || same_address(&from.to_string(), &asked.to_string())
        });
        if is_from_there {
            return answer;
        }
        let mut redirect = HttpResponse::new(Bytes::new().into());
        *redirect.status_mut() = reqwest::StatusCode::MOVED_PERMANENTLY;
        redirect
    }
}

fn same_address(one: &str, other: &str) -> bool {
    matches!((Url::parse(one), Url::parse(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> HttpRequest {
        let mut request = HttpRequest::new(Bytes::new().into());
        *request.uri_mut() = uri.parse().unwrap();
        request
    }

    fn answered_by(uri: Option<&str>) -> HttpResponse {
        let mut answer = HttpResponse::new(Bytes::from_static(b"x").into());
        if let Some(uri) = uri {
            answer.extensions_mut().insert(RequestUri(uri.parse().unwrap()));
        }
        answer
    }

    #[test]
    fn only_an_answer_from_another_address_is_replaced() {
        let asked = "http://store.example/bucket/a%20b.jpg?x=1";
        for (from, status) in [
            (None, 200),
            (Some(asked), 200),
            (Some("http://store.example:80/bucket/a%20b.jpg?x=1"), 200),
            (Some("http://store.example/bucket/c.jpg"), 301),
            (Some("http://other.example/bucket/a%20b.jpg?x=1"), 301),
            (Some("https://store.example/bucket/a%20b.jpg?x=1"), 301),
        ] {
            let answer = Asked::of(&request(asked)).unfollowed(answered_by(from));
            assert_eq!(answer.status().as_u16(), status, "{from:?}");
        }
    }
}
