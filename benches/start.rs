//! What the start and the end of a run cost: a small job against the steady rate, the first row of the demo's network, and
//! where the time of a start goes. Prints tables; nothing here is a test.
//!
//! `cargo bench --bench start -- --images FOLDER [--arch NAME] [--count N] [--more N] [--pairs N] [--control PATH]`
//!
//! A pair is a run over `count` images and one over `count + more`, each a whole process, in an order that changes from
//! pair to pair. The steady rate of a pair is that of the images that its second run has more: start, loading, report and
//! commit are in both. `control` is an earlier build of the program, which takes turns with this one. The weights of the
//! network are random, which changes no speed. Nothing else may run meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tresnet_batch::engine::{OrtCpu, OrtOptions, Runtime, warm_up};
use tresnet_batch::job::LoadedModel;
use tresnet_batch::model::{Architecture, Checkpoint, Form, Metadata, Precision, StemDesign};

use support::{Arguments, cores, link_photographs, mean_kilobytes, median, photographs};

/// Goals: of the steady rate, and seconds until the first row of the demo.
const OF_STEADY: f64 = 0.90;
const FIRST_ROW: f64 = 1.0;

/// The program, by its name in the tables.
struct Build {
    name: &'static str,
    path: PathBuf,
}

/// A folder with images and jobs over them.
struct Work {
    folder: tempfile::TempDir,
}

impl Work {
    /// A job over `count` of the images.
    fn job(&self, weights: &Path, count: usize) -> PathBuf {
        let file =
            self.folder.path().join(format!("{count}-{}.toml", weights.file_stem().unwrap().display()));
        let text = format!(
            "[input]\nuri = {:?}\nlimit = {count}\ntargets = \"none\"\n[model]\npath = {weights:?}\n[engine]\ndevice = \
             \"cpu\"\n[output]\nuri = {:?}\n",
            self.folder.path().join("images"),
            self.folder.path().join("output"),
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Seconds of a whole process over a job.
    fn run(&self, build: &Build, job: &Path, more: &[&str]) -> f64 {
        let output = self.folder.path().join("output");
        if output.exists() {
            std::fs::remove_dir_all(&output).unwrap();
        }
        let mut command = Command::new(&build.path);
        command.arg("run").arg(job).args(["--json", "--quiet"]).args(more).stdout(Stdio::piped());
        let began = Instant::now();
        let ended = command.output().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        seconds
    }

    /// Seconds until the first rows of a run are made. The timeline does not have the start of its process, so time
    /// after its last event counts as before its first one: the first row is not later than this.
    fn first_row(&self, build: &Build, job: &Path) -> f64 {
        let trace = self.folder.path().join("trace.json");
        let whole = self.run(build, job, &["--trace", trace.to_str().unwrap()]);
        let events: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap();
        let end = |event: &serde_json::Value| {
            Some((event["ts"].as_f64()? + event["dur"].as_f64().unwrap_or(0.0)) / 1e6)
        };
        let last = events.iter().filter_map(end).fold(0.0, f64::max);
        let rows = events.iter().filter(|event| event["name"] == "rows").filter_map(end);
        let first = rows.fold(f64::INFINITY, f64::min);
        assert!(first.is_finite(), "no rows on the timeline");
        whole - (last - first)
    }
}

/// Median, least and most.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let (least, most) = values
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
    (median(values.to_vec()), least, most)
}

fn small_job(work: &Work, builds: &[Build], arguments: &Arguments, weights: &Path) {
    let count = arguments.number("count", 100) as usize;
    let more = arguments.number("more", 200) as usize;
    let pairs = arguments.number("pairs", 10) as usize;
    let (small, large) = (work.job(weights, count), work.job(weights, count + more));
    // what a first run reads from the disk is in memory for all others
    builds.iter().for_each(|build| {
        work.run(build, &small, &[]);
    });
    let mut found: Vec<[Vec<f64>; 3]> = builds.iter().map(|_| [vec![], vec![], vec![]]).collect();
    for pair in 0..pairs {
        for (build, found) in builds.iter().zip(&mut found) {
            let (short, long) = if pair % 2 == 0 {
                let short = work.run(build, &small, &[]);
                (short, work.run(build, &large, &[]))
            } else {
                let long = work.run(build, &large, &[]);
                (work.run(build, &small, &[]), long)
            };
            let steady = more as f64 / (long - short);
            let rate = count as f64 / short;
            [rate, steady, rate / steady].into_iter().zip(found).for_each(|(value, all)| all.push(value));
        }
    }
    println!(
        "{count} images, and {} for the steady rate, median (least to most) of {pairs} pairs\n",
        count + more
    );
    println!("| what | images/s | steady images/s | of the steady rate | goal |\n|---|---|---|---|---|");
    for (build, found) in builds.iter().zip(&found) {
        let [(rate, ..), (steady, ..), (share, least, most)] = found.each_ref().map(|values| spread(values));
        let met = if share >= OF_STEADY { "met" } else { "missed" };
        let name = build.name;
        println!(
            "| {name} | {rate:.2} | {steady:.2} | {share:.3} ({least:.3} to {most:.3}) | {OF_STEADY}: {met} |"
        );
    }
    if let [ours, control] = &found[..] {
        let ratios: Vec<f64> =
            ours[0].iter().zip(&control[0]).map(|(ours, control)| ours / control).collect();
        let (ratio, least, most) = spread(&ratios);
        println!(
            "\nthis build against the control, whole processes: {ratio:.3} ({least:.3} to {most:.3}) of its rate"
        );
    }
    println!();
}

fn first_row(work: &Work, builds: &[Build], pairs: usize) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo/model.safetensors");
    let job = work.job(&demo, 400);
    println!("first row with the demo's network, 400 images, median (least to most) of {pairs} runs\n");
    println!("| what | seconds | goal |\n|---|---|---|");
    let mut found: Vec<Vec<f64>> = builds.iter().map(|_| vec![]).collect();
    for _ in 0..pairs {
        builds.iter().zip(&mut found).for_each(|(build, found)| found.push(work.first_row(build, &job)));
    }
    for (build, found) in builds.iter().zip(&found) {
        let (seconds, least, most) = spread(found);
        let met = if seconds <= FIRST_ROW { "met" } else { "missed" };
        println!("| {} | {seconds:.2} ({least:.2} to {most:.2}) | {FIRST_ROW} s: {met} |", build.name);
    }
    println!();
}

