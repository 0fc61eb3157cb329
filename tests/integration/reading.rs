//! The page on reading the rows: each of its blocks is run on a real output.

use crate::support::job::{IMAGES, Job, parts};
use crate::support::{ask_python, root};

/// Reads an output with embeddings of a precision, with error rows in several of its parts.
fn every_block_reads(embedding: &str) {
    let job = Job::own()
        .set(format!("input.classes={}", IMAGES.classes.display()))
        .set("output.logits=false")
        .set(format!("output.embedding={embedding}"))
        .set("output.rows_per_part=10");
    job.run().exits(0);
    let parts = parts(&job.output());
    let rows_per_part =
        job.rows().chunks(10).map(|part| part.iter().any(|row| row["status"] == "error")).collect::<Vec<_>>();
    let with_errors = rows_per_part.iter().filter(|has_errors| **has_errors).count();
    assert!(parts.len() == rows_per_part.len() && with_errors > 1, "{rows_per_part:?}");
    let page = root().join("docs/reading.md");
    let ran = ask_python("reading.py", &[page.to_str().unwrap(), job.output().to_str().unwrap()]);
    // a page whose blocks are not found would pass otherwise
    assert!(ran["python"].as_u64() >= Some(8) && ran["sql"].as_u64() >= Some(7), "{ran}");
}

#[test]
fn every_block_of_the_page_reads_embeddings_of_half_precision() {
    every_block_reads("f16");
}

#[test]
fn every_block_of_the_page_reads_embeddings_of_single_precision() {
    every_block_reads("f32");
}
