//! The real Prometheus and the real node_exporter, on what a run writes. `make test-monitoring` fetches them and names
//! their folder in [`FOLDER`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{LOCAL, Page, SERVED, dashboard};
use crate::support::s3::free_ports;
use crate::support::{afterwards, ask_python, keep, root};

/// Names the folder with `prometheus`, `promtool` and `prometheus-node-exporter`.
const FOLDER: &str = "TRESNET_BATCH_PROMETHEUS";

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match &folder {
        Some(folder) => assert!(folder.join("promtool").exists(), "{} holds no promtool", folder.display()),
        None => println!("skipped: {FOLDER} names no Prometheus; run `make test-monitoring`"),
    }
    folder
}

/// Runs `promtool` to its end.
#[track_caller]
fn promtool(folder: &Path, arguments: &[&str], input: Option<&Path>) {
    let mut command = Command::new(folder.join("promtool"));
    if let Some(input) = input {
        command.stdin(std::fs::File::open(input).unwrap());
    }
    let output = command.args(arguments).current_dir(root()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("promtool {}: {}", arguments.join(" "), out.trim());
    assert!(output.status.success(), "promtool {arguments:?}\n{out}{err}");
}

/// Starts a server of the folder that ends with this test run.
fn start(folder: &Path, name: &str, arguments: &[String]) {
    let child = Command::new(folder.join(name))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    afterwards(&format!("kill -9 {}", child.id()));
    keep(child);
}

fn ask(url: &str, expressions: &[&str]) -> Vec<Vec<Value>> {
    let arguments: Vec<&str> = ["query", url].into_iter().chain(expressions.iter().copied()).collect();
    let answers = ask_python("monitoring.py", &arguments);
    answers.as_array().unwrap().iter().map(|answer| answer.as_array().unwrap().clone()).collect()
}

#[test]
fn promtool_finds_nothing_to_blame_in_names_types_and_help() {
    let Some(folder) = folder() else { return };
    for seen in [&LOCAL, &SERVED] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &seen.text).unwrap();
        promtool(&folder, &["check", "metrics"], Some(file.path()));
    }
}

#[test]
fn the_alerts_fire_when_they_should_and_not_before() {
    let Some(folder) = folder() else { return };
    promtool(&folder, &["check", "rules", "infra/prometheus/alerts.yml"], None);
    promtool(&folder, &["test", "rules", "tests/data/monitoring/alerts_test.yml"], None);
}

/// Starts a Prometheus that scrapes a node_exporter every second, which reads a folder; returns its address.
fn scraping(folder: &Path, texts: &Path) -> String {
    let (exporter, server) = (free_ports(1), free_ports(1));
    start(
        folder,
        "prometheus-node-exporter",
        &[
            format!("--web.listen-address=127.0.0.1:{exporter}"),
            "--collector.disable-defaults".to_owned(),
            "--collector.textfile".to_owned(),
            format!("--collector.textfile.directory={}", texts.display()),
        ],
    );
    let config = texts.with_file_name("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nrule_files: ['{}']\nscrape_configs:\n  - job_name: node\n    \
         static_configs:\n      - targets: ['127.0.0.1:{exporter}']\n",
        root().join("infra/prometheus/alerts.yml").display()
    );
    std::fs::write(&config, text).unwrap();
    start(
        folder,
        "prometheus",
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", texts.with_file_name("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{server}"),
        ],
    );
    let url = format!("http://127.0.0.1:{server}");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", server)).is_err() {
        assert!(Instant::now() < deadline, "Prometheus does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    url
}

/// The expression as Grafana sends it when everything is chosen.
fn chosen(expression: &str) -> String {
    expression.replace("$__rate_interval", "1m").replace("$job_name", ".*").replace("$share", ".*")
}

#[test]
fn a_real_prometheus_has_an_answer_for_every_panel_of_the_dashboard() {
    let Some(folder) = folder() else { return };
    let scratch = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    let texts = scratch.path().join("textfile");
    std::fs::create_dir(&texts).unwrap();
    // one job that was done, and one in the middle: its last text but for the end
    std::fs::write(texts.join("served.prom"), &SERVED.text).unwrap();
    let running = LOCAL.text.replace("job_name=\"job\"", "job_name=\"running\"");
    let ended = "tresnet_batch_running{job_name=\"running\",share=\"all\"} 0\n";
    assert!(running.contains(ended), "{running}");
    std::fs::write(texts.join("local.prom"), running.replace(ended, &ended.replace(" 0\n", " 1\n"))).unwrap();
    let url = scraping(&folder, &texts);
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(&url, &["count_over_time(tresnet_batch_build_info[1m]) >= 3"])[0].len() < 2 {
        assert!(Instant::now() < deadline, "Prometheus has not scraped both files three times");
        std::thread::sleep(Duration::from_millis(500));
    }
    let error = ask(&url, &["node_textfile_scrape_error"]);
    assert_eq!(error[0][0]["value"], 0.0, "node_exporter does not take the files");
    let ok = ask(&url, &["tresnet_batch_images_total{status=\"ok\", job_name=\"running\"}"]);
    assert_eq!(ok[0][0]["value"], LOCAL.summary["rows"]["ok"].as_f64().unwrap());

    let panels = dashboard::dashboard();
    let expressions: Vec<String> =
        dashboard::texts(&panels["panels"], "expr").iter().map(|expression| chosen(expression)).collect();
    let asked: Vec<&str> = expressions.iter().map(String::as_str).collect();
    for (expression, answer) in expressions.iter().zip(ask(&url, &asked)) {
        println!("{} samples: {expression}", answer.len());
        // what compares itself may rightly find nothing: no errors in the last minute, no bottleneck in a short run
        let compares = expression.ends_with("> 0") || expression.ends_with("== 1");
        assert!(!answer.is_empty() || compares, "no sample for {expression}");
        assert!(
            answer.iter().all(|sample| sample["value"].is_f64()),
            "no number from {expression}: {answer:?}"
        );
    }
}

#[test]
fn node_exporter_serves_every_sample_of_the_file_as_it_is() {
    let Some(folder) = folder() else { return };
    let scratch = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    let port = free_ports(1);
    std::fs::write(scratch.path().join("job.prom"), &SERVED.text).unwrap();
    start(
        &folder,
        "prometheus-node-exporter",
        &[
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--collector.disable-defaults".to_owned(),
            "--collector.textfile".to_owned(),
            format!("--collector.textfile.directory={}", scratch.path().display()),
        ],
    );
    let served = scratch.path().join("served.txt");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let got = Command::new("curl")
            .args(["-sSf", "-o", served.to_str().unwrap(), &format!("http://127.0.0.1:{port}/metrics")])
            .stderr(Stdio::null())
            .status();
        if got.unwrap().success() {
            break;
        }
        assert!(Instant::now() < deadline, "node_exporter does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    let ours = |page: &Page| {
        let samples = page
            .samples()
            .iter()
            .filter(|sample| sample["name"].as_str().unwrap().starts_with("tresnet_batch_"));
        let mut samples: Vec<String> = samples.map(Value::to_string).collect();
        samples.sort();
        samples
    };
    assert_eq!(ours(&Page::read(&served)), ours(&SERVED.page));
}
