//! Archives made by hand and cut, bent and lied about.

use super::*;
use crate::dataset::ImageNames;
use crate::sample::ErrorKind;

/// A header for a member; `bend` changes it before its checksum is written.
fn header(name: &str, kind: u8, size: u64, bend: impl FnOnce(&mut [u8; 512])) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    bend(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut member = header(name, kind, bytes.len() as u64, |_| {}).to_vec();
    member.extend_from_slice(bytes);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    member(name, b'0', bytes)
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

const LIMITS: ShardLimits = ShardLimits { image_bytes: 1000, text_bytes: 100 };

fn scanned(bytes: &[u8], chunk: usize) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    let mut images = Vec::new();
    let end = scan(bytes.chunks(chunk.max(1)), LIMITS, |image| images.push(image));
    (images, end)
}

fn read(bytes: &[u8]) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    scanned(bytes, bytes.len())
}

fn names(images: &[ShardImage]) -> Vec<&str> {
    images.iter().map(|image| image.name.as_str()).collect()
}

#[test]
fn texts_belong_to_the_image_of_their_name_whichever_comes_first() {
    let (images, end) = read(&archive(&[
        file("d/1.jpg", b"one"),
        file("d/1.cls", b"7"),
        file("d/2.json", b"{}"),
        file("d/2.PNG", b"two"),
        file("d.x/3.jpg", b"three"),
    ]));
    assert_eq!(names(&images), ["d/1.jpg", "d/2.PNG", "d.x/3.jpg"]);
    assert_eq!(images[0].bytes.as_deref(), Ok(&b"one"[..]));
    assert_eq!(images[0].texts.cls, Some(Ok(b"7".to_vec())));
    assert_eq!(images[1].texts.json, Some(Ok(b"{}".to_vec())));
    assert_eq!(*images[2].texts, Texts::default());
    assert_eq!(end.unwrap(), Scanned { images: 3, skipped: Skipped::default() });
}

#[test]
fn members_named_tiff_are_images_but_not_for_jobs_of_version_0_1_0() {
    let shard = archive(&[file("1.tif", b"x"), file("2.TIFF", b"y"), file("3.jpg", b"z")]);
    for (rules, expected) in
        [(ImageNames::Current, &["1.tif", "2.TIFF", "3.jpg"][..]), (ImageNames::Earlier, &["3.jpg"])]
    {
        let mut samples = Samples::new(LIMITS).with_image_names(rules);
        let (mut window, mut images) = (shard.as_slice(), Vec::new());
        while let Some(found) = samples.next(&mut window).unwrap() {
            images.extend(found);
        }
        images.extend(samples.finish().images);
        assert_eq!(names(&images), expected, "{rules:?}");
    }
}

#[test]
fn a_name_that_comes_again_is_counted_and_never_taken_twice() {
    let (images, end) = read(&archive(&[
        file("a.jpg#2", b""),
        file("a.jpg", b"1"),
        file("a.cls", b"1"),
        file("a.jpg", b"2"),
        file("a.cls", b"2"),
        file("b.jpg", b""),
        file("a.jpg", b"3"),
    ]));
    assert_eq!(names(&images), ["a.jpg", "a.jpg#2", "b.jpg", "a.jpg#3"]);
    assert_eq!(images[1].texts.cls, Some(Ok(b"2".to_vec())));
    assert_eq!(end.unwrap().skipped.files, 1);
}

#[test]
fn a_member_that_is_called_as_a_counted_name_would_be_keeps_its_own() {
    let (images, _) = read(&archive(&[
        file("a.x#2.jpg", b""),
        file("a.x.jpg", b""),
        file("b.jpg#2.jpg", b""),
        file("b.jpg", b""),
        file("b.jpg", b""),
        file("b.jpg#2.jpg", b""),
    ]));
    let mut all = names(&images);
    assert_eq!(all.len(), 6);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "{all:?}");
}

#[test]
fn a_name_given_a_thousand_times_is_a_thousand_names() {
    let members: Vec<Vec<u8>> = (0..1000).map(|_| file("a.jpg", b"")).collect();
    let (images, _) = read(&archive(&members));
    assert_eq!((images[0].name.as_str(), images[999].name.as_str()), ("a.jpg", "a.jpg#1000"));
}

