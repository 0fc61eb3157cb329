//! What the value of a variable may look like.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use crate::store::azure_address::is_account_name;

/// Where a store is; the later one counts.
pub(super) const ENDPOINTS: [&str; 6] = [
    "aws_endpoint",
    "aws_endpoint_url",
    "aws_endpoint_url_s3",
    "google_base_url",
    "azure_endpoint",
    "azure_storage_endpoint",
];

/// Where credentials come from; these may be plain `http` on the machine's own network.
const SERVICES: [&str; 11] = [
    "aws_endpoint_url_sts",
    "aws_endpoint_url_sso",
    "aws_endpoint_url_sso_oidc",
    "aws_ec2_metadata_service_endpoint",
    "aws_metadata_endpoint",
    "aws_container_credentials_full_uri",
    "azure_msi_endpoint",
    "azure_identity_endpoint",
    "azure_authority_host",
    "azure_storage_authority_host",
    "azure_fabric_token_service_url",
];

const FLAGS: [&str; 16] = [
    "aws_ec2_metadata_disabled",
    "aws_imdsv1_fallback",
    "aws_virtual_hosted_style_request",
    "aws_s3_express",
    "aws_unsigned_payload",
    "aws_skip_signature",
    "aws_disable_tagging",
    "aws_disable_bulk_delete",
    "aws_sse_bucket_key_enabled",
    "google_skip_signature",
    "azure_storage_use_emulator",
    "azure_use_emulator",
    "azure_use_fabric_endpoint",
    "azure_use_azure_cli",
    "azure_skip_signature",
    "azure_disable_tagging",
];

/// Parts of a host's name.
const NAMES: [&str; 2] = ["aws_region", "aws_default_region"];

/// Keys of an Azure account.
const KEYS: [&str; 3] = ["azure_storage_account_key", "azure_storage_access_key", "azure_storage_master_key"];

/// One of a few words. The client would quote another.
const CHOICES: [(&str, &[&str]); 5] = [
    ("aws_checksum_algorithm", &["sha256", "crc64nvme"]),
    ("aws_conditional_put", &["etag", "disabled"]),
    (
        "aws_copy_if_not_exists",
        &["multipart", "header: NAME: VALUE", "header-with-status: NAME: VALUE: STATUS"],
    ),
    ("aws_server_side_encryption", &["AES256", "aws:kms", "aws:kms:dsse", "sse-c"]),
    (
        "azure_credential_type",
        &[
            "auto",
            "bearer_token",
            "access_key",
            "client_secret",
            "workload_identity",
            "sas_token",
            "azure_cli",
            "managed_identity",
        ],
    ),
];

/// These go into a header or a URL as they are.
const WORDS: [&str; 13] = [
    "aws_access_key_id",
    "aws_session_token",
    "aws_token",
    "aws_role_arn",
    "aws_sse_kms_key_id",
    "aws_container_credentials_relative_uri",
    "google_bearer_token",
    "azure_storage_token",
    "azure_client_id",
    "azure_storage_client_id",
    "azure_tenant_id",
    "azure_storage_tenant_id",
    "azure_fabric_session_token",
];

/// Text of several lines.
const DOCUMENTS: [&str; 1] = ["google_service_account_key"];

/// Why a value cannot be used: words that follow the variable's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Encoding,
    Control,
    Space,
    Surrounded,
    Name,
    Flag,
    Scheme,
    Query,
    Account,
    Base64,
    /// What it may be.
    Choice(&'static [&'static str]),
    /// The variable that allows it.
    PlainHttp(String),
    /// What the file is that it names.
    File(String),
    /// What is wrong with the address in the document of a service account.
    BaseUrl(Box<Wrong>),
    /// The variable that belongs to it and is not set.
    Alone(&'static str),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Encoding => f.write_str("is not UTF-8"),
            Wrong::Control => f.write_str("has a control character inside, such as a newline"),
            Wrong::Space => f.write_str("has a space inside or a character that is not ASCII"),
            Wrong::Surrounded => {
                f.write_str("begins or ends with white space; the client takes it as it is, so remove that")
            }
            Wrong::Name => f.write_str("has other characters than letters, digits, - _ ."),
            Wrong::Flag => f.write_str("is neither true nor false"),
            Wrong::Scheme => f.write_str("is no address with http:// or https:// and a host"),
            Wrong::Query => f.write_str("has a query or fragment (? or #), which an endpoint must not have"),
            Wrong::Account => {
                f.write_str("is no name of an account: letters, digits and -, 64 of them at most")
            }
            Wrong::Base64 => f.write_str("is no base64; copy it again from the access keys of the account"),
            Wrong::Choice(words) => write!(f, "is none of {}", words.join(", ")),
            Wrong::File(what) => {
                write!(f, "names a path that is not read: {what}; name a small regular file")
            }
            Wrong::BaseUrl(wrong) => write!(f, "leads to a service account whose `gcs_base_url` {wrong}"),
            Wrong::Alone(other) => write!(f, "is set without {other}; set both or neither"),
            Wrong::PlainHttp(allow) => write!(
                f,
                "is an http address, and requests without encryption are off; set {allow}=true or take an https address"
            ),
        }
    }
}

