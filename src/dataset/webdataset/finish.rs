//! The end of a reading: the last sample, and whether images wait for a second reading.

use crate::sample::{ErrorKind, RowError};

use super::error::TarError;
use super::group::{Group, Role};
use super::rules::ShardRules;
use super::samples::{Phase, Samples, ShardImage, other_rules};
use super::tar::{Skipped, TarReader};
use super::texts::Missing;

/// What is left when a shard's bytes have ended.
pub struct Found {
    /// The images of the last sample; `truncated` ones where the shard was cut.
    pub images: Vec<ShardImage>,
    /// Members left out.
    pub skipped: Skipped,
    /// Whether the end came where it belongs.
    pub end: Result<(), TarError>,
    /// The second reading, if images wait for it: it begins at [`Samples::begins_at`].
    pub again: Option<Box<Samples>>,
}

impl Samples {
    /// Ends the input; `cut` is the reason, if that is too early although the archive does not show it. The images of a
    /// sample that was cut come without their bytes.
    pub fn finish(mut self, cut: Option<TarError>) -> Found {
        let end = cut.map_or_else(|| self.tar.finish(), Err);
        let is_cut = match &end {
            Ok(()) => false,
            Err(error) => {
                for image in &mut self.group.images {
                    image.bytes = Err(RowError::new(ErrorKind::Truncated, format!("the shard {error}")));
                }
                // half of a class is another class
                if let Role::Text(text) = self.role {
                    *self.group.texts.place(text) = None;
                }
                true
            }
        };
        let mut images = Vec::new();
        if let Err(error) = self.close_last(is_cut, &mut images) {
            return Found { images: Vec::new(), skipped: self.skipped(), end: Err(error), again: None };
        }
        if let Phase::Collect { from, skipped } = self.phase {
            return match self.again(from, skipped) {
                Ok(again) => Found { images, skipped, end: Ok(()), again: Some(Box::new(again)) },
                Err(error) => Found { images, skipped, end: Err(error), again: None },
            };
        }
        let mut skipped = self.skipped();
        skipped.files += self.apart.unclaimed();
        Found { images, skipped, end, again: None }
    }

    /// The last sample. Where it is the only one that waits, all is here that it could wait for.
    fn close_last(&mut self, is_cut: bool, images: &mut Vec<ShardImage>) -> Result<(), TarError> {
        let missing = self.missing();
        if matches!(self.phase, Phase::Flow) && !self.group.images.is_empty() {
            if is_cut {
                // its images are error rows, which wait for nothing
                (self.group.begun, self.group.missing) = (true, Missing::default());
            } else if missing.contains(&true) {
                self.wait(missing);
                self.apart.close();
                self.check_apart()?;
                self.phase = Phase::Join;
            }
        }
        *images = self.close()?;
        Ok(())
    }

    /// The second reading.
    fn again(mut self, from: u64, skipped: Skipped) -> Result<Samples, TarError> {
        self.apart.close();
        self.check_apart()?;
        Ok(Samples {
            tar: TarReader::at(from),
            begins_at: from,
            phase: Phase::Join,
            group: Group::default(),
            role: Role::Nothing,
            skipped,
            collected: 0,
            ..self
        })
    }

    fn check_apart(&self) -> Result<(), TarError> {
        match self.rules == ShardRules::SameAsEarlier && self.apart.changes_rows() {
            true => Err(other_rules("has texts that do not lie beside their image")),
            false => Ok(()),
        }
    }
}
