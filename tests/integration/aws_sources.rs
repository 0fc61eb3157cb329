//! Where S3's credentials come from: each source of AWS gives them to a whole job, is named by `doctor`, and leaves no
//! secret anywhere.

use serde_json::Value;

use crate::fault_matrix::server;
use crate::support::aws::{CANARY, FUTURE, Home, Service};
use crate::support::job::{Ended, Job, ended};
use crate::support::s3::files;
use crate::support::scripted_s3::{Kind, ScriptedS3};

/// The line of `doctor` on access to the store.
#[track_caller]
fn access(job: &Job) -> String {
    let summary = ended(&mut job.command("doctor")).exits(0);
    let checks: &Vec<Value> = summary["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == "access");
    check.unwrap_or_else(|| panic!("no `access` in {summary}"))["text"].as_str().unwrap().to_owned()
}

/// Runs a job with everything logged, and checks that each request was signed with this key id and that no secret is
/// in a log, a file of the output or the folder of the job.
#[track_caller]
fn runs_with(server: &ScriptedS3, job: Job, key: &str, source: &str) {
    let said = access(&job);
    assert!(said.contains(source), "no `{source}` in: {said}");
    assert!(!said.contains(CANARY), "{said}");
    server.reset_log();
    let job = job.env("TRESNET_BATCH_LOG", "trace,aws_config=trace,aws_smithy_runtime=trace");
    let ended = job.run();
    let summary = ended.exits(0);
    assert_eq!(summary["errors_by_kind"]["denied"], Value::Null, "{summary}");
    let seen = server.requests();
    assert!(seen.iter().any(|seen| seen.kind == Kind::Put), "it wrote nothing");
    let other = seen.iter().find(|seen| seen.access_key != key);
    assert!(other.is_none(), "not signed by {key}: {other:?}");
    assert_no_canary(&ended, server, &job);
}

#[track_caller]
fn assert_no_canary(ended: &Ended, server: &ScriptedS3, job: &Job) {
    let has = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    assert!(!has(ended.stdout.as_bytes()), "on standard output");
    assert!(!has(ended.stderr.as_bytes()), "in the logs");
    for key in server.keys("out/") {
        assert!(!has(&server.get(&key).unwrap()), "in {key}");
    }
    for path in files(job.file().parent().unwrap()) {
        assert!(!has(&std::fs::read(&path).unwrap()), "in {}", path.display());
    }
}

const KEYS: &str = "aws_access_key_id = of-file\naws_secret_access_key = canary-4720\n";

#[test]
fn keys_of_a_profile() {
    let (server, home) = (server(), Home::new("[profile dev]\nregion = eu-west-1\n"));
    home.write(".aws/credentials", &format!("[dev]\n{KEYS}"));
    let job = home.job(&server).env("AWS_PROFILE", "dev").env("AWS_REGION", "");
    let said = access(&job);
    assert!(said.contains("region eu-west-1 (of the profile `dev`)"), "{said}");
    runs_with(&server, job, "of-file", "the profile `dev` (keys in the file)");
}

#[test]
fn the_endpoint_of_a_profile() {
    let server = server();
    let config = format!("[default]\nregion = us-east-1\nendpoint_url = {}\n{KEYS}", server.endpoint());
    let home = Home::new(&config);
    let job = home.job(&server).env("AWS_ENDPOINT", "").env("AWS_REGION", "");
    runs_with(&server, job, "of-file", &format!("at {} (of the profile `default`)", server.endpoint()));
}

#[test]
fn a_command() {
    let given = format!(
        "{{\"Version\":1,\"AccessKeyId\":\"of-command\",\"SecretAccessKey\":\"{CANARY}\",\
         \"SessionToken\":\"{CANARY}-token\",\"Expiration\":\"{FUTURE}\"}}"
    );
    let home = Home::new("");
    home.write("given.json", &given);
    let (counted, file) = (home.path().join("counted"), home.path().join("given.json"));
    let command = format!("echo x >> {}; cat {}", counted.display(), file.display());
    home.write(".aws/config", &format!("[profile dev]\ncredential_process = {command}\n"));
    let server = server();
    let job = home.job(&server).env("AWS_PROFILE", "dev");
    runs_with(&server, job, "of-command", "the profile `dev` (credential_process)");
    // once for `doctor` and once for `run`, whatever number of requests and stores
    assert_eq!(std::fs::read_to_string(counted).unwrap().lines().count(), 2);
}

#[test]
fn a_cached_login() {
    let (server, portal) = (server(), Service::portal());
    let home = Home::new(
        "[profile dev]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = reader\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n",
    );
    home.log_in("corp", FUTURE);
    let job = home.job(&server).env("AWS_PROFILE", "dev").env("AWS_ENDPOINT_URL_SSO", portal.address(""));
    runs_with(&server, job, "of-portal", "the profile `dev` (SSO)");
    assert_eq!(portal.count(), 2);
}

#[test]
fn an_assumed_role_whose_token_service_is_not_at_s3s_endpoint() {
    let (server, sts) = (server(), Service::sts());
    let home = Home::new(&format!(
        "[profile base]\n{KEYS}[profile dev]\nrole_arn = arn:aws:iam::1:role/reader\nsource_profile = base\n"
    ));
    let job = home
        .job(&server)
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_PROFILE", "dev")
        .env("AWS_ENDPOINT_URL_STS", sts.address(""));
    let source =
        "the profile `dev` (keys in the file of the profile `base`, role arn:aws:iam::1:role/reader)";
    runs_with(&server, job, "of-reader", source);
    let asked = sts.asked();
    assert!(asked.len() == 2 && asked[0].contains("Action=AssumeRole"), "{asked:?}");
}

#[test]
fn a_web_identity() {
    let (server, sts, home) = (server(), Service::sts(), Home::new(""));
    home.write("token", "a.b.c");
    let job = home
        .job(&server)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", home.path().join("token"))
        .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod")
        .env("AWS_ENDPOINT_URL_STS", sts.address(""));
    runs_with(&server, job, "of-pod", "the role of AWS_WEB_IDENTITY_TOKEN_FILE");
}

#[test]
fn a_container() {
    let (server, container, home) = (server(), Service::container(FUTURE), Home::new(""));
    let job = home.job(&server).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.address("/role"));
    runs_with(&server, job, "of-container", "the container's role");
}

