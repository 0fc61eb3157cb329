//! Images that make their decoder panic, abort or hang: one image of a job, marked by a word in its bytes.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::job::{Ended, IMAGES, Job, ended, parts, program};
use crate::support::process::{children, is_alive};
use crate::support::{ask_python, scratch};

const WORD: &str = "strikes-its-decoder";
const VICTIM: &str = "leek/03.jpeg";

/// The images with a word after the end of one, and the rows that they have if nothing is planted.
static STRUCK: LazyLock<(String, Job)> = LazyLock::new(|| {
    let folder = scratch().join("struck");
    let copied = std::process::Command::new("cp").arg("-rp").arg(&IMAGES.folder).arg(&folder).status();
    assert!(copied.unwrap().success());
    let victim = folder.join(VICTIM);
    let bytes = [std::fs::read(&victim).unwrap(), WORD.into()].concat();
    std::fs::write(victim, bytes).unwrap();
    let images = folder.to_str().unwrap().to_owned();
    let whole = Job::on(&images);
    whole.run().exits(0);
    assert_eq!(row(&whole)["status"], "ok");
    (images, whole)
});

pub fn planted(faults: &str) -> Job {
    Job::on(&STRUCK.0).env("FAILPOINTS", faults.replace("WORD", WORD))
}

fn isolated(job: &Job) -> Ended {
    ended(job.command("run").arg("--isolate"))
}

fn row(job: &Job) -> Value {
    job.rows().into_iter().find(|row| row["key"] == VICTIM).unwrap()
}

/// Checks that the victim's row is a `decoder_panic` with these words, and every other row that of the undisturbed run.
#[track_caller]
fn strikes_the_victim_alone(job: &Job, words: &str) {
    let row = row(job);
    println!("{}: {}", row["error_kind"], row["error_message"]);
    assert_eq!(row["error_kind"], "decoder_panic");
    assert!(row["error_message"].as_str().unwrap().contains(words), "{row}");
    let path = |job: &Job| job.output().to_str().unwrap().to_owned();
    ask_python("rows.py", &["plan", &path(job)]);
    ask_python("rows.py", &["others", &path(job), &path(&STRUCK.1), VICTIM]);
}

#[test]
fn a_panic_is_a_row_with_isolation_and_without() {
    let job = planted("decode.panic=return(WORD)");
    assert_eq!(job.run().exits(0)["errors_by_kind"]["decoder_panic"], 1);
    strikes_the_victim_alone(&job, "the decoder panicked on this image");
    let apart = planted("decode.panic=return(WORD)");
    isolated(&apart).exits(0);
    ask_python("rows.py", &["same", apart.output().to_str().unwrap(), job.output().to_str().unwrap()]);
}

#[test]
fn panics_below_libjpeg_change_no_row() {
    let job = Job::on(&STRUCK.0).env("FAILPOINTS", "jpeg.mcu=1%panic;jpeg.define=2%panic");
    let summary = job.run().exits(0);
    assert!(summary["errors_by_kind"].get("decoder_panic").is_none(), "{summary}");
    let path = |job: &Job| job.output().to_str().unwrap().to_owned();
    ask_python("rows.py", &["same", &path(&job), &path(&STRUCK.1)]);
}

#[test]
fn a_panic_is_a_line_of_json_with_the_runs_id_in_the_run_and_in_a_decode_process() {
    for apart in [&[][..], &["--isolate"]] {
        let job = planted("decode.panic=return(WORD)");
        let run = ended(job.command("run").args(["--log-format", "json"]).args(apart));
        let id = run.exits(0)["run_id"].clone();
        let lines = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<Value> = lines.collect();
        let panics: Vec<&Value> = lines.iter().filter(|line| line["target"] == "panic").collect();
        assert!(!panics.is_empty(), "{apart:?}: {lines:?}");
        for panic in panics {
            assert_eq!(panic["run_id"], id, "{apart:?}");
            assert!(panic["message"].as_str().unwrap().starts_with("panicked: "), "{panic}");
            assert!(panic["fields"]["place"].as_str().unwrap().contains(".rs:"), "{panic}");
        }
    }
}

