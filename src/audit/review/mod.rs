//! Findings in the forms of tools in which people review them.
//!
//! Each tool opens the images where they are, so nothing is copied. A file is made in memory; the caller bounds the number
//! of findings.

mod about;
mod addresses;
mod choices;
mod fiftyone;
mod label_studio;
mod places;
mod tool;

pub(crate) use addresses::ImageAddresses;
pub(crate) use choices::Choices;
pub(crate) use places::Places;
pub(crate) use tool::ReviewTool;

use super::stored::StoredFinding;

/// A file of a review.
#[derive(Debug)]
pub(crate) struct ReviewFile {
    /// Its name without the ending.
    pub stem: &'static str,
    pub ending: &'static str,
    pub bytes: Vec<u8>,
}

impl ReviewTool {
    /// Names and endings of the files, in the order in which they are made.
    pub fn names(self) -> &'static [(&'static str, &'static str)] {
        match self {
            ReviewTool::FiftyOne => &[("data", "json"), ("labels", "json")],
            ReviewTool::LabelStudio => {
                &[("images", "xml"), ("images", "json"), ("pairs", "xml"), ("pairs", "json")]
            }
        }
    }

    /// Makes the files, also if there are no findings.
    ///
    /// # Errors
    /// Why the image of a key has no address, with the key.
    pub fn files(
        self,
        findings: &[StoredFinding],
        places: &Places,
        choices: &Choices,
    ) -> Result<Vec<ReviewFile>, String> {
        let texts = match self {
            ReviewTool::FiftyOne => fiftyone::files(findings, places, choices)?.to_vec(),
            ReviewTool::LabelStudio => label_studio::files(findings, places, choices)?.to_vec(),
        };
        let file = |(&(stem, ending), text): (&(&'static str, &'static str), String)| ReviewFile {
            stem,
            ending,
            bytes: text.into_bytes(),
        };
        Ok(self.names().iter().zip(texts).map(file).collect())
    }
}
