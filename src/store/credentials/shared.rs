//! One chain a process, whatever number of stores it opens: a person's command is not run, and no role assumed, for
//! each of them.

use std::sync::{Arc, Mutex, PoisonError};

use aws_types::os_shim_internal::Fs;

use super::cache::Credentials;
use super::chain::{Chain, Link, links};
use super::profile::Profile;
use super::region;
use super::variables::Variables;

/// The chain of a process, and the profile that was read for it.
#[derive(Debug, Clone)]
pub(in crate::store) struct Shared {
    /// What it was read for.
    read_for: Variables,
    profile: Result<Profile, String>,
    /// The variables, with what the profile adds to them.
    variables: Variables,
    /// The region from instance metadata, once it was requested.
    region: Arc<Mutex<Option<Option<String>>>>,
    chain: Arc<Mutex<Option<Arc<Credentials>>>>,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

impl Shared {
    /// Takes what this process has read for the same variables, or reads it.
    pub fn of(variables: &Variables) -> Shared {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shared {
            Some(known) if known.read_for == *variables => known.clone(),
            _ => shared.insert(Shared::read(variables)).clone(),
        }
    }

    fn read(read_for: &Variables) -> Shared {
        let (read_for, mut variables) = (read_for.clone(), read_for.clone());
        let profile = Profile::read(&variables, &Fs::real());
        if let Ok(Profile { instance_endpoint: Some(endpoint), .. }) = &profile
            && variables.instance_endpoint().is_none()
        {
            variables.set(super::variables::INSTANCE_ENDPOINT, endpoint);
        }
        Shared { read_for, profile, variables, region: Arc::default(), chain: Arc::default() }
    }

    /// The profile, which need not exist.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn profile(&self) -> Result<&Profile, String> {
        self.profile.as_ref().map_err(String::clone)
    }

    /// True if nothing but instance metadata can give credentials.
    ///
    /// # Errors
    /// As [`Shared::credentials`].
    pub fn is_left_to_the_machine(&self) -> Result<bool, String> {
        let (links, _) = links(&self.variables, self.profile()?)?;
        Ok(links == [Link::Instance])
    }

    /// The region that instance metadata names.
    pub fn region_of_instance(&self) -> Option<String> {
        let mut region = self.region.lock().unwrap_or_else(PoisonError::into_inner);
        region.get_or_insert_with(|| region::of_instance(&self.variables)).clone()
    }

    /// The credentials of the chain; the first call decides the region of requests to AWS's other services.
    ///
    /// # Errors
    /// If the profile is in no file, or contradicts itself, or the files cannot be read.
    pub fn credentials(&self, region: &str) -> Result<Arc<Credentials>, String> {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*chain {
            return Ok(known.clone());
        }
        let source = Chain::new(self.variables.clone(), Fs::real(), self.profile()?, region)?;
        Ok(chain.insert(Arc::new(Credentials::new(source))).clone())
    }
}
