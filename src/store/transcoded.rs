//! Objects that the store decompresses while it sends them.
//!
//! GCS does so with an object that is stored with `Content-Encoding: gzip`, for every client that does not accept gzip.
//! Such an answer has no length, its bytes are not those that were listed, and a range in the request is ignored. So
//! the connector takes the answer whole and gives it a length, or the range that was asked for.

use std::ops::Range;

use futures::StreamExt;
use object_store::HeaderMap;
use object_store::client::{HttpError, HttpResponse};

/// Bytes of such an object that are taken: nothing announces how many there will be.
const MOST: usize = 256 << 20;

const STORED_ENCODING: &str = "x-goog-stored-content-encoding";
const STORED_LENGTH: &str = "x-goog-stored-content-length";

/// Marks the result of a read whose bytes are not the stored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transcoded {
    /// Bytes of the stored object, if the store names them.
    pub stored: Option<u64>,
}

impl Transcoded {
    /// Reads it from the headers of an answer; `None` if the bytes are those that are stored.
    pub fn of(headers: &HeaderMap) -> Option<Transcoded> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let encoding = text(STORED_ENCODING).filter(|encoding| !encoding.is_empty())?;
        let is_as_stored =
            encoding.eq_ignore_ascii_case("identity") || text("content-encoding") == Some(encoding);
        (!is_as_stored)
            .then(|| Transcoded { stored: text(STORED_LENGTH).and_then(|length| length.parse().ok()) })
    }

    /// Gives an answer a length, and the mark. Of one with more bytes than are taken, only a length above them is left.
    ///
    /// # Errors
    /// The body of `answer` ends with an error.
    pub async fn whole(
        self,
        answer: HttpResponse,
        range: Option<Range<u64>>,
    ) -> Result<HttpResponse, HttpError> {
        let (mut head, body) = answer.into_parts();
        let (mut bytes, mut chunks) = (Vec::new(), body.bytes_stream());
        let mut length = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            length += chunk.len();
            if length > MOST {
                bytes = Vec::new();
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
        if let Some(range) = range.filter(|range| range.start < bytes.len() as u64) {
            let end = range.end.min(bytes.len() as u64);
            bytes = bytes[range.start as usize..end as usize].to_vec();
            let named = format!("bytes {}-{}/{length}", range.start, end - 1);
            if let (Ok(named), Ok(status)) = (named.parse(), 206.try_into()) {
                head.headers.insert("content-range", named);
                head.status = status;
                length = bytes.len();
            }
        }
        head.headers.insert("content-length", length.into());
        head.extensions.insert(self);
        Ok(HttpResponse::from_parts(head, bytes.into()))
    }
}

/// The bytes that a request asks for, if it asks for a range with both ends.
pub(super) fn asked_range(headers: &HeaderMap) -> Option<Range<u64>> {
    let (first, last) = headers.get("range")?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(first..last.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_answer_is_transcoded_if_its_encoding_is_not_the_stored_one() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("x-goog-stored-content-encoding", "identity")], None),
            (&[("x-goog-stored-content-encoding", "gzip"), ("content-encoding", "gzip")], None),
            (&[("content-encoding", "gzip")], None),
            (&[("x-goog-stored-content-encoding", "gzip")], Some(None)),
            (
                &[("x-goog-stored-content-encoding", "gzip"), ("x-goog-stored-content-length", "70")],
                Some(Some(70)),
            ),
        ] {
            let found = Transcoded::of(&headers(pairs)).map(|transcoded| transcoded.stored);
            assert_eq!(found, expected, "{pairs:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_gets_its_length_or_the_range_that_was_asked_for() {
        for (range, status, bytes, named) in [
            (None, 200, "0123456789", None),
            (Some("bytes=0-0"), 206, "0", Some("bytes 0-0/10")),
            (Some("bytes=8-99"), 206, "89", Some("bytes 8-9/10")),
            (Some("bytes=10-20"), 200, "0123456789", None),
            (Some("bytes=5-"), 200, "0123456789", None),
        ] {
            let asked = range.map(|range| headers(&[("range", range)])).unwrap_or_default();
            let answer = HttpResponse::new("0123456789".to_owned().into());
            let whole = Transcoded { stored: None }.whole(answer, asked_range(&asked)).await.unwrap();
            assert_eq!(whole.status(), status, "{range:?}");
            assert_eq!(whole.headers()["content-length"], bytes.len().to_string(), "{range:?}");
            let found = whole.headers().get("content-range").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(found.as_deref(), named, "{range:?}");
            assert_eq!(whole.into_body().bytes().await.unwrap(), bytes, "{range:?}");
        }
    }
}
