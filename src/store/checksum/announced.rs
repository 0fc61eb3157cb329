//! The checksums of an object that the headers of a response give.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::{GetResult, HeaderMap};

use super::digest::Algorithm;

/// The headers of S3, the cheapest algorithm first.
const S3: [(&str, Algorithm); 5] = [
    ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme),
    ("x-amz-checksum-crc32c", Algorithm::Crc32c),
    ("x-amz-checksum-crc32", Algorithm::Crc32),
    ("x-amz-checksum-sha256", Algorithm::Sha256),
    ("x-amz-checksum-sha1", Algorithm::Sha1),
];
/// The names in `x-goog-hash`.
const GCS: [(&str, Algorithm); 2] = [("crc32c=", Algorithm::Crc32c), ("md5=", Algorithm::Md5)];

/// Where a checksum comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Source {
    /// The store computed it or compared it when the object was written.
    Store,
    /// `Content-MD5`, which Azure keeps as the client set it.
    ContentMd5,
    /// An entity tag that has the form of an MD5.
    Etag,
}

/// A checksum of an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Checksum {
    pub source: Source,
    pub algorithm: Algorithm,
    pub value: Vec<u8>,
}

/// All checksums of a response, the best first. The connector adds it to the response's extensions, from where the
/// client copies it into its result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Announced(pub Vec<Checksum>);

impl Announced {
    /// What the connector found in the headers of a response.
    pub fn taken(response: &mut GetResult) -> Option<Announced> {
        response.extensions.remove()
    }

    /// Reads the headers of a response that has the whole object. Values that cannot be read are left out.
    pub fn read(headers: &HeaderMap) -> Announced {
        // the bytes that arrive are not the bytes that are stored
        let is_transcoded = text(headers, "x-goog-stored-content-encoding")
            .is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
        if is_transcoded {
            return Announced::default();
        }
        let mut found = Vec::new();
        let mut add = |source, algorithm, value: Option<Vec<u8>>| {
            found.extend(value.map(|value| Checksum { source, algorithm, value }));
        };
        let is_composite = text(headers, "x-amz-checksum-type")
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("FULL_OBJECT"));
        if !is_composite {
            for (name, algorithm) in S3 {
                // `-N` after a value of several parts is not base64
                add(
                    Source::Store,
                    algorithm,
                    text(headers, name).and_then(|value| decoded(value, algorithm)),
                );
            }
        }
        let hashes = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
        let hashes: Vec<&str> = hashes.flat_map(|value| value.split(',')).map(str::trim).collect();
        for (name, algorithm) in GCS {
            let value = hashes.iter().find_map(|hash| hash.strip_prefix(name));
            add(Source::Store, algorithm, value.and_then(|value| decoded(value, algorithm)));
        }
        let md5 = text(headers, "content-md5").and_then(|value| decoded(value, Algorithm::Md5));
        add(Source::ContentMd5, Algorithm::Md5, md5);
        if !has_foreign_tag(headers) {
            add(Source::Etag, Algorithm::Md5, text(headers, "etag").and_then(md5_of_tag));
        }
        Announced(found)
    }
}

/// True for objects whose entity tag is no MD5 although it has the form of one: S3 encrypts them with a key that is
/// not its own.
fn has_foreign_tag(headers: &HeaderMap) -> bool {
    headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
        || text(headers, "x-amz-server-side-encryption").is_some_and(|way| way.starts_with("aws:"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn decoded(value: &str, algorithm: Algorithm) -> Option<Vec<u8>> {
    STANDARD.decode(value).ok().filter(|value| value.len() == algorithm.len())
}

/// The value of a strong tag of 32 hex digits.
fn md5_of_tag(tag: &str) -> Option<Vec<u8>> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    if digits.len() != 2 * Algorithm::Md5.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Vec<(Source, Algorithm)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Announced::read(&headers).0.iter().map(|found| (found.source, found.algorithm)).collect()
    }

    #[test]
    fn each_header_of_a_store_is_read() {
        let (four, eight) = ("4waSgw==", "rosUhgp5mIg=");
        for (pair, expected) in [
            (("x-amz-checksum-crc64nvme", eight), (Source::Store, Algorithm::Crc64Nvme)),
            (("x-amz-checksum-crc32c", four), (Source::Store, Algorithm::Crc32c)),
            (("x-amz-checksum-crc32", four), (Source::Store, Algorithm::Crc32)),
            (
                ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
                (Source::Store, Algorithm::Sha256),
            ),
            (("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="), (Source::Store, Algorithm::Sha1)),
            (("x-goog-hash", "crc32c=4waSgw=="), (Source::Store, Algorithm::Crc32c)),
            (("x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg=="), (Source::Store, Algorithm::Md5)),
            (("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), (Source::ContentMd5, Algorithm::Md5)),
            (("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""), (Source::Etag, Algorithm::Md5)),
        ] {
            assert_eq!(read(&[pair]), [expected], "{pair:?}");
        }
    }

    #[test]
    fn the_cheapest_checksum_of_the_store_comes_first_and_md5s_of_clients_last() {
        let found = read(&[
            ("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
            ("x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg==, crc32c=4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ]);
        let expected = [
            (Source::Store, Algorithm::Crc64Nvme),
            (Source::Store, Algorithm::Crc32c),
            (Source::Store, Algorithm::Md5),
            (Source::Etag, Algorithm::Md5),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_value_that_is_not_of_the_whole_object_or_not_of_its_stored_bytes_is_left_out() {
        for pairs in [
            &[("x-amz-checksum-crc32c", "4waSgw=="), ("x-amz-checksum-type", "COMPOSITE")][..],
            &[("x-amz-checksum-crc32c", "4waSgw==-3")],
            &[("x-goog-hash", "crc32c=4waSgw=="), ("x-goog-stored-content-encoding", "gzip")],
            &[("x-amz-checksum-crc32c", "rosUhgp5mIg=")],
            &[("x-amz-checksum-crc32c", "no base64")],
            &[("x-amz-checksum-crc32c", "")],
            &[("etag", "W/\"d41d8cd98f00b204e9800998ecf8427e\"")],
            &[("etag", "\"d41d8cd98f00b204e9800998ecf8427e-2\"")],
            &[("etag", "\"0x8D4BCC2E4835CD0\"")],
            &[("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""), ("x-amz-server-side-encryption", "aws:kms")],
            &[
                ("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
                ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ],
        ] {
            assert_eq!(read(pairs), [], "{pairs:?}");
        }
        let kept = [("x-goog-hash", "crc32c=4waSgw=="), ("x-goog-stored-content-encoding", "identity")];
        assert_eq!(read(&kept).len(), 1);
    }
}
