//! The manifests of `infra/kubernetes`, `infra/slurm` and `infra/aws_batch`: checked against the real schemas, and each
//! command in them run with the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::job::{
    Ended, IMAGES, Job, ended, own_model, parts, program, reaches, send, wait, while_stopped,
};
use crate::support::process::install_script;
use crate::support::{ask_python, python, root, scratch};

const OVERLAYS: [&str; 3] = ["overlays/once", "overlays/gpu", "overlays/nightly"];
/// What a scheduler should do by the table of exit-codes.md.
const FAIL: [i32; 7] = [64, 65, 66, 70, 73, 77, 78];
const RETRY: [i32; 3] = [69, 74, 75];

fn ask(arguments: &[&str]) -> Value {
    ask_python("manifests.py", arguments)
}

/// The error of `manifests.py` when it refuses a manifest.
fn refused(arguments: &[&str]) -> String {
    let script = root().join("tests/reference/manifests.py");
    let output = Command::new(python()).arg(script).args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} was taken");
    String::from_utf8(output.stderr).unwrap()
}

/// The only object of a kind.
fn object(overlay: &str, kind: &str) -> Value {
    let objects = ask(&["build", overlay]);
    let mut found = objects.as_array().unwrap().iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("{overlay} has no {kind}")).clone();
    assert!(found.next().is_none(), "{overlay} has two of {kind}");
    first
}

/// The specification of an overlay's Job.
fn job_spec(overlay: &str) -> Value {
    if overlay.ends_with("nightly") {
        object(overlay, "CronJob")["spec"]["jobTemplate"]["spec"].clone()
    } else {
        object(overlay, "Job")["spec"].clone()
    }
}

#[test]
fn each_overlay_is_what_kubernetes_understands() {
    for (overlay, kind) in OVERLAYS.iter().zip(["Job", "Job", "CronJob"]) {
        let held = ask(&["validate", overlay]);
        println!("{overlay}: {held}");
        assert_eq!(held["kinds"], json!(["ServiceAccount", kind, "ConfigMap"]));
    }
}

#[test]
fn the_schemas_refuse_what_kubernetes_does_not_understand() {
    for planted in ["1.spec.completion=8", "1.spec.completions=\"8\"", "1.spec.podFailurePolicy.rules=[{}]"] {
        let said = refused(&["validate", "overlays/once", planted]);
        assert!(said.contains("ValidationError"), "{planted}: {said}");
    }
}

#[test]
fn a_job_fails_or_tries_again_by_the_exit_codes_of_the_program() {
    for overlay in OVERLAYS {
        let spec = job_spec(overlay);
        let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
        assert_eq!(rules[0]["action"], "Ignore");
        assert_eq!(rules[0]["onPodConditions"][0]["type"], "DisruptionTarget");
        assert_eq!(rules[1]["action"], "FailJob");
        assert_eq!(rules[1]["onExitCodes"]["values"], json!(FAIL), "{overlay}");
        assert_eq!(rules.len(), 2);
        let pod = &spec["template"]["spec"];
        assert_eq!(rules[1]["onExitCodes"]["containerName"], pod["containers"][0]["name"]);
        // Kubernetes takes a podFailurePolicy only with these
        assert_eq!(
            (&pod["restartPolicy"], &spec["podReplacementPolicy"]),
            (&json!("Never"), &json!("Failed"))
        );
        assert!(spec["backoffLimitPerIndex"].as_u64().unwrap() > 0 && spec["completionMode"] == "Indexed");
        assert!(
            pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 25,
            "the program's grace is 25 seconds"
        );
    }
}

#[test]
fn the_table_of_exit_codes_says_the_same_of_each_exit_code() {
    let text = fs::read_to_string(root().join("docs/exit-codes.md")).unwrap();
    let advice = |code: i32| {
        let row = text.lines().find(|line| line.starts_with(&format!("| {code} |")));
        let row = row.unwrap_or_else(|| panic!("no row for {code}"));
        row.rsplit('|').nth(1).unwrap().trim().to_owned()
    };
    for code in FAIL {
        assert!(advice(code).starts_with("fail"), "{code}: {}", advice(code));
    }
    for code in RETRY {
        assert!(advice(code).contains("retry"), "{code}: {}", advice(code));
    }
}

