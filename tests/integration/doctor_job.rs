//! `doctor JOB`: checks everything that a run needs in one call, and leaves no file.

use std::path::Path;

use serde_json::Value;

use crate::datasets::{local_shards, shard_job};
use crate::support::job::{Ended, IMAGES, Job, ended, own_model, parts, program};
use crate::support::s3::SEAWEEDFS;
use crate::support::scripted_s3::{Fault, Kind, Rule, ScriptedS3};

fn doctor(job: &Job) -> Ended {
    ended(&mut job.command("doctor"))
}

/// The states of the checks of a name, in order.
#[track_caller]
fn states(summary: &Value, name: &str) -> Vec<String> {
    let checks = summary["checks"].as_array().unwrap_or_else(|| panic!("no checks in {summary}"));
    let named = checks.iter().filter(|check| check["check"] == name);
    named.map(|check| check["state"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn text(summary: &Value, name: &str) -> String {
    let checks = summary["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == name);
    check.unwrap_or_else(|| panic!("no `{name}` in {summary}"))["text"].as_str().unwrap().to_owned()
}

const ALL: [&str; 12] = [
    "job", "model", "settings", "input", "plan", "listing", "images", "output", "writes", "device", "memory",
    "time",
];

#[test]
fn a_job_that_can_run_is_ok_in_everything_and_its_output_is_not_there_afterwards() {
    let job = Job::own();
    let summary = doctor(&job).exits(0);
    for name in ALL {
        assert_eq!(states(&summary, name), ["ok"], "{name} of {summary}");
    }
    assert_eq!(states(&summary, "disk"), ["ok"]);
    assert!(!job.output().exists());
}

#[test]
fn every_look_is_a_line_that_a_person_reads() {
    let ended = doctor(&Job::own());
    ended.exits(0);
    for name in ALL {
        let told = ended.stderr.lines().any(|line| line.starts_with(&format!("ok       {name}")));
        assert!(told, "no line of `{name}` in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.contains("90 images in 12 parts"), "{}", ended.stderr);
}

#[test]
fn what_it_estimates_is_what_a_run_then_does() {
    let job = Job::own().set("job.price_per_hour=3600");
    let estimate = doctor(&job).exits(0)["estimate"].clone();
    let done = job.run().exits(0);
    assert_eq!((&estimate["images"], &estimate["images_are"]), (&done["rows"]["planned"], &"exactly".into()));
    assert_eq!(estimate["parts"], done["parts"]);
    let number = |value: &Value| value.as_f64().unwrap();
    // a price of one a second
    assert!((number(&estimate["cost"]) - number(&estimate["seconds"])).abs() < 1e-6, "{estimate}");
    assert!(number(&estimate["images_per_s"]) > 0.0, "{estimate}");
    let bytes: u64 = parts(&job.output())
        .iter()
        .map(|name| std::fs::metadata(job.output().join(name)).unwrap().len())
        .sum();
    let share = number(&estimate["output_bytes"]) / bytes as f64;
    assert!((0.5..2.0).contains(&share), "{estimate} and {bytes} bytes");
}

#[test]
fn of_shards_the_number_of_images_is_told_by_their_bytes() {
    let job = shard_job(&local_shards()).set("limits.max_error_fraction=0.2");
    let summary = doctor(&job).exits(0);
    let estimate = &summary["estimate"];
    assert_eq!((&estimate["images_are"], &estimate["parts"]), (&"about".into(), &9.into()));
    let images = estimate["images"].as_u64().unwrap();
    assert!((45..=180).contains(&images), "{estimate} of 90");
}

#[test]
fn an_input_that_is_not_there_is_66_and_everything_else_is_looked_at_all_the_same() {
    let job = Job::own().set("input.uri=/no/such/pictures");
    let summary = doctor(&job).fails(66, &["`input`", "/no/such/pictures"]);
    for name in ["model", "output", "writes", "device", "memory"] {
        assert_eq!(states(&summary, name), ["ok"], "{name} of {summary}");
    }
    assert_eq!(
        (states(&summary, "input"), states(&summary, "time")),
        (vec!["failed".into()], vec!["not_checked".into()])
    );
}

#[test]
fn an_empty_input_is_66() {
    let job = Job::own();
    let empty = job.file().with_file_name("empty");
    std::fs::create_dir(&empty).unwrap();
    doctor(&job.set(format!("input.uri={}", empty.display()))).fails(66, &["no image below", "empty"]);
}

#[test]
fn a_model_that_cannot_be_read_is_78_and_input_and_output_are_looked_at_all_the_same() {
    let job = Job::own();
    let broken = job.file().with_file_name("broken.safetensors");
    std::fs::write(&broken, "no weights").unwrap();
    let summary =
        doctor(&job.set(format!("model.path={}", broken.display()))).fails(78, &["broken.safetensors"]);
    assert_eq!(states(&summary, "model"), ["failed"]);
    assert_eq!(
        (states(&summary, "input"), states(&summary, "writes")),
        (vec!["ok".into()], vec!["ok".into()])
    );
}

#[test]
fn settings_that_do_not_fit_the_model_are_78() {
    let job = Job::own().set("output.top_k=8");
    let summary = doctor(&job).fails(78, &["`output.top_k` is 8", "7 classes"]);
    assert_eq!(states(&summary, "settings"), ["failed"]);
}

#[test]
fn folders_that_are_not_the_models_classes_are_78_and_the_images_are_looked_at_all_the_same() {
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &own_model("v2.safetensors"));
    let summary = doctor(&job.set("input.targets=folder").set("preprocess.image_size=64")).exits(78);
    assert_eq!(states(&summary, "plan"), ["failed"], "{summary}");
    assert_eq!(states(&summary, "images"), ["ok"]);
}

#[test]
fn a_job_file_that_cannot_be_read_is_78() {
    let missing = ended(program().args(["doctor", "/no/such/job.toml"]));
    missing.fails(78, &["`job`", "/no/such/job.toml"]);
    let job = Job::own().set("engine.batchsize=3");
    doctor(&job).fails(78, &["`job`", "did you mean `engine.batch_size`?"]);
}

#[test]
fn an_output_that_is_a_file_is_73_and_stays_as_it_is() {
    let job = Job::own();
    std::fs::write(job.output(), "in the way").unwrap();
    let summary = doctor(&job).fails(73, &["`output`", "is no folder"]);
    assert_eq!(states(&summary, "writes"), ["failed"]);
    assert_eq!(states(&summary, "device"), ["ok"]);
    assert_eq!(std::fs::read_to_string(job.output()).unwrap(), "in the way");
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_the_first_decides_the_exit_code() {
    let job = Job::own().set("input.uri=/no/such/pictures");
    std::fs::write(job.output(), "in the way").unwrap();
    let summary = doctor(&job).fails(66, &["3 checks failed; the first, `input`"]);
    let codes: Vec<&Value> = summary["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["state"] == "failed")
        .map(|check| &check["exit"])
        .collect();
    assert_eq!(codes, [66, 73, 73]);
}

#[test]
fn images_of_which_none_can_be_decoded_are_65() {
    let job = Job::own();
    let folder = job.file().with_file_name("pages");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..3 {
        std::fs::write(folder.join(format!("{number}.jpg")), "<!DOCTYPE html>").unwrap();
    }
    let job = job.set(format!("input.uri={}", folder.display())).set("input.targets=none");
    doctor(&job).fails(65, &["3 of the first 3", "3 unsupported"]);
}

#[test]
fn some_images_that_cannot_be_decoded_are_a_warning_with_the_limit_that_they_exceed() {
    let job = Job::own();
    let folder = job.file().with_file_name("some");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(IMAGES.folder.join("yam/00.jpg"), folder.join("good.jpg")).unwrap();
    std::fs::write(folder.join("page.jpg"), "<!DOCTYPE html>").unwrap();
    let job = job.set(format!("input.uri={}", folder.display())).set("input.targets=none");
    let summary = doctor(&job).exits(0);
    assert_eq!(states(&summary, "images"), ["warning"]);
    assert!(text(&summary, "images").contains("`page.jpg`"), "{summary}");
    assert!(text(&summary, "images").contains("limits.max_error_fraction"), "{summary}");
}

#[test]
fn a_job_that_was_begun_goes_on_and_one_that_is_finished_is_a_warning() {
    let job = Job::own();
    ended(job.command("plan").arg("--write")).exits(0);
    assert!(text(&doctor(&job).exits(0), "output").contains("parts that are committed: 0. A run resumes it"));
    job.run().exits(0);
    let summary = doctor(&job).exits(0);
    assert_eq!(states(&summary, "output"), ["warning"]);
    assert!(text(&summary, "output").contains("complete"), "{summary}");
    ended(&mut job.command("verify")).exits(0);
    let control = std::fs::read_dir(job.output().join("_tresnet")).unwrap();
    let left = control.filter(|item| item.as_ref().unwrap().file_name().to_str().unwrap().contains("doctor"));
    assert_eq!(left.count(), 0);
}

#[test]
fn an_output_of_another_job_is_78_and_names_the_difference() {
    let job = Job::own();
    job.run().exits(0);
    let other = job.set("output.top_k=3");
    let summary = doctor(&other).fails(78, &["`output`", "`output.top_k` is 5 there, 3 here"]);
    // everything else is checked as for a separate output
    assert_eq!(states(&summary, "images"), ["ok"]);
    assert!(summary["estimate"]["images"] == 90, "{summary}");
}

/// A server with a few of the images, and a job from it to it.
fn served() -> (ScriptedS3, Job) {
    let server = ScriptedS3::start();
    for name in ["yam/00.jpg", "yam/01.jpg", "leek/00.jpg"] {
        server.put(&format!("images/{name}"), std::fs::read(IMAGES.folder.join(name)).unwrap());
    }
    let job = Job::on("s3://test/images").set("output.uri=s3://test/out").set("input.targets=none");
    let job = server.environment().iter().fold(job, |job, (name, value)| job.env(name, value));
    (server, job)
}

#[test]
fn a_store_that_ignores_conditions_in_silence_is_73() {
    let (server, job) = served();
    server.rule(Rule::on(Kind::Put, Fault::IgnoreConditions));
    let summary = doctor(&job).fails(73, &["`writes`", "lets an object be created twice"]);
    assert_eq!(states(&summary, "device"), ["ok"]);
    assert_eq!(server.keys("out/"), Vec::<String>::new());
}

#[test]
fn a_store_that_ignores_conditions_only_of_those_who_write_at_once_is_73() {
    let (server, job) = served();
    server.rule(Rule::on(Kind::Put, Fault::IgnoreConditions).suffix("/race"));
    doctor(&job).fails(73, &["of 8 concurrent creates of one object, 8 were reported as successful"]);
}

#[test]
fn without_conditional_writes_it_is_a_warning_that_one_process_at_a_time_plans() {
    let (server, job) = served();
    server.rule(Rule::on(Kind::Put, Fault::not_implemented()).conditional(true));
    doctor(&job).fails(73, &["`writes`", "conditional_put"]);
    let summary = doctor(&job.set("storage.conditional_put=off")).exits(0);
    assert_eq!(states(&summary, "writes"), ["warning"]);
}

#[test]
fn a_store_that_lets_nothing_be_removed_is_no_failure_and_what_stays_is_told() {
    let (server, job) = served();
    server.rule(Rule::on(Kind::Delete, Fault::error(403, "AccessDenied")));
    let summary = doctor(&job).exits(0);
    assert!(text(&summary, "writes").contains("stays below `_tresnet/doctor-"), "{summary}");
    assert_eq!(server.keys("out/").len(), 2);
    // and no reader takes it for a part
    job.run().exits(0);
    ended(&mut job.command("verify")).exits(0);
}

#[test]
fn refused_credentials_are_77_and_say_where_they_come_from_without_a_secret() {
    let (server, job) = served();
    server.accept_only(Some("another-user"));
    let ended = doctor(&job.env("AWS_SECRET_ACCESS_KEY", "canary-secret-4713"));
    let summary = ended.fails(77, &["denied", "credentials in the environment"]);
    assert!(text(&summary, "access").contains("AWS_ACCESS_KEY_ID, region us-east-1"), "{summary}");
    assert!(!ended.stdout.contains("canary") && !ended.stderr.contains("canary"));
}

#[test]
fn a_store_that_does_not_answer_is_69_within_a_minute() {
    let (server, job) = served();
    server.close();
    let began = std::time::Instant::now();
    doctor(&job).fails(69, &["does not answer"]);
    assert!(began.elapsed().as_secs() < 90, "{:?}", began.elapsed());
}

#[test]
fn on_a_real_store_one_of_eight_wins_and_nothing_stays() {
    SEAWEEDFS.put_folder(&IMAGES.folder, "doctor/images");
    let job = SEAWEEDFS.serve(Job::on("s3://test/doctor/images").set("output.uri=s3://test/doctor/rows"));
    let summary = doctor(&job).exits(0);
    assert_eq!(states(&summary, "writes"), ["ok"], "{summary}");
    assert_eq!(SEAWEEDFS.keys("doctor/rows"), Vec::<String>::new());
    let requests = &summary["estimate"]["requests"];
    assert_eq!((&requests["listings"], &requests["reads"]), (&1.into(), &90.into()));
    // 12 parts in 3 segments, job.json twice, two files of the report, `_SUCCESS`
    assert_eq!(requests["writes"], 20);
}

#[test]
fn words_that_make_no_sense_together_are_64() {
    let file = Job::own().file();
    let file = file.to_str().unwrap();
    for arguments in [&["doctor", "--limit", "3"][..], &["doctor", file, "decode", "x.jpg"]] {
        ended(program().args(arguments)).fails(64, &[]);
    }
}

#[test]
fn the_machine_alone_is_looked_at_without_a_job() {
    let summary = ended(program().arg("doctor")).exits(0);
    assert!(summary["checks"].is_null() && summary["onnxruntime"]["version"].is_string(), "{summary}");
    assert!(Path::new(summary["onnxruntime"]["path"].as_str().unwrap()).is_file());
}
