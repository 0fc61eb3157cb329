//! The whole pipeline with the do-nothing engine against decoding alone, which is its control: what everything
//! but decoding costs. Prints one table; nothing here is a test. On a busy machine, use many short rounds instead of a
//! few long ones.
//!
//! `cargo bench --bench do_nothing -- [--images FOLDER] [--count N] [--runs N] [--batch N]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;

use tresnet_batch::store::{Location, Role};

use support::{Arguments, Knobs, cores, decode_alone, mean_kilobytes, median, photographs, rate};

fn main() {
    let arguments = Arguments::read(&["images", "count", "runs", "batch"]);
    let (count, runs) = (arguments.number("count", 4000), arguments.number("runs", 21));
    let images = photographs(&arguments.images());
    let folder = tempfile::tempdir().unwrap();
    support::link_photographs(&images, folder.path(), count as usize);
    let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
    let knobs = Knobs { batch: arguments.number("batch", 32) as usize, ..Knobs::new(count) };
    println!(
        "{count} reads of {} images of {:.0} kB from a local disk, batches of {}, {} cores, medians of {runs} runs",
        images.len(),
        mean_kilobytes(&images),
        knobs.batch,
        cores()
    );
    let runtime = support::runtime();
    let (mut alone, mut whole, mut ratio, mut cpu) = (vec![], vec![], vec![], vec![]);
    let mut last = None;
    for _ in 0..runs {
        let decode = decode_alone(&images, knobs.size, count as usize, knobs.workers);
        let run = runtime.block_on(support::run_with_noise(&input, knobs));
        alone.push(decode);
        whole.push(rate(&run));
        ratio.push(100.0 * rate(&run) / decode);
        cpu.extend(run.utilisation().cpu.map(|cpu| cpu.ms_per_image));
        last = Some(run.utilisation());
    }
    ratio.sort_by(f64::total_cmp);
    let spread = format!("{:.1}–{:.1}", ratio[0], ratio[ratio.len() - 1]);
    println!("| what | images/s | of decode alone (least–most) |\n|---|---|---|");
    println!("| decode alone, all cores | {:.1} | 100 % |", median(alone));
    println!(
        "| the pipeline with the do-nothing engine | {:.1} | {:.1} % ({spread}) |",
        median(whole),
        median(ratio)
    );
    if !cpu.is_empty() {
        println!("processor time of the pipeline: {:.3} ms an image", median(cpu));
    }
    if let Some(used) = last {
        println!(
            "the last run: decoders busy {:.1} %, the engine's thread waited for rows {:.2} % of the time, rows took \
             {:.2} % and encoding {:.2} % of a core",
            100.0 * used.decode.busy,
            100.0 * used.engine.waits_for_outputs,
            100.0 * used.rows.busy,
            100.0 * used.encode.busy
        );
    }
}
