//! The variables that the AWS chain gets: those of its credentials, without the endpoint of S3.

use std::collections::{BTreeMap, HashMap};

use aws_types::os_shim_internal::Env;

/// Variables that every source needs.
const OF_ALL: [&str; 10] = [
    "HOME",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
];

/// Variables of a web identity.
const OF_WEB_IDENTITY: [&str; 3] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"];

/// Variables of a container's role.
const OF_CONTAINER: [&str; 4] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Variables of the instance metadata service.
const OF_INSTANCE: [&str; 3] =
    ["AWS_EC2_METADATA_DISABLED", INSTANCE_ENDPOINT, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"];

/// Where the instance metadata service is.
pub(super) const INSTANCE_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// A file without profiles.
const NO_FILE: &str = "/dev/null";

/// A group of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    WebIdentity,
    Container,
    Instance,
}

impl Group {
    fn names(self) -> &'static [&'static str] {
        match self {
            Group::WebIdentity => &OF_WEB_IDENTITY,
            Group::Container => &OF_CONTAINER,
            Group::Instance => &OF_INSTANCE,
        }
    }
}

/// Variables with their values, trimmed and not empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// True for a variable that belongs here.
    pub fn takes(name: &str) -> bool {
        let groups = [Group::WebIdentity, Group::Container, Group::Instance];
        OF_ALL.contains(&name)
            || matches!(name, "AWS_PROFILE" | "AWS_METADATA_ENDPOINT")
            || groups.iter().any(|group| group.names().contains(&name))
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// The value of a variable that is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The profile that is asked for by name.
    pub fn profile(&self) -> Option<&str> {
        self.get("AWS_PROFILE")
    }

    /// True if a switch is on, as all switches of stores are spelled.
    pub fn is_on(&self, name: &str) -> bool {
        let value = self.get(name).map(str::to_ascii_lowercase);
        matches!(value.as_deref(), Some("1" | "true" | "on" | "yes" | "y"))
    }

    /// Returns the address of the instance metadata service, if a variable or a profile sets one.
    /// `AWS_METADATA_ENDPOINT` is `object_store`'s name for it.
    pub fn instance_endpoint(&self) -> Option<&str> {
        self.get(INSTANCE_ENDPOINT).or_else(|| self.get("AWS_METADATA_ENDPOINT"))
    }

    /// The variables for reading profiles.
    pub(super) fn of_profiles(&self) -> Env {
        self.env(&[], |_| ())
    }

    /// The variables with which the profile `name` alone answers, and with it the source that it names, if it does.
    pub(super) fn of_profile(&self, name: &str, named: Option<Group>) -> Env {
        let groups: Vec<Group> = named.into_iter().collect();
        self.env(&groups, |chosen| {
            chosen.insert("AWS_PROFILE".to_owned(), name.to_owned());
        })
    }

    /// The variables with which one group alone answers.
    pub(super) fn of_group(&self, group: Group) -> Env {
        self.env(&[group], |chosen| {
            for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
                chosen.insert(name.to_owned(), NO_FILE.to_owned());
            }
        })
    }

    fn env(&self, groups: &[Group], change: impl Fn(&mut HashMap<String, String>)) -> Env {
        let names = groups.iter().flat_map(|group| group.names()).chain(&OF_ALL);
        let mut chosen: HashMap<String, String> =
            names.filter_map(|name| Some(((*name).to_owned(), self.get(name)?.to_owned()))).collect();
        if !groups.contains(&Group::Instance) {
            chosen.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        } else if let Some(endpoint) = self.instance_endpoint() {
            chosen.insert(INSTANCE_ENDPOINT.to_owned(), endpoint.to_owned());
        }
        change(&mut chosen);
        Env::from(chosen)
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut all = Variables::default();
        for name in [
            "HOME",
            "AWS_PROFILE",
            "AWS_ROLE_ARN",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_METADATA_ENDPOINT",
        ] {
            assert!(Variables::takes(name), "{name}");
            all.set(name, &format!("value of {name}"));
        }
        all
    }

    fn has(env: &Env, name: &str) -> bool {
        env.get(name).is_ok()
    }

    #[test]
    fn the_endpoint_and_the_keys_of_s3_are_none_of_them() {
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ACCESS_KEY_ID", "PATH"] {
            assert!(!Variables::takes(name), "{name}");
        }
    }

    #[test]
    fn a_profile_gets_no_other_source_unless_it_names_one() {
        let alone = variables().of_profile("dev", None);
        assert_eq!(alone.get("AWS_PROFILE").unwrap(), "dev");
        assert_eq!(alone.get("AWS_EC2_METADATA_DISABLED").unwrap(), "true");
        assert!(has(&alone, "HOME") && !has(&alone, "AWS_ROLE_ARN"));
        assert!(!has(&alone, "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
        let named = variables().of_profile("dev", Some(Group::Container));
        assert!(has(&named, "AWS_CONTAINER_CREDENTIALS_FULL_URI") && !has(&named, "AWS_ROLE_ARN"));
    }

    #[test]
    fn a_switch_is_on_in_every_spelling_that_the_check_allows() {
        let is_on = |value: &str| {
            let mut variables = Variables::default();
            variables.set("AWS_EC2_METADATA_DISABLED", value);
            variables.is_on("AWS_EC2_METADATA_DISABLED")
        };
        assert!(["1", "True", "yes", "on"].into_iter().all(is_on));
        assert!(!["0", "false", "no"].into_iter().any(is_on) && !Variables::default().is_on("AWS_X"));
    }

    #[test]
    fn a_group_gets_no_profile() {
        let instance = variables().of_group(Group::Instance);
        assert!(!has(&instance, "AWS_PROFILE") && !has(&instance, "AWS_EC2_METADATA_DISABLED"));
        assert_eq!(instance.get("AWS_CONFIG_FILE").unwrap(), NO_FILE);
        assert_eq!(instance.get(INSTANCE_ENDPOINT).unwrap(), "value of AWS_METADATA_ENDPOINT");
    }
}
