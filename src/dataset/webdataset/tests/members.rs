//! Members that become samples, and those that do not.

use super::*;

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
    assert_eq!(end.unwrap().skipped, Skipped { special: 5, files: 3, trailing: 0 });
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
}

#[test]
fn hidden_members_are_counted_and_part_no_sample() {
    let (images, end) = read(&archive(&[
        file("./._1.jpg", b"of a Mac"),
        file("./1.jpg", b"one"),
        file("./._1.cls", b"of a Mac"),
        file("./1.cls", b"1"),
        file("__MACOSX/1.jpg", b"of a Mac"),
        file(".DS_Store", b"x"),
        file("a/.ipynb_checkpoints/2.jpg", b"x"),
        file("a/../2.jpg", b"two"),
    ]));
    assert_eq!(classes(&images), [("./1.jpg", "1".to_owned()), ("a/../2.jpg", "none".to_owned())]);
    assert_eq!(end.unwrap().skipped, Skipped { special: 0, files: 5, trailing: 0 });
}