#[test]
fn instance_metadata() {
    let metadata = Service::start(|asked| match asked.line.rsplit('/').next() {
        _ if asked.line.starts_with("PUT") => (200, "token".to_owned()),
        Some("") => (200, "role".to_owned()),
        _ => (200, crate::support::aws::document("of-machine", 0, FUTURE)),
    });
    let (server, home) = (server(), Home::new(""));
    let job = home
        .job(&server)
        .env("AWS_EC2_METADATA_DISABLED", "")
        .env("AWS_METADATA_ENDPOINT", metadata.address(""));
    runs_with(&server, job, "of-machine", "the machine's role (instance metadata)");
}

#[test]
fn keys_in_the_environment_ask_nothing_else() {
    let (server, container) = (server(), Service::container(FUTURE));
    let home = Home::new("");
    let asked = home.path().join("asked");
    home.write(".aws/config", &format!("[profile dev]\ncredential_process = touch {}\n", asked.display()));
    let job = home
        .job(&server)
        .env("AWS_PROFILE", "dev")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.address("/role"))
        .env("AWS_ACCESS_KEY_ID", "of-environment")
        .env("AWS_SECRET_ACCESS_KEY", CANARY);
    runs_with(&server, job, "of-environment", "AWS_ACCESS_KEY_ID");
    assert!(container.count() == 0 && !asked.exists());
}

#[test]
fn an_anonymous_input_is_read_without_credentials_and_the_output_is_written_with_them() {
    let (server, home) = (server(), Home::new(&format!("[default]\n{KEYS}")));
    let job = home.job(&server).set("storage.anonymous_input=true");
    job.run().exits(0);
    for seen in server.requests() {
        let expected = if seen.key.starts_with("images") { "" } else { "of-file" };
        assert_eq!(seen.access_key, expected, "{seen:?}");
    }
}

#[test]
fn an_anonymous_input_with_an_output_on_disk_needs_no_credentials() {
    let (server, home) = (server(), Home::new(""));
    let job = home.serve(&server, Job::on("s3://test/images")).set("storage.anonymous_input=true");
    job.run().exits(0);
    assert_eq!(server.count(|seen| !seen.access_key.is_empty()), 0);
    assert!(access(&job).starts_with("`s3://test/images` with unsigned requests"));
}

#[test]
fn the_requester_agrees_to_pay_by_the_key_or_by_the_variable() {
    let server = server();
    let job = || crate::fault_matrix::job(&server);
    for job in [job().set("storage.requester_pays=true"), job().env("AWS_REQUEST_PAYER", "requester")] {
        server.reset_log();
        job.run().exits(0);
        assert_eq!(server.count(|seen| !seen.agrees_to_pay), 0);
    }
}
