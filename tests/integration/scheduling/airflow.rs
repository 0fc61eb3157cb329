//! The DAG of `infra/airflow` on a real Airflow, by `airflow dags test` in a separate home.
//!
//! `make test-airflow` installs Airflow and names its interpreter in [`PYTHON`].

mod scheduler;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tresnet_batch::job::{Source, load};

use super::{Pace, TOO_HIGH, job_file};
use crate::support::job::{Ended, IMAGES, ended, own_model, parts, program, reaches, rows, send, wait};
use crate::support::process::{children, install_script};
use crate::support::{ask_python, root, scratch};

/// Names the interpreter of an environment with Airflow.
const PYTHON: &str = "TRESNET_BATCH_AIRFLOW";

fn python() -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON).map(PathBuf::from);
    match &python {
        Some(python) => assert!(python.exists(), "no interpreter at {}", python.display()),
        None => println!("skipped: {PYTHON} names no Airflow; run `make test-airflow`"),
    }
    python
}

/// An Airflow with a separate database, on the DAG of `infra/airflow` over one job file.
struct Airflow {
    python: PathBuf,
    home: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

/// The tables of an empty Airflow, which take a while to make.
static DATABASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = scratch().join("airflow");
    std::fs::create_dir(&home).unwrap();
    let made = wait(command(&python().unwrap(), &home).args(["db", "migrate"]).spawn().unwrap());
    assert_eq!(made.code, Some(0), "{}{}", made.stdout, made.stderr);
    home.join("airflow.db")
});

/// `airflow`, in an environment with the needed variables only.
fn command(python: &Path, home: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "airflow"]).env_clear().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("AIRFLOW_HOME", home);
    let database = format!("sqlite:///{}", home.join("airflow.db").display());
    command.env("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database);
    command.env("AIRFLOW__CORE__DAGS_FOLDER", root().join("infra/airflow"));
    command.env("AIRFLOW__CORE__LOAD_EXAMPLES", "False");
    command.env("ORT_DYLIB_PATH", root().join(".runtime/cpu"));
    command.env("TRESNET_BATCH_PROGRAM", env!("CARGO_BIN_EXE_tresnet-batch"));
    command.env("TRESNET_BATCH_RETRY_SECONDS", "1");
    command
}

impl Airflow {
    fn over(job: &Path) -> Option<Airflow> {
        let python = python()?;
        let home = tempfile::tempdir_in(scratch()).unwrap();
        std::fs::copy(&*DATABASE, home.path().join("airflow.db")).unwrap();
        Some(Airflow { python, home, environment: vec![("TRESNET_BATCH_JOB", job.into())] })
    }

    fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Airflow {
        self.environment.push((name, value.into()));
        self
    }

    /// `airflow dags test` of one day; a day that was tested before is forgotten by Airflow and run again.
    fn day(&self, date: &str) -> Command {
        let mut airflow = command(&self.python, self.home.path());
        airflow.args(["dags", "test", "tresnet_batch", date]);
        airflow.envs(self.environment.iter().map(|(name, value)| (name, value)));
        airflow
    }

    /// The records of a day in Airflow's database, and how the command ended.
    fn states(&self, date: &str, ended: &Ended, code: i32) -> Day {
        assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
        let database = self.home.path().join("airflow.db");
        let day = ask_python("airflow_states.py", &[database.to_str().unwrap(), date]);
        println!("{}", told(&day));
        Day(day)
    }

    fn run(&self, date: &str, code: i32) -> Day {
        self.states(date, &wait(self.day(date).spawn().unwrap()), code)
    }
}

fn told(day: &Value) -> String {
    let tasks = day["tasks"].as_array().unwrap().iter();
    let tasks =
        tasks.map(|task| format!("{} {} {} {}", task["task"], task["index"], task["state"], task["tries"]));
    format!("{}: {}", day["state"], tasks.collect::<Vec<_>>().join(", "))
}

/// A day's run.
struct Day(Value);

impl Day {
    fn tasks(&self, name: &str) -> Vec<&Value> {
        self.0["tasks"].as_array().unwrap().iter().filter(|task| task["task"] == name).collect()
    }

    /// State and tries of a task, in the order of its map.
    fn ended(&self, name: &str) -> Vec<(&str, u64)> {
        let tasks = self.tasks(name).into_iter();
        tasks
            .map(|task| (task["state"].as_str().unwrap_or("none"), task["tries"].as_u64().unwrap()))
            .collect()
    }

    fn xcom(&self, name: &str) -> &Value {
        &self.tasks(name)[0]["xcom"]
    }
}

/// The range of parts that a process works on, if it is a run of one.
fn range_of(pid: u32) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let mut arguments = line.split('\0').skip_while(|argument| *argument != "--parts");
    arguments.nth(1).map(str::to_owned)
}

