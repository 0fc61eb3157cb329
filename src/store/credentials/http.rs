//! The HTTP client of the AWS chain: reqwest, which the stores have already, so that no other TLS comes in.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

/// How long a connection to the machine's own network may take to be made: AWS's own limit for instance metadata.
const NEAR: Duration = Duration::from_secs(1);
/// How long another one may take.
const FAR: Duration = Duration::from_secs(5);
/// How long an answer may take, if the chain sets no time.
const ANSWER: Duration = Duration::from_secs(15);
/// More bytes than an answer has.
const LONGEST: usize = 1 << 20;

/// No request was sent.
const SILENT: u16 = 0;
/// The last request got no answer.
const UNANSWERED: u16 = 1;

/// A client for the chain, which records what the last request came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Http(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// For addresses without encryption: instance metadata, containers, loopback. No proxy is asked for them.
    near: OnceLock<Result<reqwest::Client, Unbuilt>>,
    far: OnceLock<Result<reqwest::Client, Unbuilt>>,
    outcome: AtomicU16,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("the HTTP client cannot be built: {0}")]
struct Unbuilt(String);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl Http {
    /// Forgets the requests so far.
    pub fn reset(&self) {
        self.0.outcome.store(SILENT, Ordering::Relaxed);
    }

    /// True if the last request got no answer.
    pub fn is_unanswered(&self) -> bool {
        self.0.outcome.load(Ordering::Relaxed) == UNANSWERED
    }

    /// Returns whether a retry may get another answer: none came, or one with status 429 or 5xx.
    pub fn may_pass(&self) -> bool {
        let outcome = self.0.outcome.load(Ordering::Relaxed);
        matches!(outcome, UNANSWERED | 429 | 500..)
    }

    fn client(&self, is_near: bool) -> Result<reqwest::Client, Unbuilt> {
        let place = if is_near { &self.0.near } else { &self.0.far };
        let build = || {
            let builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(if is_near { NEAR } else { FAR })
                // requests come from several runtimes, and a connection belongs to one
                .pool_max_idle_per_host(0);
            let builder = if is_near { builder.no_proxy() } else { builder };
            builder.build().map_err(|error| Unbuilt(error.to_string()))
        };
        place.get_or_init(build).clone()
    }

    async fn send(&self, request: HttpRequest, within: Duration) -> Result<HttpResponse, ConnectorError> {
        let sent = tokio::time::timeout(within, self.exchange(request)).await;
        let sent = sent.unwrap_or_else(|_| {
            let why = Failed(format!("no answer within {} s", within.as_secs()));
            Err(ConnectorError::timeout(why.into()))
        });
        let outcome = sent.as_ref().map_or(UNANSWERED, |response| response.status().as_u16());
        self.0.outcome.store(outcome, Ordering::Relaxed);
        sent
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let url: reqwest::Url = request.uri().parse().map_err(user)?;
        let client = self.client(url.scheme() == "http").map_err(user)?;
        let method: reqwest::Method = request.method().parse().map_err(user)?;
        let mut sent = client.request(method, url);
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        let body = request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
        let mut answer = sent.body(body).send().await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(user(Failed(format!("an answer of more than {LONGEST} bytes"))));
            }
            bytes.extend_from_slice(&chunk);
        }
        let status = answer.status().as_u16().try_into().map_err(user)?;
        let mut response = HttpResponse::new(status, SdkBody::from(bytes));
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}

fn user(error: impl Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::user(Box::new(error))
}

fn failed(error: reqwest::Error) -> ConnectorError {
    let is_timeout = error.is_timeout();
    // the address may have a token
    let error = Box::new(error.without_url());
    if is_timeout { ConnectorError::timeout(error) } else { ConnectorError::io(error) }
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let connect = settings.connect_timeout().unwrap_or(FAR);
        let within = settings.read_timeout().map_or(ANSWER, |read| connect + read);
        SharedHttpConnector::new(Connector { http: self.clone(), within })
    }
}

/// A client with the time that one exchange may take.
struct Connector {
    http: Http,
    within: Duration,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("within", &self.within).finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, within) = (self.http.clone(), self.within);
        HttpConnectorFuture::new(async move { http.send(request, within).await })
    }
}
