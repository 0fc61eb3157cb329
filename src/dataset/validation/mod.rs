//! Ground truth of the ImageNet validation set that stands in a file of its own, joined by the number in an image's
//! name (`ILSVRC2012_val_00000001.JPEG`) and never by position, so that a subset of the images is scored right.

mod conventions;

use sha2::{Digest, Sha256};

use crate::sample::Target;
use crate::store::{Location, Role, Settings};

use super::DatasetError;

pub use conventions::Convention;

/// Images of the validation set.
const IMAGES: usize = 50_000;
/// What stands in front of an image's number in its name.
const PREFIX: &str = "ILSVRC2012_val_";
/// No truth file is anywhere near as long.
const LONGEST: u64 = 16 << 20;

/// What a truth file says.
#[derive(Debug, Clone)]
pub struct ValidationTruth {
    uri: String,
    sha256: String,
    convention: Convention,
    /// By an image's number, less one.
    targets: Vec<Option<Target>>,
}

impl ValidationTruth {
    /// Reads a truth file, a local path or an address of a store, and tells its convention by its content.
    ///
    /// # Errors
    /// Where it is not there, fits no convention or two of them, or contradicts itself.
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

    /// Where it stands.
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

    /// The error of a file that is of another kind of truth than the job wants.
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

/// The number of a validation image, from 1, by its path: its name begins as the set's names do, whatever the
/// extension, and whatever else stands behind the eight digits.
pub(super) fn number(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let rest = name.strip_prefix(PREFIX)?;
    let digits = rest.get(..8).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ends = rest[8..].chars().next().is_none_or(|next| !next.is_ascii_alphanumeric());
    digits.parse().ok().filter(|number| ends && (1..=IMAGES).contains(number))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn the_number_of_an_image_is_in_its_name_and_nowhere_else() {
        for (path, expected) in [
            ("ILSVRC2012_val_00000001.JPEG", Some(1)),
            ("val/n01751748/ILSVRC2012_val_00050000.jpg", Some(50_000)),
            ("ILSVRC2012_val_00000293_n01440764.JPEG", Some(293)),
            ("ILSVRC2012_val_00000293", Some(293)),
            ("ILSVRC2012_val_00050001.JPEG", None),
            ("ILSVRC2012_val_00000000.JPEG", None),
            ("ILSVRC2012_val_000000012.JPEG", None),
            ("ILSVRC2012_val_1.JPEG", None),
            ("ILSVRC2012_val_0000000é.JPEG", None),
            ("ILSVRC2012_test_00000001.JPEG", None),
            ("ILSVRC2012_val_00000001.JPEG/x.jpg", None),
            ("x_ILSVRC2012_val_00000001.JPEG", None),
        ] {
            assert_eq!(number(path), expected, "{path}");
        }
    }
}