#[test]
fn links_devices_and_unknown_files_are_counted_and_their_claims_ignored() {
    let mut link = header("l.jpg", b'2', 0, |block| block[157..168].copy_from_slice(b"/etc/passwd")).to_vec();
    link.extend(header("h.jpg", b'1', 1 << 30, |_| {}));
    let (images, end) = read(&archive(&[
        link,
        member("dev.jpg", b'3', b""),
        member("pipe.jpg", b'6', b""),
        member("d/", b'5', b""),
        member("label", b'V', b"some bytes"),
        file("README", b"text"),
        file("._1.jpg", b"of a Mac"),
        file("lonely.cls", b"3"),
        file("../../etc/1.jpg", b"image"),
    ]));
    assert_eq!(names(&images), ["../../etc/1.jpg"]);
    assert_eq!(end.unwrap().skipped, Skipped { special: 5, files: 3 });
}

#[test]
fn long_names_come_from_gnu_and_from_pax_headers() {
    let long = format!("{}.jpg", "n".repeat(300));
    let pax = format!("{} path={long}\n", long.len() + 10);
    assert_eq!(pax.len(), long.len() + 10);
    let mut prefixed = header("1.jpg", b'0', 0, |block| block[345..351].copy_from_slice(b"folder")).to_vec();
    prefixed.extend(member("././@LongLink", b'K', b"a link's target\0"));
    let (images, end) = read(&archive(&[
        member("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        file("short.jpg", b"gnu"),
        member("PaxHeader", b'g', b"11 mtime=0\n"),
        member("PaxHeader", b'x', pax.as_bytes()),
        file("short.jpg", b"pax"),
        prefixed,
        file("2.jpg", b""),
    ]));
    end.unwrap();
    assert_eq!(names(&images), [long.as_str(), &format!("{long}#2"), "folder/1.jpg", "2.jpg"]);
}

#[test]
fn names_that_are_no_text_are_written_out() {
    let odd = header("x.jpg", b'0', 0, |block| block[0] = 0xff).to_vec();
    assert_eq!(names(&read(&archive(&[odd])).0), [r"\xff.jpg"]);
}

#[test]
fn an_image_above_the_limit_is_an_error_and_the_next_one_is_read() {
    let (images, end) =
        read(&archive(&[file("1.jpg", &[1; 1001]), file("2.jpg", &[2; 1000]), file("2.json", &[b' '; 101])]));
    end.unwrap();
    assert_eq!(images[0].bytes.as_ref().unwrap_err().kind, ErrorKind::Limit);
    assert_eq!((images[0].size, images[1].bytes.as_ref().unwrap().len()), (1001, 1000));
    assert!(images[1].texts.json.as_ref().unwrap().is_err());
}

#[test]
fn the_images_of_one_sample_are_never_held_beyond_the_limit() {
    let frames: Vec<Vec<u8>> = (0..50).map(|frame| file(&format!("v.{frame}.jpg"), &[0; 100])).collect();
    let before = [&[file("v.cls", b"3")][..], &frames].concat();
    let (images, end) = read(&archive(&before));
    end.unwrap();
    assert_eq!(images.len(), 50);
    assert!(images.iter().all(|image| image.texts.cls == Some(Ok(b"3".to_vec()))));
    // a class that comes too late must not leave images without it in silence
    let (_, end) = read(&archive(&[frames, vec![file("v.cls", b"3")]].concat()));
    assert!(end.unwrap_err().to_string().contains("`v.cls` comes after too many images"));
}

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
        (&[0x1f, 0x8b, 8, 0, 0][..], "compressed"),
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
fn what_follows_the_end_is_not_looked_at_and_an_end_without_a_mark_is_one() {
    let good = archive(&[file("1.jpg", b"1")]);
    assert_eq!(read(&[&good[..], b"junk"].concat()).0.len(), 1);
    assert!(read(&[&good[..], b"junk"].concat()).1.is_ok());
    assert!(read(&good[..1024]).1.is_ok());
    assert_eq!(read(&[0; 1024]).1, Ok(Scanned::default()));
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
    // SplitMix64
    let mut state = 7_u64;
    let mut below = |n: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 29)) % n as u64) as usize
    };
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
        let found = read(&bytes);
        assert_eq!(scanned(&bytes, 1 + below(700)), found);
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
