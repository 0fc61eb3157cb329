//! Compressed shards, by Python and by the programs `gzip` and `zstd`: the rows are those of the uncompressed shards.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::shards_apart::{carrying_shard_job, same_as_side_by_side};
use super::{PACKED, shard_job, shards_of};
use crate::support::job::{Job, ended};
use crate::support::s3::MOTO;
use crate::support::{ask_python, run_python, scratch};

/// A folder for each way to compress; in every second shard the texts come last.
static COMPRESSED: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("shards_packed");
    run_python("shards.py", &["packed", PACKED.join("shards").to_str().unwrap(), out.to_str().unwrap()]);
    out
});

const WAYS: [(&str, &str); 5] = [
    ("gzip", ".tar.gz"),
    ("members", ".tgz"),
    ("zstd", ".tar.zst"),
    ("frames", ".tar.zst"),
    ("mixed", ".tar"),
];

#[track_caller]
fn has_the_rows(job: &Job) {
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}));
    assert_eq!((&summary["damaged_inputs"], &summary["skipped"]), (&json!(0), &json!(18)));
    same_as_side_by_side(job, &["key"]);
}

#[test]
fn every_way_to_compress_gives_the_rows_of_shards_that_are_not_compressed() {
    for (way, ending) in WAYS {
        let folder = COMPRESSED.join(way);
        for address in [
            folder.display().to_string(),
            format!("{}/train-{{000..008}}{ending}", folder.display()),
            format!("{}/*{ending}", folder.display()),
        ] {
            let job = carrying_shard_job(&address);
            has_the_rows(&job);
            assert_eq!(
                job.rows()[31]["key"].as_str().unwrap().split('!').next(),
                Some(&*format!("train-003{ending}"))
            );
            shards_of(&job.output());
            ended(&mut job.command("verify")).exits(0);
        }
    }
}

#[test]
fn compressed_shards_on_s3_give_the_same_rows() {
    MOTO.put_folder(&COMPRESSED, "compressed");
    for (way, _) in WAYS {
        has_the_rows(&MOTO.serve(carrying_shard_job(&format!("s3://test/compressed/{way}"))));
    }
}

#[test]
fn a_compressed_shard_that_is_cut_keeps_the_images_before_the_cut() {
    let out = scratch().join("shards_cut");
    let whole =
        ask_python("shards.py", &["cut", PACKED.join("shards").to_str().unwrap(), out.to_str().unwrap()]);
    let job = shard_job(out.join("cut").to_str().unwrap())
        .set("limits.max_error_fraction=0.9")
        .set("limits.max_damaged_inputs=1");
    job.run().fails(65, &["2 inputs could not be read to their end"]);
    let job = job.set("limits.max_damaged_inputs=2");
    assert_eq!(job.run().exits(0)["damaged_inputs"], 2);
    let shards = shards_of(&job.output());
    for (number, (shard, names)) in whole.as_object().unwrap().iter().enumerate() {
        let names = names.as_array().unwrap();
        assert!(names.len() > 2, "{shard}: {names:?}");
        let keys = shards[number]["keys"].as_array().unwrap();
        let expected: Vec<Value> =
            names.iter().map(|name| json!(format!("{shard}!{}", name.as_str().unwrap()))).collect();
        assert_eq!(keys[..names.len()], expected, "{shard}");
        assert_eq!((keys.len(), &shards[number]["damaged"]), (names.len() + 1, &json!(1)), "{shard}");
        assert_eq!(shards[number]["kinds"].as_array().unwrap().last(), Some(&json!("truncated")), "{shard}");
    }
}

#[test]
fn files_that_a_pattern_finds_and_that_are_no_shards_are_counted_and_named() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::copy(PACKED.join("shards/train-000.tar"), folder.path().join("train-000.tar")).unwrap();
    for name in ["train-001.tar.bz2", "train-002.tar.bz2", "train-003.zip"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let job = shard_job(&format!("{}/train-*", folder.path().display()));
    let summary = job.run().exits(0);
    assert_eq!(summary["left_out"]["extensions"], json!({".bz2": 2, ".zip": 1}));
    assert_eq!(
        summary["left_out"]["found_by_pattern"],
        json!({".bz2": "train-001.tar.bz2", ".zip": "train-003.zip"})
    );
}

#[test]
fn a_shard_that_is_compressed_in_another_way_is_one_row_that_says_which_are_read() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::write(folder.path().join("a.tar"), b"BZh91AY&SYxxxxxxxxxxxxxxxx").unwrap();
    std::fs::copy(PACKED.join("shards/train-000.tar"), folder.path().join("b.tar")).unwrap();
    let job = shard_job(folder.path().to_str().unwrap()).set("limits.max_damaged_inputs=1");
    let job = job.set("limits.max_error_fraction=0.5");
    job.run().exits(0);
    let row = &job.rows()[0];
    assert_eq!((&row["key"], &row["error_kind"]), (&json!("a.tar"), &json!("unsupported")));
    assert!(row["error_message"].as_str().unwrap().contains("gzip and zstd are"), "{row}");
}
