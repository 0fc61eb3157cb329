//! A truth file, read and looked up by the name of an image.

use sha2::{Digest, Sha256};

use crate::dataset::DatasetError;
use crate::sample::Target;
use crate::store::{Location, Role, Settings};

use super::conventions::{self, Convention};
use super::image_number::number;

/// No truth file is anywhere near as long.
const LONGEST: u64 = 16 << 20;

/// The content of a truth file.
#[derive(Debug, Clone)]
pub struct ValidationTruth {
    uri: String,
    sha256: String,
    convention: Convention,
    /// By an image's number, less one.
    targets: Vec<Option<Target>>,
}

impl ValidationTruth {
    /// Reads a truth file, a local path or an address of a store, and detects its convention from its content.
    ///
    /// # Errors
    /// If the file does not exist, fits no convention or two of them, or contradicts itself.
    pub async fn open(address: &str, settings: Settings) -> Result<ValidationTruth, DatasetError> {
        let (folder, name) = match address.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(parts) => parts,
            None => (".", address),
        };
        let location = Location::open_with(folder, Role::Input, settings)?;
        let uri = format!("{}/{name}", location.uri().trim_end_matches('/'));
        let wrong = |why: String| DatasetError::Truth { uri: uri.clone(), why };
        match location.size(name).await? {
            None => return Err(DatasetError::NoTruth { uri }),
            Some(size) if size > LONGEST => {
                return Err(wrong(format!("{size} bytes are more than any truth file has ({LONGEST})")));
            }
            Some(_) => {}
        }
        let Some(bytes) = location.read(name).await? else { return Err(DatasetError::NoTruth { uri }) };
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let (convention, targets) = conventions::read(&bytes).map_err(wrong)?;
        Ok(ValidationTruth { uri, sha256, convention, targets })
    }

    /// Returns its address.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Hash of its bytes.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How it is written.
    pub fn convention(&self) -> Convention {
        self.convention
    }

    /// Images that have a target in it.
    pub fn images(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    /// The target of an image, by its name or path.
    pub fn target(&self, path: &str) -> Option<Target> {
        self.targets.get(number(path)? - 1)?.clone()
    }

    /// Returns the error of a file that holds another kind of truth than the job requests.
    pub fn not_for(&self, targets: &str) -> DatasetError {
        let convention = self.convention;
        DatasetError::Truth {
            uri: self.uri.clone(),
            why: format!(
                "it is {}, which goes with `input.targets = \"{}\"`, not \"{targets}\"",
                convention.described(),
                convention.goes_with()
            ),
        }
    }
}
