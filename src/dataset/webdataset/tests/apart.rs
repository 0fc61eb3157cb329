//! Texts that do not lie beside their image.

use super::*;

/// Five samples, in any order of their members; the images are `0.jpg` to `4.jpg`, the classes 10 to 14.
fn samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let images = (0..5).map(|n| file(&format!("d/{n}.jpg"), format!("image {n}").as_bytes())).collect();
    let texts = (0..5).map(|n| file(&format!("d/{n}.cls"), format!("{}", 10 + n).as_bytes())).collect();
    (images, texts)
}

fn side_by_side() -> Vec<ShardImage> {
    let (images, texts) = samples();
    let members: Vec<Vec<u8>> =
        images.into_iter().zip(texts).flat_map(|(image, text)| [image, text]).collect();
    let (images, end) = scanned_for(CLASS, &archive(&members), 1 << 20);
    assert_eq!(end.unwrap().images, 5);
    images
}

#[test]
fn every_order_of_members_gives_the_images_of_members_side_by_side() {
    let (images, texts) = samples();
    let backwards: Vec<Vec<u8>> = texts.iter().rev().cloned().collect();
    let interleaved: Vec<Vec<u8>> =
        images[..3].iter().chain(&texts[..4]).chain(&images[3..]).chain(&texts[4..]).cloned().collect();
    let late: Vec<Vec<u8>> = [
        [&images[0], &texts[0], &images[1], &texts[1]].map(Clone::clone).to_vec(),
        images[2..].to_vec(),
        texts[2..].to_vec(),
    ]
    .concat();
    for members in [
        [images.clone(), texts.clone()].concat(),
        [images.clone(), backwards].concat(),
        [texts.clone(), images.clone()].concat(),
        interleaved,
        late,
    ] {
        for window in [1, 512, 700, 1 << 20] {
            let (found, end) = scanned_for(CLASS, &archive(&members), window);
            assert_eq!(end.unwrap(), Scanned { images: 5, skipped: Skipped::default() });
            assert_eq!(found, side_by_side());
        }
    }
}

#[test]
fn archives_of_images_and_of_texts_after_each_other_are_one_shard() {
    let (images, texts) = samples();
    let both = [archive(&images), archive(&texts)].concat();
    assert_eq!(scanned_for(CLASS, &both, 999).0, side_by_side());
}

#[test]
fn a_job_that_asks_for_no_text_joins_none_and_counts_them() {
    let (images, texts) = samples();
    let (found, end) = scanned(&archive(&[images, texts].concat()), 512);
    assert!(found.iter().all(|image| *image.texts == Texts::default()));
    assert_eq!(end.unwrap().skipped.files, 5);
}

#[test]
fn what_was_left_out_is_counted_once_although_it_is_read_twice() {
    let (images, texts) = samples();
    let junk = |name: &str| [file(name, b"x"), member("link", b'2', b"")].concat();
    let tail = [&b"x"[..], &[0; 511]].concat();
    let members = [vec![junk("README")], images, vec![junk("b.bin"), file("e.cls", b"1")], texts].concat();
    let (found, end) = scanned_for(CLASS, &[archive(&members), tail].concat(), 512);
    assert_eq!(found, side_by_side());
    assert_eq!(end.unwrap().skipped, Skipped { special: 2, files: 3, trailing: 512 });
}

#[test]
fn a_text_beside_its_image_is_final() {
    let (found, end) = scanned_for(
        CLASS,
        &archive(&[
            file("a.jpg", b""),
            file("a.cls", b"1"),
            file("b.jpg", b""),
            file("b.json", b"{\"label\":2}"),
            file("c.jpg", b""),
            file("b.cls", b"8"),
            file("a.cls", b"9"),
            file("c.cls", b"3"),
        ]),
        512,
    );
    let classes = classes(&found);
    assert_eq!(classes, [("a.jpg", "1".into()), ("b.jpg", "none".into()), ("c.jpg", "3".into())]);
    assert_eq!(found[1].texts.json, Some(Ok(b"{\"label\":2}".to_vec())));
    assert_eq!(end.unwrap().skipped.files, 2);
}

#[test]
fn a_json_without_a_class_does_not_hide_a_class_elsewhere() {
    let members =
        [file("a.jpg", b""), file("a.json", b"{\"width\":2}"), file("b.jpg", b""), file("a.cls", b"4")];
    let (found, _) = scanned_for(CLASS, &archive(&members), 512);
    assert_eq!(classes(&found), [("a.jpg", "4".into()), ("b.jpg", "none".into())]);
    assert_eq!(found[0].texts.json, Some(Ok(b"{\"width\":2}".to_vec())));
}

#[test]
fn columns_and_captions_are_joined_where_the_job_asks_for_them() {
    let asked = Asked { class: false, columns: true, txt: true };
    let members = [
        file("a.jpg", b""),
        file("a.cls", b"1"),
        file("b.jpg", b""),
        file("a.json", b"{\"x\":1}"),
        file("b.txt", b"words"),
        file("b.json", b"{\"x\":2}"),
    ];
    let (found, end) = scanned_for(asked, &archive(&members), 512);
    assert_eq!(found[0].texts.json, Some(Ok(b"{\"x\":1}".to_vec())));
    assert_eq!(found[0].texts.cls, Some(Ok(b"1".to_vec())));
    assert_eq!(found[1].texts.json, Some(Ok(b"{\"x\":2}".to_vec())));
    assert_eq!(found[1].texts.txt, Some(Ok(b"words".to_vec())));
    assert_eq!(end.unwrap().skipped.files, 0);
}

