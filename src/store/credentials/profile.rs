//! A profile of `~/.aws/config` and `~/.aws/credentials`: where its credentials come from, and region and endpoint of
//! S3. aws-config reads the files and returns the credentials; this module names their source beforehand.

use std::fmt;

use aws_config::profile::{Profile as Section, ProfileSet};
use aws_runtime::env_config::EnvConfigValue;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use futures::FutureExt;

use super::text::text_of;
use super::variables::{Group, Variables};

/// The profile that is taken if no other is named.
const DEFAULT: &str = "default";

/// Profiles that may follow one another by `source_profile`.
const LONGEST_CHAIN: usize = 32;

/// Where the first credentials of a profile come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// Keys in the file.
    Keys,
    /// A command.
    Process,
    /// IAM Identity Center, by the login that is cached.
    Sso,
    /// A token in a file.
    WebIdentity,
    /// What `credential_source` names.
    Named(String),
}

/// Where the credentials of a profile come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The profile that is asked for.
    pub profile: String,
    /// The profile that has the first credentials.
    pub source: String,
    pub base: Base,
    /// The roles that are assumed, from the first to the last.
    pub roles: Vec<String>,
    /// A role asks for a code that a person types.
    pub wants_code: bool,
}

impl Origin {
    /// The variables that it needs beside the profile's.
    pub fn group(&self) -> Option<Group> {
        match &self.base {
            Base::Named(name) if name.eq_ignore_ascii_case("EcsContainer") => Some(Group::Container),
            Base::Named(name) if name.eq_ignore_ascii_case("Ec2InstanceMetadata") => Some(Group::Instance),
            _ => None,
        }
    }

    /// What to do if it does not give credentials.
    pub fn advice(&self) -> String {
        let Origin { profile, source, .. } = self;
        match &self.base {
            _ if self.wants_code => format!(
                "no code can be typed for the `mfa_serial` of the profile `{profile}`: run `eval \"$(aws configure \
                 export-credentials --profile {profile} --format env)\"`"
            ),
            Base::Sso => format!("run `aws sso login --profile {source}`"),
            Base::Process => {
                format!("run the `credential_process` of the profile `{source}` by hand and see why")
            }
            _ => format!("look at the profile `{profile}`"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match &self.base {
            Base::Keys => "keys in the file",
            Base::Process => "credential_process",
            Base::Sso => "SSO",
            Base::WebIdentity => "web identity",
            Base::Named(name) => name,
        };
        write!(f, "the profile `{}` ({base}", self.profile)?;
        if self.source != self.profile {
            write!(f, " of the profile `{}`", self.source)?;
        }
        for role in &self.roles {
            write!(f, ", role {role}")?;
        }
        f.write_str(")")
    }
}

/// One profile, as far as it matters to S3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Profile {
    /// Its name.
    pub name: String,
    /// It is in one of the files.
    pub exists: bool,
    pub(super) origin: Option<Origin>,
    /// Why it has no origin, though it tries to name one.
    pub(super) fault: Option<String>,
    /// The region of its requests.
    pub region: Option<String>,
    /// S3's endpoint.
    pub endpoint: Option<String>,
    /// Where the instance metadata service is.
    pub instance_endpoint: Option<String>,
}

impl Profile {
    /// Reads the profile that the variables name, or the default one.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn read(variables: &Variables, files: &Fs) -> Result<Profile, String> {
        let name = variables.profile().unwrap_or(DEFAULT).to_owned();
        let env = variables.of_profiles();
        let of_home = EnvConfigFiles::default();
        let read = aws_config::profile::load(files, &env, &of_home, Some(name.clone().into()));
        // it reads files and waits for nothing
        let Some(read) = read.now_or_never() else {
            return Err("the profiles cannot be read".to_owned());
        };
        let set = read.map_err(|error| format!("the AWS profiles cannot be read: {}", text_of(&error)))?;
        Ok(Profile::of(&set, name, variables.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
    }

    fn of(set: &ProfileSet, name: String, ignores_endpoints: bool) -> Profile {
        let Some(section) = set.get_profile(&name) else { return Profile { name, ..Profile::default() } };
        let (origin, fault) = match origin(set, section) {
            Ok(origin) => (origin, None),
            Err(fault) => (None, Some(fault)),
        };
        let get = |key: &str| section.get(key).map(str::trim).filter(|value| !value.is_empty());
        let ignores_endpoints = ignores_endpoints || get("ignore_configured_endpoint_urls") == Some("true");
        let endpoint = || {
            let value = EnvConfigValue::new().profile("endpoint_url").service_id("s3");
            let (endpoint, _) = value.load(NOTHING.get_or_init(|| Env::from_slice(&[])), Some(set))?;
            Some(endpoint.trim().to_owned())
        };
        Profile {
            exists: true,
            origin,
            fault,
            region: get("region").map(str::to_owned),
            endpoint: if ignores_endpoints { None } else { endpoint() },
            instance_endpoint: get("ec2_metadata_service_endpoint").map(str::to_owned),
            name,
        }
    }
}

static NOTHING: std::sync::OnceLock<Env> = std::sync::OnceLock::new();

/// Follows a profile to its first credentials, in the order in which aws-config looks. `None` if it names none.
fn origin(set: &ProfileSet, first: &Section) -> Result<Option<Origin>, String> {
    let (mut section, mut seen, mut roles) = (first, vec![first.name()], Vec::new());
    let mut wants_code = false;
    let base = loop {
        let is_first = seen.len() == 1;
        if !is_first && has_keys(section) {
            break Some(Base::Keys);
        }
        let Some(role) = section.get("role_arn").filter(|_| section.get("web_identity_token_file").is_none())
        else {
            break base(set, section)?;
        };
        roles.push(role.to_owned());
        wants_code |= section.get("mfa_serial").is_some();
        let name = section.name();
        match (section.get("source_profile"), section.get("credential_source")) {
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the profile `{name}` has both `source_profile` and `credential_source`"
                ));
            }
            (None, None) => {
                return Err(format!(
                    "the profile `{name}` has a `role_arn` and neither `source_profile` nor `credential_source`"
                ));
            }
            (None, Some(_)) => break base(set, section)?,
            (Some(next), None) if next == name => break base(set, section)?,
            (Some(next), None) => {
                if seen.contains(&next) || seen.len() > LONGEST_CHAIN {
                    return Err(format!(
                        "the `source_profile` of the profile `{name}` leads back to `{next}`"
                    ));
                }
                section = set
                    .get_profile(next)
                    .ok_or_else(|| format!("the profile `{name}` names `{next}`, which is in no file"))?;
                seen.push(section.name());
            }
        }
    };
    let Some(base) = base else {
        return match roles.is_empty() {
            true => Ok(None),
            false => {
                Err(format!("the profile `{}` has no credentials to assume a role with", section.name()))
            }
        };
    };
    roles.reverse();
    let (profile, source) = (first.name().to_owned(), section.name().to_owned());
    Ok(Some(Origin { profile, source, base, roles, wants_code }))
}

