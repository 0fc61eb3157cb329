//! Rows 72 to 74: credentials that expire, that no source has, and whose source does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::aws::{FUTURE, Home, Service, document};
use crate::support::job::{Job, reaches, wait};
use crate::support::scripted_s3::{Kind, ScriptedS3};

use super::{parts, served_undisturbed_rows, server};

/// Long enough for a busy machine, and short compared with the retries of a run.
const AT_ONCE: Duration = Duration::from_secs(40);

fn in_container(server: &ScriptedS3, home: &Home, container: &Service) -> Job {
    home.job(server).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.address("/role"))
}

#[test]
fn row_72_credentials_that_a_store_calls_expired_are_renewed_and_change_no_row() {
    let (server, home, container) = (server(), Home::new(""), Service::container(FUTURE));
    let slow = Job::slow("s3://test/images").set("output.uri=s3://test/out");
    let slow =
        home.serve(&server, slow).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.address("/role"));
    let mut child = slow.start();
    assert!(reaches(&mut child, 2, || parts(&server)));
    server.expire("token-0");
    let summary = wait(child).exits(0);
    assert_eq!(summary["errors_by_kind"]["denied"], Value::Null, "{summary}");
    assert_eq!(container.count(), 2, "one renewal for all requests");
    assert!(server.count(|seen| seen.session_token == "token-1") > 0);
    crate::support::job::ended(&mut slow.command("verify")).exits(0);
}

#[test]
fn row_72_the_first_request_of_every_kind_may_be_the_one_that_finds_them_expired() {
    for kind in [Kind::List, Kind::Get, Kind::Put] {
        let (server, home, container) = (server(), Home::new(""), Service::container(FUTURE));
        let job = in_container(&server, &home, &container);
        let child = job.start();
        let begun = Instant::now();
        // the store refuses the first token as soon as a request of this kind has come
        while server.count(|seen| seen.kind == kind) == 0 && begun.elapsed() < AT_ONCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.expire("token-0");
        let summary = wait(child).exits(0);
        assert_eq!(summary["errors_by_kind"]["denied"], Value::Null, "{kind:?}: {summary}");
        served_undisturbed_rows(&server, &job);
    }
}

#[test]
fn row_72_credentials_that_stay_expired_are_77_and_no_row() {
    let (server, home) = (server(), Home::new(""));
    let container = Service::start(|_| (200, document("of-container", 0, FUTURE)));
    server.expire("token-0");
    in_container(&server, &home, &container).run().fails(77, &["renew the credentials", "expired"]);
    assert_eq!(server.keys("out/"), Vec::<String>::new());
}

#[test]
fn row_73_without_credentials_the_error_leads_with_what_to_set_and_comes_at_once() {
    let (server, home) = (server(), Home::new(""));
    for job in [
        home.job(&server),
        // a machine whose address of instance metadata leads nowhere
        home.job(&server)
            .env("AWS_EC2_METADATA_DISABLED", "")
            .env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9"),
    ] {
        let since = Instant::now();
        let summary = job.run().fails(77, &["AWS_PROFILE", "storage.anonymous_input", "asked: "]);
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
        let error = summary["error"].as_str().unwrap();
        assert!(error.starts_with("no AWS credentials: set AWS_ACCESS_KEY_ID"), "{error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn row_73_without_credentials_for_gcs_or_azure_it_is_the_same() {
    // nothing answers at the discard port
    let google = [("GCE_METADATA_HOST", "127.0.0.1:9"), ("GCE_METADATA_IP", "127.0.0.1:9")];
    let azure = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
        ("AZURE_MSI_ENDPOINT", "http://127.0.0.1:9/metadata/identity/oauth2/token"),
        ("AZURE_ALLOW_HTTP", "true"),
    ];
    for (address, variables, begins) in [
        ("gs://test/images", &google[..], "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://test/images", &azure[..], "no Azure credentials: set AZURE_STORAGE_CONNECTION_STRING"),
    ] {
        let home = Home::new("");
        let job = Job::on(address).env("HOME", home.path().as_os_str());
        let job = variables.iter().fold(job, |job, (name, value)| job.env(name, value));
        let since = Instant::now();
        let summary = job.run().fails(77, &["storage.anonymous_input", "does not answer"]);
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
        let error = summary["error"].as_str().unwrap();
        assert!(error.starts_with(begins), "{error}");
    }
    Job::on("az://test/images").run().fails(78, &["no storage account is named; set AZURE_STORAGE_ACCOUNT"]);
}

#[test]
fn row_73_a_source_that_refuses_is_77_with_what_to_do() {
    let server = server();
    let home = Home::new(
        "[profile login]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = reader\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n\
         [profile command]\ncredential_process = echo canary-4720 >&2; exit 3\n\
         [profile half]\nrole_arn = arn:aws:iam::1:role/reader\n",
    );
    home.log_in("corp", "2001-01-01T00:00:00Z");
    for (profile, words) in [
        ("typo", &["AWS_PROFILE names `typo`"][..]),
        ("login", &["aws sso login --profile login"]),
        ("command", &["credential_process", "the profile `command`"]),
        ("half", &["neither `source_profile` nor `credential_source`"]),
    ] {
        let ended = home.job(&server).env("AWS_PROFILE", profile).run();
        ended.fails(77, words);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}

#[test]
fn row_74_a_source_that_does_not_answer_is_asked_again_and_then_69() {
    let (server, home) = (server(), Home::new(""));
    // it comes back after some refusals
    let container = Service::start(|asked| match asked.before {
        0..6 => (503, String::new()),
        _ => (200, document("of-container", 0, FUTURE)),
    });
    let job = in_container(&server, &home, &container);
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
    let home = Home::new("");
    let nowhere = home
        .job(&server)
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/role")
        .set("storage.retry_seconds=2");
    nowhere.run().fails(69, &["the container's role does not answer"]);
}

#[test]
fn row_74_credentials_that_cannot_be_renewed_yet_are_used_until_they_expire() {
    let (server, home) = (server(), Home::new(""));
    // less than five minutes: each use is a reason to renew them
    let until = time::OffsetDateTime::now_utc() + Duration::from_secs(200);
    let until = until.format(&time::format_description::well_known::Rfc3339).unwrap();
    let is_up = Arc::new(AtomicBool::new(false));
    let answers = is_up.clone();
    let container = Service::start(move |asked| match asked.before > 0 && !answers.load(Ordering::Relaxed) {
        true => (503, String::new()),
        false => (200, document("of-container", 0, &until)),
    });
    let job = in_container(&server, &home, &container);
    job.run().exits(0);
    assert_eq!(server.count(|seen| seen.session_token != "token-0"), 0);
    is_up.store(true, Ordering::Relaxed);
    served_undisturbed_rows(&server, &job);
}
