//! Where a tool finds the images of an output.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::job::Frozen;
use crate::store::{ObjectUri, Uri};

use super::tool::ReviewTool;

/// What a path in an address does not need to encode.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Label Studio's address of a file below its `LOCAL_FILES_DOCUMENT_ROOT`.
const LOCAL_FILES: &str = "/data/local-files/?d=";

/// Turns keys of an output into addresses of images.
#[derive(Debug)]
pub(crate) struct ImageAddresses {
    /// What comes before a key.
    base: String,
    /// Whether the key is part of a URL.
    encoded: bool,
    /// Folders of other stores below which a key may be an address itself.
    roots: Vec<ObjectUri>,
    tool: ReviewTool,
}

impl ImageAddresses {
    /// For the images of a job; `root` replaces the folder of its input.
    ///
    /// # Errors
    /// Why a tool finds no images there, and what to give.
    pub fn of(frozen: &Frozen, tool: ReviewTool, root: Option<&str>) -> Result<ImageAddresses, String> {
        let roots = frozen.roots();
        if let Some(root) = root {
            let encoded = ["http://", "https://"].iter().any(|scheme| root.starts_with(scheme));
            let encoded = encoded || root.contains("?d=");
            return Ok(ImageAddresses { base: with_slash(root), encoded, roots, tool });
        }
        let format = frozen.components.get("input.format").and_then(|format| format.as_str());
        if let Some(format @ ("webdataset" | "parquet")) = format {
            return Err(format!(
                "images in an input of `input.format = \"{format}\"` have no addresses; unpack them, each at its key, \
                 and give the folder as --image-root"
            ));
        }
        let input = Uri::parse(&frozen.input).map_err(|error| error.to_string())?;
        let (base, encoded) = match (&input, tool) {
            (Uri::Local(folder), ReviewTool::FiftyOne) => (folder.display().to_string(), false),
            (Uri::Local(folder), ReviewTool::LabelStudio) => {
                let folder = folder.display().to_string();
                let below = utf8_percent_encode(folder.trim_start_matches('/'), PATH);
                (format!("{LOCAL_FILES}{below}"), true)
            }
            (Uri::Remote { scheme: "s3" | "gs", .. }, ReviewTool::LabelStudio) => (input.to_string(), false),
            (Uri::Remote { .. }, ReviewTool::FiftyOne) => {
                return Err(format!(
                    "FiftyOne opens images on local disk, and those of the job are at `{input}`; give the folder of a \
                     copy as --image-root"
                ));
            }
            (Uri::Remote { .. }, ReviewTool::LabelStudio) => {
                return Err(format!(
                    "Label Studio has another form of the address `{input}`; give it as --image-root, such as \
                     `azure-blob://CONTAINER/PREFIX`"
                ));
            }
        };
        Ok(ImageAddresses { base: with_slash(&base), encoded, roots, tool })
    }

    /// The address of the image of a key.
    ///
    /// # Errors
    /// It has none for the tool.
    pub fn address(&self, key: &str) -> Result<String, String> {
        let address = ObjectUri::parse(key).ok();
        let below = |address: &ObjectUri| self.roots.iter().any(|root| address.below(root).is_some());
        if let Some(address) = address.filter(below) {
            return match self.tool {
                ReviewTool::LabelStudio => Ok(address.to_string()),
                ReviewTool::FiftyOne => Err("FiftyOne opens images on local disk alone".into()),
            };
        }
        Ok(match self.encoded {
            true => format!("{}{}", self.base, utf8_percent_encode(key, PATH)),
            false => format!("{}{key}", self.base),
        })
    }
}

/// A folder to which keys are appended.
fn with_slash(folder: &str) -> String {
    match folder.ends_with(['/', '=']) {
        true => folder.to_owned(),
        false => format!("{folder}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(base: &str, encoded: bool, tool: ReviewTool) -> ImageAddresses {
        let roots = vec![ObjectUri::folder("https://host/a").unwrap()];
        ImageAddresses { base: with_slash(base), encoded, roots, tool }
    }

    #[test]
    fn keys_are_encoded_in_a_url_and_as_they_are_in_a_path() {
        let url = addresses("/data/local-files/?d=", true, ReviewTool::LabelStudio);
        assert_eq!(url.address("a b/c&d#e.jpg").unwrap(), "/data/local-files/?d=a%20b/c%26d%23e.jpg");
        let path = addresses("/images", false, ReviewTool::FiftyOne);
        assert_eq!(path.address("a b/c&d#e.jpg").unwrap(), "/images/a b/c&d#e.jpg");
    }

    #[test]
    fn a_key_that_is_an_address_stays_one_below_the_roots_of_the_job_alone() {
        let tool = addresses("s3://bucket/x", false, ReviewTool::LabelStudio);
        assert_eq!(tool.address("https://host/a/b.jpg").unwrap(), "https://host/a/b.jpg");
        assert_eq!(tool.address("https://elsewhere/b.jpg").unwrap(), "s3://bucket/x/https://elsewhere/b.jpg");
        assert!(addresses("/x", false, ReviewTool::FiftyOne).address("https://host/a/b.jpg").is_err());
    }
}
