//! Bytes of an image file to its row of the slot, on one core, beside what bounds it from above.
//!
//! `cargo bench --bench decode -- [--images FOLDER] [--size N] [--rounds N] [--json]`
//!
//! Controls: libjpeg-turbo's whole decode (no resizing, no packing), and its decode at an eighth of the size, where hardly more than the entropy
//! decoding is left: nothing that reads the whole file can be faster. Rounds are interleaved; medians are printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use half::f16;
use tresnet_batch::image::{Decoder, Options};
use tresnet_batch::tensor::{Layout, RowMut};
use turbojpeg_sys as tj;

struct Settings {
    images: PathBuf,
    size: u32,
    rounds: usize,
    json: bool,
}

fn settings() -> Settings {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join(".demo/images");
    let mut settings = Settings { images, size: 224, rounds: 5, json: false };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--images" => settings.images = value().into(),
            "--size" => settings.size = value().parse().unwrap(),
            "--rounds" => settings.rounds = value().parse().unwrap(),
            "--json" => settings.json = true,
            other => panic!("unknown option {other}"),
        }
    }
    settings
}

fn jpegs(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|_| panic!("no images at {}", folder.display()))
        .map(|item| item.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            jpegs(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.starts_with(&[0xff, 0xd8]) {
                found.push(bytes);
            }
        }
    }
}

/// libjpeg-turbo's own interface, at full size or an eighth of it.
struct Turbo {
    handle: tj::tjhandle,
    scale: tj::tjscalingfactor,
    pixels: Vec<u8>,
}

impl Turbo {
    fn new(denominator: i32) -> Turbo {
        // SAFETY: no preconditions.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as i32) };
        assert!(!handle.is_null());
        Turbo { handle, scale: tj::tjscalingfactor { num: 1, denom: denominator }, pixels: Vec::new() }
    }

    fn decode(&mut self, bytes: &[u8]) {
        let scaled = |side: i32| ((side + self.scale.denom - 1) / self.scale.denom) as usize;
        // SAFETY: the handle is live; the buffer has four bytes for each pixel of the scaled size.
        unsafe {
            if tj::tj3DecompressHeader(self.handle, bytes.as_ptr(), bytes.len() as _) != 0 {
                return;
            }
            assert_eq!(tj::tj3SetScalingFactor(self.handle, self.scale), 0);
            let width = scaled(tj::tj3Get(self.handle, tj::TJPARAM_TJPARAM_JPEGWIDTH as i32));
            let height = scaled(tj::tj3Get(self.handle, tj::TJPARAM_TJPARAM_JPEGHEIGHT as i32));
            self.pixels.resize(width * height * 4, 0);
            tj::tj3Decompress8(
                self.handle,
                bytes.as_ptr(),
                bytes.len() as _,
                self.pixels.as_mut_ptr(),
                0,
                tj::TJPF_TJPF_RGBX,
            );
        }
    }
}

impl Drop for Turbo {
    fn drop(&mut self) {
        // SAFETY: made by `tj3Init`, freed once.
        unsafe { tj::tj3Destroy(self.handle) }
    }
}

/// The work on one file.
type Work<'a> = Box<dyn FnMut(&[u8]) + 'a>;

/// Seconds of `work` over every file.
fn seconds(files: &[Vec<u8>], work: &mut dyn FnMut(&[u8])) -> f64 {
    let started = Instant::now();
    files.iter().for_each(|file| work(file));
    started.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let settings = settings();
    let mut files = Vec::new();
    jpegs(&settings.images, &mut files);
    assert!(!files.is_empty(), "no JPEG below {}", settings.images.display());
    let elements = (settings.size * settings.size * 3) as usize;
    let (mut single, mut half, mut bytes) =
        (vec![0.0; elements], vec![f16::ZERO; elements], vec![0; elements]);
    let mut decoders: Vec<Decoder> =
        (0..4).map(|_| Decoder::new(Options::new(settings.size)).unwrap()).collect();
    let [crop, to_f32, to_f16, to_u8] = decoders.as_mut_slice() else { unreachable!() };
    let (mut whole, mut eighth) = (Turbo::new(1), Turbo::new(8));
    // a corrupt file costs what it costs in a run, too
    let mut rows: Vec<(&str, Work)> = vec![
        ("libjpeg-turbo at 1/8: the entropy decoding", Box::new(|file| eighth.decode(file))),
        ("libjpeg-turbo, whole image, no resizing", Box::new(|file| whole.decode(file))),
        ("to the square", Box::new(|file| drop(crop.crop(file)))),
        (
            "to the slot, f32 NCHW",
            Box::new(|file| drop(to_f32.decode_into(file, Layout::Nchw, RowMut::F32(&mut single)))),
        ),
        (
            "to the slot, f16 NCHW",
            Box::new(|file| drop(to_f16.decode_into(file, Layout::Nchw, RowMut::F16(&mut half)))),
        ),
        (
            "to the slot, u8 NHWC",
            Box::new(|file| drop(to_u8.decode_into(file, Layout::Nhwc, RowMut::U8(&mut bytes)))),
        ),
    ];
    let mut times = vec![Vec::new(); rows.len()];
    for round in 0..=settings.rounds {
        for ((_, work), times) in rows.iter_mut().zip(&mut times) {
            let time = seconds(&files, work);
            if round > 0 {
                times.push(time);
            }
        }
    }
    let rates: Vec<f64> = times.iter_mut().map(|times| files.len() as f64 / median(times)).collect();
    if settings.json {
        let named: serde_json::Map<String, serde_json::Value> =
            rows.iter().zip(&rates).map(|((name, _), rate)| ((*name).to_owned(), (*rate).into())).collect();
        println!("{}", serde_json::Value::from(named));
        return;
    }
    let kilobytes = files.iter().map(Vec::len).sum::<usize>() as f64 / files.len() as f64 / 1000.0;
    println!("{} JPEGs of {kilobytes:.0} kB, one core, median of {} rounds", files.len(), settings.rounds);
    println!("| what | images/s | of the entropy decoding alone |\n|---|---|---|");
    for ((name, _), rate) in rows.iter().zip(&rates) {
        println!("| {name} | {rate:.0} | {:.0} % |", 100.0 * rate / rates[0]);
    }
}
