//! The pipeline with the do-nothing engine from an S3 server on loopback that adds `--latency` milliseconds to each
//! request, compared with the same server without latency and with a local disk. Prints one table; no test.
//!
//! `cargo bench --bench fetch -- [--images FOLDER] [--count N] [--runs N] [--latency MS] [--requests N] [--batch N]`
//!
//! The server has a thread of this process, so its work takes from the cores that decode, in both runs alike. The rate
//! "without the server" is that of the cores' time that the server left; it is right where the cores have no idle time.
//! Fewer than some thousand images show the start of a run and not its rate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::time::Duration;

use scripted_s3::ScriptedS3;
use tresnet_batch::store::{Location, Role, Settings};

use support::threads::{STORE, nanos_of, process_nanos, without_store};
use support::{Arguments, Knobs, cores, decode_alone, mean_kilobytes, median, photographs, rate};

/// One run's rate, and microseconds of processor time an image.
struct Measured {
    rate: f64,
    server: f64,
    others: f64,
}

impl Measured {
    /// The rate of the cores' time that the server left.
    fn without_server(&self) -> f64 {
        without_store(self.rate, self.server / 1e6)
    }
}

fn medians(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    median(runs.iter().map(of).collect())
}

fn main() {
    let arguments = Arguments::read(&["images", "count", "runs", "latency", "requests", "batch"]);
    let (count, runs) = (arguments.number("count", 12_000), arguments.number("runs", 5));
    let added = Duration::from_millis(arguments.number("latency", 50));
    let images = photographs(&arguments.images());
    let server = ScriptedS3::start();
    server.keep_log(false);
    server.virtual_keys("in/", count, |number| format!("{number:08}.jpg"), images.clone());
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    let mut knobs = Knobs { batch: arguments.number("batch", 32) as usize, ..Knobs::new(count) };
    // a number that is given is fixed
    let requests = arguments.number("requests", 0) as usize;
    if requests > 0 {
        (knobs.requests, knobs.most_requests) = (requests, requests);
    }
    let settings = Settings { requests: knobs.most_requests, ..Settings::default() };
    println!(
        "{count} requests of images of {:.0} kB, batches of {}, {} to {} requests, {} cores, medians of {runs} runs",
        mean_kilobytes(&images),
        knobs.batch,
        knobs.requests,
        knobs.most_requests,
        cores()
    );
    let runtime = support::runtime();
    let run = |latency: Duration| {
        server.latency(latency);
        // a new location: connections and counters begin anew
        let input = Location::open_with("s3://test/in/", Role::Input, settings).unwrap();
        let (server, process) = (nanos_of(STORE), process_nanos());
        let run = runtime.block_on(support::run_with_noise(&input, knobs));
        let an_image = |nanos: u64| nanos as f64 / 1e3 / count as f64;
        let server = an_image(nanos_of(STORE) - server);
        let others = an_image(process_nanos() - process) - server;
        assert_eq!((run.rows, run.errors), (count, 0));
        (Measured { rate: rate(&run), server, others }, run.utilisation())
    };
    let (mut near, mut far, mut alone, mut lost) = (vec![], vec![], vec![], vec![]);
    let mut last = None;
    for _ in 0..runs {
        let decoded = decode_alone(&images, knobs.size, count as usize, knobs.workers);
        let (quick, _) = run(Duration::ZERO);
        let (slow, used) = run(added);
        alone.push(decoded);
        lost.push((
            100.0 * slow.rate / quick.rate,
            100.0 * quick.without_server() / decoded,
            100.0 * slow.without_server() / decoded,
        ));
        near.push(quick);
        far.push(slow);
        last = Some(used);
    }
    let alone = median(alone);
    let share = |of: fn(&(f64, f64, f64)) -> f64| median(lost.iter().map(of).collect());
    println!(
        "| what | images/s | of 0 ms | without the server | of decode alone | µs an image: server | all else |\n\
         |---|---|---|---|---|---|---|"
    );
    println!("| decode alone | {alone:.1} | | | 100 % | | {:.0} |", 1e6 * cores() as f64 / alone);
    let row = |added: u128, runs: &[Measured], of_quick: f64, of_alone: f64| {
        println!(
            "| S3, {added} ms added | {:.1} | {of_quick:.1} % | {:.1} | {of_alone:.1} % | {:.0} | {:.0} |",
            medians(runs, |run| run.rate),
            medians(runs, Measured::without_server),
            medians(runs, |run| run.server),
            medians(runs, |run| run.others)
        );
    };
    row(0, &near, 100.0, share(|lost| lost.1));
    row(added.as_millis(), &far, share(|lost| lost.0), share(|lost| lost.2));
    if let Some(used) = last {
        println!(
            "the last run with latency: {:.1} images on their way, {} requests in the end, waited {:.1} % for a row, {:.1} % for bytes; {} \
             is the bottleneck",
            used.fetch.in_flight,
            used.fetch.requests,
            100.0 * used.fetch.waits_for_row,
            100.0 * used.fetch.waits_for_bytes,
            used.bottleneck.map_or("nothing", |stage| stage.as_str())
        );
    }
}
