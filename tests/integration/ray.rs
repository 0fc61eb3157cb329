//! `infra/ray/drive.py` on a real Ray cluster of several nodes on this machine, whose workers and nodes are killed.
//!
//! `make test-ray` makes the Python environment and names its interpreter in [`PYTHON`].

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::job::{Ended, Job, ended, own_model, parts, reaches, rows, send, wait};
use crate::support::process::{install_script, is_alive};
use crate::support::{keep, root, run_python, scratch};

/// Names the interpreter of an environment that has Ray.
const PYTHON: &str = "TRESNET_BATCH_RAY";
const PROGRAM: &str = env!("CARGO_BIN_EXE_tresnet-batch");

/// One CPU each.
const NODES: usize = 4;
const IMAGES: usize = 840;
/// Of four images each.
const PARTS: usize = 210;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON).map(PathBuf::from);
    if python.is_none() {
        println!("skipped: {PYTHON} names no Python with Ray; run `make test-ray`");
    }
    python
}

/// A cluster that the tests use one after another; it ends with this process.
struct Cluster {
    python: PathBuf,
    address: String,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    fn start(python: PathBuf) -> Cluster {
        let mut child = Command::new(&python)
            .arg(root().join("tests/reference/ray_cluster.py"))
            .arg(NODES.to_string())
            .env("ORT_DYLIB_PATH", root().join(".runtime/cpu"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        keep(child);
        let address = answer(&mut answers)["address"].as_str().unwrap().to_owned();
        Cluster { python, address, orders, answers }
    }

    fn get() -> Option<MutexGuard<'static, Cluster>> {
        static CLUSTER: LazyLock<Option<Mutex<Cluster>>> =
            LazyLock::new(|| python().map(|python| Mutex::new(Cluster::start(python))));
        CLUSTER.as_ref().map(|cluster| cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Causes an event in the cluster, and returns the ids of the processes that it killed.
    fn order(&mut self, what: &str) -> Vec<u32> {
        writeln!(self.orders, "{what}").unwrap();
        let killed = answer(&mut self.answers)["killed"].clone();
        println!("{what}: {killed}");
        serde_json::from_value(killed).unwrap()
    }

    fn drive(&self, job: &Job, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(root().join("infra/ray/drive.py")).arg(job.file()).args(["--address", &self.address]);
        command.args(["--program", PROGRAM, "--cpus", "1", "--pause", "0.5"]).arg("--folder").arg(root());
        command.args(job.overrides().iter().flat_map(|assignment| ["--set", assignment])).args(arguments);
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn driven(&self, job: &Job, arguments: &[&str]) -> Ended {
        ended(&mut self.drive(job, arguments))
    }
}

fn answer(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the cluster said `{line}`: {error}"))
}

static PICTURES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = scratch().join("ray-images");
    run_python("small_images.py", &[folder.to_str().unwrap(), &IMAGES.to_string()]);
    folder
});

/// 210 parts that take a while.
fn job() -> Job {
    Job::new(PICTURES.to_str().unwrap(), &own_model("v1_odd.safetensors"))
        .set("preprocess.image_size=448")
        .set("engine.device=cpu")
        .set("engine.batch_size=2")
        .set("output.rows_per_part=4")
        .set("limits.requests=2")
}

/// 480 images in 120 parts, each of which is real work for the one thread of a task.
fn long_job() -> Job {
    job().set("input.limit=480").set("preprocess.image_size=896")
}

const LONG_PARTS: usize = 120;
/// Three ranges.
const LONG_RANGES: [&str; 2] = ["--parts-per-task", "40"];

/// The first 40 images, in ten parts.
fn short_job() -> Job {
    job().set("input.limit=40").set("preprocess.image_size=64")
}

fn stands(job: &Job) -> usize {
    parts(&job.output()).len()
}

fn verify(job: &Job) {
    ended(&mut job.command("verify")).exits(0);
}

/// A replacement for the program that answers some ranges itself: those for which `script`, which sees `$range`, sets
/// `code`. It passes all others to the program, whose process it becomes.
fn program_that(name: &str, script: &str) -> PathBuf {
    let path = scratch().join(name);
    let filter = "exec 3>&1 4<&0; pipe=$(mktemp -u); mkfifo \"$pipe\"\n\
        while read -r range; do\n\
        code=; SCRIPT\n\
        if [ \"$code\" ]; then echo \"{\\\"range\\\": \\\"$range\\\", \\\"exit\\\": $code, \\\"error\\\": \\\"planted\\\"}\" >&3; exit; fi\n\
        echo \"$range\"\n\
        done <&4 >\"$pipe\" &\n\
        exec 3>&- 4<&- <\"$pipe\"\n"
        .replace("SCRIPT", script);
    let text = format!("#!/bin/sh\ncase \"$*\" in *'--parts -'*)\n{filter};; esac\nexec {PROGRAM} \"$@\"\n");
    install_script(&text, &path);
    path
}

#[test]
fn a_killed_worker_a_killed_program_and_a_lost_node_cost_no_row() {
    let Some(mut cluster) = Cluster::get() else { return };
    let job = job();
    let mut driver = cluster.drive(&job, &["--parts-per-task", "10"]).spawn().unwrap();
    for (order, after) in
        [("kill_worker", PARTS / 7), ("kill_program", PARTS / 4), ("remove_node", PARTS / 3)]
    {
        assert!(reaches(&mut driver, after, || stands(&job)), "{}", wait(driver).stderr);
        assert!(!cluster.order(order).is_empty());
        assert!(stands(&job) < PARTS, "it came after the end");
    }
    let ended = wait(driver);
    let summary = ended.exits(0);
    println!("{}{summary}", ended.stderr);
    assert_eq!((&summary["parts"], &summary["rows"]), (&json!(PARTS), &json!(IMAGES)));
    assert_eq!((&summary["complete"], &summary["verified"]), (&json!(true), &json!(true)));
    assert!(summary["lost"].as_u64().unwrap() >= 2 && summary["retried"].as_u64().unwrap() >= 1, "{summary}");
    verify(&job);
    let alone = self::job();
    alone.run().exits(0);
    assert!(job.rows() == rows(&alone.output()), "other rows than those of one process");
    cluster.order("add_node");
}

#[test]
fn a_slot_runs_all_its_ranges_in_one_process() {
    let Some(cluster) = Cluster::get() else { return };
    let job = job();
    let summary = cluster.driven(&job, &["--parts-per-task", "10"]).exits(0);
    assert_eq!(
        (&summary["ranges"], &summary["retried"], &summary["lost"]),
        (&json!(21), &json!(0), &json!(0))
    );
    let ranges = holders(&job, |name| name.starts_with("parts-"));
    let programs: BTreeSet<&u32> = ranges.iter().collect();
    assert!(ranges.len() == 21 && programs.len() <= NODES, "{ranges:?}");
}

#[test]
fn a_job_file_that_is_wrong_ends_the_driver_at_once_with_78() {
    let Some(cluster) = Cluster::get() else { return };
    let job = short_job().set("engine.batch_sizes=2");
    let ended = cluster.driven(&job, &[]);
    ended.fails(78, &["`plan`: exit 78", "batch_sizes"]);
    assert!(!ended.stderr.contains("tried again"), "{}", ended.stderr);
    assert_eq!(stands(&job), 0);
}

#[test]
fn a_range_that_ends_with_another_code_stops_the_others_and_the_same_command_takes_up_there() {
    let Some(cluster) = Cluster::get() else { return };
    for code in [65, 78] {
        let job = short_job();
        let script = format!("if [ $range = 3-3 ]; then code={code}; fi");
        let program = program_that(&format!("ends-with-{code}"), &script);
        let arguments = ["--parts-per-task", "1", "--program", program.to_str().unwrap()];
        let ended = cluster.driven(&job, &arguments);
        ended.fails(code, &["parts 3-3", &format!("exit {code}"), "planted"]);
        assert!(!ended.stderr.contains("tried again"), "{}", ended.stderr);
        assert!(!job.output().join("_SUCCESS").exists() && stands(&job) < 10);
        let stood = stands(&job);
        let again = cluster.driven(&job, &[]).exits(0);
        assert_eq!((&again["complete"], &again["resumed_parts"]), (&json!(true), &json!(stood)));
        verify(&job);
    }
}

#[test]
fn each_range_that_another_try_may_mend_is_tried_again() {
    let Some(cluster) = Cluster::get() else { return };
    for code in [69, 74, 75] {
        let job = short_job();
        let marks = tempfile::tempdir_in(scratch()).unwrap();
        let script =
            format!("if mkdir \"{}/$range\" 2>/dev/null; then code={code}; fi", marks.path().display());
        let program = program_that(&format!("once-{code}"), &script);
        let arguments = ["--parts-per-task", "4", "--program", program.to_str().unwrap()];
        let summary = cluster.driven(&job, &arguments).exits(0);
        assert_eq!((&summary["ranges"], &summary["retried"]), (&json!(3), &json!(3)), "{summary}");
        verify(&job);
    }
}

#[test]
fn a_store_that_never_answers_ends_the_driver_with_69_after_its_tries() {
    let Some(cluster) = Cluster::get() else { return };
    let job = short_job();
    let program = program_that("never", "code=69");
    let arguments = ["--tries", "2", "--parts-per-task", "10", "--program", program.to_str().unwrap()];
    cluster.driven(&job, &arguments).fails(69, &["parts 0-9 failed 2 times"]);
}

#[test]
fn a_gate_that_does_not_hold_ends_the_driver_with_65_both_times() {
    let Some(cluster) = Cluster::get() else { return };
    let job = short_job().set("report.require=[\"ok >= 41\"]");
    for _ in 0..2 {
        cluster.driven(&job, &[]).fails(65, &["ok >= 41"]);
        assert!(job.output().join("_SUCCESS").exists());
    }
    verify(&job);
}

#[test]
fn a_finished_job_is_only_reported_on_and_verified() {
    let Some(cluster) = Cluster::get() else { return };
    let job = short_job();
    assert_eq!(cluster.driven(&job, &[]).exits(0)["resumed_parts"], 0);
    let again = cluster.driven(&job, &[]).exits(0);
    assert_eq!((&again["ranges"], &again["resumed_parts"]), (&json!(0), &json!(10)));
    assert_eq!(again["metrics"]["ok"], 40.0);
}

#[test]
fn a_plan_without_parts_is_finished_by_the_driver_too() {
    let Some(cluster) = Cluster::get() else { return };
    let before = Job::own();
    before.run().exits(0);
    let job = Job::own().set(format!("input.exclude_done=[\"{}\"]", before.output().display()));
    for _ in 0..2 {
        let ended = cluster.driven(&job, &[]);
        let summary = ended.exits(0);
        assert_eq!((&summary["complete"], &summary["verified"]), (&json!(true), &json!(true)));
        assert_eq!((&summary["parts"], &summary["rows"]), (&json!(0), &json!(0)));
        assert!(ended.stderr.contains("0 images in 0 parts; 0 parts to do"), "{}", ended.stderr);
    }
    assert!(job.output().join("_SUCCESS").exists() && stands(&job) == 0);
}

#[test]
fn a_driver_that_is_stopped_ends_with_75_and_the_next_one_takes_up_there() {
    let Some(cluster) = Cluster::get() else { return };
    // within a grace, the open parts of a fast machine end, too
    let job = long_job().set("limits.grace_seconds=0");
    let mut driver: Child = cluster.drive(&job, &LONG_RANGES).spawn().unwrap();
    assert!(reaches(&mut driver, 5, || stands(&job)), "{}", wait(driver).stderr);
    send(driver.id(), "TERM");
    wait(driver).fails(75, &["SIGTERM"]);
    taken_up(&cluster, &job);
}

#[test]
fn a_driver_that_is_killed_leaves_no_program_behind() {
    let Some(cluster) = Cluster::get() else { return };
    let job = long_job();
    let mut driver = cluster.drive(&job, &LONG_RANGES).spawn().unwrap();
    assert!(reaches(&mut driver, 5, || stands(&job)), "{}", wait(driver).stderr);
    assert!(!programs_on(&job).is_empty());
    driver.kill().unwrap();
    driver.wait().unwrap();
    // until Ray has noticed; the job is not done by then
    let deadline = Instant::now() + Duration::from_secs(20);
    while !programs_on(&job).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    taken_up(&cluster, &job);
}

/// Checks that no process works on a long job, which has begun and is far from its end; the next driver finishes it.
fn taken_up(cluster: &Cluster, job: &Job) {
    let at_work = programs_on(job);
    assert!(at_work.is_empty(), "{at_work:?} continue without their driver");
    let stood = stands(job);
    println!("{stood} of {LONG_PARTS} parts stood");
    assert!((5..LONG_PARTS / 2).contains(&stood), "{stood} of {LONG_PARTS} parts stood");
    let again = cluster.driven(job, &LONG_RANGES).exits(0);
    assert_eq!((&again["complete"], &again["resumed_parts"]), (&json!(true), &json!(stood)));
    verify(job);
    let keys: BTreeSet<String> =
        job.rows().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!((job.rows().len(), keys.len()), (4 * LONG_PARTS, 4 * LONG_PARTS));
}

/// The living processes among those that have run a share of this job.
fn programs_on(job: &Job) -> Vec<u32> {
    holders(job, |_| true).into_iter().filter(|pid| is_alive(*pid)).collect()
}

/// The processes that the locks of shares name last, for locks whose name `is_of` accepts.
fn holders(job: &Job, is_of: impl Fn(&str) -> bool) -> Vec<u32> {
    let files = fs::read_dir(job.output().join("_tresnet")).unwrap().map(|item| item.unwrap().path());
    let locks = files.filter(|path| path.extension().is_some_and(|extension| extension == "lock"));
    let locks = locks.filter(|path| is_of(path.file_name().unwrap().to_str().unwrap()));
    // `process 123 on host since …`
    locks.filter_map(|path| fs::read_to_string(path).unwrap().split(' ').nth(1)?.parse().ok()).collect()
}

#[test]
fn a_program_that_is_not_there_is_named_with_its_node() {
    let Some(cluster) = Cluster::get() else { return };
    cluster.driven(&short_job(), &["--program", "/no/such/program"]).fails(78, &["/no/such/program", " on "]);
}

#[test]
fn ranges_hold_each_missing_part_once_also_behind_the_gaps_that_status_names() {
    let Some(cluster) = Cluster::get() else { return };
    let script = "import random, drive\n\
        random.seed(1)\n\
        for _ in range(2000):\n    \
            parts = random.randint(1, 120)\n    \
            missing = sorted(random.sample(range(parts), random.randint(1, parts)))\n    \
            gaps = []\n    \
            for part in missing:\n        \
                if gaps and gaps[-1][1] == part - 1: gaps[-1][1] = part\n        \
                else: gaps.append([part, part])\n    \
            texts = [f'{a}-{b}' if a < b else str(a) for a, b in gaps[:10]]\n    \
            size = random.randint(1, 20)\n    \
            ranges = drive.cut(texts, len(missing), parts, size)\n    \
            covered = [part for first, last, _ in ranges for part in range(first, last + 1)]\n    \
            assert set(missing) <= set(covered) and len(covered) == len(set(covered)) and max(covered) < parts\n    \
            assert all(count <= size for _, _, count in ranges)\n\
        print('held')";
    let output = Command::new(&cluster.python)
        .args(["-c", script])
        .env("PYTHONPATH", root().join("infra/ray"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "held\n", "{errors}");
}