fn verified(output: &Path) -> Value {
    ended(program().arg("verify").arg(output)).exits(0)
}

#[test]
fn a_day_is_planned_run_in_ranges_reported_and_judged() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = job_file(folder.path(), Pace::Quick, "[report]\nrequire = [\"errors <= 5\"]\n");
    let Some(airflow) = Airflow::over(&job) else { return };
    let day = airflow.env("TRESNET_BATCH_PARTS_A_TASK", "5").run("2026-11-24", 0);
    assert_eq!(day.0["state"], "success");
    // each task reads the result of the one before
    assert_eq!((&day.xcom("plan")["parts"], &day.xcom("plan")["rows"]), (&json!(12), &json!(90)));
    assert_eq!(day.xcom("ranges"), &json!(["0-4", "5-9", "10-11"]));
    assert_eq!(day.ended("run"), [("success", 1); 3]);
    assert_eq!(day.ended("gate"), [("success", 1)]);
    assert_eq!(day.xcom("report")["metrics"]["rows"], 90.0);
    assert!(folder.path().join("out/_report/report.md").exists());
    assert_eq!(verified(&folder.path().join("out"))["rows"], 90);
}

#[test]
fn a_program_that_is_killed_in_mid_run_is_tried_again_and_goes_on() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let output = folder.path().join("out");
    let Some(airflow) = Airflow::over(&job_file(folder.path(), Pace::Slow, "")) else { return };
    let airflow = airflow.env("TRESNET_BATCH_PARTS_A_TASK", "12");
    let mut child = airflow.day("2026-11-24").spawn().unwrap();
    assert!(reaches(&mut child, 2, || parts(&output).len()));
    // Airflow begins with any of the ranges
    let at_work: Vec<(u32, String)> =
        children(child.id()).into_iter().filter_map(|pid| Some((pid, range_of(pid)?))).collect();
    let [(pid, range)] = &at_work[..] else { panic!("{at_work:?}") };
    send(*pid, "KILL");
    let (first, last) = range.split_once('-').unwrap();
    let of_the_range = first.parse::<u32>().unwrap()..=last.parse().unwrap();
    let number = |name: &String| name.split('-').nth(1).unwrap().parse().unwrap();
    let stood = parts(&output).iter().filter(|name| of_the_range.contains(&number(name))).count() as u64;
    let ended = wait(child);
    let day = airflow.states("2026-11-24", &ended, 0);
    let said = ended.stdout.clone() + &ended.stderr;
    assert!(said.contains("run: ended by signal 9"), "{said}");
    let ranges = day.xcom("ranges").as_array().unwrap();
    let tries: Vec<_> = ranges.iter().map(|of| ("success", 1 + u64::from(of == range))).collect();
    assert_eq!(day.ended("run"), tries);
    // the second try has resumed
    let killed = ranges.iter().position(|of| of == range).unwrap();
    let resumed = &day.tasks("run")[killed]["xcom"]["resumed_rows"];
    assert!(resumed.as_u64().unwrap() >= 4 * stood.saturating_sub(1), "{resumed} rows of {stood} parts");
    assert_eq!(verified(&output)["rows"], 90);
    assert_eq!(rows(&output).len(), 90);
}

#[test]
fn a_gate_that_does_not_hold_fails_the_day_at_once_and_again_when_the_day_is_run_again() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let Some(airflow) = Airflow::over(&job_file(folder.path(), Pace::Quick, TOO_HIGH)) else { return };
    let mut before = None;
    for _ in 0..2 {
        let day = airflow.run("2026-11-24", 1);
        assert_eq!(day.0["state"], "failed");
        assert_eq!(day.ended("run")[0].0, "success");
        // written, with the verdict in it
        assert_eq!(day.ended("report")[0].0, "success");
        let report = std::fs::read_to_string(folder.path().join("out/_report/report.md")).unwrap();
        assert!(report.contains("| top1 &gt;= 99 | **failed** |"), "{report}");
        // one try, although five retries were left
        assert_eq!(day.ended("gate"), [("failed", 1)]);
        let stand = parts(&folder.path().join("out"));
        assert_eq!(*before.get_or_insert_with(|| stand.clone()), stand);
    }
    assert_eq!(verified(&folder.path().join("out"))["rows"], 90);
}

