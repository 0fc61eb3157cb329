//! `infra/scale.py` and `docs/scale.md` compared with the program's requests to a store, counted by the bucket in
//! memory.

use std::process::Command;
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value;
use tresnet_batch::ids::PartId;
use tresnet_batch::pipeline::share::Share;

use crate::support::{python, root};

use super::{Outcome, Places, plan, run, runtime, small_images};

static IMAGES: LazyLock<Vec<Bytes>> = LazyLock::new(small_images);

fn scale(arguments: &[&str]) -> String {
    let output = Command::new(python()).arg(root().join("infra/scale.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn said(images: u64, rows_per_part: u32, planned_first: bool, starts: usize) -> Value {
    let (column, rows, starts) =
        (format!("{images}:{starts}"), rows_per_part.to_string(), starts.to_string());
    let mut arguments = vec![column.as_str(), "--json", "--rows-per-part", &rows];
    if planned_first {
        arguments.extend(["--starts", &starts]);
    }
    serde_json::from_str(&scale(&arguments)).unwrap()
}

/// The requests of a job of these shares, beside those of the formulas.
fn holds(images: u64, rows_per_part: u32, planned_first: bool, shares: &[Share]) {
    let places = Places::new(images, IMAGES.clone(), rows_per_part);
    let runtime = runtime();
    if planned_first {
        assert_eq!(runtime.block_on(plan(&places)), images);
    } else {
        runtime.block_on(places.frozen.create(&places.output)).unwrap();
    }
    for (number, share) in shares.iter().enumerate() {
        let outcome = runtime.block_on(run(&places, *share));
        assert_eq!(matches!(outcome, Outcome::Finished(_)), number + 1 == shares.len(), "{share}");
    }
    let said = said(images, rows_per_part, planned_first, shares.len());
    println!("{images} images, {rows_per_part} a part, {shares:?}: {said}");
    for kind in ["input LIST", "image GET", "plan HEAD", "plan PUT", "plan GET", "part PUT", "part GET"] {
        assert_eq!(said[kind], places.bucket.kind(kind), "{kind} of {images} images, {rows_per_part} a part");
    }
    let listed = places.bucket.kind("output LIST");
    let most = said["output LIST"].as_u64().unwrap();
    assert!((1..=most).contains(&listed), "{listed} pages of the output, at most {most} by the formula");
}

fn workers(of: u32) -> Vec<Share> {
    (0..of).map(|index| Share::Worker { index, of }).collect()
}

#[test]
fn one_process_asks_for_what_the_formulas_say() {
    // five segments; one part; a last part that is not full
    for (images, rows_per_part) in [(20_000, 64), (900, 1024), (5_050, 100)] {
        holds(images, rows_per_part, false, &workers(1));
    }
}

#[test]
fn a_plan_has_as_many_segments_as_the_formulas_say() {
    // the latter ones end by their rows
    for (images, rows_per_part) in [(600_000, 1024), (3_000_000, 65_536)] {
        let places = Places::new(images, IMAGES.clone(), rows_per_part);
        assert_eq!(runtime().block_on(plan(&places)), images);
        let said = said(images, rows_per_part, false, 1);
        for kind in ["input LIST", "plan PUT", "plan HEAD"] {
            assert_eq!(said[kind], places.bucket.kind(kind), "{kind} of {images} images");
        }
        assert_eq!(said["segments"], places.bucket.kind("plan PUT"));
    }
}

#[test]
fn several_workers_ask_for_what_the_formulas_say() {
    holds(20_000, 64, false, &workers(4));
}

#[test]
fn ranges_behind_a_plan_ask_for_what_the_formulas_say() {
    // 313 parts
    let ranges = [(0, 99), (100, 199), (200, 312)]
        .map(|(first, last)| Share::Parts { first: PartId(first), last: PartId(last) });
    holds(20_000, 64, true, &ranges);
}

#[test]
fn the_table_of_the_page_is_what_the_script_prints() {
    let page = std::fs::read_to_string(root().join("docs/scale.md")).unwrap();
    let command = page.lines().find_map(|line| line.trim().strip_prefix("infra/scale.py ")).unwrap();
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let table = scale(&arguments);
    assert!(page.contains(&table), "docs/scale.md does not have\n{table}");
}
