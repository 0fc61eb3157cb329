//! Rows 39 to 44: variables that the client cannot use, and answers that are about the machine or the store as a whole.

use std::time::{Duration, Instant};

use crate::support::job::Job;
use crate::support::scripted_s3::{Fault, Kind, Refusal, Reply, Rule, ScriptedS3};

use super::{job, of_images, parts, served_undisturbed_rows, server, verify};

/// Long enough for a busy machine, and short compared with the retries of a run.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Runs the job without retries, so that it fails at once.
#[track_caller]
fn fails_at_once(job: &Job, code: i32, words: &[&str]) {
    let since = Instant::now();
    let ended = job.run();
    ended.fails(code, words);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

fn refuses(server: &ScriptedS3, rule: fn(Fault) -> Rule, refusal: Refusal) {
    server.clear_rules();
    server.rule(rule(Fault::Instead(Reply::Refusal(refusal))));
}

#[test]
fn row_39_white_space_around_variables_changes_nothing() {
    let server = server();
    let mut job = job(&server);
    for (name, value) in server.environment() {
        job = job.env(&name, format!(" {value}\r\n"));
    }
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_39_a_variable_that_the_client_cannot_use_is_78_with_its_name_and_without_its_value() {
    let server = server();
    for (name, value) in [
        ("AWS_ENDPOINT", "canary:9000"),
        ("AWS_ENDPOINT_URL", "canary"),
        ("AWS_REGION", "canary\neast"),
        ("AWS_ACCESS_KEY_ID", "canary key"),
        ("AWS_SESSION_TOKEN", "canary\ntoken"),
        ("AWS_SKIP_SIGNATURE", "canary"),
        ("AWS_ALLOW_HTTP", "canary"),
    ] {
        let ended = job(&server).env(name, value).run();
        ended.fails(78, &[name]);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains("canary") && !said.contains("panicked"), "{said}");
    }
    for (input, name, value) in [
        ("gs://bucket/images", "GOOGLE_BASE_URL", "canary"),
        ("gs://bucket/images", "GOOGLE_BEARER_TOKEN", "canary\ntoken"),
        ("az://container/images", "AZURE_STORAGE_ENDPOINT", "canary"),
        ("az://container/images", "AZURE_STORAGE_ACCOUNT_NAME", "canary account"),
    ] {
        let ended = Job::on(input).env(name, value).run();
        ended.fails(78, &[name]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn row_40_an_http_endpoint_that_is_not_allowed_is_78_at_once_and_says_what_to_set() {
    let server = server();
    fails_at_once(&job(&server).env("AWS_ALLOW_HTTP", "false"), 78, &["AWS_ENDPOINT", "AWS_ALLOW_HTTP=true"]);
    assert!(server.requests().is_empty());
    let google = Job::on("gs://bucket/images").env("GOOGLE_BASE_URL", server.endpoint());
    fails_at_once(&google, 78, &["GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP=true"]);
    let azure = Job::on("az://container/images")
        .env("AZURE_STORAGE_ACCOUNT_NAME", "account")
        .env("AZURE_STORAGE_ENDPOINT", server.endpoint());
    fails_at_once(&azure, 78, &["AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP=true"]);
}

#[test]
fn row_41_a_region_that_the_store_names_is_78_and_named() {
    let server = server();
    for (status, code) in [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")] {
        refuses(&server, Rule::any, Refusal::new(status, code).in_region("eu-north-1"));
        fails_at_once(&job(&server), 78, &["`eu-north-1`", "AWS_REGION"]);
    }
    refuses(&server, Rule::any, Refusal::new(400, "IllegalLocationConstraintException"));
    fails_at_once(&job(&server), 78, &["another region", "AWS_REGION"]);
    assert_eq!(server.keys("out/"), Vec::<String>::new());
}

#[test]
fn row_42_a_clock_that_is_wrong_is_77_and_no_row_and_no_expired_credential() {
    let server = server();
    let skewed = || Refusal::new(403, "RequestTimeTooSkewed");
    for rule in [Rule::any as fn(Fault) -> Rule, |fault| of_images(Rule::on(Kind::Get, fault))] {
        refuses(&server, rule, skewed());
        let ended = job(&server).run();
        ended.fails(77, &["the clock of this machine is wrong"]);
        assert!(!ended.stderr.contains("access denied"), "{}", ended.stderr);
        assert_eq!(parts(&server), 0);
    }
}

#[test]
fn row_43_a_create_that_is_refused_over_its_header_is_73_and_says_what_to_set() {
    for code in ["InvalidArgument", "NotImplemented"] {
        let server = server();
        server.rule(Rule::on(Kind::Put, Fault::error(400, code)).conditional(true));
        fails_at_once(&job(&server), 73, &["conditional_put = \"off\""]);
        assert_eq!(server.keys("out/"), Vec::<String>::new());
        let job = job(&server).set("storage.conditional_put=off");
        job.run().exits(0);
        served_undisturbed_rows(&server, &job);
    }
}

#[test]
fn row_43_a_store_without_room_is_74_and_the_next_run_goes_on() {
    let server = server();
    server.rule(Rule::on(Kind::Put, Fault::error(507, "XMinioStorageFull")).prefix("out/part-").after(5));
    let job = job(&server);
    job.run().fails(74, &["no room left"]);
    assert!(parts(&server) < 12);
    job.run().fails(74, &["no room left"]);
    server.clear_rules();
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_44_a_half_written_part_on_a_store_says_how_to_repair_it() {
    let server = server();
    let job = job(&server);
    server.rule(Rule::on(Kind::Put, Fault::error(403, "AccessDenied")).prefix("out/_SUCCESS"));
    job.run().exits(77);
    server.clear_rules();
    let torn = server.keys("out/part-").swap_remove(3);
    let bytes = server.get(&torn).unwrap();
    server.put(&torn, bytes.slice(..bytes.len() / 2));
    let name = torn.strip_prefix("out/").unwrap();
    job.run().fails(65, &[name, "is damaged", "verify JOB --repair"]);
    let said = verify(&job);
    said.exits(65);
    assert!(
        format!("{}{}", said.stdout, said.stderr).contains("`verify --repair` removes it"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    server.delete(&torn);
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
}
