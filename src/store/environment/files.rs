//! Files that variables name. They are looked at before a client opens them: a FIFO would hang it, and a device never
//! ends.

use std::path::Path;

use crate::regular_file::{self, NotRegular};

use super::check::{Wrong, check, is_plain_http};

/// Files of profiles, which `/dev/null` switches off.
const PROFILES: [&str; 2] = ["aws_config_file", "aws_shared_credentials_file"];

/// Files of tokens and service accounts.
const CREDENTIALS: [&str; 6] = [
    "aws_web_identity_token_file",
    "aws_container_authorization_token_file",
    "google_service_account",
    "google_service_account_path",
    "google_application_credentials",
    "azure_federated_token_file",
];

/// The document of a service account itself.
const DOCUMENT: &str = "google_service_account_key";

/// Variables from which the client takes the address of the store, unless another names it.
pub(super) const SERVICE_ACCOUNTS: [&str; 3] =
    ["google_service_account", "google_service_account_path", DOCUMENT];

/// Files beyond this are not read.
const LARGEST: u64 = 4 << 20;

/// Looks at the file that the variable `key` names, if it names one. A file that is not there, or that may not be read,
/// is left to the client.
pub(super) fn check_file(key: &str, value: &str) -> Result<(), Wrong> {
    let is_switched_off = PROFILES.contains(&key) && value == "/dev/null";
    if is_switched_off || !(PROFILES.contains(&key) || CREDENTIALS.contains(&key)) {
        return Ok(());
    }
    match regular_file::open(Path::new(value)) {
        Ok(file) if file.metadata().is_ok_and(|found| found.len() > LARGEST) => {
            Err(Wrong::File(format!("it is larger than {LARGEST} bytes")))
        }
        Err(error) if NotRegular::is_cause_of(&error) => Err(Wrong::File(error.to_string())),
        _ => Ok(()),
    }
}

/// Checks the address of the store in the document of a service account; `allow` is the variable that allows plain
/// HTTP, if that is not allowed. A document that cannot be read is left to the client.
pub(super) fn check_base_url(key: &str, value: &str, allow: Option<String>) -> Result<(), Wrong> {
    let Some(address) = base_url(key, value) else { return Ok(()) };
    let wrong = match (check("google_base_url", &address), allow) {
        (Err(wrong), _) => wrong,
        (Ok(()), Some(allow)) if is_plain_http(&address) => Wrong::PlainHttp(allow),
        _ => return Ok(()),
    };
    Err(Wrong::BaseUrl(Box::new(wrong)))
}

fn base_url(key: &str, value: &str) -> Option<String> {
    let text = match key {
        DOCUMENT => value.to_owned(),
        _ => regular_file::read_given(Path::new(value), LARGEST).ok()?,
    };
    let document: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(document.get("gcs_base_url")?.as_str()?.to_owned())
}
