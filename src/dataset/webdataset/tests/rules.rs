//! Shards by the rules of version 0.1.0.

use crate::dataset::ImageNames;

use super::*;
use crate::dataset::webdataset::scan::scan_by;

fn by(rules: ShardRules, bytes: &[u8]) -> (Vec<String>, Result<Scanned, TarError>) {
    let mut names = Vec::new();
    let samples = Samples::new(LIMITS, CLASS, rules);
    let end = scan_by(bytes, 512, samples, |image| names.push(image.name));
    (names, end)
}

#[test]
fn a_shard_that_is_read_otherwise_now_is_refused_for_a_job_of_version_0_1_0() {
    let late: Vec<Vec<u8>> =
        (0..300).map(|frame| file(&format!("v.{frame}.jpg"), b"")).chain([file("v.cls", b"3")]).collect();
    let twice = [archive(&[file("a.jpg", b"")]), archive(&[file("b.jpg", b"")])].concat();
    for (bytes, word) in [
        (archive(&[file("a.jpg", b""), file("b.jpg", b""), file("a.cls", b"1")]), "beside their image"),
        (archive(&[file("a.cls", b"1"), file("b.cls", b"1"), file("a.jpg", b"")]), "beside their image"),
        (archive(&[file("a/.b/c.jpg", b"")]), "hidden member `a/.b/c.jpg`"),
        (archive(&late), "too many images"),
        (twice, "after an end mark"),
    ] {
        let (_, end) = by(ShardRules::SameAsEarlier, &bytes);
        let error = end.unwrap_err();
        assert!(matches!(error, TarError::OtherRules { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_shard_that_is_read_as_before_is_not_refused() {
    for bytes in [
        archive(&[file("a.jpg", b""), file("a.cls", b"1"), file("b.jpg", b""), file("lonely.cls", b"2")]),
        archive(&[file("a.jpg", b""), file("b.jpg", b""), file("b.json", b"{}"), file("._a.jpg", b"")]),
        [archive(&[file("a.jpg", b""), file("b.jpg", b"")]), b"junk".to_vec()].concat(),
    ] {
        let (names, end) = by(ShardRules::SameAsEarlier, &bytes);
        end.unwrap();
        assert_eq!(names, ["a.jpg", "b.jpg"]);
    }
}

#[test]
fn the_images_of_a_finished_output_of_version_0_1_0_are_found_again() {
    let twice =
        [archive(&[file("a/.b/c.jpg", b""), file("d.jpg", b"")]), archive(&[file("e.jpg", b"")])].concat();
    let (names, end) = by(ShardRules::Earlier, &twice);
    end.unwrap();
    assert_eq!(names, ["a/.b/c.jpg", "d.jpg"]);
}

#[test]
fn members_named_tiff_are_images_but_not_for_jobs_of_version_0_1_0() {
    let shard = archive(&[file("1.tif", b"x"), file("2.TIFF", b"y"), file("3.jpg", b"z")]);
    for (image_names, expected) in
        [(ImageNames::Current, &["1.tif", "2.TIFF", "3.jpg"][..]), (ImageNames::Earlier, &["3.jpg"])]
    {
        let samples = Samples::new(LIMITS, Asked::default(), ShardRules::Current);
        let mut samples = samples.with_image_names(image_names);
        let (mut window, mut images) = (shard.as_slice(), Vec::new());
        while let Some(found) = samples.next(&mut window).unwrap() {
            images.extend(found);
        }
        images.extend(samples.finish(None).images);
        assert_eq!(names(&images), expected, "{image_names:?}");
    }
}
