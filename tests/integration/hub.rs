//! Models of a hub (`hf://`), end to end: the program against a small hub on loopback.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, Job, ended, own_model, program, send, wait};
use crate::support::scratch;
use crate::support::scripted_hub::{Act, Host, ScriptedHub, sha256};

const REPO: &str = "timm/small";
const ADDRESS: &str = "hf://timm/small";
/// A token that must be in nothing that is written.
const CANARY: &str = "hf_c4n4ryc4n4ryc4n4ry";
const CONFIG: &[u8] =
    br#"{"architecture": "small", "num_classes": 7, "pretrained_cfg": {"input_size": [3, 64, 64],
  "crop_pct": 0.875, "interpolation": "bilinear", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}}"#;

/// A hub with the small network of seven classes, and a home with an empty cache.
struct Desk {
    hub: ScriptedHub,
    home: TempDir,
    commit: String,
}

fn weights() -> Vec<u8> {
    std::fs::read(own_model("v1_odd.safetensors")).unwrap()
}

impl Desk {
    fn new() -> Desk {
        let hub = ScriptedHub::start();
        let commit = hub.commit(REPO, "main", &[("config.json", CONFIG), ("model.safetensors", &weights())]);
        Desk { hub, home: tempfile::tempdir_in(scratch()).unwrap(), commit }
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        [("HF_ENDPOINT", self.hub.endpoint()), ("HF_HOME", self.home.path().display().to_string())]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).args(["--progress", "none"]).envs(self.variables());
        command
    }

    fn pull(&self) -> Command {
        self.command(&["model", "pull", ADDRESS])
    }

    fn job(&self) -> Job {
        let job = Job::new(IMAGES.folder.to_str().unwrap(), Path::new(ADDRESS))
            .set("input.targets=folder")
            .set("output.rows_per_part=8")
            .set("limits.max_error_fraction=0.2");
        self.variables().into_iter().fold(job, |job, (name, value)| job.env(name, value))
    }

    fn blob(&self, ending: &str) -> PathBuf {
        let name = format!("{}{ending}", sha256(&weights()));
        self.home.path().join("hub/models--timm--small/blobs").join(name)
    }
}

