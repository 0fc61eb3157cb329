//! Compressed shards against the same ones that are not.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::*;

/// One member of a gzip file, with every field that a header may have.
fn gzip(bytes: &[u8], fields: bool) -> Vec<u8> {
    let builder = match fields {
        true => GzBuilder::new().filename("a.tar").comment("x").extra([7; 300]).mtime(1),
        false => GzBuilder::new(),
    };
    let mut member = builder.write(Vec::new(), Compression::default());
    member.write_all(bytes).unwrap();
    member.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

fn skippable(bytes: &[u8]) -> Vec<u8> {
    [&[0x53, 0x2a, 0x4d, 0x18][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

/// Images apart from their classes, so that the shard is read twice.
fn shard() -> Vec<u8> {
    let noise =
        |n: usize| (0..700_usize).map(|at| (at * at * 31 + n * 7 + at / 3) as u8).collect::<Vec<u8>>();
    let images = (0..40).map(|n| file(&format!("{n}.jpg"), &noise(n)));
    let texts = (0..40).map(|n| file(&format!("{n}.cls"), format!("{n}").as_bytes()));
    archive(&images.chain(texts).collect::<Vec<_>>())
}

/// The shard in every way in which it may be compressed.
fn packings(shard: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let third = shard.len() / 3;
    let parts = [&shard[..third], &shard[third..2 * third], &shard[2 * third..]];
    vec![
        ("gzip", gzip(shard, false)),
        ("gzip with all fields", gzip(shard, true)),
        ("gzip of three members", parts.map(|part| gzip(part, true)).concat()),
        (
            "gzip with an empty member and padding",
            [gzip(shard, false), gzip(b"", false), vec![0; 99]].concat(),
        ),
        ("zstd", zstd(shard)),
        ("zstd of three frames", parts.map(zstd).concat()),
        (
            "zstd with skippable frames",
            [
                skippable(b"index"),
                zstd(parts[0]),
                skippable(b""),
                zstd(&shard[third..]),
                skippable(&[9; 300]),
            ]
            .concat(),
        ),
        ("zstd with padding", [zstd(shard), vec![0; 99]].concat()),
    ]
}

#[test]
fn a_compressed_shard_gives_the_images_of_the_one_that_is_not() {
    let plain = scanned_for(CLASS, &shard(), 1 << 20);
    assert_eq!(plain.1.as_ref().unwrap().images, 40);
    assert!(plain.0.iter().all(|image| image.texts.cls.is_some()));
    for (how, packed) in packings(&shard()) {
        for window in [1, 7, 1000, 1 << 20] {
            assert_eq!(scanned_for(CLASS, &packed, window), plain, "{how} in windows of {window}");
        }
    }
}

#[test]
fn compressed_shards_after_each_other_are_one_shard() {
    let (first, second) = (archive(&[file("1.jpg", b"")]), archive(&[file("2.jpg", b"")]));
    for both in [
        [gzip(&first, false), gzip(&second, false)].concat(),
        [zstd(&first), zstd(&second)].concat(),
        gzip(&[first, second].concat(), false),
    ] {
        assert_eq!(names(&read(&both).0), ["1.jpg", "2.jpg"]);
    }
}

#[test]
fn a_compressed_shard_that_is_cut_anywhere_keeps_its_first_images() {
    let whole = scanned_for(CLASS, &shard(), 1 << 20).0;
    for (how, packed) in packings(&shard()).into_iter().filter(|(how, _)| !how.contains("padding")) {
        for cut in (5..packed.len() - 20).step_by(211).chain([packed.len() - 1]) {
            let (images, end) = scanned_for(CLASS, &packed[..cut], 1000);
            let Err(error) = end else {
                // the last frame may be one that is skipped, and is not needed
                assert!(how.contains("skippable") || how.contains("three"), "{how}: {cut}");
                continue;
            };
            let is_cut = matches!(error, TarError::Truncated { .. } | TarError::NotTar { .. });
            assert!(is_cut, "{how}: {cut}: {error}");
            let Some((last, before)) = images.split_last() else { continue };
            assert!(last.bytes.is_err() || images.len() == whole.len(), "{how}: {cut}");
            for (image, expected) in before.iter().zip(&whole) {
                assert_eq!((&image.name, &image.bytes), (&expected.name, &expected.bytes), "{how}: {cut}");
            }
        }
    }
}

#[test]
fn compressed_bytes_that_are_bent_are_damage_that_says_so() {
    let bend = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let (whole, large) = (gzip(&shard(), false), {
        // a window of 256 MiB
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3];
        frame.extend([1, 0, 0]);
        frame
    });
    let junk = |first: &[u8]| [gzip(first, false), b"junk".to_vec()].concat();
    for (bytes, words) in [
        (bend(whole.clone(), whole.len() - 6), "checksum"),
        (bend(whole.clone(), whole.len() - 2), "bytes with the checksum"),
        (bend(whole.clone(), 2), "the method 9"),
        (bend(whole.clone(), 3 + 5), ""),
        (large, "its window is larger than 128 MiB"),
        // more was to come
        (junk(&file("1.jpg", b"1")), "although the archive has not ended"),
    ] {
        match read(&bytes).1 {
            Err(error @ TarError::Packed { .. }) => assert!(error.to_string().contains(words), "{error}"),
            Ok(_) if words.is_empty() => {}
            other => panic!("{other:?}"),
        }
    }
    // none was
    let (images, end) = read(&junk(&archive(&[file("1.jpg", b"1")])));
    assert_eq!((names(&images), end.unwrap().skipped.trailing), (vec!["1.jpg"], 4));
}

#[test]
fn a_small_file_that_expands_without_end_is_damage() {
    // 128 KiB of one byte from four bytes, again and again: a member that is left out
    let claimed = header("junk", b'0', (1 << 33) - 1, |_| {});
    let block = [&(1_u32 << 1 | (128 << 10) << 3).to_le_bytes()[..3], b"x"].concat();
    let raw = [&(512_u32 << 3).to_le_bytes()[..3], &claimed].concat();
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3][..], &raw, &block.repeat(20_000)].concat();
    let error = read(&frame).1.unwrap_err();
    assert!(matches!(error, TarError::Limit { .. }), "{error}");
}

#[test]
fn bytes_bent_at_random_never_depend_on_the_windows() {
    let whole = [gzip(&shard()[..30_000], true), gzip(&shard()[30_000..], false)].concat();
    let frames = [zstd(&shard()[..30_000]), skippable(b"x"), zstd(&shard()[30_000..])].concat();
    let mut below = numbers(11);
    for round in 0..300 {
        let mut bytes = if round % 2 == 0 { whole.clone() } else { frames.clone() };
        for _ in 0..below(4) {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
        bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
        let found = scanned_for(CLASS, &bytes, bytes.len().max(1));
        let again = scanned_for(CLASS, &bytes, 1 + below(3000));
        // what comes before damage depends on the windows, which are always the same, and is given up in any case
        let is_kept =
            |end: &Result<Scanned, TarError>| matches!(end, Ok(_) | Err(TarError::Truncated { .. }));
        assert_eq!(is_kept(&again.1), is_kept(&found.1));
        if is_kept(&found.1) {
            assert_eq!(again, found);
        }
    }
}
