//! Hostile files, through the program under a limit on its memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::job::{Job, ended, own_model, program, wait};
use crate::support::process::peak_memory;
use crate::support::{run_python, scratch};

/// Address space in MiB; the memory for which a container would kill the process is less.
const LIMIT: u64 = 3 << 10;
/// Resident memory of the whole process.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_TIME: Duration = Duration::from_secs(60);

struct Hostile {
    folder: PathBuf,
    /// The expected result of each file.
    expected: BTreeMap<String, String>,
}

static HOSTILE: LazyLock<Hostile> = LazyLock::new(|| {
    let folder = scratch().join("hostile");
    run_python("hostile_files.py", &[folder.to_str().unwrap()]);
    let lines = std::fs::read_to_string(folder.join("expect.tsv")).unwrap();
    let mut expected = BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.split('\t').map(str::to_owned);
        let (name, becomes) = (fields.next().unwrap(), fields.next().unwrap());
        match skipped(&becomes) {
            Some(why) => println!("skipped: {name} ({why})"),
            None => drop(expected.insert(name, becomes)),
        }
    }
    assert_eq!(expected.len(), 192);
    Hostile { folder, expected }
});

/// Why a file is skipped here.
fn skipped(becomes: &str) -> Option<&'static str> {
    becomes.starts_with("tar").then_some("archives are not read by the folder input")
}

