//! The environment variables that set how a store is reached. They are read here because `object_store` takes them as
//! they are, and panics at the first request where one of them ends in a newline or an endpoint has no scheme.
//!
//! Each value is trimmed and checked before a client gets it. An error names the variable and never shows its value.

pub(super) mod check;
mod files;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use crate::telemetry::Redacted;

use super::credentials::Variables;
use super::{StoreError, Uri};
use check::{Wrong, check, flag};
use files::{SERVICE_ACCOUNTS, check_base_url, check_file};

/// Whose variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Aws,
    Google,
    Azure,
}

/// Variables with another prefix, and the name under which the client takes them.
const ELSEWHERE: [(Vendor, &str, &str); 2] = [
    (Vendor::Google, "SERVICE_ACCOUNT", "google_service_account"),
    (Vendor::Azure, "IDENTITY_ENDPOINT", "azure_identity_endpoint"),
];

/// Variables that the client reads at its requests, so that only their value as it is can be checked.
const READ_BY_THE_CLIENT: [(Vendor, &str); 5] = [
    (Vendor::Google, "GCE_METADATA_HOST"),
    (Vendor::Google, "GCE_METADATA_ROOT"),
    (Vendor::Google, "GCE_METADATA_IP"),
    (Vendor::Azure, "AZURITE_BLOB_STORAGE_URL"),
    (Vendor::Azure, "IDENTITY_HEADER"),
];

/// Services that give credentials, at addresses of the user's. They may be plain `http` on loopback.
const SERVICES_OF_AWS: [&str; 3] =
    ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"];

impl Vendor {
    fn prefix(self) -> &'static str {
        match self {
            Vendor::Aws => "AWS_",
            Vendor::Google => "GOOGLE_",
            Vendor::Azure => "AZURE_",
        }
    }

    fn allow_http(self) -> String {
        format!("{}ALLOW_HTTP", self.prefix())
    }

    /// True if the client takes this variable, by its name in lower case. Its settings of the HTTP client are ours,
    /// and the bucket is in the address.
    fn knows(self, name: &str) -> bool {
        match self {
            Vendor::Aws => name
                .parse()
                .is_ok_and(|key| !matches!(key, AmazonS3ConfigKey::Client(_) | AmazonS3ConfigKey::Bucket)),
            Vendor::Google => name
                .parse()
                .is_ok_and(|key| !matches!(key, GoogleConfigKey::Client(_) | GoogleConfigKey::Bucket)),
            Vendor::Azure => name
                .parse()
                .is_ok_and(|key| !matches!(key, AzureConfigKey::Client(_) | AzureConfigKey::ContainerName)),
        }
    }
}

/// One variable that is set, trimmed.
#[derive(Clone, PartialEq, Eq)]
struct Variable {
    /// As the client spells it.
    key: String,
    /// As the environment spells it.
    name: String,
    value: String,
}

/// The variables for one store, trimmed and checked.
pub(super) struct Environment {
    uri: String,
    allows_http: bool,
    set: Vec<Variable>,
    /// Of AWS: those of the sources of credentials.
    of_credentials: Variables,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// `Setup`, which names the variable, if a value cannot be used; `BadUri` if the bucket's name cannot.
    pub fn of(vendor: Vendor, uri: &Uri) -> Result<Environment, StoreError> {
        Self::among(std::env::vars_os(), vendor, uri)
    }

