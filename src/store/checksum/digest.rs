//! The algorithms in which stores give checksums.

use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// An algorithm of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Algorithm {
    Crc64Nvme,
    Crc32c,
    Crc32,
    Sha256,
    Sha1,
    Md5,
}

impl Algorithm {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Crc64Nvme => "CRC-64/NVME",
            Algorithm::Crc32c => "CRC-32C",
            Algorithm::Crc32 => "CRC-32",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Md5 => "MD5",
        }
    }

    /// Bytes of a checksum.
    pub fn len(self) -> usize {
        match self {
            Algorithm::Crc32c | Algorithm::Crc32 => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// Computes the checksum; CRCs are big-endian, as stores send them.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let crc = |algorithm, len: usize| {
            crc_fast::checksum(algorithm, bytes).to_be_bytes()[size_of::<u64>() - len..].to_vec()
        };
        match self {
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, 8),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, 4),
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
            Algorithm::Sha256 => Sha256::digest(bytes).to_vec(),
            Algorithm::Sha1 => Sha1::digest(bytes).to_vec(),
            Algorithm::Md5 => Md5::digest(bytes).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `123456789` is the text of the published check values: the CRC catalogue of reveng.sourceforge.io for the CRCs,
    /// Python's hashlib and zlib for the others and for CRC-32.
    #[test]
    fn each_algorithm_gives_the_published_check_value() {
        for (algorithm, expected) in [
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let checksum = algorithm.of(b"123456789");
            assert_eq!(
                (hex(&checksum).as_str(), checksum.len()),
                (expected, algorithm.len()),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn a_long_text_has_the_checksums_that_python_computes() {
        // bytes(i * 7 & 255 for i in range(100_007)): long enough for the folded loops of the CRCs
        let bytes: Vec<u8> = (0..100_007u32).map(|index| ((index * 7) & 255) as u8).collect();
        for (algorithm, expected) in [
            (Algorithm::Crc64Nvme, "c1d4bb9fb8fa9114"),
            (Algorithm::Crc32c, "20422e0e"),
            (Algorithm::Crc32, "f2295a82"),
            (Algorithm::Md5, "dba452d7c41f31e2930bfe4e84b3ca5a"),
            (Algorithm::Sha1, "7b22fc19306cc4f22a632283f63b17f825d51f61"),
            (Algorithm::Sha256, "dad5ce3a6968dcb80d0e72bfd8cc2758889a805aa33144d073e1a5ec8da9d959"),
        ] {
            assert_eq!(hex(&algorithm.of(&bytes)), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn nothing_has_checksums_too() {
        for (algorithm, expected) in [
            (Algorithm::Crc64Nvme, "0000000000000000"),
            (Algorithm::Crc32c, "00000000"),
            (Algorithm::Crc32, "00000000"),
            (Algorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
            (Algorithm::Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ] {
            assert_eq!(hex(&algorithm.of(b"")), expected, "{algorithm:?}");
        }
    }
}
