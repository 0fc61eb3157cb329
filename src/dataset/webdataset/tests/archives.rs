//! Ends, cuts and lies of archives.

use super::*;

#[test]
fn an_archive_that_is_cut_anywhere_is_truncated_or_ends_behind_a_member() {
    let whole = archive(&[
        file("1.jpg", &[1; 700]),
        file("1.cls", b"7"),
        file("2.jpg", &[2; 512]),
        file("2.cls", b"8"),
    ]);
    let ends = [1536, 2560, 3584, 4608];
    for cut in 1..whole.len() {
        let (images, end) = read(&whole[..cut]);
        match end {
            Ok(_) => assert!(cut % 512 == 0 && (ends.contains(&cut) || cut > 4608), "{cut}"),
            Err(TarError::NotTar { .. }) => assert!(cut < 512),
            Err(TarError::Truncated { offset, .. }) => {
                assert_eq!(offset, cut as u64);
                let kinds: Vec<_> =
                    images.iter().map(|image| image.bytes.as_ref().err().map(|e| e.kind)).collect();
                // the sample that was cut, and only that one
                let (last, before) = kinds.split_last().unwrap();
                assert_eq!(*last, Some(ErrorKind::Truncated), "{cut}");
                assert!(before.iter().all(Option::is_none), "{cut}");
            }
            Err(other) => panic!("{cut}: {other}"),
        }
    }
}

