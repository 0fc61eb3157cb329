//! Where the images of findings are.

use super::super::stored::{Image, StoredFinding};
use super::addresses::ImageAddresses;

/// Where images are: those of the output, and those of the other one.
#[derive(Debug)]
pub(crate) struct Places {
    pub own: ImageAddresses,
    pub other: Option<ImageAddresses>,
}

impl Places {
    /// The address of the first image of a finding.
    ///
    /// # Errors
    /// Why the key has no address that the review tool can open.
    pub fn image(&self, finding: &StoredFinding) -> Result<String, String> {
        self.own.address(&finding.image.key)
    }

    /// The other image of a finding with its address.
    ///
    /// # Errors
    /// The finding is of two outputs and the other one is not given; or why the key has no address.
    pub fn other<'a>(&self, finding: &'a StoredFinding) -> Result<Option<(&'a Image, String)>, String> {
        let Some(other) = &finding.other else { return Ok(None) };
        let of = match finding.kind.is_between() {
            true => self.other.as_ref().ok_or("it is an image of another output")?,
            false => &self.own,
        };
        Ok(Some((other, of.address(&other.key)?)))
    }
}
