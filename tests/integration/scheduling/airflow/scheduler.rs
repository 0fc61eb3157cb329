//! The same DAG under a scheduler that decides by itself, with its API server and its reader of DAGs: `airflow tasks
//! clear`, as a person does it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::time::Instant;

use super::*;
use crate::support::afterwards;

/// More than a busy machine needs; a day takes seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// The processes of a running Airflow; they end with this value.
struct Scheduled {
    airflow: Airflow,
    processes: Vec<Child>,
}

impl Scheduled {
    /// Starts them; the scheduler then begins the DAG's only day.
    fn start(airflow: Airflow) -> Scheduled {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let environment = [
            ("AIRFLOW__CORE__EXECUTOR", "LocalExecutor".into()),
            ("AIRFLOW__CORE__PARALLELISM", "2".into()),
            ("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "False".into()),
            ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", format!("http://127.0.0.1:{port}/execution/")),
            ("AIRFLOW__API_AUTH__JWT_SECRET", "what the processes tell each other by".repeat(2)),
            ("TRESNET_BATCH_SCHEDULE", "@once".into()),
        ];
        let airflow =
            environment.into_iter().fold(airflow, |airflow, (name, value)| airflow.env(name, value));
        let mut scheduled = Scheduled { airflow, processes: Vec::new() };
        let at = format!("--port={port}");
        scheduled.spawn(&["api-server", "--host=127.0.0.1", "--workers=1", &at]);
        // a task that cannot reach it counts as a failed try
        until("the API server answers", || is_healthy(port));
        scheduled.spawn(&["scheduler", "--skip-serve-logs"]);
        scheduled.spawn(&["dag-processor"]);
        scheduled
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.airflow.python, self.airflow.home.path());
        command.args(arguments).envs(self.airflow.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn spawn(&mut self, arguments: &[&str]) {
        let log = std::fs::File::create(self.airflow.home.path().join(arguments[0])).unwrap();
        let mut command = self.command(arguments);
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let child = command.spawn().unwrap();
        // if this process ends before it can end them
        afterwards(&format!("kill -KILL -- -{}", child.id()));
        self.processes.push(child);
    }

    /// `airflow tasks clear`.
    fn clear(&self, task: &str) {
        let ended =
            wait(self.command(&["tasks", "clear", "--yes", "-t", task, "tresnet_batch"]).spawn().unwrap());
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    }

    /// The records of the day once it has ended and `task` has had this number of tries.
    fn day(&self, task: &str, tries: u64) -> Day {
        let database = self.airflow.home.path().join("airflow.db");
        let mut last = Day(json!({ "state": null, "tasks": [] }));
        let ended = |day: &Day| matches!(day.0["state"].as_str(), Some("success" | "failed"));
        until("the day ends", || {
            last = Day(ask_python("airflow_states.py", &[database.to_str().unwrap()]));
            let tried = last.ended(task);
            ended(&last) && !tried.is_empty() && tried.iter().all(|(_, made)| *made == tries)
        });
        println!("{}", told(&last.0));
        last
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", process.id())]).status());
            drop(process.wait());
        }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = "GET /api/v2/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

#[test]
fn a_cleared_task_runs_again_and_does_nothing_new_and_a_cleared_gate_fails_again() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let output = folder.path().join("out");
    let Some(airflow) = Airflow::over(&job_file(folder.path(), Pace::Quick, TOO_HIGH)) else { return };
    let scheduled = Scheduled::start(airflow.env("TRESNET_BATCH_PARTS_A_TASK", "5"));
    let first = scheduled.day("gate", 1);
    assert_eq!(first.0["state"], "failed");
    assert_eq!((first.ended("run"), first.ended("gate")), (vec![("success", 1); 3], vec![("failed", 1)]));
    let stood = written(&output);
    assert_eq!(stood.len(), 12);

    scheduled.clear("run");
    let again = scheduled.day("run", 2);
    assert_eq!(again.ended("run"), [("success", 2); 3]);
    assert_eq!(again.xcom("run")["already_complete"], true);

    scheduled.clear("gate");
    let judged = scheduled.day("gate", 2);
    assert_eq!((judged.0["state"].as_str(), judged.ended("gate")), (Some("failed"), vec![("failed", 2)]));

    assert_eq!(written(&output), stood, "a part was written again");
    assert_eq!(verified(&output)["rows"], 90);
}

/// The parts, with what would change if one were written again.
fn written(output: &Path) -> Vec<(String, u64, std::time::SystemTime)> {
    let facts = |name: String| {
        let facts = output.join(&name).metadata().unwrap();
        (name, facts.ino(), facts.modified().unwrap())
    };
    parts(output).into_iter().map(facts).collect()
}
