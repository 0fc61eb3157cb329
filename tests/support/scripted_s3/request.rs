//! The parts of a request that S3 uses.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A page of a listing.
    List,
    /// An object's bytes.
    Get,
    /// An object's headers.
    Head,
    /// An object is written.
    Put,
    /// Objects are removed, one or (`POST ?delete`) many.
    Delete,
    /// Anything else; it is answered with 501.
    Other,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The verb.
    pub method: Method,
    /// Its kind.
    pub kind: Kind,
    /// The key; of a listing its prefix.
    pub key: String,
    /// The query as it came, without the `?`.
    pub query: String,
    /// The `Range` as it came.
    pub range: Option<String>,
    /// Whether there is an `If-None-Match` or an `If-Match`.
    pub conditional: bool,
    /// Whether it requests checksums.
    pub asks_for_checksums: bool,
    /// Whether it accepts gzip.
    pub accepts_gzip: bool,
    /// Its `SignedHeaders`, as they came.
    pub signed_headers: String,
    /// The access key id that it is signed with; empty for an unsigned one.
    pub access_key: String,
    /// Its session token; empty without one.
    pub session_token: String,
    /// Whether it agrees that the requester pays.
    pub agrees_to_pay: bool,
    /// The status it was answered with; 0 while it was not, which can be for ever.
    pub status: u16,
    /// When it arrived.
    pub at: Instant,
    /// How many requests were in progress then, this one included: the last byte of their answers was not sent.
    pub in_flight: usize,
}

/// What a request was signed with.
#[derive(Clone, Debug, Default)]
pub(super) struct Signed {
    pub access_key: String,
    pub signature: String,
    pub token: String,
    pub date: String,
    pub scope: String,
    pub headers: String,
    /// The `x-amz-` headers that are not among them.
    pub left_out: Vec<String>,
}

/// A whole request without its body.
pub(super) struct Ask {
    pub seen: Seen,
    pub bucket: String,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    /// GCS: the version that must be there, 0 for none.
    pub if_generation: Option<String>,
    pub signed: Signed,
    query: Vec<(String, String)>,
    streamed: bool,
}

impl Ask {
    pub fn new(parts: &Parts) -> Ask {
        let headers = &parts.headers;
        let (bucket, path_key) = bucket_and_key(&parts.uri);
        let raw = parts.uri.query().unwrap_or_default();
        let query: Vec<(String, String)> = url::form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        let has = |name: &str| query.iter().any(|(other, _)| other == name);
        let copies = headers.contains_key("x-amz-copy-source");
        let of_object = !path_key.is_empty();
        let multipart = has("uploads") || has("uploadId");
        let kind = match (&parts.method, of_object) {
            _ if multipart || copies => Kind::Other,
            (&Method::GET, false) if has("list-type") => Kind::List,
            (&Method::GET, true) => Kind::Get,
            (&Method::HEAD, true) => Kind::Head,
            (&Method::PUT, true) => Kind::Put,
            (&Method::DELETE, true) => Kind::Delete,
            (&Method::POST, false) if has("delete") => Kind::Delete,
            _ => Kind::Other,
        };
        let prefix = query.iter().find(|(name, _)| name == "prefix").map(|(_, value)| value.clone());
        let key = if kind == Kind::List { prefix.unwrap_or_default() } else { path_key };
        let signed = signed(headers);
        let if_match = text(headers, header::IF_MATCH);
        let if_none_match = text(headers, header::IF_NONE_MATCH);
        let if_generation = text(headers, HeaderName::from_static("x-goog-if-generation-match"));
        let seen = Seen {
            method: parts.method.clone(),
            kind,
            key,
            query: raw.to_owned(),
            range: text(headers, header::RANGE),
            conditional: if_match.is_some() || if_none_match.is_some() || if_generation.is_some(),
            asks_for_checksums: headers.contains_key("x-amz-checksum-mode"),
            accepts_gzip: text(headers, header::ACCEPT_ENCODING)
                .is_some_and(|accepted| accepted.contains("gzip")),
            signed_headers: signed.headers.clone(),
            access_key: signed.access_key.clone(),
            session_token: signed.token.clone(),
            agrees_to_pay: text(headers, HeaderName::from_static("x-amz-request-payer")).is_some(),
            status: 0,
            at: Instant::now(),
            in_flight: 0,
        };
        let hash = text(headers, HeaderName::from_static("x-amz-content-sha256")).unwrap_or_default();
        let encoding = text(headers, header::CONTENT_ENCODING).unwrap_or_default();
        let streamed = hash.starts_with("STREAMING-") || encoding.contains("aws-chunked");
        Ask { seen, bucket, if_match, if_none_match, if_generation, signed, query, streamed }
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body, taken out of its chunks; `None` where it did not come whole.
    pub async fn body(&self, body: Incoming) -> Option<Bytes> {
        let bytes = body.collect().await.ok()?.to_bytes();
        if self.streamed { out_of_chunks(bytes) } else { Some(bytes) }
    }
}

fn bucket_and_key(uri: &Uri) -> (String, String) {
    let path = uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), percent_decode_str(key).decode_utf8_lossy().into_owned())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `AWS4-HMAC-SHA256 Credential=<key>/<scope>, SignedHeaders=…, Signature=<hex>`.
fn signed(headers: &HeaderMap) -> Signed {
    let authorization = text(headers, header::AUTHORIZATION).unwrap_or_default();
    let field = |name: &str| {
        let (_, after) = authorization.split_once(name)?;
        Some(after.split(',').next().unwrap_or_default().trim().to_owned())
    };
    let credential = field("Credential=").unwrap_or_default();
    let (access_key, scope) = credential.split_once('/').unwrap_or((credential.as_str(), ""));
    let signed_headers = field("SignedHeaders=").unwrap_or_default();
    let names: Vec<&str> = signed_headers.split(';').collect();
    let amz = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    let left_out = amz.filter(|name| !names.contains(name)).map(str::to_owned).collect();
    let header = |name| text(headers, HeaderName::from_static(name)).unwrap_or_default();
    Signed {
        access_key: access_key.to_owned(),
        scope: scope.to_owned(),
        signature: field("Signature=").unwrap_or_default(),
        token: header("x-amz-security-token"),
        date: header("x-amz-date"),
        headers: signed_headers,
        left_out,
    }
}

/// `<hex>;chunk-signature=…\r\n<bytes>\r\n`, and so on until a chunk of none.
fn out_of_chunks(mut bytes: Bytes) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = bytes.split_to(end);
        bytes.advance(2);
        let size = std::str::from_utf8(&line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole.freeze());
        }
        if bytes.len() < size + 2 {
            return None;
        }
        whole.extend_from_slice(&bytes.split_to(size));
        bytes.advance(2);
    }
}
