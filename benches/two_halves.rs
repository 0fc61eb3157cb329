//! The prototype of decision 0060: JPEGs decoded in two halves, Huffman codes first and the rest by kernels that would run
//! on a GPU, beside the program's own decode. Every byte is compared; one that differs ends the bench with an error, and so
//! does a comparison of nothing. Prints what would cross the bus, and times of one core.
//!
//! `cargo bench --bench two_halves -- [--images FOLDER] [--size N] [--runs N]`
//!
//! The kernels run as plain loops of C: their time here is no estimate for a GPU.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;
#[path = "../tests/support/two_halves/mod.rs"]
mod two_ways;

use bytes::Bytes;
use tresnet_batch::image::Interpolation;
use tresnet_batch::tensor::{Dtype, Layout};
use two_halves::{Coefficients, FirstHalf, Run, Sizes, second_half};

use support::{Arguments, mean_kilobytes, median, photographs};
use two_ways::{Both, Form};

/// Processor seconds of this process.
fn processor() -> f64 {
    let (mut used, clock) = (libc::timespec { tv_sec: 0, tv_nsec: 0 }, libc::CLOCK_PROCESS_CPUTIME_ID);
    // SAFETY: it writes one timespec.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut used) }, 0);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// Microseconds an image of a step.
fn timed<T>(images: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let started = processor();
    let made = work();
    ((processor() - started) * 1e6 / images as f64, made)
}

fn read(first_half: &mut FirstHalf, files: &[Bytes], both: &Both) -> Vec<Coefficients> {
    files.iter().filter_map(|file| first_half.read(file, &both.target()).ok()).collect()
}

fn print_sizes(both: &Both, files: &[Bytes], batch: &[Coefficients], size: u32) {
    let sizes: Vec<Sizes> = batch.iter().map(|image| image.sizes(&both.target())).collect();
    let mean = |of: fn(&Sizes) -> usize| {
        let mut values: Vec<usize> = sizes.iter().map(of).collect();
        values.sort_unstable();
        let sum: usize = values.iter().sum();
        (sum as f64 / values.len() as f64 / 1000.0, *values.last().unwrap() as f64 / 1000.0)
    };
    let row = (size * size * 3) as f64 / 1000.0;
    println!("\n| kB an image | mean | most |\n|---|---|---|");
    let most = files.iter().map(Bytes::len).max().unwrap() as f64 / 1000.0;
    println!("| the file | {:.1} | {most:.1} |", mean_kilobytes(files));
    for (what, (mean, most)) in [
        ("coefficients of the whole file, 2 bytes each", mean(|sizes| sizes.whole)),
        ("coefficients of the needed blocks, 2 bytes each", mean(|sizes| sizes.dense)),
        ("coefficients of the needed blocks, packed, with offsets", mean(|sizes| sizes.packed)),
        ("windows and weights of the resampling", mean(|sizes| sizes.tables)),
        ("between the kernels, on the device alone", mean(|sizes| sizes.between)),
        ("a ready row, u8", (row, row)),
        ("a ready row, f16", (2.0 * row, 2.0 * row)),
        ("a ready row, f32", (4.0 * row, 4.0 * row)),
    ] {
        println!("| {what} | {mean:.1} | {most:.1} |");
    }
}

fn main() {
    let arguments = Arguments::read(&["images", "size", "runs"]);
    let (size, runs) = (arguments.number("size", 224) as u32, arguments.number("runs", 5));
    let files = photographs(&arguments.images());
    let form = Form {
        size,
        crop_share: 0.875,
        interpolation: Interpolation::Bilinear,
        layout: Layout::SpaceToDepth,
        dtype: Dtype::F16,
    };
    let mut both = Both::new(form);
    let found = both.compare(&files, Run::Loops);
    println!(
        "{} JPEGs to {size} pixels: {} compared ({} progressive, {} by the program's own decoder of codes), {} bytes, \
         {} differ; {} stay with the program's decode, {} are refused by it",
        files.len(),
        found.images,
        found.progressive,
        found.plain,
        found.bytes,
        found.differing,
        found.kept.len(),
        found.refused
    );
    assert!(found.images > 0, "no image was compared");
    assert_eq!(found.differing, 0, "bytes differ");

    let mut first_half = FirstHalf::default();
    let batch = read(&mut first_half, &files, &both);
    print_sizes(&both, &files, &batch, size);

    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..runs {
        let (whole, rows) = timed(files.len(), || files.iter().filter_map(|file| both.row(file)).count());
        let (first, batch) = timed(files.len(), || read(&mut first_half, &files, &both));
        assert!(rows >= batch.len());
        let (second, _) = timed(batch.len(), || second_half(&batch, &both.target(), Run::Loops));
        for (times, time) in times.iter_mut().zip([whole, first, second, first / whole]) {
            times.push(time);
        }
    }
    let [whole, first, second, share] = times.map(median);
    println!("\n| µs an image of processor time, medians of {runs} rounds in turn | |\n|---|---|");
    println!("| the whole decode to a row, by the program | {whole:.0} |");
    println!("| the first half, to packed coefficients | {first:.0} |");
    println!("| the second half, kernels as loops of C | {second:.0} |");
    println!("| the first half of the whole decode | {share:.2} |");
}
