//! The files of an export: whole, and not mixed with those of an earlier one.

use bytes::Bytes;

use crate::failure::{Exit, Failure};
use crate::store::{Created, Location};

/// Writes the files of an export.
pub(super) struct Writer {
    pub to: Location,
    pub overwrite: bool,
    /// Files of each kind.
    pub files: u64,
    /// The names that were written.
    pub written: Vec<String>,
}

impl Writer {
    /// Returns the number in a file's name, padded to the number of digits of `files`.
    pub fn number(&self, number: u64) -> String {
        format!("{number:0width$}", width = self.files.to_string().len())
    }

    /// Refuses to mix these files with those of an earlier export.
    ///
    /// # Errors
    /// A folder cannot be listed; it has a file of such a name that this export would not overwrite (73).
    pub async fn refuse_other_files(&self, kinds: &[(&str, &str, &str)]) -> Result<(), Failure> {
        for &(folder, stem, ending) in kinds {
            let ours = |name: &str| match name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending)) {
                Some(".") => self.files == 1,
                Some(rest) => {
                    let number = rest.trim_start_matches('_').trim_end_matches('.');
                    number.parse().is_ok_and(|at| at < self.files && self.number(at) == number)
                }
                None => false,
            };
            let mut entries = self.to.files(folder).await?;
            entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            for entry in entries {
                let name = entry.key.rsplit('/').next().unwrap_or_default();
                let alike = name.starts_with(stem) && name.ends_with(&format!(".{ending}"));
                if !alike || self.overwrite && ours(name) {
                    continue;
                }
                let advice = if self.overwrite {
                    "this export would not write over it, and readers would mix the two: delete it first"
                } else {
                    "take another folder, or give --overwrite"
                };
                return Err(Failure::new(
                    Exit::CannotCreate,
                    format!("`{}/{}` already exists: {advice}", self.to.uri(), entry.key),
                ));
            }
        }
        Ok(())
    }

    /// Writes a file of the export, and notes its name.
    ///
    /// # Errors
    /// The store refuses the write. Without `overwrite`, also a file of this name with other bytes (73).
    pub async fn write(&mut self, name: String, bytes: Vec<u8>) -> Result<(), Failure> {
        let bytes = Bytes::from(bytes);
        if self.overwrite {
            self.to.overwrite(&name, bytes).await?;
        } else if self.to.create_once(&name, bytes.clone()).await? == Created::Before
            // ours, with the reply lost; or that of another export of the same rows
            && self.to.read(&name).await? != Some(bytes)
        {
            let what = format!("another process wrote `{}/{name}` meanwhile", self.to.uri());
            return Err(Failure::new(Exit::CannotCreate, what));
        }
        self.written.push(name);
        Ok(())
    }
}