#[test]
fn the_workers_are_as_many_as_each_is_told() {
    for overlay in OVERLAYS {
        let spec = job_spec(overlay);
        let env = spec["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let workers = env.iter().find(|variable| variable["name"] == "WORKERS").unwrap();
        let workers: u64 = workers["value"].as_str().unwrap().parse().unwrap();
        assert_eq!(spec["completions"], workers);
        assert!((1..=workers).contains(&spec["parallelism"].as_u64().unwrap()));
    }
}

#[test]
fn every_night_runs_the_pod_of_a_single_job() {
    assert_eq!(job_spec("overlays/once")["template"], job_spec("overlays/nightly")["template"]);
    let nightly = object("overlays/nightly", "CronJob");
    assert_eq!(nightly["spec"]["concurrencyPolicy"], "Forbid");
    // the day of a worker is the day on which it starts
    let starts = nightly["spec"]["schedule"].as_str().unwrap();
    let hour: u64 = starts.split(' ').nth(1).unwrap().parse().unwrap();
    let seconds = job_spec("overlays/nightly")["activeDeadlineSeconds"].as_u64().unwrap();
    let late = nightly["spec"]["startingDeadlineSeconds"].as_u64().unwrap();
    assert!(hour * 3600 + late + seconds <= 24 * 3600, "a worker may start on the next day");
}

#[test]
fn pods_are_no_root_and_hold_no_credential() {
    for overlay in OVERLAYS {
        let spec = job_spec(overlay);
        let pod = &spec["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
        let objects = ask(&["build", overlay]);
        assert!(objects.as_array().unwrap().iter().all(|object| object["kind"] != "Secret"));
        let names: Vec<&str> =
            container["env"].as_array().unwrap().iter().map(|name| name["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["WORKERS", "CPUS"]);
        assert!(container["envFrom"][0]["secretRef"].is_object());
    }
}

/// Arguments after a manifest's own command with which it runs on this machine, and its output.
struct Here {
    folder: TempDir,
    images: usize,
}

impl Here {
    fn new() -> Here {
        Here { folder: tempfile::tempdir_in(scratch()).unwrap(), images: IMAGES.expected.len() }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("rows")
    }

    fn settings(&self, output: &Path) -> Vec<String> {
        let model = own_model("v1_odd.safetensors");
        let settings = [
            format!("input.uri={}", IMAGES.folder.display()),
            format!("model.path={}", model.display()),
            format!("output.uri={}", output.display()),
            "preprocess.image_size=64".to_owned(),
            "output.rows_per_part=8".to_owned(),
            "limits.max_error_fraction=0.2".to_owned(),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }

    /// The command of a pod, with the files of its config map where they can be written.
    fn pod(&self, overlay: &str, index: usize, output: &Path) -> Command {
        let command = ask(&["command", overlay, &index.to_string()]);
        let mut words: Vec<String> = serde_json::from_value(command["words"].clone()).unwrap();
        assert_eq!(words.remove(0), "tresnet-batch");
        let mut started = program();
        for (path, text) in command["files"].as_object().unwrap() {
            let file = self.folder.path().join(Path::new(path).file_name().unwrap());
            fs::write(&file, text.as_str().unwrap()).unwrap();
            let word = words.iter_mut().find(|word| *word == path).expect("the command names the job file");
            *word = file.to_str().unwrap().to_owned();
        }
        started.args(words).args(self.settings(output));
        started
    }

    #[track_caller]
    fn is_whole(&self, output: &Path) {
        let verified = ended(program().arg("verify").arg(output)).exits(0);
        assert!(output.join("_SUCCESS").exists(), "{verified}");
        let status = ended(program().arg("status").arg(output)).exits(0);
        assert_eq!(status["rows"], self.images);
    }
}

#[test]
fn the_eight_pods_of_a_job_share_it_and_finish_it() {
    let here = Here::new();
    let summaries: Vec<Value> =
        (0..8).map(|index| ended(&mut here.pod("overlays/once", index, &here.output())).exits(0)).collect();
    assert_eq!(summaries[3]["share"], "worker 3/8");
    assert!(summaries[..7].iter().all(|summary| summary["complete"] == false));
    here.is_whole(&here.output());
}

#[test]
fn the_pods_of_a_night_write_an_output_of_that_day() {
    let here = Here::new();
    let job = object("overlays/nightly", "ConfigMap")["data"]["job.toml"].as_str().unwrap().to_owned();
    assert!(job.contains("dt=${DATE}") && job.contains("exclude_done"), "{job}");
    let output = here.output().join("dt=${DATE}");
    for index in 0..8 {
        let none_before = format!("input.exclude_done=[\"{}\"]", here.output().display());
        let mut pod = here.pod("overlays/nightly", index, &output);
        ended(pod.args(["--set", &none_before, "--date", "2026-11-27"])).exits(0);
    }
    here.is_whole(&here.output().join("dt=2026-11-27"));
}

#[test]
fn a_pod_that_should_have_a_gpu_and_has_none_fails_its_job() {
    let here = Here::new();
    let ended = ended(&mut here.pod("overlays/gpu", 0, &here.output()));
    ended.fails(78, &["cuda"]);
    let limits = &job_spec("overlays/gpu")["template"]["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["nvidia.com/gpu"], "1");
}

#[test]
fn the_job_definition_is_what_aws_batch_takes() {
    let held = ask(&["aws"]);
    println!("botocore's model of {} {}", held["service"], held["api"]);
    for planted in ["retryStrategy.attempt=3", "type=\"box\"", "containerProperties.command=\"run\""] {
        refused(&["aws", planted]);
    }
    let retry = &held["definition"]["retryStrategy"];
    let rules = retry["evaluateOnExit"].as_array().unwrap();
    let retried: Vec<i32> =
        rules.iter().filter_map(|rule| rule["onExitCode"].as_str()?.parse().ok()).collect();
    assert_eq!(retried, RETRY);
    assert_eq!(rules.last().unwrap(), &json!({ "onReason": "*", "action": "EXIT" }));
    assert!(rules.len() <= 5 && rules[..rules.len() - 1].iter().all(|rule| rule["action"] == "RETRY"));
}

#[test]
fn the_children_of_an_array_job_share_it_and_finish_it() {
    let here = Here::new();
    let file = here.folder.path().join("job.toml");
    fs::copy(root().join("infra/kubernetes/overlays/once/job.toml"), &file).unwrap();
    let words = ask(&["aws_command", &format!("job={}", file.display()), "date=2026-11-27"]);
    let words: Vec<String> = serde_json::from_value(words).unwrap();
    for index in 0..3 {
        let mut child = Command::new(&words[0]);
        // the shell adds the arguments that the definition leaves out after `run`
        let settings: Vec<String> =
            here.settings(&here.output()).iter().map(|word| format!("'{word}'")).collect();
        let script = format!("{} {}", words[2], settings.join(" "));
        child.args([&words[1], &script]).args(&words[3..]).env_clear();
        child.envs([
            ("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string()),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "3".into()),
        ]);
        let summary = ended(on_path(&mut child)).exits(0);
        assert_eq!(summary["complete"], index == 2, "{summary}");
    }
    here.is_whole(&here.output());
}

#[test]
fn an_array_job_that_was_given_no_date_is_refused() {
    let words: Vec<String> = serde_json::from_value(ask(&["aws_command"])).unwrap();
    let mut child = Command::new(&words[0]);
    child.args(&words[1..]).env_clear();
    child.envs([("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")]);
    ended(on_path(&mut child)).fails(64, &["Ref::date"]);
}

/// Started as a container starts it: the program is found by name.
fn on_path(command: &mut Command) -> &mut Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_tresnet-batch")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", folder.display()));
    command.env("ORT_DYLIB_PATH", root().join(".runtime/cpu"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// A task of the Slurm array, with an `scontrol` that records its arguments.
struct SlurmTask {
    command: Command,
    asked: PathBuf,
}

fn slurm(
    here: &Here,
    index: usize,
    of: usize,
    restarts: usize,
    job: &Path,
    settings: &[String],
) -> SlurmTask {
    let tools = here.folder.path().join("tools");
    fs::create_dir_all(&tools).unwrap();
    let asked = here.folder.path().join("asked");
    let scontrol = tools.join("scontrol");
    install_script(&format!("#!/bin/sh\necho \"$@\" >>'{}'\n", asked.display()), &scontrol);
    let mut command = Command::new("bash");
    command.arg(root().join("infra/slurm/array.sbatch")).arg(job).args(settings).env_clear();
    on_path(&mut command);
    command.env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()));
    command.env("TRESNET_BATCH", env!("CARGO_BIN_EXE_tresnet-batch"));
    command.envs([
        ("SLURM_ARRAY_JOB_ID", "7".to_owned()),
        ("SLURM_ARRAY_TASK_ID", index.to_string()),
        ("SLURM_ARRAY_TASK_COUNT", of.to_string()),
        ("SLURM_CPUS_PER_TASK", "1".to_owned()),
        ("SLURM_RESTART_COUNT", restarts.to_string()),
    ]);
    SlurmTask { command, asked }
}

impl SlurmTask {
    fn run(&mut self) -> Ended {
        ended(&mut self.command)
    }

    fn asked(&self) -> String {
        fs::read_to_string(&self.asked).unwrap_or_default()
    }
}

#[test]
fn the_tasks_of_a_slurm_array_share_a_job_and_finish_it() {
    let here = Here::new();
    let job = root().join("infra/kubernetes/overlays/once/job.toml");
    for index in 0..3 {
        let mut task = slurm(&here, index, 3, 0, &job, &here.settings(&here.output()));
        assert_eq!(task.run().exits(0)["complete"], index == 2);
        assert_eq!(task.asked(), "");
    }
    here.is_whole(&here.output());
}

#[test]
fn a_slurm_task_whose_time_is_over_is_requeued_and_takes_up_there() {
    let here = Here::new();
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let settings: Vec<String> =
        job.overrides().iter().flat_map(|setting| ["--set".to_owned(), setting.clone()]).collect();
    let grace = ["--set".to_owned(), "limits.grace_seconds=1".to_owned()];
    let settings = [settings, grace.to_vec()].concat();
    let mut task = slurm(&here, 0, 1, 0, &job.file(), &settings);
    let mut child = task.command.spawn().unwrap();
    assert!(reaches(&mut child, 2, || parts(&job.output()).len()));
    // as `--signal=B:TERM@60` does: to the script alone
    send(child.id(), "TERM");
    wait(child).exits(75);
    assert_eq!(task.asked(), "requeue 7_0\n");
    let stood = parts(&job.output()).len();
    assert!((2..23).contains(&stood), "{stood} parts stood");
    let mut again = slurm(&here, 0, 1, 1, &job.file(), &settings);
    assert_eq!(again.run().exits(0)["complete"], true);
    ended(&mut job.command("verify")).exits(0);
}

#[test]
fn a_slurm_task_is_requeued_only_where_that_may_mend_it_and_not_for_ever() {
    let here = Here::new();
    let settings = here.settings(&here.output());
    let job = root().join("infra/kubernetes/overlays/once/job.toml");
    // a part of the array alone: its number is not that of the workers
    let mut wrong = slurm(&here, 3, 1, 0, &job, &settings);
    wrong.run().exits(64);
    assert_eq!(wrong.asked(), "");
    // another process holds the share: 75
    let slow = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut holder = slow.start();
    assert!(reaches(&mut holder, 1, || parts(&slow.output()).len()));
    let settings: Vec<String> =
        slow.overrides().iter().flat_map(|setting| ["--set".to_owned(), setting.clone()]).collect();
    let mut last = slurm(&here, 0, 1, 6, &slow.file(), &settings);
    while_stopped(&holder, || last.run().exits(75));
    assert_eq!(last.asked(), "");
    wait(holder).exits(0);
}