/// Seconds of one step, and what it makes.
fn timed<T>(step: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let made = step();
    (made, began.elapsed().as_secs_f64())
}

/// The steps of a start, one after another in one process.
fn steps(weights: &Path, rounds: usize) {
    let runtime = Runtime::load(None).unwrap();
    let names = ["read, hash and check the weights", "draw the graph", "session", "first image"];
    let mut found: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        let (model, read) = timed(|| LoadedModel::read(weights, None).unwrap());
        let side = model.preprocessing.image_size.unwrap_or(224);
        let draw = || model.graph(Precision::Fp32, side, Form::FOR_CPU, &Metadata::default()).unwrap();
        let (graph, drawn) = timed(draw);
        let load = || OrtCpu::load(&runtime, &graph[..], model.names(), OrtOptions::default()).unwrap();
        let (mut engine, loaded) = timed(load);
        let ((), warm) = timed(|| warm_up(&mut engine, 1).unwrap());
        let all = [read, drawn, loaded, warm];
        all.into_iter().zip(&mut found).for_each(|(seconds, found)| found.push(seconds));
    }
    println!(
        "steps of a start alone, median (least to most) of {rounds} rounds\n\n| step | seconds |\n|---|---|"
    );
    for (name, found) in names.iter().zip(&found) {
        let (seconds, least, most) = spread(found);
        println!("| {name} | {seconds:.3} ({least:.3} to {most:.3}) |");
    }
}

fn main() {
    let arguments = Arguments::read(&["images", "arch", "count", "more", "pairs", "control"]);
    let images = photographs(&arguments.images());
    let work = Work { folder: tempfile::tempdir().unwrap() };
    let most = arguments.number("count", 100) + arguments.number("more", 200);
    std::fs::create_dir(work.folder.path().join("images")).unwrap();
    link_photographs(&images, &work.folder.path().join("images"), most.max(400) as usize);
    let name = arguments.text("arch", "tresnet_m");
    let architecture = Architecture::named(&name, 1000).expect("a known architecture");
    let weights = work.folder.path().join("weights.safetensors");
    let checkpoint = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 1).unwrap();
    std::fs::write(&weights, checkpoint.to_safetensors().unwrap()).unwrap();
    drop(checkpoint);
    let ours = Build { name: "this build", path: env!("CARGO_BIN_EXE_tresnet-batch").into() };
    let control = arguments.text("control", "");
    let control = (!control.is_empty()).then(|| Build { name: "control", path: control.into() });
    let builds: Vec<Build> = [ours].into_iter().chain(control).collect();
    println!("{name} fp32, images of {:.0} kB, {} cores\n", mean_kilobytes(&images), cores());
    small_job(&work, &builds, &arguments, &weights);
    first_row(&work, &builds, arguments.number("pairs", 10) as usize);
    steps(&weights, 5);
}
