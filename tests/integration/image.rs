//! The image stage compared with Pillow: squares to the byte, truncations as Pillow finds them, faults by their kind.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use half::f16;
use tresnet_batch::image::{
    Decode, Decoder, DecoderWarnings, Error, Exif, Format, Interpolation, Limits, Mode, Options, Rules,
    Source,
};
use tresnet_batch::tensor::{Layout, RowMut};

use super::support;

/// Largest difference to Pillow's libwebp that a square of a WebP may have, and the largest share of differing bytes:
/// none was met, neither here nor over 100 photographs written as WebP at qualities from 30 to 100.
const WEBP_BOUND: (u8, f64) = (0, 0.0);

/// What a border is made of; `pillow_crops.py` has it too.
const BORDER_MEAN: [f64; 3] = [0.485, 0.456, 0.1];

/// The fixtures that `pillow_crops.py` makes, made once for all tests here.
pub(super) static FIXTURES: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pillow-fixtures");
    pillow(&out, &["fixtures"]);
    out
});

fn pillow(out: &Path, arguments: &[&str]) {
    let out = out.to_str().expect("a UTF-8 path");
    support::run_python("pillow_crops.py", &[&[out], arguments].concat());
}

/// A line of `cases.tsv`.
struct Case {
    file: String,
    options: Options,
    label: String,
    square: Vec<u8>,
}

