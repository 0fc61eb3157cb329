//! Jobs in separate folders, and the program run on them as a person or a scheduler runs it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{ask_python, root, run_python, scratch};

/// The images of `job_images.py`, of seven classes, and the expected result of each.
pub struct Images {
    pub folder: PathBuf,
    /// The folder names, one a line, not in sorted order.
    pub classes: PathBuf,
    /// Key → class folder and error kind, where there are any.
    pub expected: BTreeMap<String, (Option<String>, Option<String>)>,
}

pub static IMAGES: LazyLock<Images> = LazyLock::new(|| {
    let folder = scratch().join("job_images");
    run_python("job_images.py", &[folder.to_str().unwrap()]);
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let expected =
        expected.into_iter().map(|(key, row)| (key, (word(&row["folder"]), word(&row["error"])))).collect();
    Images { classes: folder.join("classes.txt"), folder: folder.join("images"), expected }
});

/// One of the project's own small networks.
pub fn own_model(name: &str) -> PathBuf {
    root().join("tests/data/model").join(name)
}

/// A job file with an output beside it.
pub struct Job {
    folder: TempDir,
    overrides: Vec<String>,
    environment: Vec<(String, OsString)>,
}

impl Job {
    pub fn new(input: &str, model: &Path) -> Job {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let text = format!(
            "[input]\nuri = \"{input}\"\n\n[model]\npath = \"{}\"\n\n[engine]\nbatch_size = 4\n\n[output]\nuri = \"{}\"\n",
            model.display(),
            folder.path().join("out").display()
        );
        std::fs::write(folder.path().join("job.toml"), text).unwrap();
        Job { folder, overrides: Vec::new(), environment: Vec::new() }
    }

    /// The images of `job_images.py` through the small network with seven classes: 90 rows in 12 parts.
    pub fn own() -> Job {
        Job::on(IMAGES.folder.to_str().unwrap())
    }

    /// As [`Job::own`], on another copy of the images.
    pub fn on(input: &str) -> Job {
        Job::new(input, &own_model("v1_odd.safetensors"))
            .set("input.targets=folder")
            .set("preprocess.image_size=64")
            // the weights come without a configuration
            .set("preprocess.crop_pct=0.875")
            .set("preprocess.interpolation=bilinear")
            .set("preprocess.mean=[0.0, 0.0, 0.0]")
            .set("preprocess.std=[1.0, 1.0, 1.0]")
            .set("output.rows_per_part=8")
            .set("output.logits=true")
            .set("limits.max_error_fraction=0.2")
    }

    /// As [`Job::on`], in 23 parts that take a while.
    pub fn slow(input: &str) -> Job {
        Job::on(input)
            .set("preprocess.image_size=448")
            .set("engine.threads=1")
            .set("engine.batch_size=2")
            .set("output.rows_per_part=4")
            .set("limits.decode_threads=1")
            .set("limits.requests=2")
    }

    /// `table.key=value`, given with every command.
    pub fn set(mut self, assignment: impl Into<String>) -> Job {
        self.overrides.push(assignment.into());
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Job {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The overrides that every command gets.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// The output on local disk, unless another was set.
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("job.toml")
    }

    /// A command that takes the job, such as `run` or `report`.
    pub fn command(&self, name: &str) -> Command {
        let mut command = program();
        command.arg(name).arg(self.file()).args(["--progress", "none"]);
        command.args(self.overrides.iter().flat_map(|assignment| ["--set", assignment]));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self) -> Ended {
        ended(&mut self.command("run"))
    }

    /// Starts `run` and leaves it running.
    pub fn start(&self) -> Child {
        self.command("run").spawn().unwrap()
    }

    /// The rows on local disk, without vectors.
    pub fn rows(&self) -> Vec<Value> {
        rows(&self.output())
    }
}

/// The rows of an output on local disk in order, without vectors.
pub fn rows(output: &Path) -> Vec<Value> {
    let dumped = ask_python("rows.py", &["dump", output.to_str().unwrap()]);
    dumped.as_array().unwrap().clone()
}

/// Names of the part files in a folder on local disk.
pub fn parts(output: &Path) -> Vec<String> {
    let Ok(items) = std::fs::read_dir(output) else { return Vec::new() };
    let names = items.map(|item| item.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".parquet")).collect();
    names.sort();
    names
}

/// A limit, so that a hang does not stop the whole test run: longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);

/// Waits until a count reaches `wanted`, or the process has ended; true for the former.
pub fn reaches(child: &mut Child, wanted: usize, count: impl Fn() -> usize) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while count() < wanted {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < deadline, "only {} of {wanted} came in {PATIENCE:?}", count());
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// The program with a separate environment, so that the caller's has no effect. With `--json`: the result is on
/// standard output, and text for a person is on standard error.
pub fn program() -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_tresnet-batch")), true)
}

/// As [`program`], without `--json`: as a person starts it.
pub fn by_hand() -> Command {
    bare(Path::new(env!("CARGO_BIN_EXE_tresnet-batch")), true)
}

/// Another copy of the program with `--json`, with or without the path of the runtime.
pub fn program_at(executable: &Path, runtime: bool) -> Command {
    let mut command = bare(executable, runtime);
    command.arg("--json");
    command
}

fn bare(executable: &Path, runtime: bool) -> Command {
    let mut command = Command::new(executable);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    if runtime {
        command.env("ORT_DYLIB_PATH", root().join(".runtime/cpu"));
    }
    command
}

/// Sends a signal, by its name without `SIG`.
pub fn send(pid: u32, signal: &str) {
    drop(Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status());
}

/// Returns what `look` sees while a process is stopped; the process continues even if `look` fails.
pub fn while_stopped<T>(child: &Child, look: impl FnOnce() -> T) -> T {
    struct Stopped(u32);
    impl Drop for Stopped {
        fn drop(&mut self) {
            send(self.0, "CONT");
        }
    }
    send(child.id(), "STOP");
    let _stopped = Stopped(child.id());
    look()
}

/// How a command of the program ended.
pub struct Ended {
    /// The exit code, if no signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn ended(command: &mut Command) -> Ended {
    wait(command.spawn().unwrap())
}

/// Waits for the program, or for one that runs it.
pub fn wait(child: Child) -> Ended {
    let pid = child.id();
    let (done, waiting) = mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            send(pid, "KILL");
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    guard.join().unwrap();
    Ended {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// Checks the exit code and returns the one line of standard output, which is JSON and has the code too.
    #[track_caller]
    pub fn exits(&self, code: i32) -> Value {
        assert_eq!(
            (self.code, self.signal),
            (Some(code), None),
            "stdout:\n{}stderr:\n{}",
            self.stdout,
            self.stderr
        );
        assert_eq!(self.stdout.lines().count(), 1, "not one line on standard output:\n{}", self.stdout);
        let summary: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is no JSON ({error}): `{}`", self.stdout));
        assert_eq!(summary["exit"], code, "{summary}");
        summary
    }

    /// The exit code of a command that was not ended by a signal; its result names it too.
    #[track_caller]
    pub fn exits_somehow(&self) -> i32 {
        let code = self.code.unwrap_or_else(|| panic!("ended by signal {:?}", self.signal));
        self.exits(code);
        code
    }

    /// As [`Ended::exits`], for a failure: standard error and the summary hold one error with these words.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> Value {
        let summary = self.exits(code);
        let error = summary["error"].as_str().unwrap_or_else(|| panic!("no error in {summary}"));
        println!("{code}: {error}");
        for word in words {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "not one error in:\n{}", self.stderr);
        assert!(self.stderr.contains(error), "another error in:\n{}", self.stderr);
        summary
    }
}