fn has_keys(section: &Section) -> bool {
    section.get("aws_access_key_id").is_some() && section.get("aws_secret_access_key").is_some()
}

fn base(set: &ProfileSet, section: &Section) -> Result<Option<Base>, String> {
    let (name, has) = (section.name(), |key: &str| section.get(key).is_some());
    if let Some(source) = section.get("credential_source") {
        return Ok(Some(Base::Named(source.to_owned())));
    }
    if has("web_identity_token_file") {
        return match has("role_arn") {
            true => Ok(Some(Base::WebIdentity)),
            false => Err(format!("the profile `{name}` has a `web_identity_token_file` and no `role_arn`")),
        };
    }
    if ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"].into_iter().any(has) {
        return sso(set, section).map(Some);
    }
    if has("login_session") {
        return Err(format!(
            "the profile `{name}` is one of `aws login`, which is not read; give another profile \
             `credential_process = aws configure export-credentials --profile {name} --format process`"
        ));
    }
    if has("credential_process") {
        return Ok(Some(Base::Process));
    }
    match (has("aws_access_key_id"), has("aws_secret_access_key")) {
        (true, true) => Ok(Some(Base::Keys)),
        (true, false) => Err(format!("the profile `{name}` has no `aws_secret_access_key`")),
        (false, true) => Err(format!("the profile `{name}` has no `aws_access_key_id`")),
        (false, false) => Ok(None),
    }
}

/// A login needs an account, a role, and the portal of its session or its own.
fn sso(set: &ProfileSet, section: &Section) -> Result<Base, String> {
    let name = section.name();
    let (portal, region) = match section.get("sso_session") {
        None => (section.get("sso_start_url"), section.get("sso_region")),
        Some(session) => match set.sso_session(session) {
            Some(session) => (session.get("sso_start_url"), session.get("sso_region")),
            None => {
                return Err(format!(
                    "the profile `{name}` names `[sso-session {session}]`, which is in no file"
                ));
            }
        },
    };
    let needed = [
        ("sso_start_url", portal),
        ("sso_region", region),
        ("sso_account_id", section.get("sso_account_id")),
        ("sso_role_name", section.get("sso_role_name")),
    ];
    match needed.iter().find(|(_, value)| value.is_none()) {
        Some((key, _)) => Err(format!("the profile `{name}` has no `{key}` for its login")),
        None => Ok(Base::Sso),
    }
}
