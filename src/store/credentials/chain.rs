//! The AWS chain: sources in an order of ours, each of which aws-config asks. Decision 0046 has the reasons.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::os_shim_internal::{Env, Fs};
use futures::FutureExt;
use object_store::aws::AwsCredential;

use crate::telemetry::redact;

use super::cache::{Answer, Source};
use super::error::CredentialError;
use super::http::Http;
use super::profile::{Origin, Profile};
use super::text::text_of;
use super::variables::{Group, Variables};

/// How long one source may take: less than one read, so that the read is not given up meanwhile.
const LIMIT: Duration = Duration::from_secs(45);
/// How long the instance metadata service may take.
const INSTANCE_LIMIT: Duration = Duration::from_secs(10);
/// Where the instance metadata service is, unless it is named.
const INSTANCE: &str = "http://169.254.169.254";

/// Codes of services that are asked too often, or that wait for another one. STS gives them under the status 400.
const PASSING: [&str; 4] = ["IDPCommunicationError", "RequestLimitExceeded", "Throttl", "TooManyRequests"];

/// A source of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    Profile(Origin),
    WebIdentity,
    Container,
    /// Instance metadata.
    Instance,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Profile(origin) => origin.fmt(f),
            Link::WebIdentity => f.write_str("the role of AWS_WEB_IDENTITY_TOKEN_FILE"),
            Link::Container => f.write_str("the container's role"),
            Link::Instance => f.write_str("the machine's role (instance metadata)"),
        }
    }
}

impl Link {
    fn advice(&self) -> String {
        match self {
            Link::Profile(origin) => origin.advice(),
            Link::WebIdentity => "look at AWS_ROLE_ARN and its trust".to_owned(),
            Link::Container => "look at AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI".to_owned(),
            Link::Instance => "look at the role of this machine".to_owned(),
        }
    }

    fn env(&self, variables: &Variables) -> Env {
        match self {
            Link::Profile(origin) => variables.of_profile(&origin.profile, origin.group()),
            Link::WebIdentity => variables.of_group(Group::WebIdentity),
            Link::Container => variables.of_group(Group::Container),
            Link::Instance => variables.of_group(Group::Instance),
        }
    }

    /// True if it asks instance metadata.
    fn is_of_instance(&self) -> bool {
        match self {
            Link::Profile(origin) => origin.group() == Some(Group::Instance),
            other => *other == Link::Instance,
        }
    }
}

/// The sources that the variables and the profile name, in their order. Beside them, what has nothing to ask.
///
/// AWS_PROFILE is a choice and comes first. Without it, a source that a variable names comes before the default
/// profile, as in version 0.1.0, which read no profiles.
///
/// # Errors
/// If the profile is in no file, or contradicts itself.
pub(super) fn links(variables: &Variables, profile: &Profile) -> Result<(Vec<Link>, Vec<String>), String> {
    let has = |name: &str| variables.get(name).is_some();
    let mut absent = vec!["AWS_ACCESS_KEY_ID is not set".to_owned()];
    let (chosen, name) = (variables.profile().is_some(), &profile.name);
    let web_identity = match (has("AWS_WEB_IDENTITY_TOKEN_FILE"), has("AWS_ROLE_ARN")) {
        (true, true) => Some(Link::WebIdentity),
        (true, false) => {
            absent.push("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN".to_owned());
            None
        }
        (false, _) => {
            absent.push("AWS_WEB_IDENTITY_TOKEN_FILE is not set".to_owned());
            None
        }
    };
    // a web identity was taken although AWS_PROFILE was set, whatever that named
    if chosen && !profile.exists && web_identity.is_none() {
        return Err(format!(
            "AWS_PROFILE names `{name}`, which is neither in ~/.aws/config (`[profile {name}]`) nor in \
             ~/.aws/credentials (`[{name}]`)"
        ));
    }
    let of_profile = match (&profile.origin, &profile.fault) {
        (Some(origin), _) => Some(Link::Profile(origin.clone())),
        (None, Some(fault)) if chosen || web_identity.is_none() => return Err(fault.clone()),
        (None, _) => {
            let why = if profile.exists { "has no credentials" } else { "does not exist" };
            absent.push(format!("the profile `{name}` {why}"));
            None
        }
    };
    let container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        .iter()
        .any(|name| has(name));
    let container = container.then_some(Link::Container);
    if container.is_none() {
        absent.push("no AWS_CONTAINER_CREDENTIALS_… is set".to_owned());
    }
    let instance = match variables.is_on("AWS_EC2_METADATA_DISABLED") {
        false => Some(Link::Instance),
        true => {
            absent.push("AWS_EC2_METADATA_DISABLED is set".to_owned());
            None
        }
    };
    let found = match chosen {
        true => [of_profile, web_identity, container, instance],
        false => [web_identity, container, of_profile, instance],
    };
    Ok((found.into_iter().flatten().collect(), absent))
}