#[test]
fn no_archive_is_told_by_its_first_bytes() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"BZh91AY&SY", "gzip and zstd are"),
        (b"PK\x03\x04", "zip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<Error>SlowDown</Error>", "shorter"),
        (&[b'x'; 2048], "checksum"),
    ] {
        let error = read(bytes).1.unwrap_err();
        assert!(matches!(error, TarError::NotTar { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn lies_in_headers_are_errors_that_say_where() {
    let first = file("0.jpg", b"ok");
    let wrong_sum = {
        let mut block = file("1.jpg", b"");
        block[0] = b'2';
        block
    };
    let negative = header("1.jpg", b'0', 0, |block| block[124..136].fill(0xff)).to_vec();
    let huge_name = header("L", b'L', 1 << 32, |_| {}).to_vec();
    let huge_pax = header("x", b'x', 1 << 32, |_| {}).to_vec();
    let sparse = header("s.jpg", b'S', 0, |_| {}).to_vec();
    for (second, word) in [
        (wrong_sum, "checksum"),
        (negative, "size"),
        (huge_name, "claims 4294967296 bytes"),
        (huge_pax, "claims 4294967296 bytes"),
        (sparse, "sparse"),
        (member("g", b'g', b"10 path=a\n"), "global"),
        (member("x", b'x', b"99 path=a\n"), "pax record"),
        ([vec![0; 512], file("1.jpg", b"")].concat(), "single block of zeros"),
        ([member("x", b'x', b"10 path=a\n"), vec![0; 512]].concat(), "between"),
    ] {
        let error = read(&archive(&[first.clone(), second])).1.unwrap_err();
        assert!(matches!(error, TarError::Broken { offset: 1024.., .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_member_of_eight_gibibytes_that_is_not_there_is_truncated_and_takes_no_memory() {
    let claimed = header("1.jpg", b'0', 0, |block| {
        block[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
    });
    let (images, end) = read(&[&claimed[..], &[b'x'; 1000]].concat());
    assert_eq!((images[0].size, names(&images)), (1 << 33, vec!["1.jpg"]));
    assert_eq!(images[0].bytes.as_ref().unwrap_err().kind, ErrorKind::Truncated);
    assert!(matches!(end, Err(TarError::Truncated { offset: 1512, .. })));
}

#[test]
fn bytes_bent_at_random_never_depend_on_the_windows_and_keep_the_limits() {
    let whole = archive(&[
        file("1.jpg", &[1; 300]),
        file("1.cls", b"7"),
        member("././@LongLink", b'L', &[b'n'; 120]),
        file("x.jpg", &[3; 600]),
        member("x", b'x', b"12 size=300\n"),
        file("2.png", &[9; 300]),
        file("2.json", b"{}"),
    ]);
    let mut below = numbers(7);
    let mut ends = [0; 3];
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=below(3) {
            // headers are where it hurts, and a right checksum lets the change through
            let block = 512 * below(bytes.len() / 512);
            bytes[block + [0, 124, 130, 156, 257, 345, below(512)][below(7)]] =
                [0, 0x80, 0xff, b'7', b'x'][below(5)];
            let sum: u32 = bytes[block..block + 512].iter().map(|byte| u32::from(*byte)).sum();
            let own: u32 = bytes[block + 148..block + 156].iter().map(|byte| u32::from(*byte)).sum();
            if below(4) > 0 {
                let sum = format!("{:06o}\0 ", sum - own + 8 * 32);
                bytes[block + 148..block + 156].copy_from_slice(sum.as_bytes());
            }
        }
        bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
        let found = scanned_for(CLASS, &bytes, bytes.len());
        assert_eq!(scanned_for(CLASS, &bytes, 1 + below(700)), found);
        let mut names = names(&found.0);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for image in &found.0 {
            assert!(image.bytes.as_ref().map_or(0, Vec::len) <= LIMITS.image_bytes as usize);
        }
        ends[match found.1 {
            Ok(_) => 0,
            Err(TarError::Truncated { .. }) => 1,
            Err(_) => 2,
        }] += 1;
    }
    assert!(ends.iter().all(|count| *count > 100), "{ends:?}");
}

#[test]
fn windows_of_any_size_give_the_same() {
    let long = format!("{}1.jpg", "é/".repeat(120));
    let bytes = archive(&[
        file("1.jpg", &[1; 700]),
        file("1.cls", b"7"),
        member("././@LongLink", b'L', long.as_bytes()),
        file("x", &[3; 513]),
        file("1.jpg", &[1; 1200]),
        member("x", b'x', b"12 size=300\n"),
        file("2.png", &[9; 300]),
    ]);
    let whole = read(&bytes);
    assert_eq!(whole.0.len(), 4);
    for chunk in [1, 2, 3, 100, 511, 512, 513, 1000] {
        assert_eq!(scanned(&bytes, chunk), whole, "{chunk}");
    }
}

#[test]
fn an_end_without_a_mark_is_one_and_an_archive_may_be_empty() {
    let good = archive(&[file("1.jpg", b"1")]);
    assert!(read(&good[..1024]).1.is_ok());
    assert_eq!(read(&[0; 1024]).1, Ok(Scanned::default()));
}

#[test]
fn archives_after_an_end_mark_are_read_and_zeros_before_them_are_nothing() {
    let archives = [
        archive(&[file("1.jpg", b"1"), file("1.cls", b"7")]),
        vec![0; 9 * 512],
        archive(&[file("2.jpg", b"2"), file("1.jpg", b"3")]),
        // without a mark
        file("3.jpg", b"4"),
    ];
    for window in [100, 512, 1 << 20] {
        let (images, end) = scanned(&archives.concat(), window);
        assert_eq!(names(&images), ["1.jpg", "2.jpg", "1.jpg#2", "3.jpg"]);
        assert_eq!(end.unwrap(), Scanned { images: 4, skipped: Skipped::default() });
    }
}

#[test]
fn an_archive_after_an_end_mark_that_is_cut_is_truncated() {
    let whole = [archive(&[file("1.jpg", b"1")]), archive(&[file("2.jpg", &[2; 600])])].concat();
    let (images, end) = read(&whole[..archive(&[file("1.jpg", b"1")]).len() + 700]);
    assert!(matches!(end, Err(TarError::Truncated { .. })));
    assert_eq!(classes(&images)[1], ("2.jpg", "truncated".to_owned()));
}

#[test]
fn what_follows_an_end_mark_and_is_no_archive_is_counted() {
    let good = archive(&[file("1.jpg", b"1")]);
    for (tail, trailing) in [
        (&b"junk"[..], 4),
        (&[0; 100], 0),
        (&[&[b'x'; 512][..], &[0; 512], b"y"].concat(), 513),
        // an archive that begins in the middle of a block
        (&[&[b'x'; 100][..], &good].concat(), 1024),
    ] {
        let (images, end) = read(&[&good[..], tail].concat());
        assert_eq!(names(&images), ["1.jpg"]);
        assert_eq!(end.unwrap().skipped, Skipped { trailing, ..Skipped::default() });
    }
    // blocks that are none do not hide an archive
    let (images, end) = read(&[&good[..], &[b'x'; 1024], &good].concat());
    assert_eq!((names(&images), end.unwrap().skipped.trailing), (vec!["1.jpg", "1.jpg#2"], 1024));
}
