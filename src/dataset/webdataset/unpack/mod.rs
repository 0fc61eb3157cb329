//! Compressed shards: gzip of several members, zstd of several frames, unpacked piece by piece.

mod codec;
mod gzip;
mod packed;
mod step;
mod unpacked;
mod zst;

pub(super) use unpacked::Unpacked;