#[test]
fn an_abort_ends_the_run_by_its_signal_and_leaves_no_row_of_its_part() {
    let job = planted("decode.abort=return(WORD)").set("output.rows_per_part=90");
    let ended = job.run();
    assert_eq!(ended.signal, Some(6), "{}{}", ended.stdout, ended.stderr);
    assert!(parts(&job.output()).is_empty());
    assert!(job.output().join("_tresnet/job.json").exists());
}

#[test]
fn a_job_that_an_abort_ended_is_taken_up_with_isolation() {
    let job = planted("decode.abort=return(WORD)");
    assert_eq!(job.run().signal, Some(6));
    let stood = parts(&job.output());
    assert!(!job.output().join("_SUCCESS").exists());
    let summary = isolated(&job).exits(0);
    println!("{} of 12 parts stood, {} rows resumed", stood.len(), summary["resumed_rows"]);
    assert!(summary["resumed_rows"].as_u64().unwrap() >= 8 * stood.len() as u64, "{summary}");
    assert_eq!(summary["errors_by_kind"]["decoder_panic"], 1);
    strikes_the_victim_alone(&job, "was ended by signal 6 (SIGABRT");
}

#[test]
fn an_image_that_never_ends_is_a_row_after_a_while() {
    let job = planted("decode.hang=return(WORD);decode.patience=return(2)");
    let started = Instant::now();
    isolated(&job).exits(0);
    // it is tried twice
    assert!(started.elapsed() > Duration::from_secs(4));
    strikes_the_victim_alone(&job, "gave no answer within 2 s");
}

#[test]
fn a_decode_process_that_hangs_does_not_outlive_a_run_that_is_killed() {
    let job = planted("decode.hang=return(WORD)").set("limits.decode_threads=2");
    let mut run = job.command("run").arg("--isolate").spawn().unwrap();
    // the part of the victim waits for it, and all others are done
    assert!(crate::support::job::reaches(&mut run, 11, || parts(&job.output()).len()));
    let apart = children(run.id());
    assert_eq!(apart.len(), 2);
    run.kill().unwrap();
    run.wait().unwrap();
    let killed = Instant::now();
    while apart.iter().any(|pid| is_alive(*pid)) {
        assert!(killed.elapsed() < Duration::from_secs(5), "a decode process goes on without its run");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("they ended within {:?}", killed.elapsed());
}

#[test]
fn doctor_decode_tells_what_a_run_would() {
    let victim = Path::new(&STRUCK.0).join(VICTIM);
    let doctor = |fault: &str, isolate: bool| {
        let mut command = program();
        command.env("FAILPOINTS", format!("{fault}=return({WORD})"));
        command.args(["doctor", "decode"]).args(isolate.then_some("--isolate")).arg(&victim);
        ended(&mut command)
    };
    for (fault, isolate) in [("decode.panic", false), ("decode.panic", true), ("decode.abort", true)] {
        assert_eq!(doctor(fault, isolate).exits(0)["errors_by_kind"]["decoder_panic"], 1, "{fault}");
    }
    assert_eq!(doctor("decode.abort", false).signal, Some(6));
}

#[test]
fn a_panic_of_a_decode_thread_itself_is_70_at_once_and_blames_no_image() {
    let job = Job::own().env("FAILPOINTS", "decode.worker_panics=20*off->return");
    let ended = job.run();
    ended.fails(70, &["a decode thread panicked"]);
    assert!(!job.output().join("_SUCCESS").exists());
    let again = ended_without_faults(&job);
    assert!(again["errors_by_kind"].get("decoder_panic").is_none(), "{again}");
}

/// The same job, run again with nothing planted.
fn ended_without_faults(job: &Job) -> Value {
    ended(job.command("run").env_remove("FAILPOINTS")).exits(0)
}