fn table(out: &Path, name: &str) -> Vec<Vec<String>> {
    let lines = fs::read_to_string(out.join(name)).expect("the script wrote its tables");
    lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn cases(out: &Path) -> Vec<Case> {
    let case = |fields: &Vec<String>| {
        let [file, size, share, mode, filter, exif, square] = fields.as_slice() else { panic!("{fields:?}") };
        let mut options = Options {
            mode: match mode.as_str() {
                "crop" => Mode::Crop,
                "squash" => Mode::Squash,
                _ => Mode::Border,
            },
            interpolation: Interpolation::named(filter).expect("a filter"),
            exif: if exif == "apply" { Exif::Apply } else { Exif::Ignore },
            mean: BORDER_MEAN,
            ..Options::new(size.parse().expect("a number"))
        };
        match share.strip_suffix("px") {
            Some(side) => options.resize_side = Some(side.parse().expect("a number")),
            None => options.crop_pct = share.parse().expect("a number"),
        }
        Case {
            file: file.clone(),
            options,
            label: format!("{size} {share} {mode} {filter} {exif}"),
            square: fs::read(out.join(square)).expect("the script wrote its squares"),
        }
    };
    table(out, "cases.tsv").iter().map(case).collect()
}

/// One decoder for each set of options, so that every image follows others through the same buffers.
#[derive(Default)]
struct Decoders(HashMap<String, Decoder>);

impl Decoders {
    fn square(&mut self, case: &Case, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let make = || Decoder::new(case.options).expect("good options");
        let decoder = self.0.entry(case.label.clone()).or_insert_with(make);
        decoder.crop(bytes).map(|(_, square)| square.to_vec())
    }
}

/// How many bytes differ, and by how much at most.
fn difference(found: &[u8], expected: &[u8]) -> (usize, u8) {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    (differences.clone().filter(|&d| d > 0).count(), differences.max().unwrap_or(0))
}

fn is_close_only(file: &str) -> bool {
    file.ends_with(".webp")
}

/// Each case of `out` that does not give Pillow's bytes, in words.
fn deviations(out: &Path) -> (usize, Vec<String>) {
    let mut decoders = Decoders::default();
    let cases: Vec<Case> = cases(out).into_iter().filter(|case| !is_close_only(&case.file)).collect();
    let mut found = Vec::new();
    for case in &cases {
        let bytes = fs::read(out.join(&case.file)).expect("an image");
        match decoders.square(case, &bytes).map(|square| difference(&square, &case.square)) {
            Ok((0, _)) => {}
            Ok((count, most)) => {
                found.push(format!("{} {}: {count} bytes differ, by {most} at most", case.file, case.label));
            }
            Err(error) => found.push(format!("{} {}: {error}", case.file, case.label)),
        }
    }
    (cases.len(), found)
}

#[test]
fn every_variety_of_every_exact_format_gives_pillows_bytes() {
    let (count, found) = deviations(&FIXTURES);
    println!("{count} squares, {} deviate from Pillow", found.len());
    assert!(count > 700, "{count}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_tiff_of_a_mode_that_is_not_read_is_unsupported_and_named() {
    let mut decoder = Decoder::new(Options::new(32)).expect("good options");
    let files = table(&FIXTURES, "refused.tsv");
    assert!(files.len() > 15, "{}", files.len());
    for file in files {
        let found = decoder.crop(&fixture(&file[0])).map(|(source, _)| source);
        let message = found.as_ref().map_err(ToString::to_string).expect_err(&file[0]);
        assert_eq!(found.map_err(|error| error.kind()), Err("unsupported"), "{}: {message}", file[0]);
        println!("{}: {message}", file[0]);
    }
}

#[test]
fn webp_stays_within_its_bound_of_pillows_libwebp() {
    let mut decoders = Decoders::default();
    let mut files: BTreeMap<String, (u8, f64)> = BTreeMap::new();
    for case in cases(&FIXTURES).iter().filter(|case| is_close_only(&case.file)) {
        let bytes = fs::read(FIXTURES.join(&case.file)).expect("an image");
        let square = decoders.square(case, &bytes).unwrap_or_else(|error| panic!("{}: {error}", case.file));
        let (count, most) = difference(&square, &case.square);
        let worst = files.entry(case.file.clone()).or_default();
        *worst = (worst.0.max(most), worst.1.max(count as f64 / square.len() as f64));
    }
    for (file, (most, share)) in &files {
        println!("{file}: largest difference {most}, differing bytes {:.3} %", share * 100.0);
    }
    assert!(files.values().all(|&(most, share)| most <= WEBP_BOUND.0 && share <= WEBP_BOUND.1), "{files:?}");
}

/// Compares each cut of `out` with Pillow's result; returns how many it refused and how many it read.
fn check_cuts(out: &Path) -> (usize, usize) {
    let mut decoder = Decoder::new(Options::new(224)).expect("good options");
    let (mut refused, mut read) = (0, 0);
    let mut wrong = Vec::new();
    for fields in table(out, "cuts.tsv") {
        let [file, length, verdict] = fields.as_slice() else { panic!("{fields:?}") };
        let bytes = fs::read(out.join(file)).expect("an image");
        let found = decoder.crop(&bytes[..length.parse().expect("a number")]);
        let agrees = match (&found, verdict.as_str()) {
            (Err(Error::Truncated { .. }), "refused") => true,
            (Ok((_, square)), square_file) if square_file != "refused" => {
                *square == fs::read(out.join(square_file)).expect("the script wrote its squares")
            }
            _ => false,
        };
        *if verdict == "refused" { &mut refused } else { &mut read } += 1;
        if !agrees {
            wrong.push(format!(
                "{file} at {length} of {}: {:?}, Pillow: {verdict}",
                bytes.len(),
                found.map(|f| f.0)
            ));
        }
    }
    println!("{refused} cuts refused by Pillow, {read} read, {} seen otherwise here", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    (refused, read)
}

#[test]
fn a_jpeg_is_truncated_exactly_where_pillow_refuses_its_cut() {
    let (refused, read) = check_cuts(&FIXTURES);
    assert!(refused > 400 && read > 0, "{refused} refused, {read} read");
}

/// The file with a fill byte before its end marker: the same image, but one whose rows are all decoded, because what
/// follows its scan could be anything.
fn with_fill_byte(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.strip_suffix(&[0xff, 0xd9])?;
    Some([body, &[0xff, 0xff, 0xd9]].concat())
}

#[test]
fn decoding_what_the_square_needs_gives_the_pixels_of_decoding_all() {
    let mut compared = 0;
    let names = fs::read_dir(&*FIXTURES).expect("fixtures").map(|item| item.expect("a fixture").path());
    for path in names.filter(|path| path.extension().is_some_and(|name| name == "jpg")) {
        let bytes = fs::read(&path).expect("a fixture");
        let Some(filled) = with_fill_byte(&bytes) else { continue };
        for (size, share) in [(8, 1.0), (31, 0.3), (64, 0.5), (97, 0.11), (224, 0.875)] {
            for (mode, exif) in [(Mode::Crop, Exif::Ignore), (Mode::Squash, Exif::Apply)] {
                let options = Options { crop_pct: share, mode, exif, ..Options::new(size) };
                let mut decoder = Decoder::new(options).expect("good options");
                let whole = decoder.crop(&filled).map(|(_, square)| square.to_vec());
                let part = decoder.crop(&bytes).map(|(_, square)| square.to_vec());
                assert!(part == whole, "{} to {size}, share {share}", path.display());
                compared += usize::from(part.is_ok());
            }
        }
    }
    println!("{compared} squares of parts are those of whole decodes");
    assert!(compared > 100, "{compared}");
}

/// The file with one byte of its tables or its scan changed, so that no marker comes or goes.
pub(super) fn with_flaw(bytes: &[u8], seed: u64) -> Vec<u8> {
    let tables = bytes.windows(2).position(|pair| pair == [0xff, 0xc4]).expect("Huffman tables");
    let mut spoiled = bytes.to_vec();
    let mut state = seed;
    loop {
        // Knuth's MMIX generator; its upper bits are good enough to choose a byte
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = tables + 21 + (state >> 33) as usize % (bytes.len() - tables - 23);
        let byte = (state >> 25) as u8;
        if byte != 0xff && ![bytes[at - 1], bytes[at]].contains(&0xff) && byte != bytes[at] {
            spoiled[at] = byte;
            return spoiled;
        }
    }
}

#[test]
fn a_damaged_scan_gives_the_pixels_that_libjpeg_alone_makes_of_it() {
    let (mut compared, mut harmed) = (0, 0);
    let names = fs::read_dir(&*FIXTURES).expect("fixtures").map(|item| item.expect("a fixture").path());
    for path in names.filter(|path| path.extension().is_some_and(|name| name == "jpg")) {
        let sound = fs::read(&path).expect("a fixture");
        if sound.len() < 2000 || with_fill_byte(&sound).is_none() {
            continue;
        }
        let mut decoder = Decoder::new(Options::new(97)).expect("good options");
        let mut square = |bytes: &[u8]| decoder.crop(bytes).map(|(_, square)| square.to_vec()).ok();
        let expected = square(&sound);
        for seed in 0..40 {
            let spoiled = with_flaw(&sound, seed);
            let ours = square(&spoiled);
            // every row is decoded of such a file, by libjpeg's own decoder
            let libjpegs = square(&with_fill_byte(&spoiled).expect("its end is as it was"));
            assert!(ours == libjpegs, "{} with flaw {seed}", path.display());
            compared += 1;
            harmed += usize::from(ours != expected);
        }
    }
    println!("{compared} damaged files, {harmed} with other pixels");
    assert!(compared > 800 && harmed > compared / 2, "{compared} files, {harmed} harmed");
}

/// The fixtures are drawn with hard edges, where a smaller decode differs most; a square that is off by a block differs by
/// far more.
#[test]
fn a_fast_decode_gives_nearly_the_square_and_all_of_it_where_nothing_is_reduced() {
    for (name, size, most) in [
        ("420.jpg", 224, 0.0),
        ("420.jpg", 64, 5.0),
        ("420.jpg", 24, 5.0),
        ("gray.jpg", 24, 5.0),
        ("lossless.jpg", 24, 0.0),
    ] {
        let mut squares = [Decode::Exact, Decode::Fast].map(|decode| {
            let options = Options { decode, ..Options::new(size) };
            Decoder::new(options).expect("good options").crop(&fixture(name)).expect("a JPEG").1.to_vec()
        });
        let [exact, fast] = &mut squares;
        let sum: u64 = exact.iter().zip(fast.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / exact.len() as f64;
        println!("{name} to {size}: {mean:.2} of 255 apart on average");
        assert!(mean <= most, "{name} to {size}: {mean}");
        assert_eq!(mean > 0.0, most > 0.0, "{name} to {size}: it is decoded smaller where it can be");
    }
}

#[test]
fn a_marker_in_the_scan_below_the_square_is_judged_as_in_a_whole_decode() {
    let bytes = fixture("420.jpg");
    let end = bytes.len();
    // half a segment of Huffman tables, where libjpeg looks for the end of the image
    for (at, marker) in [(end - 2, [0xff, 0xc4]), (end - 40, [0xff, 0xc4]), (end - 40, [0xff, 0xd3])] {
        let spoiled = [&bytes[..at], &marker, &[0, 1], &bytes[at..]].concat();
        let whole = Decoder::new(Options {
            limits: Limits { decoder_warnings: DecoderWarnings::Error, ..Limits::default() },
            ..Options::new(32)
        })
        .map(|mut strict| strict.crop(&spoiled).is_ok());
        let accepted = Decoder::new(Options::new(32)).expect("good options").crop(&spoiled).is_ok();
        assert_eq!(whole, Ok(false), "{marker:x?}: every warning is seen where warnings count");
        assert_eq!(
            accepted,
            marker[1] == 0xd3,
            "{marker:x?}: a table without its end is refused, a restart is not"
        );
    }
}

#[test]
fn photographs_of_imagenet_as_tiff_give_pillows_bytes_in_each_compression() {
    let Some(sample) = support::shared("data/imagenet_sample") else { return };
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pillow-tiff");
    pillow(&out, &["tiff", sample.to_str().expect("a UTF-8 path")]);
    let (count, found) = deviations(&out);
    println!("{count} squares, {} deviate from Pillow", found.len());
    assert!(count >= 500, "{count}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn photographs_of_imagenet_give_pillows_bytes_whole_and_cut() {
    let Some(sample) = support::shared("data/imagenet_sample") else { return };
    let mut photos: Vec<String> = fs::read_dir(sample)
        .expect("the sample is a folder")
        .flat_map(|class| fs::read_dir(class.expect("a class").path()).expect("a folder of photographs"))
        .map(|photo| photo.expect("a photograph").path().to_string_lossy().into_owned())
        .collect();
    photos.sort();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pillow-photos");
    let arguments: Vec<&str> = std::iter::once("photos").chain(photos.iter().map(String::as_str)).collect();
    pillow(&out, &arguments);
    let (count, found) = deviations(&out);
    println!("{} photographs, {count} squares, {} deviate from Pillow", photos.len(), found.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
    check_cuts(&out);
}

#[test]
fn the_golden_squares_are_repeated_to_the_byte() {
    let (Some(golden), Some(sample)) = (support::shared("golden"), support::shared("data/imagenet_sample"))
    else {
        return;
    };
    let names: serde_json::Value =
        serde_json::from_slice(&fs::read(golden.join("golden.json")).expect("golden.json")).expect("JSON");
    let file = fs::read(golden.join("inputs_224_u8.safetensors")).expect("the golden squares");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    let images = tensors.tensor("images").expect("a tensor of images");
    let names = names["images"].as_array().expect("a list of names");
    assert_eq!(images.shape(), [names.len(), 3, 224, 224]);

    let mut decoder = Decoder::new(Options::new(224)).expect("good options");
    let mut row = vec![0; 3 * 224 * 224];
    let mut differing = 0;
    for (name, expected) in names.iter().zip(images.data().chunks(row.len())) {
        let name = name.as_str().expect("a name");
        let class = name.split('_').next().expect("a class");
        let bytes = fs::read(sample.join(class).join(name)).expect("a photograph");
        decoder.decode_into(&bytes, Layout::Nchw, RowMut::U8(&mut row)).expect("a photograph");
        differing += difference(&row, expected).0;
    }
    println!("{} golden squares, {differing} bytes differ", names.len());
    assert_eq!(differing, 0);
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(FIXTURES.join(name)).expect("a fixture")
}

#[test]
fn a_row_holds_the_square_normalised_in_its_layout() {
    let options = Options { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.5], ..Options::new(32) };
    let mut decoder = Decoder::new(options).expect("good options");
    let bytes = fixture("420.jpg");
    let square = decoder.crop(&bytes).expect("a JPEG").1.to_vec();
    let value = |i: usize| (f64::from(square[i]) / 255.0 - options.mean[i % 3]) / options.std[i % 3];

    let mut half = vec![f16::ZERO; square.len()];
    decoder.decode_into(&bytes, Layout::Nhwc, RowMut::F16(&mut half)).expect("a JPEG");
    assert!((0..square.len()).all(|i| half[i] == f16::from_f64(value(i))), "NHWC f16");

    let mut single = vec![0.0; square.len()];
    decoder.decode_into(&bytes, Layout::Nchw, RowMut::F32(&mut single)).expect("a JPEG");
    assert!((0..square.len()).all(|i| single[i % 3 * 32 * 32 + i / 3] == value(i) as f32), "NCHW f32");
}

#[test]
fn a_row_of_a_failed_image_is_left_untouched() {
    let mut decoder = Decoder::new(Options::new(32)).expect("good options");
    let bytes = fixture("420.jpg");
    let mut row = vec![7; 3 * 32 * 32];
    decoder
        .decode_into(&bytes[..bytes.len() - 99], Layout::Nchw, RowMut::U8(&mut row))
        .expect_err("it is cut");
    assert!(row.iter().all(|&byte| byte == 7));
}

#[test]
fn a_decoder_goes_on_after_a_panic_as_if_it_had_not_been() {
    let mut decoder = Decoder::new(Options::new(32)).expect("good options");
    let bytes = fixture("420.jpg");
    let before = decoder.crop(&bytes).expect("a JPEG").1.to_vec();
    let too_short = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        decoder.decode_into(&fixture("rgb.png"), Layout::Nchw, RowMut::U8(&mut [0; 5]))
    }));
    assert!(too_short.is_err(), "a row of five elements holds no square");
    assert_eq!(decoder.crop(&bytes).expect("a JPEG").1, before);
}

#[test]
fn each_limit_is_an_error_of_its_kind_and_tells_the_source() {
    let source = |format| Some(Source { width: 333, height: 251, format });
    let limits = Limits::default();
    let cases = [
        ("encoded bytes", "420.jpg", Limits { max_encoded_bytes: 1000, ..limits }, Err(("limit", None))),
        (
            "pixels",
            "420.jpg",
            Limits { max_pixels: 333 * 251 - 1, ..limits },
            Err(("limit", source(Format::Jpeg))),
        ),
        ("pixels allowed", "420.jpg", Limits { max_pixels: 333 * 251, ..limits }, Ok(source(Format::Jpeg))),
        ("scans", "progressive.jpg", Limits { max_scans: 9, ..limits }, Err(("limit", source(Format::Jpeg)))),
        ("scans allowed", "progressive.jpg", Limits { max_scans: 10, ..limits }, Ok(source(Format::Jpeg))),
        (
            "warnings",
            "half_and_end.jpg",
            Limits { decoder_warnings: DecoderWarnings::Error, ..limits },
            Err(("corrupt", source(Format::Jpeg))),
        ),
        ("warnings accepted", "half_and_end.jpg", limits, Ok(source(Format::Jpeg))),
        (
            "no warnings",
            "420.jpg",
            Limits { decoder_warnings: DecoderWarnings::Error, ..limits },
            Ok(source(Format::Jpeg)),
        ),
    ];
    for (what, file, limits, expected) in cases {
        let mut decoder = Decoder::new(Options { limits, ..Options::new(32) }).expect("good options");
        let found = decoder.crop(&fixture(file)).map(|(source, _)| Some(source));
        assert_eq!(found.map_err(|error| (error.kind(), error.source_info())), expected, "{what}");
    }
}

#[test]
fn what_is_no_image_or_half_of_one_is_told_by_its_kind() {
    let cut = |name: &str, cut: usize| fixture(name)[..fixture(name).len() - cut].to_vec();
    let flipped = |name: &str, back: usize| {
        let mut bytes = fixture(name);
        let at = bytes.len() - back;
        bytes[at] ^= 1;
        bytes
    };
    // its header has the colours YCbCr, and a lossless file must not be converted
    let jfif = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    let lossless_jfif = [b"\xff\xd8", &jfif[..], &fixture("lossless.jpg")[2..]].concat();
    let mut hierarchical = fixture("444.jpg");
    let frame = hierarchical.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
    hierarchical[frame + 1] = 0xc5;
    let cases = [
        ("a lossless JPEG of YCbCr", lossless_jfif, "unsupported"),
        ("a hierarchical JPEG", hierarchical, "unsupported"),
        ("nothing", Vec::new(), "unsupported"),
        ("a web page", b"<!DOCTYPE html>".to_vec(), "unsupported"),
        ("a start of image alone", b"\xff\xd8".to_vec(), "corrupt"),
        ("a PNG without its end chunk", cut("rgb.png", 12), "truncated"),
        ("a PNG cut in its pixels", cut("rgb.png", 2000), "truncated"),
        ("an interlaced PNG cut in its pixels", cut("bytes_2_interlaced.png", 2000), "truncated"),
        ("a PNG with one bit of its pixels changed", flipped("rgb.png", 2000), "corrupt"),
        ("a PNG with one bit of its last checksum changed", flipped("rgb.png", 14), "corrupt"),
        ("a GIF cut in its frame", cut("plain.gif", 500), "truncated"),
        ("a TIFF cut in its pixels", cut("pillow_rgb_None.tif", 100), "truncated"),
        ("a TIFF without the end of its directory", cut("rgb_8_lzw.tif", 10), "truncated"),
        ("a TIFF cut in a strip of JPEG", cut("pillow_rgb_jpeg.tif", 200), "truncated"),
        // one byte of it is padding
        ("a BMP cut in its last row", cut("24.bmp", 2), "truncated"),
        ("an APNG cut in its animation", cut("animated_gap.png", 40), "truncated"),
        ("a WebP cut in its first frame", cut("animated_lossless_part_1.webp", 300), "truncated"),
        ("a BMP cut in its runs", cut("8_runs.bmp", 5), "truncated"),
        ("a lossy WebP cut in its pixels", cut("lossy_80.webp", 300), "truncated"),
        ("a lossless WebP cut in its pixels", cut("lossless.webp", 300), "truncated"),
    ];
    let mut decoder = Decoder::new(Options::new(32)).expect("good options");
    for (what, bytes, kind) in cases {
        let found = decoder.crop(&bytes).map(|(source, _)| source);
        assert_eq!(found.as_ref().map_err(Error::kind), Err(kind), "{what}: {found:?}");
    }
}

#[test]
fn a_job_of_version_0_1_0_reads_files_as_that_version_did() {
    let earlier = Options { rules: Rules::Earlier, ..Options::new(32) };
    let mut decoders =
        [earlier, Options::new(32)].map(|options| Decoder::new(options).expect("good options"));
    for (name, kind) in [
        ("animated_gap.png", "corrupt"),
        ("24_one_byte_short.bmp", "truncated"),
        ("rgb_8_lzw.tif", "unsupported"),
    ] {
        let found = decoders.each_mut().map(|decoder| {
            decoder.crop(&fixture(name)).map(|(source, _)| source.format).map_err(|error| error.kind())
        });
        assert_eq!(found[0], Err(kind), "{name}");
        assert!(found[1].is_ok(), "{name}: {found:?}");
    }
    let [earlier, current] = decoders
        .each_mut()
        .map(|decoder| decoder.crop(&fixture("animated_lossless_0.webp")).expect("a WebP").1.to_vec());
    // the upper fourth is transparent
    assert!(earlier[..3 * 32 * 6].iter().all(|&byte| byte == 0));
    assert!(current[..3 * 32 * 6].iter().any(|&byte| byte > 0));
}
