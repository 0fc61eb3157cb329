//! What a finished output has lost: names and sizes of its parts, compared with `_SUCCESS`. No part is read.

use std::collections::BTreeMap;
use std::fmt;

use crate::store::Location;

use super::{Layout, OutputError, Success};

/// Parts that are named.
const NAMED: usize = 3;

/// Parts that `_SUCCESS` lists and that are missing or have another size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostParts {
    /// Names of those that do not exist.
    pub missing: Vec<String>,
    /// Names of those that have another size, with their bytes and the bytes that `_SUCCESS` lists.
    pub resized: Vec<(String, u64, u64)>,
}

impl LostParts {
    /// Compares the parts of `success` with `sizes`, the bytes of each file by its name.
    pub fn find(success: &Success, sizes: &BTreeMap<&str, u64>) -> LostParts {
        let mut lost = LostParts::default();
        for part in &success.parts {
            match sizes.get(part.name.as_str()) {
                None => lost.missing.push(part.name.clone()),
                Some(size) if *size != part.size => lost.resized.push((part.name.clone(), *size, part.size)),
                Some(_) => {}
            }
        }
        lost
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.missing.len() + self.resized.len()
    }

    /// True if every part exists as it is listed.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

impl fmt::Display for LostParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resized = self.resized.iter().map(|(name, size, listed)| {
            format!("`{name}` has {size} bytes and not the {listed} of `{}`", Layout::SUCCESS)
        });
        let missing = self.missing.iter().map(|name| format!("`{name}` is missing"));
        let named: Vec<String> = missing.chain(resized).take(NAMED).collect();
        f.write_str(&named.join(", "))?;
        match self.count() - named.len() {
            0 => Ok(()),
            1 => f.write_str(", and 1 more part"),
            more => write!(f, ", and {more} more parts"),
        }
    }
}

impl Success {
    /// Compares its parts with the files of the output, by one listing.
    ///
    /// # Errors
    /// A part is missing or has another size, or a repair has begun and not ended.
    pub async fn check_parts(&self, output: &Location) -> Result<(), OutputError> {
        let files = output.files("").await?;
        if files.iter().any(|file| file.key == Layout::REPAIR) {
            return Err(OutputError::Repairing { uri: output.uri() });
        }
        let sizes = files.iter().map(|file| (file.key.as_str(), file.size)).collect();
        let lost = LostParts::find(self, &sizes);
        match lost.is_empty() {
            true => Ok(()),
            false => Err(OutputError::Lost { uri: output.uri(), lost: lost.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::CommittedPart;

    #[test]
    fn parts_that_are_missing_or_resized_are_found_and_the_first_are_named() {
        let part = |name: &str| CommittedPart { name: name.into(), size: 10, ..CommittedPart::default() };
        let success = Success { parts: ["a", "b", "c", "d", "e"].map(part).to_vec(), ..Success::default() };
        let sizes = BTreeMap::from([("a", 10), ("c", 7), ("other", 1)]);
        let lost = LostParts::find(&success, &sizes);
        assert_eq!(lost.count(), 4);
        assert_eq!(lost.to_string(), "`b` is missing, `d` is missing, `e` is missing, and 1 more part");
        let sizes = BTreeMap::from([("a", 10), ("b", 10), ("c", 7), ("d", 10), ("e", 10)]);
        let lost = LostParts::find(&success, &sizes);
        assert_eq!(lost.to_string(), "`c` has 7 bytes and not the 10 of `_SUCCESS`");
    }
}
