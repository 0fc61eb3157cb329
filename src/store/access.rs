//! How a store will be reached: names of variables and of other sources of credentials, and no secret's value.

use crate::telemetry::redact;

use super::azure::AzureAccess;
use super::{Location, StoreError, Uri};

/// How a location is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// For a person: whose credentials, which region, which endpoint.
    pub text: String,
    /// What may be wrong with it, and what to set.
    pub doubt: Option<&'static str>,
}

/// Reads one variable.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Location {
    /// How it is reached; `None` on a local disk. On S3, the source of the credentials is asked for them.
    ///
    /// # Errors
    /// If there are no credentials.
    pub async fn access(&self) -> Result<Option<Access>, StoreError> {
        let Some(way) = &self.way else { return Ok(self.access_by_variables()) };
        let described = way.describe().await;
        let (text, doubt) =
            described.map_err(|error| StoreError::from_credentials(error, format!("`{}`", self.uri)))?;
        Ok(Some(Access { text, doubt }))
    }

    fn access_by_variables(&self) -> Option<Access> {
        let variable = |name: &str| {
            let value = std::env::var(name).ok()?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        match &self.uri {
            Uri::Local(_) | Uri::Remote { scheme: "s3", .. } => None,
            Uri::Remote { .. } if self.settings.anonymous_input => {
                Some(Access { text: "unsigned requests".to_owned(), doubt: None })
            }
            Uri::Remote { scheme: "gs", .. } => Some(gs(&variable)),
            Uri::Remote { scheme: "http" | "https", .. } => {
                Some(Access { text: "requests without credentials".to_owned(), doubt: None })
            }
            Uri::Remote { account, .. } => Some(az(&variable, account.as_deref())),
        }
    }
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

/// The first of these variables that is set.
fn first_of(variable: Variable<'_>, names: &[&'static str]) -> Option<&'static str> {
    names.iter().find(|name| variable(name).is_some()).copied()
}

fn gs(variable: Variable<'_>) -> Access {
    const KEYS: [&str; 6] = [
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_BEARER_TOKEN",
        "SERVICE_ACCOUNT",
    ];
    let who = match first_of(variable, &KEYS) {
        _ if is_true(variable("GOOGLE_SKIP_SIGNATURE")) => "unsigned requests",
        Some(name) => name,
        None => "the application's default credentials, or the machine's account",
    };
    Access { text: who.to_owned(), doubt: None }
}

fn az(variable: Variable<'_>, named: Option<&str>) -> Access {
    const KEYS: [&str; 7] = [
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
    ];
    // an environment that cannot be used is an error of the opening
    let access = AzureAccess::resolve(variable, named).unwrap_or_default();
    let who = match access.by.or_else(|| first_of(variable, &KEYS)) {
        _ if is_true(variable("AZURE_SKIP_SIGNATURE")) => "unsigned requests",
        Some(name) => name,
        None => "the machine's identity (no credentials in the environment)",
    };
    let account = access.account.map_or_else(String::new, |account| format!(", account {account}"));
    let endpoint = access
        .endpoint
        .or_else(|| first_of(variable, &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"]).and_then(variable));
    let at = endpoint.map_or_else(String::new, |url| format!(", at {}", redact(&url)));
    Access { text: format!("{who}{account}{at}"), doubt: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn variables_are_named_and_no_secret_is_shown() {
        let access =
            az(&with(&[("AZURE_STORAGE_ACCOUNT_KEY", "canary"), ("AZURE_STORAGE_ACCOUNT_NAME", "me")]), None);
        assert_eq!(access.text, "AZURE_STORAGE_ACCOUNT_KEY, account me");
        let string = "AccountName=acme1;AccountKey=Y2FuYXJ5;BlobEndpoint=http://127.0.0.1:1/acme1";
        let access = az(&with(&[("AZURE_STORAGE_CONNECTION_STRING", string)]), None);
        assert_eq!(
            access.text,
            "AZURE_STORAGE_CONNECTION_STRING, account acme1, at http://127.0.0.1:1/acme1"
        );
        assert_eq!(gs(&with(&[("GOOGLE_SERVICE_ACCOUNT_KEY", "canary")])).text, "GOOGLE_SERVICE_ACCOUNT_KEY");
    }
}
