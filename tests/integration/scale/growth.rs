//! `infra/growth/simulate.py` compared with rates of queues that are known without a simulation.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{python, root};

fn simulate(arguments: &str) -> String {
    let script = root().join("infra/growth/simulate.py");
    let output = Command::new(python()).arg(script).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A machine on which only the given fields take time.
fn machine(fields: &str, images: u32) -> Value {
    const NOTHING: &str = "infer=0 decode=0 decode_spread=0 turn=0 read=0 rows=0 encode=0 plan=0 plan_read=0 latency=0 \
                           latency_spread=0 put_latency=0 bandwidth=1e15 connection=1e15 put_connection=1e15";
    serde_json::from_str(&simulate(&format!("run --json --images {images} {NOTHING} {fields}"))).unwrap()
}

fn fleet(fields: &str) -> Value {
    serde_json::from_str(&simulate(&format!("fleet start=0 request=0 spread=0 {fields}"))).unwrap()
}

#[track_caller]
fn about(said: &Value, expected: f64) {
    let said = said.as_f64().unwrap();
    assert!((said / expected - 1.0).abs() < 0.02, "{said} and not about {expected}");
}

#[test]
fn one_stage_that_takes_time_gives_its_own_rate() {
    for (fields, images, rate) in [
        ("cores=4 decode=0.002", 8000, 4.0 / 0.002),
        // a device takes its time for a batch, too
        ("cores=4 infer=0.0001 infer_batch=0.0064 batch=64", 12_000, 64.0 / (64.0 * 0.0001 + 0.0064)),
        ("cores=4 devices=3 infer=0.0001", 30_000, 3.0 / 0.0001),
        // a part has one task, however many cores there are
        ("cores=16 turn=0.001", 6000, 1.0 / 0.001),
        ("cores=16 read=0.001 runtime_threads=3 in_flight_bytes=1e7", 9000, 3.0 / 0.001),
        ("cores=2 bandwidth=50e6 image_bytes=100e3 requests=64", 6000, 50e6 / 100e3),
        ("cores=2 connection=10e6 requests=16 image_bytes=100e3", 12_000, 16.0 * 10e6 / 100e3),
        ("cores=2 plan=0.001 rows_per_part=64", 6000, 1.0 / 0.001),
    ] {
        about(&machine(fields, images)["steady_images_per_s"], rate);
    }
}

#[test]
fn a_network_on_the_decoders_cores_adds_its_time_to_theirs() {
    for cores in [1.0, 2.0] {
        let fields = format!("cores={cores} devices=0 infer=0.02 decode=0.01 rows_per_part=256 batch=32");
        about(&machine(&fields, 2000)["steady_images_per_s"], cores / (0.02 + 0.01));
    }
}

#[test]
fn images_on_their_way_are_the_rate_times_the_time_of_an_answer() {
    let run = machine("cores=2 latency=0.05 latency_spread=0.3 requests=20", 20_000);
    about(&run["steady_images_per_s"], 20.0 / 0.05);
    // Little's law: requests that are held, by the clock, against the time that each of them took
    let number = |value: &Value| value.as_f64().unwrap();
    let held = 20.0 * number(&run["busy"]["requests"]);
    about(&json!(held), number(&run["steady_images_per_s"]) * number(&run["response_s"]));
}

#[test]
fn parts_that_wait_for_their_commit_hold_the_turn_up() {
    // four parts of 1000 rows each are open for a second, and 0.1 s of the turn
    let fields = "cores=4 put_latency=0.9 turn=0.0001 rows_per_part=1000 open_parts=4 batch=50";
    let run = machine(fields, 60_000);
    about(&run["steady_images_per_s"], 4000.0 / 1.0);
    assert_eq!(run["busiest"], "part permits");
}

#[test]
fn images_that_hold_bytes_are_as_many_as_fit() {
    // ten images are in flight, for a tenth of a second each
    let run = machine("cores=4 latency=0.1 in_flight_bytes=1024000 image_bytes=102400", 4000);
    about(&run["steady_images_per_s"], 10.0 / 0.1);
}

#[test]
fn machines_add_up_until_the_planner_or_the_store_is_the_limit() {
    about(&fleet("machines=8 images=1e8 rate=1000")["images_per_s"], 8000.0);
    about(&fleet("machines=8 images=1e8 rate=50000")["images_per_s"], 140_000.0);
    about(&fleet("machines=8 images=1e8 rate=1000 store=5000")["images_per_s"], 5000.0);
}

#[test]
fn the_table_of_machines_on_the_page_is_what_the_script_prints() {
    let page = std::fs::read_to_string(root().join("docs/scale.md")).unwrap();
    let table = simulate("curves --only machines");
    assert!(table.lines().count() > 4 && page.contains(table.trim()), "docs/scale.md has no\n{table}");
}