#[test]
fn the_second_day_classifies_only_what_is_new_and_the_third_has_nothing_to_do() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (photos, results) = (folder.path().join("photos"), folder.path().join("results"));
    let take = |classes: &[&str]| {
        for class in classes {
            let copied = Command::new("cp").arg("-rp").arg(IMAGES.folder.join(class)).arg(&photos).status();
            assert!(copied.unwrap().success());
        }
    };
    std::fs::create_dir(&photos).unwrap();
    take(&["Kale", "beet"]);
    let Some(airflow) = Airflow::over(&root().join("infra/airflow/photos.toml")) else { return };
    let airflow =
        airflow.env("PHOTOS", &photos).env("RESULTS", &results).env("MODEL", own_model("v1_odd.safetensors"));
    let folders = |date: &str| -> Vec<String> {
        let rows = rows(&results.join(format!("dt={date}")));
        rows.iter().map(|row| row["key"].as_str().unwrap().split('/').next().unwrap().to_owned()).collect()
    };
    let first = airflow.run("2026-11-24", 0);
    assert_eq!(first.xcom("plan")["rows"], 24);
    assert_eq!(folders("2026-11-24").len(), 24);

    take(&["pea pod"]);
    let second = airflow.run("2026-11-25", 0);
    assert_eq!(second.xcom("plan")["left_out"]["already_done"], 24);
    assert_eq!(folders("2026-11-25"), vec!["pea pod"; 12]);

    let third = airflow.run("2026-11-26", 0);
    assert_eq!((third.0["state"].as_str(), &third.xcom("plan")["rows"]), (Some("success"), &json!(0)));
    assert_eq!(third.ended("run"), [("success", 1)]);
    assert_eq!([third.ended("report")[0].0, third.ended("gate")[0].0], ["skipped"; 2]);
    // the day is finished, so that the next one may leave out what it has done
    assert!(results.join("dt=2026-11-26/_SUCCESS").exists());
}

#[test]
fn the_page_names_every_variable_that_the_dag_reads() {
    let dag = std::fs::read_to_string(root().join("infra/airflow/tresnet_batch_dag.py")).unwrap();
    let page = std::fs::read_to_string(root().join("docs/scheduling.md")).unwrap();
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let name =
            |rest: &str| rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap().to_owned();
        text.split(before).skip(1).map(name).filter(|name| !name.is_empty()).collect()
    };
    let read = names(&dag, "setting(\"");
    assert!(read.len() >= 8, "{read:?}");
    assert_eq!(read, names(&page, "`TRESNET_BATCH_"));
}

#[test]
fn the_job_file_beside_the_dag_loads_and_has_an_output_of_each_day() {
    let file = root().join("infra/airflow/photos.toml");
    let loaded = |date: &str| load(&file, &Source { overrides: &[], date: date.into() }).unwrap();
    let (one, other) = (loaded("2026-11-24"), loaded("2026-11-25"));
    assert!(one.output.uri.ends_with("dt=2026-11-24"), "{}", one.output.uri);
    assert_ne!(one.output.uri, other.output.uri);
    assert_eq!(one.input.uri, other.input.uri);
}

/// Runs `airflow_operator.py`.
fn operator(python: &Path, arguments: &[&str]) -> Value {
    let home = tempfile::tempdir_in(scratch()).unwrap();
    let mut command = Command::new(python);
    command.arg(root().join("tests/reference/airflow_operator.py")).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("AIRFLOW_HOME", home.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("ORT_DYLIB_PATH", root().join(".runtime/cpu"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = wait(command.spawn().unwrap());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn exit_codes_that_another_try_may_mend_are_tried_again_and_no_other() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    // replaces the program, which cannot be made to end with every code
    let stub = folder.path().join("stub");
    let text = "#!/bin/sh\necho '{\"error\": \"why\"}'\n[ \"$2\" = 137 ] && kill -9 $$\nexit \"$2\"\n";
    install_script(text, &stub);
    let codes = ["0", "64", "65", "66", "69", "70", "73", "74", "75", "77", "78", "137"];
    let ends = operator(&python, &[&["codes", stub.to_str().unwrap()], &codes[..]].concat());
    for code in codes {
        let wanted = match code {
            "0" | "65" => "well",
            "69" | "74" | "75" | "137" => "AirflowException",
            _ => "AirflowFailException",
        };
        assert_eq!(ends[code][0], wanted, "{code}: {ends}");
    }
    assert_eq!(ends["77"][1], "report: exit code 77: why");
    assert_eq!(ends["137"][1], "report: ended by signal 9: why");
}

#[test]
fn a_task_whose_time_is_over_or_that_is_killed_asks_the_program_to_stop_and_is_tried_again() {
    let Some(python) = python() else { return };
    for (mode, raised) in [("timeout", "AirflowTaskTimeout"), ("kill", "AirflowException")] {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let job = job_file(folder.path(), Pace::Slow, "");
        let program = env!("CARGO_BIN_EXE_tresnet-batch");
        let end = operator(&python, &[mode, program, job.to_str().unwrap(), "3"]);
        // the program has ended by itself, with what its exit codes promise
        assert_eq!((&end["error"], &end["exit"]), (&json!(raised), &json!(75)), "{end}");
        ended(crate::support::job::program().arg("run").arg(&job)).exits(0);
        assert_eq!(verified(&folder.path().join("out"))["rows"], 90);
    }
}
