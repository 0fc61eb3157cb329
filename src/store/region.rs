//! Answers of S3 to requests for a bucket of another region.
//!
//! The client drops their body and headers: a redirect without a `Location` is an error without a status, and a HEAD
//! has no body. So the connector puts the region that they name into a body that `reply.rs` reads. A redirect that names
//! no other region is left as it is: it may be about one object.

use object_store::client::{HttpRequest, HttpResponse};

use super::reply::{is_region, region};

const HEADER: &str = "x-amz-bucket-region";

/// What is known of a request when its answer comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    is_head: bool,
    /// The region that it is signed for.
    region: Option<String>,
}

impl Signed {
    /// Takes it from a request.
    pub fn of(request: &HttpRequest) -> Signed {
        let signature = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        // Credential=KEY/DATE/REGION/s3/aws4_request: a key id may have slashes
        let scope = signature.and_then(|text| text.split_once("Credential=")?.1.split(',').next());
        let region = scope.and_then(|scope| scope.rsplit('/').nth(2)).map(str::to_owned);
        Signed { is_head: request.method() == "HEAD", region }
    }

    /// Gives the answer a status and a body that name the bucket's region, if it is another than the request's.
    pub async fn named(&self, answer: HttpResponse) -> HttpResponse {
        let told = answer.headers().get(HEADER).and_then(|value| value.to_str().ok());
        let told = told.filter(|region| is_region(region)).map(str::to_owned);
        let has_way_on = answer.headers().contains_key("location");
        let (code, region, answer) = match answer.status().as_u16() {
            301 | 307 if !has_way_on => {
                let (head, body) = answer.into_parts();
                let body = body.bytes().await.unwrap_or_default();
                let region = told.or_else(|| region(&String::from_utf8_lossy(&body)));
                ("PermanentRedirect", region, HttpResponse::from_parts(head, body.into()))
            }
            400 if self.is_head => ("AuthorizationHeaderMalformed", told, answer),
            _ => return answer,
        };
        let Some(region) = region.filter(|region| self.region.as_ref() != Some(region)) else {
            return answer;
        };
        let body = format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>");
        let mut named = HttpResponse::from_parts(answer.into_parts().0, body.into());
        // of a redirect the client keeps no body
        if let Ok(status) = 400.try_into() {
            *named.status_mut() = status;
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(method: &str) -> Signed {
        let scope = "AWS4-HMAC-SHA256 Credential=a/b/20260101/us-east-1/s3/aws4_request, SignedHeaders=host";
        let mut request = HttpRequest::new(String::new().into());
        *request.method_mut() = method.parse().unwrap();
        request.headers_mut().insert("authorization", scope.try_into().unwrap());
        Signed::of(&request)
    }

    async fn answered(method: &str, status: u16, region: Option<&str>, body: &str) -> (u16, String) {
        let mut answer = HttpResponse::new(body.to_owned().into());
        *answer.status_mut() = status.try_into().unwrap();
        if let Some(region) = region {
            answer.headers_mut().insert(HEADER, region.try_into().unwrap());
        }
        let named = signed(method).named(answer).await;
        let status = named.status().as_u16();
        let body = named.into_body().bytes().await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn a_redirect_names_the_region_of_its_header_or_of_its_body() {
        let named = "<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>".to_owned();
        let body = "<Error><Code>PermanentRedirect</Code><Endpoint>x</Endpoint></Error>";
        assert_eq!(answered("GET", 301, Some("eu-west-1"), body).await, (400, named.clone()));
        assert_eq!(answered("HEAD", 301, Some("eu-west-1"), "").await, (400, named.clone()));
        let body = "<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>";
        assert_eq!(answered("GET", 301, None, body).await, (400, named));
    }

    #[tokio::test]
    async fn a_redirect_that_names_no_other_region_is_left_as_it_is() {
        for region in [None, Some("<x>"), Some("us-east-1")] {
            assert_eq!(answered("GET", 301, region, "x").await, (301, "x".to_owned()));
        }
    }

    #[tokio::test]
    async fn the_refusal_of_a_head_names_the_region_only_where_it_is_another() {
        let (status, body) = answered("HEAD", 400, Some("eu-west-1"), "").await;
        assert!(status == 400 && body.contains("<Region>eu-west-1</Region>"), "{body}");
        assert_eq!(answered("HEAD", 400, Some("us-east-1"), "").await, (400, String::new()));
        assert_eq!(answered("GET", 400, Some("eu-west-1"), "x").await, (400, "x".to_owned()));
        assert_eq!(answered("GET", 200, Some("eu-west-1"), "x").await, (200, "x".to_owned()));
    }
}
