//! What a file is that is not read, for the message of its row.

/// The message for a file whose first bytes are of no format that is read.
pub(super) fn message(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".to_owned();
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return format!("all {} bytes of the file are zero", bytes.len());
    }
    match binary(bytes).or_else(|| iso_media(bytes)).or_else(|| text(bytes)) {
        Some(name) => format!("the file is {name}; JPEG, PNG, WebP, GIF, BMP and TIFF are read"),
        None => {
            let begins = bytes[..bytes.len().min(8)].escape_ascii();
            format!("the file begins with \"{begins}\", as no JPEG, PNG, WebP, GIF, BMP or TIFF does")
        }
    }
}

/// The message for a TIFF in a job that version 0.1.0 began.
pub(super) const EARLIER_TIFF: &str = "the file is TIFF, which a job that version 0.1.0 began does not read";

/// Whether the message of an `unsupported` row is of a file that is read by now: of a TIFF, as version 0.1.0 showed it, or
/// by its name.
pub fn is_read_by_now(message: &str) -> bool {
    let bytes = message.strip_prefix("no format that is read here begins with ");
    message == EARLIER_TIFF
        || bytes.is_some_and(|bytes| {
            [r"II*\x00", r"MM\x00*", r"II+\x00", r"MM\x00+"].into_iter().any(|magic| bytes.starts_with(magic))
        })
}

/// Magic numbers: offset, bytes, and the name of the format. The first that fits counts.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (8, b"CR\x02", "a raw photograph (CR2)"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"IIRO", "a raw photograph (ORF)"),
    (0, b"IIU\0", "a raw photograph (RW2)"),
    (0, b"FUJIFILMCCD-RAW", "a raw photograph (RAF)"),
    (0, b"8BPS", "PSD (Photoshop)"),
    (0, b"%PDF-", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"\x00\x00\x01\x00", "ICO (an icon)"),
    (0, b"\x00\x00\x02\x00", "CUR (a cursor)"),
    (0, b"icns", "ICNS (icons)"),
    (128, b"DICM", "DICOM"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"gimp xcf", "XCF (GIMP)"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"PK\x05\x06", "ZIP"),
    (0, b"\x1f\x8b", "GZIP"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "XZ"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"Rar!\x1a\x07", "RAR"),
    (257, b"ustar", "TAR"),
    (0, b"PAR1", "Parquet"),
    (0, b"\x93NUMPY", "NumPy"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"SQLite format 3\0", "SQLite"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Microsoft Office"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"FLV\x01", "FLV"),
    (0, b"\x00\x00\x01\xba", "MPEG"),
    (0, b"\x00\x00\x01\xb3", "MPEG"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "MP3"),
    (0, b"fLaC", "FLAC"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"\x00\x05\x16\x07", "AppleDouble (the companion of a file of macOS)"),
];

fn binary(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") {
        return bytes.get(8..12).map(|form| match form {
            b"AVI " => "AVI",
            b"WAVE" => "WAV",
            _ => "RIFF without an image",
        });
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return Some("PNM");
    }
    let fits = |&&(at, magic, _): &&(usize, &[u8], &str)| {
        bytes.get(at..).is_some_and(|from| from.starts_with(magic))
    };
    MAGIC.iter().find(fits).map(|&(_, _, name)| name)
}

/// A file of ISO's base format, by its brands: the major one, then those that it is compatible with.
fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    let [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] = bytes else { return None };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    let brands = &brands[..brands.len().min(length.saturating_sub(8)).min(256)];
    let major = brands.get(..4)?;
    let image = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some("AVIF"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some("HEIC"),
        b"crx " => Some("a raw photograph (CR3)"),
        _ => None,
    };
    if let Some(name) = image(major) {
        return Some(name);
    }
    let compatible = brands.get(8..).unwrap_or_default();
    Some(match major {
        b"mif1" | b"msf1" => compatible.chunks_exact(4).find_map(image).unwrap_or("HEIF"),
        b"qt  " => "QuickTime",
        b"M4A " => "M4A",
        _ => "MP4",
    })
}

