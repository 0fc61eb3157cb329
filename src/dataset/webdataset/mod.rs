//! WebDataset shards: tar archives whose members are grouped into samples by their names.
//!
//! [`scan`] reads an archive from bytes as they come, in windows of any size. It never touches a disk, never
//! makes a path of a name, and holds no more than one sample, whatever a header claims.

mod header;
mod samples;
mod tar;

pub use samples::{Found, Samples, ShardImage};
pub use tar::{Event, Skipped, TarError, TarReader};

/// What a shard may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Bytes of the images of one sample; a larger image comes without its bytes.
    pub image_bytes: u64,
    /// Bytes of a `.cls`, `.json` or `.txt`.
    pub text_bytes: u64,
}

impl ShardLimits {
    /// Limits with a room for texts that no label outgrows.
    pub fn new(image_bytes: u64) -> Self {
        ShardLimits { image_bytes, text_bytes: 1 << 20 }
    }
}

/// The texts beside an image, as they are, or why one was not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `.cls`: its class.
    pub cls: Option<Result<Vec<u8>, String>>,
    /// `.json`: columns to carry, or its class.
    pub json: Option<Result<Vec<u8>, String>>,
    /// `.txt`: a caption.
    pub txt: Option<Result<Vec<u8>, String>>,
}

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

#[cfg(test)]
mod tests;
