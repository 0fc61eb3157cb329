//! What an operator sees: metrics, logs, the dashboard and the alerts.

mod dashboard;
mod logs;
mod metrics;
mod prometheus;

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::fault_matrix::{job, server};
use crate::support::ask_python;
use crate::support::job::{Ended, Job, ended};
use crate::support::scripted_s3::{Fault, Rule, ScriptedS3};

/// A metrics file as Prometheus's own Python client reads it.
#[derive(Debug, Clone)]
struct Page(Value);

impl Page {
    fn read(path: &Path) -> Page {
        Page::read_all([path]).remove(0)
    }

    fn read_all<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<Page> {
        let paths = paths.into_iter().map(|path| path.to_str().unwrap());
        let arguments: Vec<&str> = ["metrics"].into_iter().chain(paths).collect();
        let pages = ask_python("monitoring.py", &arguments);
        pages.as_array().unwrap().iter().cloned().map(Page).collect()
    }

    fn samples(&self) -> &[Value] {
        self.0["samples"].as_array().unwrap()
    }

    /// The value of the only sample of this name that has these labels.
    #[track_caller]
    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let so = |sample: &&Value| {
            sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][*label] == *value)
        };
        let found: Vec<&Value> = self.samples().iter().filter(so).collect();
        assert!(found.len() <= 1, "{name}{labels:?} is there {} times", found.len());
        found.first().map(|sample| sample["value"].as_f64().unwrap())
    }

    #[track_caller]
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name}{labels:?} in {:#}", self.0))
    }

    /// A label of the only sample of this name.
    fn label(&self, name: &str, label: &str) -> &str {
        let found = self.samples().iter().find(|sample| sample["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["labels"][label].as_str().unwrap_or_default()
    }

    /// The names of all samples, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.samples().iter().map(|sample| sample["name"].as_str().unwrap()).collect();
        names.dedup();
        names
    }
}

/// Where a job's metrics go, beside its output.
fn file_of(job: &Job) -> std::path::PathBuf {
    job.output().with_file_name("job.prom")
}

fn run_with_metrics(job: &Job) -> Ended {
    ended(job.command("run").arg("--metrics").arg(file_of(job)))
}

/// A run and the metrics that it left.
struct Seen {
    summary: Value,
    page: Page,
    text: String,
    _server: Option<ScriptedS3>,
}

impl Seen {
    fn of(job: &Job, server: Option<ScriptedS3>) -> Seen {
        let summary = run_with_metrics(job).exits(0);
        let text = std::fs::read_to_string(file_of(job)).unwrap();
        Seen { summary, page: Page::read(&file_of(job)), text, _server: server }
    }
}

/// A run on local disk.
static LOCAL: LazyLock<Seen> = LazyLock::new(|| Seen::of(&Job::own(), None));

/// A run on a store that refuses every fifth request.
static SERVED: LazyLock<Seen> = LazyLock::new(|| {
    let server = server();
    server.rule(Rule::any(Fault::error(503, "SlowDown")).chance(0.2));
    let job = job(&server).env("AWS_SECRET_ACCESS_KEY", "canary-secret-4713");
    Seen::of(&job, Some(server))
});
