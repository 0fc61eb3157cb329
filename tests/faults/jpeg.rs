//! Panics in the decoder of JPEG scans, which libjpeg calls: they must not cross its functions, and change no pixel.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tresnet_batch::image::{Decoder, Options};

use crate::support::{run_python, scratch};

/// JPEG files of every kind, by name, with their squares.
fn files(decoder: &mut Decoder) -> BTreeMap<String, (Vec<u8>, Vec<u8>)> {
    let folder: PathBuf = scratch().join("jpeg_panics");
    run_python("pillow_crops.py", &[folder.to_str().unwrap(), "fixtures"]);
    let mut files = BTreeMap::new();
    for item in std::fs::read_dir(&folder).unwrap() {
        let path = item.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jpg") {
            let bytes = std::fs::read(&path).unwrap();
            let Ok((_, square)) = decoder.crop(&bytes) else { continue };
            let square = square.to_vec();
            files.insert(path.file_name().unwrap().to_string_lossy().into_owned(), (bytes, square));
        }
    }
    assert!(files.len() > 20, "{:?}", files.keys());
    files
}

/// Panics at `point` when it is passed for the `number`-th time. Returns how often it was passed.
fn panic_at(point: &str, number: usize) -> Arc<AtomicUsize> {
    let passed = Arc::new(AtomicUsize::new(0));
    let count = passed.clone();
    fail::cfg_callback(point, move || {
        assert!(count.fetch_add(1, Ordering::Relaxed) != number, "a planted panic");
    })
    .unwrap();
    passed
}

#[test]
fn libjpeg_goes_on_where_the_decoder_of_a_scan_panicked_and_no_pixel_differs() {
    let mut decoder = Decoder::new(Options::new(224)).unwrap();
    let files = files(&mut decoder);
    let mut struck = BTreeMap::new();
    for point in ["jpeg.begin", "jpeg.define", "jpeg.take_over", "jpeg.mcu", "jpeg.advance"] {
        for number in [0, 1, 2, 40, 300] {
            for (name, (bytes, square)) in &files {
                let passed = panic_at(point, number);
                let found = decoder.crop(bytes).unwrap_or_else(|error| panic!("{name}: {error}")).1;
                assert!(found == square, "{point}, {number}: {name} has other pixels");
                *struck.entry(point).or_insert(0) += usize::from(passed.load(Ordering::Relaxed) > number);
                fail::remove(point);
                // a half-made table would spoil this decode
                assert!(decoder.crop(bytes).unwrap().1 == square, "{name}, after {point}, {number}");
            }
        }
    }
    println!("{struck:?}");
    assert!(struck.values().all(|files| *files > 0), "{struck:?}");

    // the position in the file is not known: the image is given up, unless the next attempt finds it
    let mut lost = 0;
    for (name, (bytes, square)) in &files {
        fail::cfg("jpeg.hand_back", "panic").unwrap();
        match catch_unwind(AssertUnwindSafe(|| decoder.crop(bytes).map(|(_, square)| square.to_vec()))) {
            Ok(found) => assert!(found.unwrap() == *square, "{name} has other pixels"),
            Err(panic) => {
                assert_eq!(
                    panic.downcast_ref::<&str>(),
                    Some(&"the decoder of a JPEG's scan panicked"),
                    "{name}"
                );
                lost += 1;
            }
        }
        fail::remove("jpeg.hand_back");
        assert!(decoder.crop(bytes).unwrap().1 == square, "{name}, the same decoder afterwards");
    }
    println!("{lost} of {} files lost their place", files.len());
    assert!(lost > 0);
}
