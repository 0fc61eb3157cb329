//! A whole archive, from bytes as they come.

use super::samples::{Found, Samples, ShardImage, ShardLimits};
use super::tar::{Skipped, TarError};

/// What a scanned archive held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Images handed on.
    pub images: u64,
    /// Members left out: links, devices and folders, and files of no known use.
    pub skipped: Skipped,
}

/// Reads a whole archive, in chunks of any size, and hands its images on in order.
///
/// # Errors
/// Where the bytes are no archive, broken, or end too early. What was handed on before stands; on
/// [`TarError::Truncated`] that includes the images of the sample that was cut, marked as such.
pub fn scan<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limits: ShardLimits,
    mut take: impl FnMut(ShardImage),
) -> Result<Scanned, TarError> {
    let mut samples = Samples::new(limits);
    let mut images = 0;
    let mut hand_on = |found: Vec<ShardImage>| {
        images += found.len() as u64;
        found.into_iter().for_each(&mut take);
    };
    for mut chunk in chunks {
        while let Some(found) = samples.next(&mut chunk)? {
            hand_on(found);
        }
    }
    let Found { images: last, skipped, end } = samples.finish();
    hand_on(last);
    end.map(|()| Scanned { images, skipped })
}
