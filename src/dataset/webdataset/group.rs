//! The members of one sample, and what a member's name makes of it.

use crate::dataset::ImageNames;
use crate::sample::RowError;

use super::tar::Skipped;
use super::texts::{Missing, Text, Texts};

/// The sample that is being collected.
#[derive(Default)]
pub(super) struct Group {
    pub key: String,
    pub images: Vec<Pending>,
    pub texts: Texts,
    /// Bytes of its images.
    pub held: u64,
    /// Some of its images are gone already; texts that come now lie apart from them.
    pub begun: bool,
    /// What these were without.
    pub missing: Missing,
    /// Where its first member begins, and what was left out before.
    pub start: u64,
    pub skipped_before: Skipped,
}

pub(super) struct Pending {
    pub name: String,
    pub suffix: String,
    pub size: u64,
    pub bytes: Result<Vec<u8>, RowError>,
}

/// What the current file is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Image,
    Text(Text),
    /// A text for images that are gone already.
    LateText(Text),
    Nothing,
}

/// A member's name by which images of one sample differ, whatever the case of its suffix.
pub(super) fn full_name(key: &str, suffix: &str) -> String {
    format!("{key}.{suffix}")
}

/// Everything up to the first dot of the file's name, and what follows it.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    (dot > file).then(|| (&name[..dot], &name[dot + 1..]))
}

pub(super) fn role(suffix: &str, image_names: ImageNames) -> Role {
    let suffix = suffix.to_ascii_lowercase();
    let extension = suffix.rsplit('.').next().unwrap_or_default();
    match Text::of(&suffix) {
        Some(text) => Role::Text(text),
        None if image_names.take(extension) => Role::Image,
        None => Role::Nothing,
    }
}
