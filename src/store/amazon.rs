//! Amazon S3 and what speaks its protocol: with whose credentials, in which region, and at which endpoint.

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, ObjectStore};

use crate::telemetry::redact;

use super::checksum::ChecksumMode;
use super::client::inner_retries;
use super::credentials::{CredentialError, Credentials, Profile, Shared};
use super::environment::{Environment, Vendor};
use super::paged_store::{PagedStore, remote};
use super::renewing::Renewing;
use super::traffic::{Metered, Traffic};
use super::{StoreError, Uri};

/// The region of a client for which nothing names another.
const REGION: &str = "us-east-1";

/// What is opened.
pub(super) struct S3Request<'a> {
    pub uri: &'a Uri,
    pub bucket: &'a str,
    /// Requests carry no signature.
    pub is_anonymous: bool,
    /// The requester pays for them.
    pub requester_pays: bool,
    /// Whole objects are compared with their checksums.
    pub checksums: bool,
}

/// An opened store.
pub(super) struct OpenedS3 {
    pub store: Arc<dyn ObjectStore>,
    pub paged: Option<PagedStore>,
    pub mode: Option<ChecksumMode>,
    pub way: S3Way,
}

/// How a store is reached.
#[derive(Debug)]
pub(super) struct S3Way {
    signer: Signer,
    region: Named,
    endpoint: Option<Named>,
}

/// A value, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    value: String,
    /// `None` for a variable or a default.
    by: Option<String>,
    is_default: bool,
}

/// Whose credentials sign requests.
#[derive(Debug)]
enum Signer {
    Unsigned,
    Keys {
        has_token: bool,
    },
    /// Instance metadata, asked by the client, since it also speaks the first version of it.
    Machine,
    Chain(Arc<Credentials>),
}

impl Named {
    fn variable(value: &str) -> Named {
        Named { value: value.to_owned(), by: None, is_default: false }
    }

    fn of(by: String, value: &str) -> Named {
        Named { value: value.to_owned(), by: Some(by), is_default: false }
    }
}

/// Opens a store. Of AWS, the credentials are asked for with the first request, and the machine's region now.
///
/// # Errors
/// If variables or profiles cannot be used.
pub(super) fn open(
    request: &S3Request<'_>,
    options: &dyn Fn(bool) -> ClientOptions,
    traffic: &Arc<Traffic>,
) -> Result<OpenedS3, StoreError> {
    let environment = Environment::of(Vendor::Aws, request.uri)?;
    let way = way(request, &environment)?;
    let builder = environment
        .s3()
        .with_bucket_name(request.bucket)
        .with_region(&way.region.value)
        .with_http_connector(Metered(traffic.clone()))
        .with_client_options(options(environment.allows_http()))
        .with_retry(inner_retries());
    let builder = match &way.endpoint {
        Some(Named { value, by: Some(_), .. }) => builder.with_endpoint(value),
        _ => builder,
    };
    let builder = if request.is_anonymous { builder.with_skip_signature(true) } else { builder };
    let builder = if request.requester_pays { builder.with_request_payer(true) } else { builder };
    let (builder, credentials) = match &way.signer {
        Signer::Chain(credentials) => (builder.with_credentials(credentials.clone()), Some(credentials)),
        _ => (builder, None),
    };
    let store = environment.build(|| builder.clone().build())?;
    let asking = match request.checksums {
        true => Some(asking(&environment, builder, &store, options)?),
        false => None,
    };
    let mode = asking.map(|asking| ChecksumMode::new(renewing(asking, credentials).0));
    let (store, paged) = renewing(store, credentials);
    Ok(OpenedS3 { store, paged, mode, way })
}

fn asking(
    environment: &Environment,
    builder: AmazonS3Builder,
    store: &AmazonS3,
    options: &dyn Fn(bool) -> ClientOptions,
) -> Result<AmazonS3, StoreError> {
    let options = options(environment.allows_http());
    environment.build(|| ChecksumMode::client(builder, store, options))
}

fn renewing(
    store: AmazonS3,
    credentials: Option<&Arc<Credentials>>,
) -> (Arc<dyn ObjectStore>, Option<PagedStore>) {
    match credentials {
        Some(credentials) => remote(Renewing::new(store, credentials.clone())),
        None => remote(store),
    }
}