/// How far into a text its kind is looked for.
const TEXT: usize = 1024;

fn text(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begin = bytes[..bytes.len().min(TEXT)].trim_ascii_start().to_ascii_lowercase();
    let begins = |with: &str| begin.starts_with(with.as_bytes());
    let has = |word: &str| begin.windows(word.len()).any(|found| found == word.as_bytes());
    if begins("version https://git-lfs") {
        return Some("a pointer of Git LFS (run `git lfs pull` where it was copied from)");
    }
    let is_markup = begins("<?xml") || begins("<!--") || begins("<!doctype");
    if begins("<svg") || is_markup && has("<svg") {
        return Some("SVG");
    }
    if ["<html", "<head", "<body", "<!doctype html"].into_iter().any(begins) || is_markup && has("<html") {
        return Some("an HTML page");
    }
    if begins("<?xml") && has("<error>") {
        return Some("an XML error message, as stores send it");
    }
    match begin.as_slice() {
        [b'<', b'?' | b'!', ..] => Some("XML"),
        [b'{', ..] if has("\"") => Some("JSON"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_read_is_named_by_its_magic() {
        let tar = [&[b'n'; 257][..], b"ustar\x0000"].concat();
        let dicom = [&[0; 128][..], b"DICM"].concat();
        let cases: &[(&[u8], &str)] = &[
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
            (b"\0\0\0\x14ftypmif1\0\0\0\0mif1heic", "HEIF"),
            (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", "AVIF"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "MP4"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "QuickTime"),
            (b"\xff\x0a\xfa\x1f", "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
            (b"II*\0\x10\0\0\0CR\x02\0", "a raw photograph (CR2)"),
            (b"8BPS\0\x01", "PSD (Photoshop)"),
            (b"%PDF-1.7\n", "PDF"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
            (b"\0\0\x01\0\x01\0\x10\x10", "ICO (an icon)"),
            (&dicom, "DICOM"),
            (b"PK\x03\x04\x14\0", "ZIP"),
            (b"\x1f\x8b\x08\0", "GZIP"),
            (&tar, "TAR"),
            (b"RIFF\0\0\0\0AVI LIST", "AVI"),
            (b"P6\n4 4\n255\n", "PNM"),
            (b"<!DOCTYPE html><html>403</html>", "an HTML page"),
            (b"\xef\xbb\xbf\n <HTML lang=en>", "an HTML page"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=", "SVG"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
            (b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>", "an XML error message"),
            (b"<?xml version=\"1.0\"?><a/>", "XML"),
            (b"{\"error\": \"denied\"}", "JSON"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        ];
        for (bytes, name) in cases {
            let found = message(bytes);
            assert!(found.starts_with(&format!("the file is {name}")), "{name}: {found}");
        }
    }

    #[test]
    fn a_tiff_of_an_earlier_output_is_read_by_now() {
        for (text, expected) in [
            (r"no format that is read here begins with II*\x00\x08\x00\x00\x00", true),
            (r"no format that is read here begins with MM\x00*\x00\x00\x00\x08", true),
            (EARLIER_TIFF, true),
            (r"no format that is read here begins with II\xbc\x01", false),
            ("a TIFF with LZMA compression", false),
            ("the file is HEIC; JPEG, PNG, WebP, GIF, BMP and TIFF are read", false),
        ] {
            assert_eq!(is_read_by_now(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_without_a_known_magic_shows_its_first_bytes() {
        assert_eq!(message(b""), "the file is empty");
        assert_eq!(message(&[0; 700]), "all 700 bytes of the file are zero");
        let expected =
            r#"the file begins with "\x01\x02no ima", as no JPEG, PNG, WebP, GIF, BMP or TIFF does"#;
        assert_eq!(message(b"\x01\x02no image"), expected);
        for bytes in [&b"{"[..], b"P6", b"<", b"\0\0\0\x08ftyp", b"RIF"] {
            assert!(message(bytes).starts_with("the file begins with"), "{bytes:?}");
        }
    }
}
