//! Row 4: SIGTERM at moments at which a run waits for something else.

use std::time::{Duration, Instant};

use crate::support::job::{reaches, send, wait};
use crate::support::scripted_s3::{Fault, Kind, Reply, Rule};

use super::{is_write, job, of_images, parts, server};

#[test]
fn row_04_a_part_that_is_being_written_when_the_signal_comes_is_finished() {
    let server = server();
    let job = job(&server).set("output.rows_per_part=90");
    server.rule(Rule::on(Kind::Put, Fault::Latency(Duration::from_secs(3))).prefix("out/part-"));
    let mut child = job.start();
    let writing = || server.count(|seen| is_write(seen) && seen.key.starts_with("out/part-"));
    assert!(reaches(&mut child, 1, writing));
    send(child.id(), "TERM");
    wait(child).fails(75, &["interrupted"]);
    assert_eq!(parts(&server), 1);
    assert_eq!(job.run().exits(0)["resumed_rows"], 90);
}

#[test]
fn row_04_a_signal_while_the_first_images_do_not_come_ends_the_run_within_the_grace() {
    let server = server();
    let stall = Fault::Instead(Reply::Stall(Duration::from_secs(60)));
    server.rule(of_images(Rule::on(Kind::Get, stall)));
    let job = job(&server).set("output.rows_per_part=90").set("limits.grace_seconds=2");
    let mut child = job.start();
    let asked = || server.count(|seen| seen.kind == Kind::Get && seen.key.starts_with("images/"));
    assert!(reaches(&mut child, 1, asked));
    let since = Instant::now();
    send(child.id(), "TERM");
    wait(child).fails(75, &["interrupted"]);
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_part_that_cannot_end_within_the_grace_is_given_up_at_once() {
    let server = server();
    server.rule(of_images(Rule::on(Kind::Get, Fault::Latency(Duration::from_millis(150)))));
    let job =
        job(&server).set("output.rows_per_part=90").set("limits.requests=1").set("limits.grace_seconds=3");
    let mut child = job.start();
    let asked = || server.count(|seen| seen.kind == Kind::Get && seen.key.starts_with("images/"));
    assert!(reaches(&mut child, 45, asked));
    let since = Instant::now();
    send(child.id(), "TERM");
    wait(child).fails(75, &["interrupted"]);
    assert!(since.elapsed() < Duration::from_millis(2500), "{:?}", since.elapsed());
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_second_signal_ends_the_run_at_once() {
    let server = server();
    let job = job(&server).set("output.rows_per_part=90");
    server.rule(Rule::on(Kind::Put, Fault::Latency(Duration::from_secs(20))).prefix("out/part-"));
    let mut child = job.start();
    assert!(reaches(&mut child, 1, || {
        server.count(|seen| is_write(seen) && seen.key.starts_with("out/part-"))
    }));
    send(child.id(), "TERM");
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().unwrap().is_none(), "the first signal waits for the part that is written");
    let since = Instant::now();
    send(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}
