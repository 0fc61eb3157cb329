//! `run` as a whole against its two limits on the same machine in the same minute: the engine alone and the
//! decoders alone. Prints one table; nothing here is a test.
//!
//! `cargo bench --bench pipeline -- [--images FOLDER] [--copies N] [--arch NAME] [--size N] [--batch N] [--runs N]`
//!
//! The weights are random, which changes no speed. Where engine and decoders share the cores, the limit of
//! the whole is 1 / (1/E + 1/D).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tresnet_batch::engine::{Engine, OrtCpu, OrtOptions, Runtime};
use tresnet_batch::job::LoadedModel;
use tresnet_batch::model::{Architecture, Form, Metadata, Precision};

use support::decode_alone;

struct Settings {
    images: PathBuf,
    copies: usize,
    arch: String,
    size: u32,
    batch: usize,
    runs: usize,
}

fn settings() -> Settings {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut settings = Settings {
        images: root.join(".demo/images"),
        copies: 1,
        arch: "tresnet_m".into(),
        size: 224,
        batch: 32,
        runs: 3,
    };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--images" => settings.images = value.into(),
            "--copies" => settings.copies = value.parse().unwrap(),
            "--arch" => settings.arch = value,
            "--size" => settings.size = value.parse().unwrap(),
            "--batch" => settings.batch = value.parse().unwrap(),
            "--runs" => settings.runs = value.parse().unwrap(),
            other => panic!("unknown option {other}"),
        }
    }
    settings
}

/// A checkpoint of the named network with small random weights.
fn random_checkpoint(arch: &str, path: &Path) {
    let architecture = Architecture::named(arch, 1000).expect("a known architecture");
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = architecture
        .tensors()
        .into_iter()
        .map(|(name, shape)| {
            let count: usize = shape.iter().product();
            let positive = name.ends_with("running_var") || name.ends_with("bn.weight");
            let values = (0..count).flat_map(|_| {
                let value = if positive { 1.0 + 0.1 * random() } else { 0.1 * random() };
                value.to_le_bytes()
            });
            (name, (shape, values.collect()))
        })
        .collect();
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Links every image `copies` times below `target`, keeping the folders.
fn lay_out(images: &Path, copies: usize, target: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in std::fs::read_dir(images).unwrap_or_else(|_| panic!("no images at {}", images.display())) {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let below = target.join(folder.file_name().unwrap());
        std::fs::create_dir_all(&below).unwrap();
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path().canonicalize().unwrap();
            for copy in 0..copies {
                let link = below.join(format!("{copy}-{}", file.file_name().unwrap().to_str().unwrap()));
                std::os::unix::fs::symlink(&file, &link).unwrap();
            }
            files.push(file);
        }
    }
    files
}

fn engine_alone(engine: &mut OrtCpu, batch: usize, batches: usize) -> f64 {
    let (mut slot, mut outputs) = engine.allocate(batch).unwrap();
    slot.bytes(batch).chunks_exact_mut(4).for_each(|value| value.copy_from_slice(&0.5_f32.to_le_bytes()));
    let mut started = Instant::now();
    for index in 0..=batches {
        if index == 1 {
            started = Instant::now();
        }
        engine.submit(slot, outputs, batch).map_err(|failed| failed.error).unwrap();
        let (back, numbers, result) = engine.finish().unwrap();
        result.unwrap();
        (slot, outputs) = (back, numbers);
    }
    (batch * batches) as f64 / started.elapsed().as_secs_f64()
}

/// Images a second and peak memory in MiB of the program. `wait4` below is its wait.
#[allow(clippy::zombie_processes)]
fn run_whole(folder: &Path, round: usize) -> (f64, f64) {
    let output = folder.join(format!("output-{round}"));
    let job = folder.join("job.toml");
    let child = Command::new(env!("CARGO_BIN_EXE_tresnet-batch"))
        .arg("run")
        .arg(&job)
        .arg("--set")
        .arg(format!("output.uri={}", output.display()))
        .args(["--json", "--quiet"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.unwrap(), &mut text).unwrap();
    let mut status = 0;
    // SAFETY: plain numbers, filled by the kernel.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: our own child, not waited for before.
    assert_eq!(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }, pid);
    assert!(std::process::ExitStatus::from_raw(status).success(), "{text}");
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    (result["images_per_s"].as_f64().unwrap(), usage.ru_maxrss as f64 / 1024.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let settings = settings();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("model.safetensors");
    random_checkpoint(&settings.arch, &weights);
    let files = lay_out(&settings.images, settings.copies, &folder.path().join("images"));
    let bytes: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    std::fs::write(
        folder.path().join("job.toml"),
        format!(
            "[input]\nuri = {:?}\n[model]\npath = {:?}\n[preprocess]\nimage_size = {}\n[engine]\nbatch_size = {}\n\
             [output]\nuri = \"set by the bench\"\n[limits]\nmax_error_fraction = 1\n",
            folder.path().join("images"),
            weights,
            settings.size,
            settings.batch
        ),
    )
    .unwrap();
    let model = LoadedModel::read(&weights, None).unwrap();
    let graph = model
        .graph(Precision::Fp32, settings.size, Form::FOR_CPU, &Metadata::default())
        .unwrap()
        .into_owned();
    let images = files.len() * settings.copies;
    let threads = std::thread::available_parallelism().unwrap().get();
    println!(
        "{} at {}, batches of {}, {images} images of {:.0} kB, {threads} cores, median of {} rounds",
        settings.arch,
        settings.size,
        settings.batch,
        bytes.iter().map(Vec::len).sum::<usize>() as f64 / bytes.len() as f64 / 1000.0,
        settings.runs
    );
    let (mut engine, mut decode, mut whole, mut peak) = (vec![], vec![], vec![], vec![]);
    let batches = (images / settings.batch).clamp(2, 12);
    let runtime = Runtime::load(None).unwrap();
    let mut session = OrtCpu::load(&runtime, &graph, model.names(), OrtOptions::default()).unwrap();
    for round in 0..settings.runs {
        engine.push(engine_alone(&mut session, settings.batch, batches));
        decode.push(decode_alone(&bytes, settings.size, images, threads));
        let (rate, memory) = run_whole(folder.path(), round);
        whole.push(rate);
        peak.push(memory);
    }
    let (engine, decode, whole, peak) = (median(engine), median(decode), median(whole), median(peak));
    let limit = 1.0 / (1.0 / engine + 1.0 / decode);
    println!("| what | images/s | of the limit | peak MiB |\n|---|---|---|---|");
    println!("| engine alone, E | {engine:.1} | | |");
    println!("| decode alone, all cores, D | {decode:.1} | | |");
    println!("| limit on shared cores, 1/(1/E + 1/D) | {limit:.1} | 100 % | |");
    println!("| `run` | {whole:.1} | {:.1} % | {peak:.0} |", 100.0 * whole / limit);
    println!("run against the bare engine: {:.1} %", 100.0 * whole / engine);
}