/// What gives credentials.
#[derive(Debug)]
pub(super) struct Chain {
    variables: Variables,
    files: Fs,
    links: Vec<Link>,
    absent: Vec<String>,
    region: String,
    http: Http,
    /// Instance metadata answered before, so that silence is an outage.
    instance_answered: AtomicBool,
}

impl Chain {
    /// Asks these sources. Requests to AWS's services are for `region`.
    ///
    /// # Errors
    /// The profile that AWS_PROFILE names is in no file, or the profile contradicts itself.
    pub fn new(variables: Variables, files: Fs, profile: &Profile, region: &str) -> Result<Chain, String> {
        let (links, absent) = links(&variables, profile)?;
        let http = Http::default();
        let instance_answered = AtomicBool::new(false);
        Ok(Chain { variables, files, links, absent, region: region.to_owned(), http, instance_answered })
    }

    async fn link(&self, link: &Link) -> Result<Option<Answer>, CredentialError> {
        self.http.reset();
        let limit = if *link == Link::Instance { INSTANCE_LIMIT } else { LIMIT };
        let asked = AssertUnwindSafe(self.credentials(link)).catch_unwind();
        let asked = match tokio::time::timeout(limit, asked).await {
            Ok(Ok(asked)) => asked,
            Ok(Err(_)) => return Err(self.refused(link, "its settings cannot be used".to_owned())),
            Err(_) => {
                let why = format!("no answer within {} s", limit.as_secs());
                return Err(CredentialError::Unanswered { source_name: link.to_string(), why });
            }
        };
        let error = match asked {
            Ok(answer) => {
                if link.is_of_instance() {
                    self.instance_answered.store(true, Ordering::Relaxed);
                }
                return Ok(Some(answer));
            }
            Err(error) => error,
        };
        let why = text_of(&error);
        match error {
            CredentialsError::CredentialsNotLoaded(_) if *link == Link::Instance => {
                let is_outage = self.instance_answered.load(Ordering::Relaxed) && self.http.may_pass();
                match is_outage || self.http.may_pass() && !self.http.is_unanswered() {
                    true => Err(CredentialError::Unanswered { source_name: link.to_string(), why }),
                    false => Ok(None),
                }
            }
            CredentialsError::InvalidConfiguration(_) => {
                Err(CredentialError::Setup(format!("{}: {link}: {why}", link.advice())))
            }
            _ if self.http.may_pass() || PASSING.iter().any(|code| why.contains(code)) => {
                Err(CredentialError::Unanswered { source_name: link.to_string(), why })
            }
            _ => Err(self.refused(link, why)),
        }
    }

    fn refused(&self, link: &Link, why: String) -> CredentialError {
        CredentialError::Refused { source_name: link.to_string(), why, advice: link.advice() }
    }

    /// aws-config reads files and variables anew, since another program may have written new credentials.
    async fn credentials(&self, link: &Link) -> Result<Answer, CredentialsError> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .env(link.env(&self.variables))
            .fs(self.files.clone())
            .region(Region::new(self.region.clone()))
            .http_client(self.http.clone())
            .retry_config(RetryConfig::standard())
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(15)).build(),
            )
            .load()
            .await;
        let provider = config.credentials_provider().ok_or_else(CredentialsError::not_loaded_no_source)?;
        let given = provider.provide_credentials().await?;
        let credential = AwsCredential {
            key_id: given.access_key_id().to_owned(),
            secret_key: given.secret_access_key().to_owned(),
            token: given.session_token().filter(|token| !token.is_empty()).map(str::to_owned),
        };
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = is_word(&credential.key_id)
            && !credential.secret_key.is_empty()
            && credential.token.as_deref().is_none_or(is_word);
        if !fits {
            return Err(CredentialsError::provider_error("keys that no request can carry"));
        }
        Ok(Answer { credential: Arc::new(credential), expiry: given.expiry(), by: link.to_string() })
    }

    /// Describes the answer of a source that has no credentials.
    fn silence(&self, link: &Link) -> String {
        match link {
            Link::Instance if self.http.is_unanswered() => {
                let at = self.variables.instance_endpoint().unwrap_or(INSTANCE);
                format!("no instance metadata answers at {}", redact(at))
            }
            Link::Instance => "instance metadata has no role".to_owned(),
            other => format!("{other} has none"),
        }
    }
}

#[async_trait]
impl Source for Chain {
    async fn ask(&self) -> Result<Answer, CredentialError> {
        let mut asked = self.absent.clone();
        for link in &self.links {
            if let Some(answer) = self.link(link).await? {
                tracing::debug!(by = answer.by, "credentials for S3");
                return Ok(answer);
            }
            asked.push(self.silence(link));
        }
        Err(CredentialError::Missing { asked: asked.join(", ") })
    }
}
