//! Rows 5 to 12, 20, 26, 30 and 47: a store that loses, refuses and delays requests, and gives wrong answers.

use std::time::Duration;

use serde_json::Value;

use crate::support::ask_python;
use crate::support::job::{IMAGES, Job, ended, reaches, wait};
use crate::support::scripted_s3::{Break, Fault, Kind, Refusal, Reply, Rule, Tag};

use super::{download, is_write, job, of_images, parts, serve, served_undisturbed_rows, server, verify};

const CHANCES: [f64; 3] = [0.1, 0.3, 0.6];

/// Runs the job at each chance of a fault, all at the same time; each must end with the rows of an undisturbed
/// run. Returns the summaries.
fn survives(rules: impl Fn(f64) -> Vec<Rule> + Sync) -> Vec<Value> {
    survives_in_parts(30, rules)
}

/// As [`survives`], with this number of rows a part.
fn survives_in_parts(rows: u32, rules: impl Fn(f64) -> Vec<Rule> + Sync) -> Vec<Value> {
    let one = |chance: f64| {
        let server = server();
        server.seed((chance * 1000.0) as u64);
        let rules: Vec<_> = rules(chance).into_iter().map(|rule| server.rule(rule)).collect();
        let job = job(&server)
            .set(format!("output.rows_per_part={rows}"))
            .set("storage.retry_seconds=100")
            .set("storage.read_timeout_seconds=3")
            .set("storage.write_timeout_seconds=3");
        let summary = job.run().exits(0);
        let fired: u64 = rules.into_iter().map(|rule| server.fired(rule)).sum();
        println!("at {:.0} %: {fired} faults, {}", chance * 100.0, summary["requests"]);
        assert!(fired > 0, "no fault at {chance}");
        served_undisturbed_rows(&server, &job);
        summary
    };
    std::thread::scope(|scope| {
        let runs = CHANCES.map(|chance| scope.spawn(move || one(chance)));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn on_writes(fault: impl Fn() -> Fault + Sync) -> Vec<Value> {
    survives_in_parts(8, |chance| vec![Rule::on(Kind::Put, fault()).chance(chance)])
}

#[test]
fn row_05_a_write_whose_reply_is_lost_is_recognised_as_done() {
    on_writes(Fault::lost_reply);
}

#[test]
fn row_05_a_write_whose_connection_is_reset_is_recognised_as_done() {
    on_writes(|| Fault::Applied(Reply::Reset));
}

#[test]
fn row_05_a_write_that_is_answered_with_500_and_applied_is_recognised_as_done() {
    on_writes(|| Fault::applied_but(500, "InternalError"));
}

#[test]
fn row_05_a_write_that_takes_effect_after_its_timeout_is_recognised_as_done() {
    survives(|chance| {
        let late = Fault::AppliedLater(Duration::from_millis(1500), Reply::Close);
        let stalled = Fault::Applied(Reply::Stall(Duration::from_secs(8)));
        // a stall costs its whole timeout: a few are enough
        vec![
            Rule::on(Kind::Put, late).chance(chance),
            Rule::on(Kind::Put, stalled).prefix("out/part-").chance(chance / 2.0).times(3),
        ]
    });
}

#[test]
fn row_06_a_conflict_that_wrote_nothing_is_tried_again() {
    on_writes(Fault::conflict);
}

#[test]
fn row_07_a_storm_of_refusals_slows_the_run_down_and_does_not_end_it() {
    let summaries = survives(|chance| vec![Rule::any(Fault::error(503, "SlowDown")).chance(chance)]);
    let worst = &summaries[2]["requests"]["input"];
    assert!(worst["throttled"].as_u64().unwrap() > 20, "{worst}");
    assert!(worst["fewest_in_flight"].as_u64().unwrap() <= 16, "{worst}");
}

#[test]
fn row_07_too_many_requests_slow_the_run_down_too() {
    let refusal = || Refusal::new(429, "TooManyRequests").retry_after(1);
    survives(|chance| vec![Rule::any(Fault::Instead(Reply::Refusal(refusal()))).chance(chance)]);
}

#[test]
fn row_07_an_error_document_under_a_good_status_is_neither_an_image_nor_the_end_of_a_listing() {
    survives(|chance| {
        vec![
            of_images(Rule::on(Kind::Get, Fault::error_in_ok("SlowDown"))).chance(chance),
            Rule::on(Kind::List, Fault::error_in_ok("InternalError")).chance(chance),
            Rule::on(Kind::Get, Fault::error_in_ok("InternalError")).prefix("out/_").chance(chance / 2.0),
        ]
    });
}

#[test]
fn row_08_resets_before_the_answer_and_in_the_middle_give_the_same_bytes() {
    survives(|chance| {
        vec![
            Rule::on(Kind::Get, Fault::Instead(Reply::Reset)).chance(chance / 2.0),
            Rule::on(Kind::Get, Fault::Body(Break::Reset { at: 0.5 })).chance(chance / 2.0),
        ]
    });
}

#[test]
fn row_08_bodies_that_are_cut_or_come_in_short_chunks_give_the_same_bytes() {
    survives(|chance| {
        vec![
            Rule::on(Kind::Get, Fault::Body(Break::Cut { at: 0.4 })).chance(chance / 2.0),
            Rule::on(Kind::Get, Fault::Body(Break::ChunksShort { at: 0.6 })).chance(chance / 2.0),
            Rule::on(Kind::List, Fault::Body(Break::Cut { at: 0.6 })).chance(chance / 2.0),
        ]
    });
}

#[test]
fn row_08_bodies_that_stall_give_the_same_bytes() {
    let stall = || Fault::Body(Break::Stall { at: 0.5, pause: Duration::from_secs(20) });
    survives(|chance| vec![of_images(Rule::on(Kind::Get, stall())).chance(chance).times(10)]);
}

#[test]
fn row_08_a_request_timeout_that_the_store_reports_as_400_is_tried_again() {
    survives(|chance| vec![Rule::any(Fault::error(400, "RequestTimeout")).chance(chance)]);
}

#[test]
fn row_09_an_object_that_changes_after_the_plan_or_while_it_is_read_is_a_row_changed() {
    let server = server();
    let job = job(&server);
    ended(job.command("plan").arg("--write")).exits(0);
    server.put("images/yam/00.jpg", "another file");
    let key = "images/yam/01.jpg";
    server.rule(Rule::on(Kind::Get, Fault::Body(Break::Cut { at: 0.5 })).prefix(key).times(1));
    server.rule(Rule::on(Kind::Get, Fault::Tag(Tag::Changing)).prefix(key).after(1));
    let summary = job.run().exits(0);
    assert_eq!(summary["errors_by_kind"]["changed"], 2, "{summary}");
    verify(&job).exits(0);
}

#[test]
fn row_47_a_tag_that_the_answer_makes_weak_is_still_the_planned_one() {
    let server = server();
    server.rule(of_images(Rule::on(Kind::Get, Fault::Tag(Tag::Weak))));
    let job = job(&server);
    assert_eq!(job.run().exits(0)["errors_by_kind"]["changed"], serde_json::Value::Null);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_10_a_short_body_under_right_headers_is_noticed_by_its_length() {
    survives(|chance| {
        vec![of_images(Rule::on(Kind::Get, Fault::Body(Break::Short { at: 0.5 }))).chance(chance)]
    });
}

#[test]
fn row_11_credentials_that_are_refused_everywhere_write_no_row() {
    let server = server();
    server.rule(of_images(Rule::any(Fault::error(403, "AccessDenied"))));
    job(&server).run().fails(77, &["access denied"]);
    assert_eq!(server.keys("out/"), Vec::<String>::new());
}

#[test]
fn row_11_images_that_may_not_be_read_although_they_may_be_listed_write_no_row() {
    let server = server();
    server.rule(of_images(Rule::on(Kind::Get, Fault::error(403, "AccessDenied"))));
    job(&server).run().fails(77, &["may not be read"]);
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_11_one_object_that_is_refused_is_a_row_denied() {
    let server = server();
    server.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")).prefix("images/yam/00.jpg"));
    let summary = job(&server).run().exits(0);
    assert_eq!(summary["errors_by_kind"]["denied"], 1, "{summary}");
}

#[test]
fn row_11_a_key_that_reads_like_a_refusal_is_a_whole_row_after_errors_that_pass() {
    let server = server();
    let image = std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap();
    let key = "images/yam/InvalidToken status code: 403.jpg";
    server.put(key, image);
    // more than the client tries by itself, so that the error is classified
    let rule = server.rule(Rule::on(Kind::Get, Fault::error(500, "InternalError")).prefix(key).times(6));
    let job = job(&server);
    let summary = job.run().exits(0);
    assert_eq!(server.fired(rule), 6);
    assert_eq!(summary["errors_by_kind"]["denied"], Value::Null, "{summary}");
    assert!(summary["requests"]["input"]["retried"].as_u64().unwrap() > 0, "{summary}");
    verify(&job).exits(0);
    let rows = ask_python("rows.py", &["dump", download(&server).path().to_str().unwrap()]);
    let row = rows.as_array().unwrap().iter().find(|row| key.ends_with(row["key"].as_str().unwrap()));
    assert_eq!(row.unwrap()["status"], "ok", "{row:?}");
}

#[test]
fn row_11_credentials_that_expire_in_mid_run_make_no_row_and_the_next_run_goes_on() {
    for code in ["ExpiredToken", "AccessDenied"] {
        let server = server();
        let status = if code == "AccessDenied" { 403 } else { 400 };
        server.rule(Rule::any(Fault::error(status, code)).after(100));
        let job = job(&server);
        job.run().exits(77);
        let stood = parts(&server);
        assert!(stood < 12, "{code}: all parts stood before");
        server.clear_rules();
        let summary = job.run().exits(0);
        assert_eq!(summary["errors_by_kind"]["denied"], Value::Null, "{summary}");
        served_undisturbed_rows(&server, &job);
    }
}

#[test]
fn row_12_an_outage_longer_than_the_patience_ends_with_69_and_loses_nothing() {
    let server = server();
    let slow = serve(&server, Job::slow("s3://test/images").set("output.uri=s3://test/out"));
    let slow = slow.set("storage.retry_seconds=2");
    let mut child = slow.start();
    assert!(reaches(&mut child, 2, || parts(&server)));
    server.close();
    wait(child).fails(69, &["does not answer"]);
    let stood = parts(&server);
    assert!(stood >= 2);
    server.open();
    let summary = slow.run().exits(0);
    assert!(summary["resumed_rows"].as_u64().unwrap() >= 4 * stood as u64, "{summary}");
    verify(&slow).exits(0);
}

#[test]
fn row_12_an_outage_shorter_than_the_patience_is_waited_for() {
    let server = server();
    let slow = serve(&server, Job::slow("s3://test/images").set("output.uri=s3://test/out"));
    let mut child = slow.start();
    assert!(reaches(&mut child, 2, || parts(&server)));
    server.close();
    std::thread::sleep(Duration::from_secs(2));
    server.open();
    wait(child).exits(0);
    verify(&slow).exits(0);
}

#[test]
fn row_20_a_store_without_conditional_writes_is_refused_and_may_be_used_on_the_operators_word() {
    let server = server();
    server.rule(Rule::on(Kind::Put, Fault::not_implemented()).conditional(true));
    let job = job(&server);
    job.run().fails(73, &["conditional"]);
    assert_eq!(server.keys("out/"), Vec::<String>::new());
    let job = job.set("storage.conditional_put=off");
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
    assert_eq!(server.count(|seen| is_write(seen) && seen.conditional && seen.status == 200), 0);
}

#[test]
fn row_30_a_store_that_ignores_the_condition_in_silence_is_refused_before_any_part() {
    let server = server();
    server.rule(Rule::on(Kind::Put, Fault::IgnoreConditions));
    job(&server).run().fails(73, &["lets an object be created twice"]);
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_26_a_store_that_quotes_secrets_in_its_errors_does_not_get_them_into_any_file_log_or_row() {
    const SECRETS: [&str; 3] = ["canary-key-4713", "canary-secret-4714", "canary-token-4715"];
    let server = server();
    let leak = |status, code: &str| Fault::Instead(Reply::Refusal(Refusal::new(status, code).leaking()));
    server.rule(of_images(Rule::on(Kind::Get, leak(403, "SignatureDoesNotMatch"))).suffix("0.jpg"));
    server.rule(Rule::any(leak(503, "SlowDown")).chance(0.2));
    let mut job = job(&server).set("limits.max_error_fraction=0.5").env("TRESNET_BATCH_LOG", "debug");
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    for (name, secret) in names.iter().zip(SECRETS) {
        job = job.env(name, secret);
    }
    let ended = job.run();
    let summary = ended.exits(0);
    assert!(summary["errors_by_kind"]["denied"].as_u64().unwrap() > 3, "{summary}");
    let quoted = server.count(|seen| seen.status == 403 || seen.status == 503);
    assert!(quoted > 10, "only {quoted} errors quoted secrets");
    let copy = download(&server);
    for secret in SECRETS.into_iter().chain(["AWS4-HMAC-SHA256\n"]) {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{secret} is in the logs");
        for path in crate::support::s3::files(copy.path()) {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
    assert!(server.get("out/_SUCCESS").is_some());
}