/// The value of a flag, spelled as the client allows it.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Some(true),
        "0" | "false" | "off" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// True for an address that is not encrypted.
pub(super) fn is_plain_http(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| url.scheme() == "http")
}

/// True for an address on this machine.
pub(super) fn is_loopback(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// Checks the trimmed value of the variable that the client calls `key`.
pub(super) fn check(key: &str, value: &str) -> Result<(), Wrong> {
    if DOCUMENTS.contains(&key) {
        return Ok(());
    }
    if value.chars().any(char::is_control) {
        return Err(Wrong::Control);
    }
    let is_word = value.bytes().all(|byte| byte.is_ascii_graphic());
    match key {
        "aws_request_payer" if value.eq_ignore_ascii_case("requester") => Ok(()),
        "aws_request_payer" => flag(value).map(drop).ok_or(Wrong::Flag),
        _ if ENDPOINTS.contains(&key) => {
            // a bucket is put after it
            let has_query = value.contains(['?', '#']);
            address(value, &["http", "https"])?;
            if has_query { Err(Wrong::Query) } else { Ok(()) }
        }
        _ if SERVICES.contains(&key) => address(value, &["http", "https"]),
        _ if FLAGS.contains(&key) => flag(value).map(drop).ok_or(Wrong::Flag),
        _ if NAMES.contains(&key) && !is_name(value) => Err(Wrong::Name),
        "azure_storage_account_name" if !is_account_name(value) => Err(Wrong::Account),
        _ if KEYS.contains(&key) && BASE64_STANDARD.decode(value).is_err() => Err(Wrong::Base64),
        _ if WORDS.contains(&key) && !is_word => Err(Wrong::Space),
        _ => match CHOICES.iter().find(|(name, _)| *name == key) {
            Some((_, words)) if !is_choice(key, words, value) => Err(Wrong::Choice(words)),
            _ => Ok(()),
        },
    }
}

/// As the client reads it.
fn is_choice(key: &str, words: &[&str], value: &str) -> bool {
    let value = value.trim();
    match key {
        "aws_checksum_algorithm" => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        "aws_copy_if_not_exists" => {
            let parts: Vec<&str> = value.split(':').map(str::trim).collect();
            match parts[..] {
                ["multipart"] | ["header", _, _, ..] => true,
                ["header-with-status", _, _, status] => {
                    status.len() == 3 && status.parse::<u16>().is_ok_and(|status| status >= 100)
                }
                _ => false,
            }
        }
        _ => words.contains(&value),
    }
}

/// Checks a value that the client reads for itself.
pub(super) fn as_it_is(value: Option<&str>) -> Result<(), Wrong> {
    let value = value.ok_or(Wrong::Encoding)?;
    if value.trim() != value {
        return Err(Wrong::Surrounded);
    }
    if value.chars().any(char::is_control) {
        return Err(Wrong::Control);
    }
    Ok(())
}

fn is_name(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn address(value: &str, schemes: &[&str]) -> Result<(), Wrong> {
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::Space);
    }
    // `Url` would encode these, the client does not
    if value.contains(['<', '>', '"', '{', '}', '|', '\\', '^', '`']) {
        return Err(Wrong::Scheme);
    }
    // `Url` reads `http:host` as `http://host`, the client does not
    let has_scheme = value
        .split_once("://")
        .is_some_and(|(scheme, _)| schemes.contains(&scheme.to_ascii_lowercase().as_str()));
    match Url::parse(value) {
        Ok(url) if has_scheme && url.has_host() => Ok(()),
        _ => Err(Wrong::Scheme),
    }
}

/// Checks a value that comes from elsewhere as that of the variable `key`, by its name in lower case.
///
/// # Errors
/// What is wrong: words that follow a name.
pub(in crate::store) fn checked(key: &str, value: &str) -> Result<(), String> {
    check(key, value).map_err(|wrong| wrong.to_string())
}
