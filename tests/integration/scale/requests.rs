//! `infra/scale.py` and `docs/scale.md` against what the program asks of a store, counted by the bucket in memory.

use std::process::Command;

use serde_json::Value;
use tresnet_batch::pipeline::Share;

use crate::support::{python, root};

use super::{Outcome, Places, plan, run, runtime, small_images};

fn scale(arguments: &[&str]) -> String {
    let output = Command::new(python()).arg(root().join("infra/scale.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a job of these shares asked for, beside what the formulas say of it.
fn holds(images: u64, rows_per_part: u32, planned_first: bool, shares: &[Share]) {
    let places = Places::new(images, small_images(), rows_per_part);
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
    let column = format!("{images}:{}", shares.len());
    let (rows, starts) = (rows_per_part.to_string(), shares.len().to_string());
    let mut arguments = vec![column.as_str(), "--json", "--rows-per-part", &rows];
    if planned_first {
        arguments.extend(["--starts", &starts]);
    }
    let said: Value = serde_json::from_str(&scale(&arguments)).unwrap();
    println!("{images} images, {rows_per_part} a part, {shares:?}: {said}");
    for kind in ["input LIST", "image GET", "plan HEAD", "plan PUT", "plan GET", "part PUT", "part GET"] {
        assert_eq!(said[kind], places.bucket.kind(kind), "{kind} of {images} images, {rows_per_part} a part");
    }
    let listed = places.bucket.kind("output LIST");
    let most = said["output LIST"].as_u64().unwrap();
    assert!((1..=most).contains(&listed), "{listed} pages of the output, at most {most} are said");
}

fn workers(of: u32) -> Vec<Share> {
    (0..of).map(|index| Share::Worker { index, of }).collect()
}

#[test]
fn one_process_asks_for_what_the_formulas_say() {
    // five segments; one part; a last part that is not full; segments that end by their rows
    for (images, rows_per_part) in [(20_000, 64), (900, 1024), (5_050, 100), (200_000, 65_536)] {
        holds(images, rows_per_part, false, &workers(1));
    }
}

#[test]
fn several_workers_ask_for_what_the_formulas_say() {
    holds(20_000, 64, false, &workers(4));
}

#[test]
fn ranges_behind_a_plan_ask_for_what_the_formulas_say() {
    // 313 parts
    let ranges = [(0, 99), (100, 199), (200, 312)].map(|(first, last)| Share::Parts { first, last });
    holds(20_000, 64, true, &ranges);
}

#[test]
fn the_table_of_the_page_is_what_the_script_prints() {
    let page = std::fs::read_to_string(root().join("docs/scale.md")).unwrap();
    let command = page.lines().find_map(|line| line.trim().strip_prefix("infra/scale.py ")).unwrap();
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let table = scale(&arguments);
    assert!(page.contains(&table), "docs/scale.md lacks\n{table}");
}
