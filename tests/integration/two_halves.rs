//! The prototype of decision 0060 gives the bytes of the program's own decode.

use std::fs;
use std::path::{Path, PathBuf};

use tresnet_batch::image::Interpolation;
use tresnet_batch::tensor::{Dtype, Layout};
use two_halves::Run;

use super::image::FIXTURES;
use super::support;

#[path = "../support/two_halves/mod.rs"]
mod two_ways;
use two_ways::{Both, Comparison, Form};

/// Sides, crops, filters and forms of rows: squares that need all of an image, little of it, or more than it has.
const FORMS: [Form; 5] = [
    form(224, 0.875, Interpolation::Bilinear, Layout::SpaceToDepth, Dtype::F16),
    form(224, 0.95, Interpolation::Bicubic, Layout::Nchw, Dtype::F32),
    form(32, 1.0, Interpolation::Bilinear, Layout::Nhwc, Dtype::U8),
    form(97, 0.11, Interpolation::Bicubic, Layout::Nchw, Dtype::F16),
    form(8, 0.5, Interpolation::Bilinear, Layout::SpaceToDepth, Dtype::U8),
];

const fn form(
    size: u32,
    crop_share: f64,
    interpolation: Interpolation,
    layout: Layout,
    dtype: Dtype,
) -> Form {
    Form { size, crop_share, interpolation, layout, dtype }
}

fn jpegs(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|item| item.expect("a file").path()).collect();
    paths.retain(|path| {
        path.extension().is_some_and(|name| name == "jpg" || name == "jpeg" || name == "JPEG")
    });
    paths.sort();
    paths
}

fn contents(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

fn same(files: &[Vec<u8>], form: Form, run: Run) -> Comparison {
    let found = Both::new(form).compare(files, run);
    println!("{form:?} {run:?}: {} images, {} bytes, {} differ", found.images, found.bytes, found.differing);
    assert_eq!(found.differing, 0, "{form:?} {run:?}");
    found
}

#[test]
fn two_halves_give_the_bytes_of_the_whole_decode() {
    let paths = jpegs(&FIXTURES);
    let files = contents(&paths);
    for (form, run) in FORMS.into_iter().flat_map(|form| [(form, Run::Loops), (form, Run::Grid)]) {
        let found = same(&files, form, run);
        assert!(found.images > 30 && found.progressive > 3 && found.plain > 20, "{found:?}");
        for position in found.kept {
            let name = paths[position].file_name().expect("a name").to_string_lossy();
            assert!(name.starts_with("lossless"), "{name} is not decoded in two halves");
        }
    }
}

#[test]
fn two_halves_give_the_bytes_of_photographs() {
    let Some(data) = support::shared("data/imagenet_sample") else { return };
    let classes = fs::read_dir(data).expect("classes").map(|item| item.expect("a class").path());
    let paths: Vec<PathBuf> = classes.flat_map(|class| jpegs(&class)).collect();
    let found = same(&contents(&paths), FORMS[0], Run::Loops);
    assert!(found.images >= 90 && found.kept.is_empty(), "{found:?}");
}

// here and below: where coefficients leave 16 bits, libjpeg's vectors of other processors may give other bytes
/// The file with quantization tables under which its coefficients leave 16 bits.
#[cfg(target_arch = "x86_64")]
fn with_coarse_tables(file: &[u8]) -> Vec<u8> {
    let mut coarse = file.to_vec();
    let mut at = 2;
    while coarse[at + 1] != 0xda {
        let length = usize::from(coarse[at + 2]) << 8 | usize::from(coarse[at + 3]);
        if coarse[at + 1] == 0xdb {
            // tables of one byte an element, each after a byte of its number
            for (place, byte) in coarse[at + 4..at + 2 + length].iter_mut().enumerate() {
                *byte = if place % 65 == 0 { *byte } else { 255 - (place % 7) as u8 };
            }
        }
        at += 2 + length;
    }
    coarse
}

#[cfg(target_arch = "x86_64")]
#[test]
fn two_halves_wrap_and_saturate_as_the_whole_decode_does() {
    use super::image::with_flaw;

    let sound: Vec<Vec<u8>> = contents(&jpegs(&FIXTURES))
        .into_iter()
        .filter(|file| file.len() >= 2000 && file.windows(2).any(|pair| pair == [0xff, 0xc4]))
        .collect();
    let coarse: Vec<Vec<u8>> = sound.iter().map(|file| with_coarse_tables(file)).collect();
    let found = same(&coarse, FORMS[2], Run::Loops);
    assert!(found.images > 25, "{found:?}");

    let damaged: Vec<Vec<u8>> =
        sound.iter().chain(&coarse).flat_map(|file| (0..12).map(|seed| with_flaw(file, seed))).collect();
    let found = same(&damaged, FORMS[2], Run::Loops);
    assert_eq!(found.images + found.refused + found.kept.len(), damaged.len(), "{found:?}");
    assert!(found.images > 500, "{found:?}");
}
