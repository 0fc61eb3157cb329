//! Web servers, from which objects are read and nothing else: no redirect is followed, and no credential is sent.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::http::HttpBuilder;
use object_store::{ClientOptions, ObjectStore};
use percent_encoding::percent_decode_str;

use crate::telemetry::Redacted;

use super::client::{CONNECT_TIMEOUT, IDLE_TIMEOUT, inner_retries};
use super::traffic::{Traffic, metered};
use super::transcoded::{Transcoded, asked_range};
use super::{Settings, StoreError};

/// Opens a server. `host` has its port, if it is not the scheme's own.
pub(super) fn open(
    scheme: &'static str,
    host: &str,
    settings: &Settings,
    traffic: &Arc<Traffic>,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let url = format!("{scheme}://{host}/");
    let setup =
        |error: object_store::Error| StoreError::Setup { uri: url.clone(), cause: Redacted::new(error) };
    let direct = Direct { settings: *settings, traffic: traffic.clone() };
    let options = ClientOptions::new().with_allow_http(scheme == "http");
    let builder = HttpBuilder::new().with_url(&url).with_client_options(options);
    let builder = builder.with_retry(inner_retries()).with_http_connector(direct);
    Ok(Arc::new(builder.build().map_err(setup)?))
}

/// The prefix as the store's paths have it.
pub(super) fn decoded(prefix: &str) -> String {
    percent_decode_str(prefix).decode_utf8_lossy().into_owned()
}

/// Makes clients that follow no redirect: it could lead to an address that no root names.
#[derive(Debug)]
struct Direct {
    settings: Settings,
    traffic: Arc<Traffic>,
}

impl HttpConnector for Direct {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .timeout(self.settings.read_timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| object_store::Error::Generic { store: "HTTP", source: Box::new(error) })?;
        let client = HttpClient::new(Completing(HttpClient::new(client)));
        Ok(metered(client, self.traffic.clone()))
    }
}

/// Gives answers the form that the client expects: servers may ignore a range, and may send bodies without a length.
#[derive(Debug)]
struct Completing(HttpClient);

#[async_trait]
impl HttpService for Completing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (is_get, range) = (request.method() == "GET", asked_range(request.headers()));
        let answer = self.0.execute(request).await?;
        let has_length = answer.headers().contains_key("content-length");
        match range {
            _ if !is_get || answer.status() != 200 => Ok(answer),
            Some(range) => beginning(answer, range).await,
            None if has_length => Ok(answer),
            None => Transcoded { stored: None }.whole(answer, None).await,
        }
    }
}

/// Takes a range near the beginning of an object that is sent whole, and reads no further.
async fn beginning(answer: HttpResponse, range: Range<u64>) -> Result<HttpResponse, HttpError> {
    let (mut head, body) = answer.into_parts();
    let announced = head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let (mut chunks, mut bytes, mut came) = (body.bytes_stream(), Vec::new(), 0u64);
    while came < range.end
        && let Some(chunk) = chunks.next().await
    {
        let chunk = chunk?;
        let from = range.start.saturating_sub(came).min(chunk.len() as u64) as usize;
        let to = (range.end - came).min(chunk.len() as u64) as usize;
        bytes.extend_from_slice(&chunk[from..to]);
        came += chunk.len() as u64;
    }
    let whole: u64 = announced.unwrap_or(came);
    let last = range.end.min(whole).saturating_sub(1);
    let named = format!("bytes {}-{last}/{whole}", range.start);
    let failed = |error| HttpError::new(HttpErrorKind::Decode, error);
    head.status = 206.try_into().map_err(failed)?;
    if let Ok(named) = named.parse() {
        head.headers.insert("content-range", named);
    }
    head.headers.insert("content-length", bytes.len().into());
    Ok(HttpResponse::from_parts(head, bytes.into()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;

    use super::*;
    use crate::store::{FetchError, Location, ObjectUri, Planned, Role, Unanswered};

    /// A server without ranges that notes what it is asked for, and a folder of it.
    fn server() -> (Location, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
                let (method, path) = first.split_once(' ').unwrap_or_default();
                let path = path.split(' ').next().unwrap_or_default();
                let answer = match path {
                    "/p/a%20b.jpg" | "/p/c//d.jpg" => {
                        "200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_owned()
                    }
                    "/p/endless.jpg" => "200 OK\r\n\r\n0123456789".to_owned(),
                    "/p/moved.jpg" => format!("302 Found\r\nLocation: http://{address}/secret\r\n\r\n"),
                    "/p/denied.jpg" => "403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                seen.lock().unwrap().push(format!("{method} {path}"));
                drop((&stream).write_all(format!("HTTP/1.1 {answer}").as_bytes()));
            }
        });
        let folder = ObjectUri::folder(&format!("http://{address}/p/")).unwrap();
        let settings = Settings { retry: std::time::Duration::ZERO, ..Settings::default() };
        (Location::open_with("/", Role::Input, settings).unwrap().beside(&folder).unwrap(), asked)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn objects_are_read_whole_with_or_without_a_length_and_answer_a_question() {
        let (folder, asked) = server();
        for key in ["a b.jpg", "c//d.jpg", "endless.jpg"] {
            let fetched = folder.fetch(key, Planned::default(), 100).await.unwrap();
            assert_eq!((&fetched.bytes[..], fetched.etag), (&b"0123456789"[..], None), "{key}");
            assert!(folder.answers(key).await.unwrap(), "{key}");
        }
        assert!(matches!(
            folder.fetch("a b.jpg", Planned::default(), 9).await,
            Err(FetchError::TooLarge { size: 10 })
        ));
        assert_eq!(asked.lock().unwrap().len(), 7);
        assert_eq!(folder.requests().by_method["GET"], 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_redirect_is_an_answer_that_means_never_and_is_not_followed() {
        let (folder, asked) = server();
        let Err(FetchError::Store(error)) = folder.fetch("moved.jpg", Planned::default(), 100).await else {
            panic!("it was followed");
        };
        assert!(error.unanswered().is_some_and(Unanswered::is_definite), "{error}");
        assert!(error.unanswered().unwrap().text().contains("302"), "{error}");
        assert_eq!(*asked.lock().unwrap(), ["GET /p/moved.jpg"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn refusals_are_those_of_other_stores() {
        let (folder, _) = server();
        for (key, expected) in [("denied.jpg", "access denied"), ("gone.jpg", "not found")] {
            let refused = folder.fetch(key, Planned::default(), 100).await.unwrap_err();
            assert_eq!(refused.to_string(), expected, "{key}");
            assert!(!folder.answers(key).await.unwrap(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_range_is_taken_from_an_object_that_is_sent_whole() {
        for (range, bytes, named) in
            [(0..1, "0", "bytes 0-0/10"), (3..5, "34", "bytes 3-4/10"), (8..20, "89", "bytes 8-9/10")]
        {
            let mut answer = HttpResponse::new("0123456789".to_owned().into());
            answer.headers_mut().insert("content-length", 10.into());
            let part = beginning(answer, range.clone()).await.unwrap();
            assert_eq!(
                (part.status().as_u16(), &part.headers()["content-range"]),
                (206, &named.parse().unwrap())
            );
            assert_eq!(part.into_body().bytes().await.unwrap(), bytes, "{range:?}");
        }
    }
}
