//! Rows 75 to 77: listings in pieces, from stores that sort otherwise, while keys come and go, and with pages that fail.

use std::collections::BTreeSet;

use crate::support::ask_python;
use crate::support::job::{IMAGES, Job, ended, reaches, wait};
use crate::support::scripted_s3::{Fault, Gate, Kind, Paging, Rule, ScriptedS3, Seen};

use super::{download, serve, verify};

/// Keys of a page; the program cuts a listing after four pages.
const PAGE: usize = 25;

fn image() -> bytes::Bytes {
    std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap().into()
}

/// A server with `keys` keys in each of these folders below `in/`.
fn server(folders: &[&str], keys: u64) -> ScriptedS3 {
    let server = ScriptedS3::start();
    server.page_size(PAGE);
    for folder in folders {
        server.virtual_keys(&format!("in/{folder}/"), keys, |key| format!("{key:05}.jpg"), vec![image()]);
    }
    server
}

fn job(server: &ScriptedS3) -> Job {
    serve(server, Job::on("s3://test/in").set("output.uri=s3://test/out"))
        .set("input.targets=none")
        .set("preprocess.image_size=32")
        .set("output.rows_per_part=100")
        .set("output.embedding=none")
        .set("output.logits=false")
        .set("engine.batch_size=32")
}

fn is_listing(seen: &Seen) -> bool {
    seen.kind == Kind::List && seen.key.starts_with("in") && !seen.query.contains("delimiter")
}

/// The planned keys of the output, in order.
fn planned(server: &ScriptedS3) -> Vec<String> {
    let copy = download(server);
    let rows = ask_python("rows.py", &["dump", copy.path().to_str().unwrap()]);
    rows.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn row_75_a_store_that_sorts_by_folder_is_sorted_and_goes_on_so_after_an_interruption() {
    // by bytes, `a-b/` is before `a/`
    let server = server(&["a-b", "a"], 900);
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::ByFolder)).prefix("in"));
    let job = job(&server);
    let whole = job.run();
    assert_eq!(whole.exits(0)["rows"]["planned"], 1_800);
    assert!(whole.stderr.contains("out of order"), "{}", whole.stderr);
    let keys = planned(&server);
    // the objects that a planner which dies after its first segment has not written
    for key in server.keys("out/") {
        let stays = ["out/_tresnet/job.json", "out/_tresnet/plan/000000", "out/part-000000"];
        if !stays.iter().any(|begin| key.starts_with(begin)) {
            server.delete(&key);
        }
    }
    assert_eq!(job.run().exits(0)["rows"]["planned"], 1_800);
    assert_eq!(planned(&server), keys);
    verify(&job).exits(0);
}

#[test]
fn row_75_an_order_that_is_found_wrong_after_the_first_segment_is_78_and_stays_so() {
    // the first two thousand keys are in order
    let server = server(&["a", "a-b"], 2_500);
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::ByFolder)).prefix("in"));
    let job = job(&server);
    job.run().fails(78, &["out of order", "listing = \"sort\""]);
    job.run().fails(78, &["out of order"]);
    assert!(server.get("out/_SUCCESS").is_none());
    let sorted = job.set("input.listing=sort").set("output.uri=s3://test/sorted");
    let planned = ended(sorted.command("plan").arg("--write")).exits(0);
    assert_eq!(planned["rows"], 5_000, "{planned}");
}

#[test]
fn row_76_keys_that_come_and_go_while_pieces_are_listed_cost_no_other_key() {
    let folders = ["a", "a-b", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let server = server(&folders, 200);
    let went = ["in/b/00100x.jpg", "in/j/00199x.jpg"];
    went.iter().for_each(|key| drop(server.put(key, image())));
    let job = job(&server);
    let gate = Gate::closed();
    let held = server.rule(Rule::on(Kind::List, Fault::Gated(gate.clone())).when(is_listing).after(10));
    let mut plan = job.command("plan").arg("--write").spawn().unwrap();
    // several pieces wait for a page at the same time
    assert!(reaches(&mut plan, 10 + 4, || server.count(is_listing)), "the listing ended");
    let came = |folder: &str| ["00000x", "00100x", "00199x"].map(|name| format!("in/{folder}/{name}.jpg"));
    let came: Vec<String> = folders.into_iter().flat_map(came).collect();
    came.iter().for_each(|key| drop(server.put(key, image())));
    went.iter().for_each(|key| assert!(server.delete(key)));
    gate.open();
    wait(plan).exits(0);
    server.remove(held);
    // a deleted image is a row with this error
    job.set("limits.max_error_fraction=1").run().exits(0);
    let planned = planned(&server);
    assert!(planned.is_sorted_by(|one, next| one < next));
    let planned: BTreeSet<&str> = planned.iter().map(String::as_str).collect();
    for folder in folders {
        for key in 0..200 {
            let key = format!("{folder}/{key:05}.jpg");
            assert!(planned.contains(key.as_str()), "`{key}` is not planned");
        }
    }
    let may_be: BTreeSet<&str> = came.iter().map(String::as_str).chain(went).collect();
    let mut others = planned.iter().filter(|key| key.ends_with("x.jpg"));
    assert!(others.all(|key| may_be.contains(format!("in/{key}").as_str())));
}

#[test]
fn row_77_pages_of_pieces_that_fail_are_asked_for_again() {
    let server = server(&["a", "b", "c", "d"], 500);
    server.rule(Rule::on(Kind::List, Fault::error(503, "SlowDown")).when(is_listing).chance(0.1));
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::WayOn(""))).when(is_listing).chance(0.05));
    let planned = ended(job(&server).command("plan").arg("--write")).exits(0);
    assert_eq!(planned["rows"], 2_000, "{planned}");
}

#[test]
fn row_77_a_store_that_takes_no_beginning_is_listed_in_one_piece() {
    let server = server(&["a", "b", "c", "d"], 500);
    let begins = |seen: &Seen| is_listing(seen) && seen.query.contains("start-after");
    let refused = server.rule(Rule::on(Kind::List, Fault::error(400, "InvalidArgument")).when(begins));
    let job = job(&server).set("storage.retry_seconds=1");
    let planned = ended(job.command("plan").arg("--write")).exits(0);
    assert_eq!(planned["rows"], 2_000, "{planned}");
    assert!(server.fired(refused) > 0, "the listing was never cut");
}
