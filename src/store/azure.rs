//! What Azure's own tools read from the environment and `object_store` does not: the connection string and the names
//! that the Azure CLI uses.
//!
//! Variables that `object_store` reads itself are stronger, as they were before the others were read here:
//! `AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ENDPOINT` are kept, and a token, key or signature in a separate
//! variable is used instead of that of the connection string. The connection string is stronger than
//! `AZURE_STORAGE_ACCOUNT` and `AZURE_STORAGE_KEY`, as in the CLI. It is a key of one account: if
//! `AZURE_STORAGE_ACCOUNT_NAME` is another, the string is not used, and another account in the address is an error.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::azure_connection::{ConnectionString, host_account};
use super::environment::check::checked;

const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
const NAME: &str = "AZURE_STORAGE_ACCOUNT_NAME";
const ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT";
const KEY: &str = "AZURE_STORAGE_KEY";
const ENDPOINTS: [&str; 2] = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];
/// Variables of `object_store` each of which is enough to decide what a request is signed with.
const CREDENTIALS: [&str; 7] = [
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_SKIP_SIGNATURE",
];

/// Why the environment's variables cannot be used. No value of a secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AzureError {
    #[error(
        "{CONNECTION_STRING} is malformed: {0}; copy it again from the access keys of the account, or unset it"
    )]
    Malformed(&'static str),
    #[error("{variable} is of the account `{ours}`, but the address names `{named}`; unset {variable}")]
    Other { variable: &'static str, ours: String, named: String },
    #[error("the environment variable {variable} {why}")]
    Value { variable: &'static str, why: String },
    #[error(
        "no storage account is named; set {ACCOUNT} or {CONNECTION_STRING}, or take an address such as \
         abfss://container@account.dfs.core.windows.net/folder"
    )]
    NoAccount,
}

/// What is set on the client, beyond what it reads itself.
#[derive(Default, PartialEq, Eq)]
pub(super) struct AzureAccess {
    pub account: Option<String>,
    pub endpoint: Option<String>,
    /// The variable that has the key or signature taken from here.
    pub by: Option<&'static str>,
    /// True if the endpoint of the connection string is plain HTTP, or the emulator's.
    pub allows_http: bool,
    key: Option<String>,
    signature: Option<String>,
    /// What the client is made to use, if it would else choose another.
    kind: Option<&'static str>,
    is_emulator: bool,
}

/// Returns the account that the environment names.
pub(super) fn account() -> Option<String> {
    AzureAccess::from_env(None).ok()?.account
}

impl AzureAccess {
    /// Resolves the variables for an address that names the account `named`, or none.
    ///
    /// # Errors
    /// Those of [`AzureAccess::resolve`].
    pub fn from_env(named: Option<&str>) -> Result<AzureAccess, AzureError> {
        AzureAccess::resolve(&|name| std::env::var(name).ok(), named)
    }