/// What a job froze of its model.
fn frozen(output: &Path) -> Value {
    let text = std::fs::read_to_string(output.join("_tresnet/job.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["model"].clone()
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every file below a folder whose bytes contain the text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_job_runs_a_model_of_a_hub_and_freezes_its_commit() {
    let desk = Desk::new();
    let job = desk.job();
    let ran = job.run();
    let summary = ran.exits(0);
    assert_eq!(summary["model"]["commit"], desk.commit.as_str());
    assert!(ran.stderr.contains(&desk.commit), "{}", ran.stderr);
    let model = frozen(&job.output());
    assert_eq!((&model["hub"]["repo"], &model["hub"]["revision"]), (&REPO.into(), &"main".into()));
    assert_eq!(
        (&model["hub"]["commit"], &model["hub"]["file"]),
        (&desk.commit.as_str().into(), &"model.safetensors".into())
    );
    assert_eq!(model["sha256"], sha256(&weights()));
    // the same rows as the same file from a path
    let local = Job::on(IMAGES.folder.to_str().unwrap()).set("output.logits=false");
    local.run().exits(0);
    let key =
        |row: &Value| (row["key"].clone(), row["status"].clone(), row["index"].clone(), row["prob"].clone());
    let rows = |job: &Job| job.rows().iter().map(key).collect::<Vec<_>>();
    assert_eq!(rows(&job), rows(&local));
}

#[test]
fn a_job_that_has_begun_keeps_its_commit_when_the_branch_moves() {
    let desk = Desk::new();
    let job = desk.job();
    ended(job.command("plan").arg("--write")).exits(0);
    let moved =
        desk.hub.commit(REPO, "main", &[("config.json", CONFIG), ("model.safetensors", b"other weights")]);
    assert_eq!(job.run().exits(0)["model"]["commit"], desk.commit.as_str());
    assert_eq!(frozen(&job.output())["hub"]["commit"], desk.commit.as_str());
    // a new job takes what the branch is now
    desk.job().run().fails(78, &[&moved, "model.safetensors"]);
}

#[test]
fn init_writes_the_address_and_doctor_names_the_commit() {
    let desk = Desk::new();
    let images = IMAGES.folder.to_str().unwrap();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let [file, rows] = ["job.toml", "rows"].map(|name| folder.path().join(name).display().to_string());
    let begun =
        ended(&mut desk.command(&["init", images, "--model", ADDRESS, "--output", &rows, "-o", &file]));
    assert_eq!(begun.exits(0)["model"], ADDRESS);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&format!("path = \"{ADDRESS}\"")) && !text.contains("crop_pct"), "{text}");
    assert!(begun.stderr.contains(&desk.commit), "{}", begun.stderr);
    let examined = ended(&mut desk.command(&["doctor", &file]));
    let checks = examined.exits(0)["checks"].as_array().unwrap().clone();
    let model = checks.iter().find(|check| check["check"] == "model").unwrap();
    assert!(model["text"].as_str().unwrap().contains(&desk.commit), "{model}");
}

#[test]
fn model_pull_prints_the_commit_and_the_files_which_are_enough_offline() {
    let desk = Desk::new();
    let pulled = ended(&mut desk.pull());
    let summary = pulled.exits(0);
    assert_eq!(
        (&summary["commit"], &summary["file"]),
        (&desk.commit.as_str().into(), &"model.safetensors".into())
    );
    let names: Vec<&Value> = summary["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["config.json", "model.safetensors"]);
    assert_eq!(std::fs::read(summary["path"].as_str().unwrap()).unwrap(), weights());
    desk.hub.forget();
    // a hub on this machine is asked without a proxy, which would see the token
    let nowhere = "http://127.0.0.1:9";
    ended(desk.pull().env("http_proxy", nowhere).env("HTTP_PROXY", nowhere)).exits(0);
    assert!(!desk.hub.seen().is_empty());
    desk.hub.forget();
    let again = ended(desk.pull().env("HF_HUB_OFFLINE", "1"));
    assert_eq!(again.exits(0)["path"], summary["path"]);
    desk.job().env("HF_HUB_OFFLINE", "1").run().exits(0);
    assert!(desk.hub.seen().is_empty(), "{:?}", desk.hub.seen());
    // the other commands for models take it as well
    ended(&mut desk.command(&["model", "inspect", ADDRESS])).exits(0);
    ended(&mut desk.command(&["model", "pull", "model.safetensors"])).fails(64, &["hf://ORG/NAME"]);
}

/// A field of a protobuf message that has a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

#[test]
fn what_a_model_names_is_fetched_with_it() {
    let desk = Desk::new();
    // `graph.initializer.external_data` with the key `location`
    let location = [field(1, b"location"), field(2, b"model.onnx_data")].concat();
    let graph = field(7, &field(5, &field(13, &location)));
    let index = br#"{"weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors"}}"#;
    for (repo, files, named) in [
        (
            "timm/graph",
            &[
                ("onnx/model.onnx", &graph[..]),
                ("onnx/model.onnx_data", b"1"),
                ("config.json", CONFIG),
                ("x.md", b""),
            ][..],
            &["config.json", "onnx/model.onnx", "onnx/model.onnx_data"][..],
        ),
        (
            "timm/shards",
            &[
                ("model.safetensors.index.json", index),
                ("model-1.safetensors", b"1"),
                ("model-2.safetensors", b"2"),
                ("preprocessor_config.json", b"{}"),
            ],
            &[
                "preprocessor_config.json",
                "model.safetensors.index.json",
                "model-1.safetensors",
                "model-2.safetensors",
            ],
        ),
    ] {
        desk.hub.commit(repo, "main", files);
        let address = format!("hf://{repo}");
        let summary = ended(&mut desk.command(&["model", "pull", &address])).exits(0);
        let files = summary["files"].as_array().unwrap();
        assert_eq!(files.iter().map(|file| &file["name"]).collect::<Vec<_>>(), named);
        // beside each other, as their reader needs them
        assert!(files.iter().all(|file| Path::new(file["path"].as_str().unwrap()).is_file()), "{files:?}");
    }
    // a name that leads out of the repository is no file of it
    let outside = [field(1, b"location"), field(2, b"../../x")].concat();
    let graph = field(7, &field(5, &field(13, &outside)));
    desk.hub.commit("timm/outside", "main", &[("model.onnx", &graph)]);
    ended(&mut desk.command(&["model", "pull", "hf://timm/outside"])).fails(78, &["no path in a repository"]);
}

#[test]
fn row_69_a_download_that_was_killed_is_resumed_from_its_last_byte() {
    let desk = Desk::new();
    desk.hub.rule(Host::Store, "GET", "/blobs/", Act::Cut(20_000), 1);
    desk.hub.rule(Host::Store, "GET", "/blobs/", Act::Hold, 1);
    let child = desk.pull().spawn().unwrap();
    until(|| desk.hub.reads() == 2);
    send(child.id(), "KILL");
    let killed = wait(child);
    assert_eq!(killed.signal, Some(9));
    assert_eq!(std::fs::metadata(desk.blob(".incomplete")).unwrap().len(), 20_000);
    desk.hub.release();
    desk.hub.forget();
    ended(&mut desk.pull()).exits(0);
    let ranges: Vec<Option<String>> =
        desk.hub.seen().into_iter().filter(|seen| seen.host == Host::Store).map(|seen| seen.range).collect();
    assert_eq!(ranges, [Some("bytes=20000-".to_owned())]);
}

#[test]
fn lines_of_a_download_come_as_often_as_is_asked_for() {
    let images = IMAGES.folder.to_str().unwrap();
    for command in [&["model", "pull", ADDRESS][..], &["init", images, "--model", ADDRESS, "--output", "out"]]
    {
        let desk = Desk::new();
        desk.hub.rule(Host::Store, "GET", "/blobs/", Act::Hold, 1);
        let mut child = program()
            .current_dir(desk.home.path())
            .args(command)
            .args(["--progress", "plain", "--progress-every", "1"])
            .envs(desk.variables())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut fetching = lines.filter(|line| line.contains("fetching ") && line.contains(" MB/s"));
        assert!(fetching.next().is_some());
        let since = Instant::now();
        assert!(fetching.nth(1).is_some());
        // without the option, two more lines take twenty seconds
        assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
        send(child.id(), "KILL");
        wait(child);
        desk.hub.release();
    }
}

#[test]
fn row_69_two_processes_at_once_fetch_once() {
    let desk = Desk::new();
    desk.hub.rule(Host::Store, "GET", "/blobs/", Act::Hold, 1);
    let children = [(); 2].map(|()| desk.pull().spawn().unwrap());
    let asked = || {
        let seen = desk.hub.seen();
        seen.iter().filter(|seen| seen.method == "HEAD" && seen.path.ends_with("model.safetensors")).count()
    };
    until(|| asked() == 2 && desk.hub.reads() == 1);
    desk.hub.release();
    for child in children {
        wait(child).exits(0);
    }
    assert_eq!(desk.hub.reads(), 1);
}

#[test]
fn row_70_a_file_with_another_hash_is_refused_and_removed() {
    let desk = Desk::new();
    desk.hub.rule(Host::Store, "GET", "/blobs/", Act::Corrupt, 1);
    desk.job().run().fails(78, &["model.safetensors", "SHA-256", &sha256(&weights()), "removed"]);
    assert!(!desk.blob("").exists() && !desk.blob(".incomplete").exists());
    // and one that was changed in the cache
    ended(&mut desk.pull()).exits(0);
    std::fs::write(desk.blob(""), "damaged").unwrap();
    ended(desk.pull().env("HF_HUB_OFFLINE", "1")).fails(78, &["SHA-256", "removed"]);
    assert!(!desk.blob("").exists());
    desk.job().run().exits(0);
}

#[test]
fn row_71_a_hub_that_refuses_or_is_busy_ends_with_its_own_codes() {
    let desk = Desk::new();
    ended(&mut desk.command(&["model", "pull", "hf://timm/smal"])).fails(77, &["no such model", "HF_TOKEN"]);
    let with_token = |address: &str| {
        let mut command = desk.command(&["model", "pull", address]);
        command.env("HF_TOKEN", CANARY);
        ended(&mut command)
    };
    with_token("hf://timm/smal").fails(78, &["does not exist", "`hf://timm/small`"]);
    with_token("hf://timm/small@mian").fails(78, &["does not exist", "`main`"]);
    with_token("hf://timm/small/model.bin").fails(78, &["`model.bin`", "does not exist"]);
    let busy = Act::Answer(429, vec![("Retry-After", "3600".to_owned())]);
    desk.hub.rule(Host::Hub, "GET", "/api/models/", busy, 1);
    ended(&mut desk.pull()).fails(69, &["429", "3600 s"]);
    desk.hub.gate(REPO, "another");
    ended(&mut desk.pull()).fails(77, &["accept its licence", "HF_TOKEN"]);
}

#[test]
fn the_token_goes_to_the_hub_alone_and_is_in_nothing_that_is_written() {
    let desk = Desk::new();
    desk.hub.gate(REPO, CANARY);
    let job = desk.job().env("HF_TOKEN", CANARY).env("TRESNET_BATCH_LOG", "trace");
    let ran = job.run();
    ran.exits(0);
    let refused = ended(desk.pull().env("HF_TOKEN", format!("{CANARY}x")).env("TRESNET_BATCH_LOG", "trace"));
    refused.fails(77, &["the account of the token has no access"]);
    for Ended { stdout, stderr, .. } in [&ran, &refused] {
        assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY));
        assert!(!stdout.contains("c4n4ry-signature") && !stderr.contains("c4n4ry-signature"), "{stderr}");
    }
    for folder in [desk.home.path().to_owned(), job.output()] {
        assert_eq!(files_with(&folder, CANARY), Vec::<PathBuf>::new());
    }
    let seen = desk.hub.seen();
    assert!(seen.iter().any(|seen| seen.host == Host::Hub && seen.authorization.is_some()));
    assert!(seen.iter().all(|seen| seen.host == Host::Hub || seen.authorization.is_none()), "{seen:?}");
}