    fn among(
        variables: impl Iterator<Item = (OsString, OsString)>,
        vendor: Vendor,
        uri: &Uri,
    ) -> Result<Environment, StoreError> {
        let address = uri.to_string();
        if let Uri::Remote { bucket, .. } = uri
            && !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
        {
            let cause =
                Redacted::new("the name of its bucket has other characters than letters, digits, - _ .");
            return Err(StoreError::BadUri { uri: address, cause });
        }
        let refuse = |name: &str, wrong: Wrong| StoreError::Setup {
            uri: address.clone(),
            cause: Redacted::new(format!("the environment variable {name} {wrong}")),
        };
        let fits = |key: &str, value: &str| check(key, value).and_then(|()| check_file(key, value));
        let (set, of_credentials) = (Vec::new(), Variables::default());
        let mut environment = Environment { uri: address.clone(), allows_http: false, set, of_credentials };
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if vendor == Vendor::Aws && Variables::takes(name) {
                let value = value.to_str().ok_or_else(|| refuse(name, Wrong::Encoding))?.trim();
                if value.is_empty() {
                    continue;
                }
                fits(&name.to_ascii_lowercase(), value).map_err(|wrong| refuse(name, wrong))?;
                environment.of_credentials.set(name, value);
            }
            if READ_BY_THE_CLIENT.contains(&(vendor, name)) {
                check::as_it_is(value.to_str()).map_err(|wrong| refuse(name, wrong))?;
                continue;
            }
            let elsewhere = ELSEWHERE.iter().find(|(whose, other, _)| (*whose, *other) == (vendor, name));
            let key = match elsewhere {
                Some((_, _, key)) => (*key).to_owned(),
                None if name.starts_with(vendor.prefix()) => name.to_ascii_lowercase(),
                None => continue,
            };
            let allows_http = name == vendor.allow_http();
            if !allows_http && !vendor.knows(&key) {
                continue;
            }
            let value = value.to_str().ok_or_else(|| refuse(name, Wrong::Encoding))?.trim();
            if value.is_empty() {
                continue;
            }
            if allows_http {
                environment.allows_http = flag(value).ok_or_else(|| refuse(name, Wrong::Flag))?;
                continue;
            }
            fits(&key, value).map_err(|wrong| refuse(name, wrong))?;
            environment.set.push(Variable { key, name: name.to_owned(), value: value.to_owned() });
        }
        // of two names for one setting the later one counts, whatever the order of the environment; those of another
        // prefix give way
        environment.set.sort_by_key(|one| (one.name.starts_with(vendor.prefix()), one.key.clone()));
        environment.refuse_half_a_key(refuse)?;
        environment.refuse_plain_http(vendor, refuse)?;
        environment.refuse_base_url(vendor, refuse)?;
        Ok(environment)
    }

    /// The client would not name the variable that is missing.
    fn refuse_half_a_key(&self, refuse: impl Fn(&str, Wrong) -> StoreError) -> Result<(), StoreError> {
        let (id, secret) = (self.last(&["aws_access_key_id"]), self.last(&["aws_secret_access_key"]));
        match (id, secret) {
            (Some(id), None) => Err(refuse(&id.name, Wrong::Alone("AWS_SECRET_ACCESS_KEY"))),
            (None, Some(secret)) => Err(refuse(&secret.name, Wrong::Alone("AWS_ACCESS_KEY_ID"))),
            _ => Ok(()),
        }
    }

    /// The document of a service account may name the store's address, as `GOOGLE_BASE_URL` does.
    fn refuse_base_url(
        &self,
        vendor: Vendor,
        refuse: impl Fn(&str, Wrong) -> StoreError,
    ) -> Result<(), StoreError> {
        let is_named = self.last(&["google_base_url"]).is_some();
        let Some(one) = self.last(&SERVICE_ACCOUNTS).filter(|_| !is_named) else { return Ok(()) };
        let allow = (!self.allows_http).then(|| vendor.allow_http());
        check_base_url(&one.key, &one.value, allow).map_err(|wrong| refuse(&one.name, wrong))
    }

    /// Refuses an `http` address where HTTP is not allowed: the client would retry for minutes, and then only report
    /// that it cannot build a request.
    fn refuse_plain_http(
        &self,
        vendor: Vendor,
        refuse: impl Fn(&str, Wrong) -> StoreError,
    ) -> Result<(), StoreError> {
        for name in SERVICES_OF_AWS {
            let address = self.of_credentials.get(name);
            if !self.allows_http
                && address
                    .is_some_and(|address| check::is_plain_http(address) && !check::is_loopback(address))
            {
                return Err(refuse(name, Wrong::PlainHttp(vendor.allow_http())));
            }
        }
        let is_emulated =
            self.last(&["azure_storage_use_emulator"]).is_some_and(|one| flag(&one.value) == Some(true));
        if self.allows_http || is_emulated {
            return Ok(());
        }
        let of_s3 = self.last(&["aws_endpoint_url_s3"]);
        let endpoint = of_s3.or_else(|| self.last(&check::ENDPOINTS));
        match endpoint {
            Some(one) if check::is_plain_http(&one.value) => {
                Err(refuse(&one.name, Wrong::PlainHttp(vendor.allow_http())))
            }
            _ => Ok(()),
        }
    }

    /// The one of these that counts.
    fn last(&self, keys: &[&str]) -> Option<&Variable> {
        self.set.iter().rfind(|one| keys.contains(&one.key.as_str()))
    }

    /// The value of the variable that counts among these, by their names in lower case.
    pub fn value(&self, keys: &[&str]) -> Option<&str> {
        self.last(keys).map(|one| one.value.as_str())
    }

    /// S3's endpoint.
    pub fn s3_endpoint(&self) -> Option<&str> {
        self.value(&["aws_endpoint_url_s3"]).or_else(|| self.value(&check::ENDPOINTS))
    }

    /// True if a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.value(&[key]).is_some_and(|value| flag(value) == Some(true))
    }

    /// Of AWS: the variables of the sources of credentials.
    pub fn of_credentials(&self) -> &Variables {
        &self.of_credentials
    }

    /// Checks a value that a profile has in place of the variable `key`.
    ///
    /// # Errors
    /// `Setup`, which names the profile's key.
    pub fn check_of_profile(
        &self,
        profile: &str,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let wrong = match check(key, value) {
            Err(wrong) => wrong,
            Ok(()) if check::ENDPOINTS.contains(&key) && !self.allows_http && check::is_plain_http(value) => {
                Wrong::PlainHttp(Vendor::Aws.allow_http())
            }
            Ok(()) => return Ok(()),
        };
        let cause = Redacted::new(format!("`{name}` of the AWS profile `{profile}` {wrong}"));
        Err(StoreError::Setup { uri: self.uri.clone(), cause })
    }

    /// True if requests without encryption are allowed.
    pub fn allows_http(&self) -> bool {
        self.allows_http
    }

    fn fill<B, K: FromStr>(&self, builder: B, with: impl Fn(B, K, &str) -> B) -> B {
        self.set.iter().fold(builder, |builder, one| match one.key.parse() {
            Ok(key) => with(builder, key, &one.value),
            Err(_) => builder,
        })
    }

    /// A builder for S3 with these variables.
    pub fn s3(&self) -> AmazonS3Builder {
        self.fill(AmazonS3Builder::new(), |builder, key, value| builder.with_config(key, value))
    }

    /// A builder for GCS with these variables.
    pub fn gcs(&self) -> GoogleCloudStorageBuilder {
        self.fill(GoogleCloudStorageBuilder::new(), |builder, key, value| builder.with_config(key, value))
    }

    /// A builder for Azure with these variables.
    pub fn azure(&self) -> MicrosoftAzureBuilder {
        self.fill(MicrosoftAzureBuilder::new(), |builder, key, value| builder.with_config(key, value))
    }

    /// Builds a store.
    ///
    /// # Errors
    /// `Setup`, which names the variables that are set, if the client refuses them or panics over them.
    pub fn build<S>(&self, build: impl FnOnce() -> object_store::Result<S>) -> Result<S, StoreError> {
        let cause = match catch_unwind(AssertUnwindSafe(build)) {
            Ok(Ok(store)) => return Ok(store),
            Ok(Err(error)) => Redacted::new(Unbuilt { names: self.names(), source: Some(error) }),
            Err(_) => Redacted::new(Unbuilt { names: self.names(), source: None }),
        };
        Err(StoreError::Setup { uri: self.uri.clone(), cause })
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.set.iter().map(|one| one.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// A client that could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}; check these environment variables: {names}",
    source.as_ref().map_or_else(|| "the client panicked over its settings".to_owned(), ToString::to_string)
)]
struct Unbuilt {
    names: String,
    source: Option<object_store::Error>,
}

#[cfg(test)]
mod tests;
