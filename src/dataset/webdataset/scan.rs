//! A whole archive that is in memory.

use super::error::TarError;
use super::finish::Found;
use super::rules::{ShardLimits, ShardRules};
use super::samples::{Samples, ShardImage};
use super::tar::Skipped;
use super::texts::Asked;
use super::unpack::Unpacked;

/// What a scanned archive held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Images handed on.
    pub images: u64,
    /// Members left out.
    pub skipped: Skipped,
}

/// Reads a whole archive, compressed or not, in windows of any size, and hands its images on in order.
///
/// # Errors
/// If the bytes are no archive, broken, or end too early. Images that were handed on before are valid; on
/// [`TarError::Truncated`] that includes the images of the sample that was cut, marked as such.
pub fn scan(
    archive: &[u8],
    window: usize,
    limits: ShardLimits,
    asked: Asked,
    take: impl FnMut(ShardImage),
) -> Result<Scanned, TarError> {
    scan_by(archive, window, Samples::new(limits, asked, ShardRules::Current), take)
}

pub(super) fn scan_by(
    archive: &[u8],
    window: usize,
    samples: Samples,
    mut take: impl FnMut(ShardImage),
) -> Result<Scanned, TarError> {
    let mut images = 0;
    let mut hand_on = |found: Vec<ShardImage>| {
        images += found.len() as u64;
        found.into_iter().for_each(&mut take);
    };
    let mut next = Some(Box::new(samples));
    while let Some(mut samples) = next.take() {
        let mut unpacked = Unpacked::of(archive)?;
        let begin = match unpacked.is_packed() {
            true => unpacked.skip(samples.begins_at()),
            false => usize::try_from(samples.begins_at()).unwrap_or(usize::MAX),
        };
        for mut window in archive[begin.min(archive.len())..].chunks(window.max(1)) {
            while let Some(mut piece) = unpacked.next(&mut window, samples.has_ended())? {
                while let Some(found) = samples.next(&mut piece)? {
                    hand_on(found);
                }
            }
        }
        let cut = unpacked.finish();
        let packed_trailing = unpacked.trailing();
        let Found { images: last, mut skipped, end, again } = samples.finish(cut.err());
        hand_on(last);
        end?;
        next = again;
        if next.is_none() {
            skipped.trailing += packed_trailing;
            return Ok(Scanned { images, skipped });
        }
    }
    Ok(Scanned::default())
}