    /// Resolves the variables as `variable` returns them, for an address that names the account `named`, or none.
    ///
    /// # Errors
    /// The connection string is malformed, a variable's value does not fit, or a variable is of another account than
    /// `named`.
    pub fn resolve(
        variable: &dyn Fn(&str) -> Option<String>,
        named: Option<&str>,
    ) -> Result<AzureAccess, AzureError> {
        let set = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        // as the client's variable of the same meaning is checked
        let fits = |variable: &'static str, like: &str| match set(variable) {
            Some(value) => match checked(like, &value) {
                Ok(()) => Ok(Some(value)),
                Err(why) => Err(AzureError::Value { variable, why }),
            },
            None => Ok(None),
        };
        let string = set(CONNECTION_STRING).map(|text| ConnectionString::parse(&text)).transpose();
        let mut string = string.map_err(AzureError::Malformed)?.unwrap_or_default();
        let name = fits(NAME, "azure_storage_account_name")?;
        let is_of_another = |named: &str| string.account.as_ref().is_some_and(|ours| ours != named);
        match (named, &name) {
            (Some(named), _) if is_of_another(named) => {
                let ours = string.account.unwrap_or_default();
                return Err(AzureError::Other { variable: CONNECTION_STRING, ours, named: named.to_owned() });
            }
            (None, Some(name)) if is_of_another(name) => string = ConnectionString::default(),
            _ => {}
        }
        let endpoint = ENDPOINTS.into_iter().find_map(|name| Some((name, set(name)?)));
        if let (Some((variable, url)), Some(named)) = (&endpoint, named)
            && let Some(ours) = host_account(url).filter(|ours| ours != named)
        {
            return Err(AzureError::Other { variable, ours, named: named.to_owned() });
        }
        let account = match named.map(str::to_owned).or(name).or(string.account) {
            Some(account) => Some(account),
            None => fits(ACCOUNT, "azure_storage_account_name")?,
        };
        let mut access = AzureAccess {
            account,
            is_emulator: string.is_emulator,
            allows_http: string.is_emulator,
            ..AzureAccess::default()
        };
        if endpoint.is_none() {
            access.allows_http |= string.endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
            access.endpoint = string.endpoint;
        }
        if !CREDENTIALS.iter().any(|name| set(name).is_some()) {
            (access.key, access.signature) = (string.key, string.signature);
            let is_set = access.key.is_some() || access.signature.is_some() || access.is_emulator;
            access.by = is_set.then_some(CONNECTION_STRING);
            if !is_set && let Some(key) = fits(KEY, "azure_storage_account_key")? {
                (access.key, access.by) = (Some(key), Some(KEY));
            }
        }
        // else the client prefers the identity of a pod to a signature
        if access.key.is_none() && access.signature.is_some() && set("AZURE_CREDENTIAL_TYPE").is_none() {
            access.kind = Some("sas_token");
        }
        Ok(access)
    }

    /// Returns an error if no account is named. The emulator has a default account.
    ///
    /// # Errors
    /// [`AzureError::NoAccount`]: neither the address nor a variable names an account.
    pub fn with_account(self, is_emulated: bool) -> Result<AzureAccess, AzureError> {
        match self.account.is_some() || self.is_emulator || is_emulated {
            true => Ok(self),
            false => Err(AzureError::NoAccount),
        }
    }

    /// Sets it on a client that has read its own variables.
    pub fn configure(&self, builder: MicrosoftAzureBuilder) -> MicrosoftAzureBuilder {
        use AzureConfigKey as K;
        let emulator = self.is_emulator.then(|| "true".to_owned());
        [
            (K::AccountName, self.account.clone()),
            (K::Endpoint, self.endpoint.clone()),
            (K::AccessKey, self.key.clone()),
            (K::SasKey, self.signature.clone()),
            (K::CredentialType, self.kind.map(str::to_owned)),
            (K::UseEmulator, emulator),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: &str = "DefaultEndpointsProtocol=https;AccountName=acme1;AccountKey=Y2FuYXJ5;\
                          EndpointSuffix=core.windows.net";

    fn resolve(set: &[(&str, &str)], named: Option<&str>) -> Result<AzureAccess, AzureError> {
        let variable =
            |name: &str| set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        AzureAccess::resolve(&variable, named)
    }

    fn with_string(text: &str) -> AzureAccess {
        resolve(&[(CONNECTION_STRING, text)], None).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_connection_string_gives_account_endpoint_and_key() {
        let access = with_string(&format!(" {STRING}\n"));
        assert_eq!(access.account.as_deref(), Some("acme1"));
        assert_eq!(access.endpoint.as_deref(), Some("https://acme1.blob.core.windows.net"));
        assert_eq!((access.key.as_deref(), access.by), (Some("Y2FuYXJ5"), Some(CONNECTION_STRING)));
        assert!(!access.allows_http);
    }

    #[test]
    fn endpoints_are_taken_as_they_are_written() {
        let access = with_string("AccountName=acme1;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/acme1/;");
        assert_eq!(access.endpoint.as_deref(), Some("http://127.0.0.1:1/acme1"));
        assert!(access.allows_http);
        let access = with_string("AccountName=acme1;AccountKey=YQ==;EndpointSuffix=core.chinacloudapi.cn");
        assert_eq!(access.endpoint.as_deref(), Some("https://acme1.blob.core.chinacloudapi.cn"));
        let access = with_string(
            "AccountName=acme1;AccountKey=YQ==;DefaultEndpointsProtocol=http;EndpointSuffix=localhost:10000",
        );
        assert_eq!(access.endpoint.as_deref(), Some("http://acme1.blob.localhost:10000"));
        let access = with_string("accountname=acme1;accountkey=YQ==");
        assert_eq!(access.endpoint, None);
    }

    #[test]
    fn a_signature_needs_no_account_name_if_the_endpoint_has_it() {
        let access =
            with_string("BlobEndpoint=https://acme1.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=c");
        assert_eq!(access.account.as_deref(), Some("acme1"));
        assert_eq!(access.signature.as_deref(), Some("sv=1&sig=c"));
    }

    #[test]
    fn the_emulator_needs_nothing_else() {
        let access = with_string("UseDevelopmentStorage=true");
        assert!(access.is_emulator && access.allows_http);
        assert_eq!(access.account.as_deref(), Some("devstoreaccount1"));
    }

    #[test]
    fn a_malformed_string_is_named_and_not_shown() {
        for text in [
            "c4n4ry",
            "AccountName=acme1",
            "AccountKey=Y2FuYXJ5",
            "AccountName=acme1;AccountKey=c4n4ry!",
            "AccountName=acme1;AccountKey=",
            "AccountName=acme1;AccountName=acme2;AccountKey=YQ==",
            "AccountName=c4n4ry/x;AccountKey=YQ==",
            "AccountName=acme1;AccountKey=YQ==;DefaultEndpointsProtocol=c4n4ry",
            "AccountName=acme1;AccountKey=YQ==;BlobEndpoint=c4n4ry",
            "AccountName=acme1;AccountKey=YQ==;BlobEndpoint=https://c4n4ry/?sig=c4n4ry",
            "AccountName=acme1;AccountKey=YQ==;BlobEndpoint=https://c4n\n4ry",
            "AccountName=acme1;AccountKey=YQ==;EndpointSuffix=c4n4ry ^",
            "AccountName=acme1;AccountKey=YQ==;EndpointSuffix=c4n4ry/x",
            "AccountName=acme1;AccountKey=YQ==;EndpointSuffix=c4n4ry@evil.host",
            "AccountName=acme1;SharedAccessSignature=c4n\n4ry",
            "UseDevelopmentStorage=true;AccountName=c4n4ry/",
        ] {
            let error = resolve(&[(CONNECTION_STRING, text)], None).err().unwrap_or_else(|| panic!("{text}"));
            let error = error.to_string();
            assert!(error.contains(CONNECTION_STRING) && !error.contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn the_name_and_the_key_of_an_account_are_checked_whatever_variable_has_them() {
        let long = "c4n4ry".repeat(11);
        for name in [NAME, ACCOUNT] {
            for value in ["c4n4ry\nx", "c4n4ry x", "c4n4ry\"", "c4n4ry\u{e9}", "c4n4ry.host/", &long[..]] {
                let error = resolve(&[(name, value)], None).err().unwrap_or_else(|| panic!("{value}"));
                let error = error.to_string();
                assert!(error.contains(&format!("{name} ")) && !error.contains("c4n4ry"), "{error}");
            }
            assert!(resolve(&[(name, "acc2-west")], None).is_ok());
        }
        for key in ["c4n4ry!", "YQ\n=="] {
            let error = resolve(&[(KEY, key)], Some("acme1")).err().unwrap().to_string();
            assert!(error.contains(KEY) && !error.contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn without_an_account_the_error_says_what_to_set() {
        let error = resolve(&[], None).unwrap().with_account(false).err().unwrap().to_string();
        assert!(error.contains(ACCOUNT) && error.contains(CONNECTION_STRING), "{error}");
        assert!(error.contains("abfss://container@account"), "{error}");
        assert!(resolve(&[], None).unwrap().with_account(true).is_ok());
        assert!(resolve(&[], Some("acme1")).unwrap().with_account(false).is_ok());
    }

    #[test]
    fn variables_of_the_client_are_stronger_than_the_string_and_it_than_those_of_the_cli() {
        let string = (CONNECTION_STRING, STRING);
        let access = resolve(&[string, ("AZURE_STORAGE_ACCOUNT_KEY", "x")], None).unwrap();
        assert_eq!((access.key, access.by), (None, None));
        let access = resolve(&[string, ("AZURE_STORAGE_ENDPOINT", "https://e")], None).unwrap();
        assert_eq!(access.endpoint, None);
        let access = resolve(&[string, ("AZURE_STORAGE_ACCOUNT", "other"), (KEY, "YQ==")], None).unwrap();
        assert_eq!(access.account.as_deref(), Some("acme1"));
        assert_eq!(access.by, Some(CONNECTION_STRING));
        let access = resolve(&[("AZURE_STORAGE_ACCOUNT", "acme2\n"), (KEY, "YQ==")], None).unwrap();
        assert_eq!((access.account.as_deref(), access.by), (Some("acme2"), Some(KEY)));
        let name = ("AZURE_STORAGE_ACCOUNT_NAME", "acme3");
        assert_eq!(resolve(&[name], None).unwrap().account.as_deref(), Some("acme3"));
        let access = resolve(&[string, name], None).unwrap();
        assert_eq!((access.account.as_deref(), access.endpoint, access.by), (Some("acme3"), None, None));
        assert_eq!(resolve(&[name], Some("acme4")).unwrap().account.as_deref(), Some("acme4"));
    }

    #[test]
    fn a_key_or_an_endpoint_is_not_used_for_another_account() {
        let string = (CONNECTION_STRING, STRING);
        assert!(resolve(&[string], Some("acme1")).is_ok());
        for (set, named) in [
            (&[string][..], "acme2"),
            (&[string, ("AZURE_STORAGE_ACCOUNT_NAME", "acme2")], "acme2"),
            (&[("AZURE_STORAGE_ENDPOINT", "https://acme1.blob.core.windows.net")], "acme2"),
        ] {
            let error = resolve(set, Some(named)).err().unwrap().to_string();
            assert!(error.contains("acme1") && error.contains("acme2") && error.contains("unset"), "{error}");
        }
        assert!(resolve(&[("AZURE_STORAGE_ENDPOINT", "https://proxy.example")], Some("acme2")).is_ok());
    }
}
