//! The input is listed while the model loads: the requests to the store then, and the result if another process is
//! first.

use crate::held::Held;
use crate::steps::{on_server, verify, with};
use crate::support::job::{Job, ended, reaches, wait};
use crate::support::scripted_s3::{Kind, ScriptedS3};

const POINT: &str = "load:session";
const SEGMENT: &str = "out/_tresnet/plan/000000";

/// The number of requests of a kind for keys with this prefix.
fn asked(server: &ScriptedS3, kind: Kind, prefix: &str) -> usize {
    server.count(|seen| seen.kind == kind && seen.key.starts_with(prefix))
}

/// Starts a run that stops before its session is made, and waits until it has listed the input for the plan meanwhile.
#[track_caller]
fn stopped_with_a_listing(server: &ScriptedS3, job: &Job, held: &Held) -> std::process::Child {
    let mut run = held.on(&mut with(job, "run", &format!("{POINT}=return(hold)"))).spawn().unwrap();
    held.until_reached(&mut run, POINT);
    let is_listed = || {
        let seen = server.requests();
        let looked = seen.iter().position(|seen| seen.key == SEGMENT && seen.status == 404);
        let Some(looked) = looked else { return 0 };
        seen[looked..]
            .iter()
            .filter(|seen| seen.kind == Kind::List && seen.key.starts_with("images/"))
            .count()
    };
    assert!(reaches(&mut run, 1, is_listed), "it ended before it listed");
    run
}

#[test]
fn the_input_is_listed_while_the_model_loads_and_nothing_is_written_before_it_is() {
    let (server, job) = on_server();
    let held = Held::new();
    let run = stopped_with_a_listing(&server, &job, &held);
    assert_eq!(asked(&server, Kind::Put, ""), 0);
    assert!(server.keys("out/").is_empty());
    held.let_go(POINT);
    assert_eq!(wait(run).exits(0)["rows"]["planned"], 90);
    verify(&job);
}

#[test]
fn a_plan_that_another_process_makes_while_the_model_loads_is_the_plan() {
    let (server, job) = on_server();
    let job = job.set("output.rows_per_part=16");
    let held = Held::new();
    let run = stopped_with_a_listing(&server, &job, &held);
    // it has listed this image, as one of the first segment
    let is_early = |key: &String| key.starts_with("images/Kale/") && key.ends_with(".jpg");
    let listed = server.keys("images/").into_iter().find(is_early).unwrap();
    assert!(server.delete(&listed));
    let planned = ended(job.command("plan").arg("--write")).exits(0);
    assert_eq!(planned["rows"], 89);
    held.let_go(POINT);
    assert_eq!(wait(run).exits(0)["rows"]["planned"], 89);
    verify(&job);
}