#[test]
fn texts_of_one_name_are_joined_in_their_order() {
    let members = [
        file("a.jpg", b"first"),
        file("b.jpg", b""),
        file("a.jpg", b"second"),
        file("b.cls", b"5"),
        file("a.cls", b"1"),
        file("a.cls", b""),
    ];
    let (found, _) = scanned_for(CLASS, &archive(&members), 512);
    assert_eq!(classes(&found), [("a.jpg", "1".into()), ("b.jpg", "5".into()), ("a.jpg#2", String::new())]);
}

#[test]
fn images_of_one_sample_share_a_text_that_is_elsewhere() {
    let members = [
        file("a.jpg", b""),
        file("b.jpg", b""),
        file("a.seg.png", b""),
        file("b.seg.PNG", b""),
        file("a.cls", b"1"),
        file("b.cls", b"2"),
    ];
    let (found, _) = scanned_for(CLASS, &archive(&members), 512);
    let found: Vec<String> = classes(&found).into_iter().map(|(_, class)| class).collect();
    assert_eq!(found, ["1", "2", "1", "2"]);
}

#[test]
fn another_number_of_texts_than_of_samples_is_an_error_of_each() {
    let members = [
        file("a.jpg", b""),
        file("b.jpg", b""),
        file("a.jpg", b""),
        file("b.cls", b"5"),
        file("a.cls", b"1"),
        file("c.jpg", b""),
    ];
    let (found, end) = scanned_for(CLASS, &archive(&members), 512);
    end.unwrap();
    let expected = [("a.jpg", "corrupt"), ("b.jpg", "5"), ("a.jpg#2", "corrupt"), ("c.jpg", "none")];
    assert_eq!(classes(&found), expected.map(|(name, class)| (name, class.to_owned())));
    let why = &found[0].bytes.as_ref().unwrap_err().message;
    assert!(why.contains("1 of `a.cls`") && why.contains("2 samples"), "{why}");
}

#[test]
fn a_text_that_comes_after_too_many_images_of_its_sample_is_joined() {
    for (frames, bytes) in [(300, 1), (50, 100)] {
        let mut members: Vec<Vec<u8>> =
            (0..frames).map(|frame| file(&format!("v.{frame}.jpg"), &vec![7; bytes])).collect();
        members.insert(frames - 10, file("v.cls", b"3"));
        let (found, end) = scanned_for(CLASS, &archive(&members), 4096);
        assert_eq!(end.unwrap(), Scanned { images: frames as u64, skipped: Skipped::default() });
        assert!(classes(&found).iter().all(|(_, class)| class == "3"), "{:?}", classes(&found));
    }
}

#[test]
fn texts_that_are_cut_are_no_classes() {
    let (images, _) = samples();
    let whole = archive(&[images, vec![file("d/0.cls", b"10"), file("d/1.cls", b"11")]].concat());
    // in the middle of the last class
    let (found, end) = scanned_for(CLASS, &whole[..5 * 1024 + 1024 + 513], 512);
    assert!(matches!(end, Err(TarError::Truncated { .. })));
    let found: Vec<String> = classes(&found).into_iter().map(|(_, class)| class).collect();
    assert_eq!(found, ["10", "none", "none", "none", "none"]);
}

#[test]
fn a_shard_with_more_texts_apart_than_are_held_is_damaged_on_every_machine() {
    let limits = ShardLimits { image_bytes: 1000, text_bytes: 1 << 20 };
    let text = vec![b' '; 1 << 20];
    let members = |count: usize| {
        let mut members = vec![file("0.jpg", b"")];
        members.extend((0..count).map(|n| file(&format!("{n}.cls"), &text)));
        archive(&[&[file("x.jpg", b"")][..], &members].concat())
    };
    let end = |asked: Asked, count: usize| scan(&members(count), 1 << 20, limits, asked, |_| ());
    assert!(end(CLASS, 63).is_ok());
    let error = end(CLASS, 66).unwrap_err();
    assert!(matches!(error, TarError::Limit { .. }), "{error}");
    assert!(error.to_string().contains("64 MiB of texts"), "{error}");
    assert!(end(Asked::default(), 66).is_ok());
}

#[test]
fn members_in_any_order_give_the_same_whatever_the_windows() {
    let mut below = numbers(3);
    for _ in 0..500 {
        let members: Vec<Vec<u8>> = (0..1 + below(14))
            .map(|_| {
                let name = ["a", "b", "c", "._a"][below(4)];
                let suffix = ["jpg", "seg.png", "cls", "json", "txt", "bin"][below(6)];
                let text = ["1", "{\"label\":1}", "{", ""][below(4)];
                file(&format!("{name}.{suffix}"), text.as_bytes())
            })
            .collect();
        let asked = Asked { class: below(2) > 0, columns: below(2) > 0, txt: below(2) > 0 };
        let mut whole = archive(&members);
        whole.truncate(whole.len() - [0, 0, below(whole.len())][below(3)]);
        let found = scanned_for(asked, &whole, whole.len());
        assert_eq!(scanned_for(asked, &whole, 1 + below(900)), found);
        let images = |found: &[ShardImage]| -> Vec<(String, u64)> {
            found.iter().map(|image| (image.name.clone(), image.size)).collect()
        };
        // the images and their order depend on nothing that is asked
        assert_eq!(images(&found.0), images(&read(&whole).0));
    }
}