/// Resolves credentials, region and endpoint. Files of profiles are read only for what no variable sets; they are not
/// needed if keys and an endpoint are set.
fn way(request: &S3Request<'_>, environment: &Environment) -> Result<S3Way, StoreError> {
    let is_set = |key: &str| environment.value(&[key]).is_some();
    let is_anonymous = request.is_anonymous || environment.is_on("aws_skip_signature");
    let has_keys = is_set("aws_access_key_id") || is_set("aws_secret_access_key");
    let is_of_chain = !is_anonymous && !has_keys;
    let region = environment.value(&["aws_region", "aws_default_region"]);
    let endpoint = environment.s3_endpoint();
    let failed = |why: String| {
        let what = format!("opening `{}`", request.uri);
        StoreError::from_credentials(CredentialError::Setup(why), what)
    };
    let shared = (is_of_chain || endpoint.is_none()).then(|| Shared::of(environment.of_credentials()));
    let profile = match shared.as_ref().map(Shared::profile) {
        Some(Ok(profile)) => Some(profile),
        Some(Err(why)) if is_of_chain => return Err(failed(why)),
        Some(Err(why)) => {
            tracing::warn!("{why}; region and endpoint are taken from variables alone");
            None
        }
        None => None,
    };
    let of_profile = |name: &str, key: &str, value: fn(&Profile) -> Option<&String>| {
        let Some((profile, value)) = profile.and_then(|profile| Some((profile, value(profile)?))) else {
            return Ok(None);
        };
        environment.check_of_profile(&profile.name, name, key, value)?;
        Ok::<_, StoreError>(Some(Named::of(format!("the profile `{}`", profile.name), value)))
    };
    let endpoint = match endpoint {
        Some(endpoint) => Some(Named::variable(endpoint)),
        None => of_profile("endpoint_url", "aws_endpoint_url", |profile| profile.endpoint.as_ref())?,
    };
    let region = match region {
        Some(region) => Some(Named::variable(region)),
        None => of_profile("region", "aws_region", |profile| profile.region.as_ref())?,
    };
    let (signer, region) = match &shared {
        Some(shared) if is_of_chain => {
            let is_left = shared.is_left_to_the_machine().map_err(failed)?;
            let asks = region.is_none() && endpoint.is_none() && is_left;
            let of_machine =
                || Some(Named::of("instance metadata".to_owned(), &shared.region_of_instance()?));
            let region = if asks { of_machine() } else { region };
            let signer = match is_left && environment.is_on("aws_imdsv1_fallback") {
                true => Signer::Machine,
                false => {
                    let region = region.as_ref().map_or(REGION, |region| &region.value);
                    Signer::Chain(shared.credentials(region).map_err(failed)?)
                }
            };
            (signer, region)
        }
        _ if is_anonymous => (Signer::Unsigned, region),
        _ => (Signer::Keys { has_token: is_set("aws_session_token") || is_set("aws_token") }, region),
    };
    let default = || Named { value: REGION.to_owned(), by: None, is_default: true };
    Ok(S3Way { signer, region: region.unwrap_or_else(default), endpoint })
}

impl S3Way {
    /// For a person: whose credentials, which region, which endpoint, and what may be wrong with it. Asks the source of
    /// the credentials.
    ///
    /// # Errors
    /// If there are no credentials.
    pub async fn describe(&self) -> Result<(String, Option<&'static str>), CredentialError> {
        let signer = match &self.signer {
            Signer::Unsigned => "unsigned requests".to_owned(),
            Signer::Keys { has_token: true } => "AWS_ACCESS_KEY_ID with a session token".to_owned(),
            Signer::Keys { has_token: false } => "AWS_ACCESS_KEY_ID".to_owned(),
            Signer::Machine => "the machine's role (instance metadata, also its first version)".to_owned(),
            Signer::Chain(credentials) => credentials.get().await?.by,
        };
        let by = |named: &Named| named.by.as_ref().map_or_else(String::new, |by| format!(" (of {by})"));
        let region = format!("region {}{}", self.region.value, by(&self.region));
        let endpoint = self.endpoint.as_ref();
        let at = endpoint.map_or_else(String::new, |at| format!(", at {}{}", redact(&at.value), by(at)));
        let doubt = (self.region.is_default && endpoint.is_none())
            .then_some("no AWS_REGION is set, so us-east-1 is taken; set it where the bucket is elsewhere");
        Ok((format!("{signer}, {region}{at}"), doubt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(signer: Signer, region: Named, endpoint: Option<Named>) -> S3Way {
        S3Way { signer, region, endpoint }
    }

    #[tokio::test]
    async fn sources_are_named_and_user_info_of_an_endpoint_is_not_shown() {
        let at = Named::variable("https://user:canary@store.example/");
        let keys = Signer::Keys { has_token: true };
        let (text, doubt) = way(keys, Named::variable("eu-west-1"), Some(at)).describe().await.unwrap();
        assert_eq!(
            text,
            "AWS_ACCESS_KEY_ID with a session token, region eu-west-1, at https://***@store.example/"
        );
        assert_eq!(doubt, None);
        let of = |value| Named::of("the profile `dev`".into(), value);
        let (text, _) =
            way(Signer::Unsigned, of("eu-west-1"), Some(of("https://h"))).describe().await.unwrap();
        assert_eq!(
            text,
            "unsigned requests, region eu-west-1 (of the profile `dev`), at https://h (of the profile `dev`)"
        );
    }

    #[tokio::test]
    async fn a_region_that_nothing_names_is_doubted_unless_an_endpoint_is() {
        let default = || Named { value: REGION.to_owned(), by: None, is_default: true };
        let doubt = way(Signer::Unsigned, default(), None).describe().await.unwrap().1;
        assert!(doubt.unwrap().contains("us-east-1"));
        let at = Some(Named::variable("http://127.0.0.1:1"));
        assert_eq!(way(Signer::Unsigned, default(), at).describe().await.unwrap().1, None);
        assert_eq!(way(Signer::Unsigned, Named::variable("x"), None).describe().await.unwrap().1, None);
    }
}
