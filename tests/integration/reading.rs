//! The page on reading the rows: each of its blocks is run on a real output.

use crate::support::job::{IMAGES, Job};
use crate::support::{ask_python, root};

#[test]
fn every_block_of_the_page_reads_a_real_output() {
    let job =
        Job::own().set(format!("input.classes={}", IMAGES.classes.display())).set("output.logits=false");
    job.run().exits(0);
    let page = root().join("docs/reading.md");
    let ran = ask_python("reading.py", &[page.to_str().unwrap(), job.output().to_str().unwrap()]);
    // a page whose blocks are not found would pass otherwise
    assert!(ran["python"].as_u64() >= Some(8) && ran["sql"].as_u64() >= Some(7), "{ran}");
}
