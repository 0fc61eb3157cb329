//! The faults of a test script.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::Semaphore;

/// What a [`Rule`](super::Rule) does to a request. Faults of several rules add up, except that the first that
/// replaces the answer ends the search.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request waits before it is handled.
    Latency(Duration),
    /// The request waits until the gate is opened, and is then handled.
    Gated(Gate),
    /// Nothing is done; this is the answer.
    Instead(Reply),
    /// The request is carried out; this is the answer all the same.
    Applied(Reply),
    /// This is the answer; the request is carried out this time after its arrival, and its condition checked then.
    AppliedLater(Duration, Reply),
    /// The request is carried out at once, and its true answer held back.
    Held(Duration),
    /// The answer's body breaks.
    Body(Break),
    /// The ETag shown in answers and listings.
    Tag(Tag),
    /// A page of a listing is wrong.
    Listing(Paging),
    /// `If-None-Match` and `If-Match` are ignored.
    IgnoreConditions,
}

/// A gate at which requests wait until the test opens it, for good.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// One that is closed.
    pub fn closed() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// Lets all requests through.
    pub fn open(&self) {
        self.0.close();
    }

    pub(super) async fn passed(&self) {
        drop(self.0.acquire().await);
    }
}

/// An answer in place of the true one.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status with an error document.
    Refusal(Refusal),
    /// Status 200, with the error document as its body.
    ErrorInOk(Refusal),
    /// Status 200, with this as its body.
    Document(&'static str),
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset (RST) without an answer.
    Reset,
    /// No answer for this time, then the connection is closed.
    Stall(Duration),
}

/// An S3 error.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The error code that the document names.
    pub code: String,
    /// Seconds of a `Retry-After`, if it is to be sent.
    pub retry_after: Option<u32>,
    /// Whether the document quotes the caller's access key, session token, signature and string to sign, as that
    /// of a real `SignatureDoesNotMatch` does.
    pub leaks: bool,
    /// The region that header and document name, if any.
    pub region: Option<&'static str>,
    /// Where a `Location` leads, if there is one.
    pub location: Option<&'static str>,
}

/// How an answer's body breaks. `at` is the share of the body that comes, 0.0 to 1.0.
#[derive(Clone, Copy, Debug)]
pub enum Break {
    /// Fewer bytes than `Content-Length`, then the connection is closed.
    Cut { at: f64 },
    /// Fewer bytes than `Content-Length`, then the connection is reset (RST).
    Reset { at: f64 },
    /// A pause in the middle, then the rest.
    Stall { at: f64, pause: Duration },
    /// A shorter body that `Content-Length` agrees with; every other header is that of the whole.
    Short { at: f64 },
    /// Zeros from here on, under the right length.
    Zeroed { from: f64 },
    /// Other bytes from here on, under the right length: different ones each time.
    Noise { from: f64 },
    /// No `Content-Length` but chunks, and the connection is closed before the last one.
    ChunksCut { at: f64 },
    /// No `Content-Length` but chunks, with a proper end that comes too early.
    ChunksShort { at: f64 },
}

/// The ETag that is sent.
#[derive(Clone, Debug)]
pub enum Tag {
    /// Another one each time; an `If-Match` meets the new one.
    Changing,
    /// This one, quotes included.
    Fixed(String),
    /// `""` without the quotes: a header with no value.
    Empty,
    /// No header.
    Missing,
    /// The true one as `W/"…"`; an `If-Match` never meets it, as RFC 9110 has it.
    Weak,
}

/// How a page of a listing goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Paging {
    /// At most this number of keys, with more to come; a page of 0 keys only has a token.
    Short(usize),
    /// Keys from this position of the listing on are in reverse order within their page; 0 is from the start.
    ReversedFrom(u64),
    /// The page begins with the last key of the page before.
    RepeatsLast,
    /// A page that is not the last has this in place of `NextContinuationToken`.
    WayOn(&'static str),
    /// Every page is the first one. Its token is always the same, or (`true`) another each time.
    IgnoresToken(bool),
    /// All keys of the bucket, whatever prefix was requested.
    IgnoresPrefix,
    /// Keys in the order of folders, `a/1` before `a-1`; listings without a delimiter only.
    ByFolder,
}

impl Refusal {
    /// An error by status and code.
    ///
    /// # Panics
    ///
    /// If the status is none.
    pub fn new(status: u16, code: &str) -> Refusal {
        let status = StatusCode::from_u16(status).expect("an HTTP status");
        Refusal {
            status,
            code: code.to_owned(),
            retry_after: None,
            leaks: false,
            region: None,
            location: None,
        }
    }

    /// With a `Retry-After`.
    pub fn retry_after(self, seconds: u32) -> Refusal {
        Refusal { retry_after: Some(seconds), ..self }
    }

    /// With a document that quotes the credentials of the request's signature.
    pub fn leaking(self) -> Refusal {
        Refusal { leaks: true, ..self }
    }

    /// With a `Location`.
    pub fn leading_to(self, location: &'static str) -> Refusal {
        Refusal { location: Some(location), ..self }
    }

    /// As that of a bucket in this region.
    pub fn in_region(self, region: &'static str) -> Refusal {
        Refusal { region: Some(region), ..self }
    }
}

impl Fault {
    /// An error instead of the answer, nothing done: `(503, "SlowDown")`, `(403, "AccessDenied")`.
    pub fn error(status: u16, code: &str) -> Fault {
        Fault::Instead(Reply::Refusal(Refusal::new(status, code)))
    }

    /// Status 200 with an error document, nothing done.
    pub fn error_in_ok(code: &str) -> Fault {
        Fault::Instead(Reply::ErrorInOk(Refusal::new(200, code)))
    }

    /// The request is carried out, and the connection closed without an answer.
    pub fn lost_reply() -> Fault {
        Fault::Applied(Reply::Close)
    }

    /// The request is carried out, and answered with this error.
    pub fn applied_but(status: u16, code: &str) -> Fault {
        Fault::Applied(Reply::Refusal(Refusal::new(status, code)))
    }

    /// A conditional write that is refused without a competitor: 409, nothing done.
    pub fn conflict() -> Fault {
        Fault::error(409, "ConditionalRequestConflict")
    }

    /// The answer of a store without conditional writes.
    pub fn not_implemented() -> Fault {
        Fault::error(501, "NotImplemented")
    }
}
