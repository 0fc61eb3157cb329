//! The hash of an image's encoded bytes.

use twox_hash::XxHash3_128;

use crate::sample::ContentHash;

/// XXH3 of 128 bits, seed 0, the most significant byte first: the digest of Python's `xxhash.xxh3_128`. It is no
/// cryptographic hash: two images can be made that have the same one.
pub fn content_hash(bytes: &[u8]) -> ContentHash {
    XxHash3_128::oneshot(bytes).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_reference() {
        // xxhash 4.1 for Python: xxhash.xxh3_128_hexdigest
        let long: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
        for (bytes, expected) in [
            (&b""[..], "99aa06d3014798d86001c324468d497f"),
            (b"tresnet", "02078bf8ab5edf8142ecfa68962ac0b2"),
            (&long, "5ed35fc6b4f0ef20d1eb8367bf3294e7"),
        ] {
            let found: String = content_hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected);
        }
    }
}
