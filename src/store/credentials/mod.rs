//! Credentials for S3: from the variables, or from the AWS chain through a cache.
//!
//! Keys in the environment never start the chain. Nothing here prints a key: an error names its source.

mod cache;
mod chain;
mod error;
mod http;
mod profile;
mod region;
mod shared;
#[cfg(test)]
mod tests;
mod text;
mod variables;

pub(super) use cache::Credentials;
#[cfg(test)]
pub(super) use cache::{Answer, Source};
pub(super) use error::CredentialError;
pub(super) use profile::Profile;
pub(super) use shared::Shared;
pub(super) use variables::Variables;