/// Compares the results of the files with the expected ones; `None` is a row, else it is the kind of its error.
fn judge(found: &BTreeMap<String, Option<String>>) {
    let mut wrong = Vec::new();
    for (name, becomes) in &HOSTILE.expected {
        let kind = found.get(name).unwrap_or_else(|| panic!("no result of {name}")).as_deref();
        let right = match becomes.as_str() {
            "decode" => kind.is_none(),
            "any" => kind.is_none_or(|kind| ["corrupt", "truncated", "unsupported", "limit"].contains(&kind)),
            expected => kind == Some(expected),
        };
        if !right {
            wrong.push(format!("{name} should be `{becomes}` and is `{}`", kind.unwrap_or("decode")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn limited(mebibytes: u64, command: &Command) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--as={}", mebibytes << 20)).arg(command.get_program()).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(std::process::Stdio::null());
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    limited
}

/// The lines of `doctor decode` by the file's name, and its summary.
fn doctor(arguments: &[&str], folder: &Path) -> (BTreeMap<String, Vec<String>>, Value) {
    let ended = ended(&mut limited(LIMIT, program().args(["doctor", "decode"]).args(arguments).arg(folder)));
    let summary = ended.exits(0);
    let lines = ended.stderr.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let lines = lines.filter(|fields| fields.len() == 7);
    (lines.map(|line| (line[6].rsplit('/').next().unwrap().to_owned(), line)).collect(), summary)
}

fn kinds(lines: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Option<String>> {
    lines.iter().map(|(name, line)| (name.clone(), (line[0] != "ok").then(|| line[1].clone()))).collect()
}

#[test]
fn hostile_files_are_told_one_by_one_in_bounded_time_and_memory() {
    let (lines, summary) = doctor(&[], &HOSTILE.folder);
    judge(&kinds(&lines));
    let peak = summary["peak_memory_bytes"].as_u64().unwrap();
    let slowest = lines.values().max_by(|a, b| milliseconds(a).total_cmp(&milliseconds(b))).unwrap();
    println!("{} s, {} MiB at most, the slowest: {slowest:?}", summary["seconds"], peak >> 20);
    println!("ok {}, errors {}", summary["ok"], summary["errors_by_kind"]);
    assert!(peak < MOST_MEMORY && summary["seconds"].as_f64().unwrap() < MOST_TIME.as_secs_f64());
    assert!(milliseconds(slowest) < 10_000.0);
}

fn milliseconds(line: &[String]) -> f64 {
    line[4].parse().unwrap()
}

#[test]
fn hostile_files_are_told_the_same_by_a_process_apart_that_none_of_them_kills() {
    let told = |arguments: &[&str]| {
        let (lines, summary) = doctor(arguments, &HOSTILE.folder);
        // every field except the time
        let lines: Vec<_> = lines.into_values().map(|line| [&line[..4], &line[5..]].concat()).collect();
        (lines, summary)
    };
    let ((here, _), (apart, summary)) = (told(&[]), told(&["--isolate"]));
    assert_eq!(here, apart);
    let peak = |name: &str| summary[name].as_u64().unwrap() >> 20;
    println!("{} MiB here, {} MiB apart", peak("peak_memory_bytes"), peak("decoder_peak_memory_bytes"));
    // the bytes of the files pass through this one, their pixels do not
    assert!(peak("decoder_peak_memory_bytes") < 1024 && peak("peak_memory_bytes") < 64);
}

#[test]
fn a_run_over_hostile_images_gives_each_its_row_in_bounded_time_and_memory() {
    for isolate in [None, Some("--isolate")] {
        let job = Job::new(HOSTILE.folder.to_str().unwrap(), &own_model("v1_odd.safetensors"))
            .set("preprocess.image_size=64")
            .set("limits.max_error_fraction=1");
        let started = Instant::now();
        let run = limited(LIMIT, job.command("run").args(isolate)).spawn().unwrap();
        // the highest of all looks: the kernel's mark never falls
        let pid = run.id();
        let watch = std::thread::spawn(move || {
            let looks = std::iter::from_fn(|| {
                std::thread::sleep(Duration::from_millis(10));
                peak_memory(pid)
            });
            looks.max().unwrap_or_default()
        });
        let summary = wait(run).exits(0);
        let (time, peak) = (started.elapsed(), watch.join().unwrap());
        println!("{isolate:?}: {time:?}, {} MiB at most, {}", peak >> 20, summary["errors_by_kind"]);
        assert!(peak > 0 && peak < MOST_MEMORY && time < MOST_TIME);
        assert_eq!(summary["rows"]["planned"], 192);
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let rows = job.rows();
        judge(&rows.iter().map(|row| (word(&row["key"]).unwrap(), word(&row["error_kind"]))).collect());
    }
}

#[test]
fn an_image_that_takes_more_memory_than_there_is_costs_a_process_apart_and_else_the_program() {
    let files = ["webp_16Mpx_flat.webp", "jpeg_ok_baseline.jpg"].map(|name| HOSTILE.folder.join(name));
    let decode = |isolate: Option<&str>| {
        let mut command = program();
        // one arena: else the number of threads decides how much address space is left
        command.env("MALLOC_ARENA_MAX", "1").args(["doctor", "decode"]).args(isolate).args(&files);
        ended(&mut limited(100, &command))
    };
    assert_eq!(decode(None).signal, Some(6));
    let apart = decode(Some("--isolate"));
    let summary = apart.exits(0);
    println!("{}", apart.stderr);
    assert_eq!((&summary["ok"], &summary["errors_by_kind"]["decoder_panic"]), (&1.into(), &1.into()));
    assert!(apart.stderr.contains("was ended by signal 6 (SIGABRT"), "{}", apart.stderr);
}

#[test]
fn hostile_archives_give_typed_rows_in_bounded_time_and_memory() {
    let lines = std::fs::read_to_string(HOSTILE.folder.join("expect.tsv")).unwrap();
    let archives: Vec<(String, String)> = lines
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (name, becomes) = (fields.next()?, fields.next()?);
            becomes.starts_with("tar").then_some((name, becomes))
        })
        .collect();
    assert_eq!(archives.len(), 4);
    let names: Vec<&str> = archives.iter().map(|(name, _)| name.trim_end_matches(".tar")).collect();
    let address = format!("{}/{{{}}}.tar", HOSTILE.folder.display(), names.join(","));
    let job = Job::new(&address, &own_model("v1_odd.safetensors"))
        .set("input.format=webdataset")
        .set("preprocess.image_size=64")
        .set("limits.max_error_fraction=1")
        .set("limits.max_damaged_inputs=4");
    let started = Instant::now();
    wait(limited(LIMIT, &job.command("run")).spawn().unwrap()).exits(0);
    println!("{} archives in {:?}", archives.len(), started.elapsed());
    let rows = job.rows();
    for (name, becomes) in &archives {
        let of_it: Vec<&Value> =
            rows.iter().filter(|row| row["key"].as_str().unwrap().starts_with(name.as_str())).collect();
        let failed = of_it.iter().filter(|row| row["status"] == "error").count();
        println!("{name}: {} rows, {failed} errors", of_it.len());
        assert!(!of_it.is_empty(), "{name} leaves no row");
        assert_eq!(failed > 0, becomes == "tar error", "{name}: {of_it:?}");
    }
    ended(&mut job.command("verify")).exits(0);
}
