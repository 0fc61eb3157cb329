//! The connection string of an Azure storage account.

use url::Url;

use super::azure_address::{account_of, is_account_name};
use super::environment::check::checked;

/// The parts of a connection string that are used.
#[derive(Default)]
pub(super) struct ConnectionString {
    pub account: Option<String>,
    pub key: Option<String>,
    pub signature: Option<String>,
    pub endpoint: Option<String>,
    pub is_emulator: bool,
}

/// The account of an endpoint at Azure.
pub(super) fn host_account(url: &str) -> Option<String> {
    account_of(Url::parse(url).ok()?.host_str()?)
}

impl ConnectionString {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, without any of its text.
    pub fn parse(text: &str) -> Result<ConnectionString, &'static str> {
        let mut parts = ConnectionString::default();
        let (mut protocol, mut suffix) = (None, None);
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("a part of it is not `Name=value`")?;
            let value = value.trim();
            let field = match name.trim().to_ascii_lowercase().as_str() {
                "accountname" => &mut parts.account,
                "accountkey" => &mut parts.key,
                "sharedaccesssignature" => &mut parts.signature,
                "blobendpoint" => &mut parts.endpoint,
                "defaultendpointsprotocol" => &mut protocol,
                "endpointsuffix" => &mut suffix,
                "usedevelopmentstorage" => {
                    parts.is_emulator = value.eq_ignore_ascii_case("true");
                    continue;
                }
                // endpoints of queues, tables and files
                _ => continue,
            };
            if value.is_empty() {
                return Err("one of its values is empty");
            }
            if value.chars().any(char::is_control) {
                return Err("one of its values has a control character inside, such as a newline");
            }
            if field.replace(value.to_owned()).is_some() {
                return Err("a name is in it twice");
            }
        }
        if parts.is_emulator {
            parts.account.get_or_insert("devstoreaccount1".to_owned());
        }
        parts.check()?;
        parts.finish(protocol.as_deref(), suffix.as_deref())
    }

    /// Checks the values as those of the client's own variables are.
    fn check(&mut self) -> Result<(), &'static str> {
        if self.key.as_ref().is_some_and(|key| checked("azure_storage_account_key", key).is_err()) {
            return Err("AccountKey is no base64");
        }
        if let Some(endpoint) = &mut self.endpoint {
            if checked("azure_storage_endpoint", endpoint).is_err() {
                return Err("BlobEndpoint is no http:// or https:// address of a host, or it has a query");
            }
            endpoint.truncate(endpoint.trim_end_matches('/').len());
            if self.account.is_none() {
                self.account = host_account(endpoint);
            }
        }
        match &self.account {
            None => Err("it names no account: AccountName is missing"),
            Some(account) if !is_account_name(account) => Err("AccountName is no name of an account"),
            Some(_) => Ok(()),
        }
    }

    fn finish(
        mut self,
        protocol: Option<&str>,
        suffix: Option<&str>,
    ) -> Result<ConnectionString, &'static str> {
        if !protocol.is_none_or(|protocol| matches!(protocol, "http" | "https")) {
            return Err("DefaultEndpointsProtocol is neither http nor https");
        }
        if !suffix.is_none_or(is_host) {
            return Err("EndpointSuffix is no name of a host");
        }
        if self.is_emulator {
            return Ok(self);
        }
        if self.key.is_none() && self.signature.is_none() {
            return Err("AccountKey and SharedAccessSignature are missing");
        }
        if self.endpoint.is_none() && (protocol.is_some() || suffix.is_some()) {
            let (protocol, suffix) = (protocol.unwrap_or("https"), suffix.unwrap_or("core.windows.net"));
            self.endpoint =
                self.account.as_ref().map(|account| format!("{protocol}://{account}.blob.{suffix}"));
        }
        Ok(self)
    }
}

/// A host's name, with a port if it has one: the emulator's `localhost:10000`.
fn is_host(name: &str) -> bool {
    let (name, port) = name.split_once(':').map_or((name, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 200 && name.split('.').all(is_label)
}
