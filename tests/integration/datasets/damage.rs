//! Shards that are broken, cut, changed or gone: one row each, and an exit code that a scheduler sees.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PACKED, local_shards, shard_job, shards_of};
use crate::support::job::{IMAGES, Job, own_model};
use crate::support::s3::MOTO;
use crate::support::{run_python, scratch};

/// A separate folder with the packed shards in it.
fn copied_shards() -> TempDir {
    let copy = tempfile::tempdir_in(scratch()).unwrap();
    for item in std::fs::read_dir(PACKED.join("shards")).unwrap() {
        let path = item.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn over(folder: &TempDir) -> Job {
    shard_job(folder.path().to_str().unwrap())
}

fn row<'a>(rows: &'a [Value], key: &str) -> &'a Value {
    rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no row `{key}`"))
}

#[test]
fn hostile_shards_become_typed_rows_and_good_members_are_read() {
    let folder: PathBuf = scratch().join("hostile_shards");
    let images = IMAGES.folder.parent().unwrap();
    run_python("datasets.py", &["hostile", images.to_str().unwrap(), folder.to_str().unwrap()]);
    let job = Job::new(folder.to_str().unwrap(), &own_model("v1_odd.safetensors"))
        .set("input.format=webdataset")
        .set("preprocess.image_size=36")
        .set("limits.max_error_fraction=0.9")
        .set("limits.max_damaged_inputs=4");
    job.run().fails(65, &["5 inputs could not be read to their end", "`limits.max_damaged_inputs` = 4"]);
    assert!(!job.output().join("_SUCCESS").exists());
    let job = job.set("limits.max_damaged_inputs=5");
    assert_eq!(job.run().exits(0)["damaged_inputs"], 5);
    let shards = shards_of(&job.output());
    let keys = shards[0]["keys"].as_array().unwrap();
    let long = format!("0-members.tar!{}.jpg", "a".repeat(300));
    let expected = [
        "ok/0001.jpg",
        "../../etc/evil.jpg",
        "/abs/evil.jpg",
        "dup.jpg",
        "dup.jpg#2",
        "nul\nline.jpg",
        "é/ü.jpg",
    ];
    let mut expected: Vec<String> = expected.iter().map(|name| format!("0-members.tar!{name}")).collect();
    expected.push(long);
    assert_eq!(*keys, expected);
    assert_eq!((&shards[0]["errors"], &shards[0]["skipped"]), (&json!(0), &json!(3)));
    for (shard, keys, kinds) in [
        (1, vec!["1-cut.tar!ok/0001.jpg", "1-cut.tar!../../etc/evil.jpg"], ["truncated"]),
        (2, vec!["2-checksum.tar"], ["unsupported"]),
        (3, vec!["3-claims-8-gib.tar!ok/0001.jpg"], ["truncated"]),
        (4, vec!["4-empty.tar"], ["unsupported"]),
        // thirty good images were read, and are given up with the shard
        (5, vec!["5-broken-late.tar"], ["corrupt"]),
    ] {
        assert_eq!(
            (&shards[shard]["keys"], &shards[shard]["kinds"]),
            (&json!(keys), &json!(kinds)),
            "{shard}"
        );
        assert_eq!(shards[shard]["damaged"], 1, "{shard}");
    }
}

#[test]
fn a_shard_that_breaks_in_its_second_window_gives_up_the_rows_of_the_first() {
    let folder: PathBuf = scratch().join("large_shards");
    let images = IMAGES.folder.parent().unwrap();
    run_python("datasets.py", &["large", images.to_str().unwrap(), folder.to_str().unwrap()]);
    MOTO.put_folder(&folder, "large");
    for address in [folder.to_str().unwrap(), "s3://test/large"] {
        let job = Job::new(address, &own_model("v1_odd.safetensors"))
            .set("input.format=webdataset")
            .set("input.targets=webdataset")
            .set("preprocess.image_size=36")
            .set("limits.max_error_fraction=0.5")
            .set("limits.max_damaged_inputs=1");
        let job = MOTO.serve(job);
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 23, "ok": 22, "error": 1}), "{address}");
        let shards = shards_of(&job.output());
        assert_eq!((&shards[0]["rows"], &shards[0]["skipped"]), (&json!(22), &json!(1)));
        assert_eq!(
            (&shards[1]["keys"], &shards[1]["kinds"]),
            (&json!(["1-broken.tar"]), &json!(["corrupt"]))
        );
        let rows = job.rows();
        assert_eq!(row(&rows, "0-whole.tar!across.jpg")["target"], 3);
        assert_eq!(row(&rows, "0-whole.tar!across.jpg")["prob"], row(&rows, "0-whole.tar!00.jpg")["prob"]);
    }
}

#[test]
fn a_shard_that_is_gone_is_one_row_and_damage() {
    let folder = copied_shards();
    std::fs::remove_file(folder.path().join("train-000.tar")).unwrap();
    let address = format!("{}/train-{{000..002}}.tar", folder.path().display());
    let job = shard_job(&address).set("limits.max_error_fraction=0.5");
    job.run().fails(65, &["1 inputs could not be read"]);
    job.set("limits.max_damaged_inputs=1").run().exits(0);
}

#[test]
fn a_shard_that_is_rewritten_after_the_plan_is_one_row() {
    let folder = copied_shards();
    let job = over(&folder).set("limits.max_error_fraction=0.5").set("limits.max_damaged_inputs=1");
    job.run().exits(0);
    // as a run that was killed when its plan was complete
    let last = job.output().join("_SUCCESS");
    std::fs::remove_file(last).unwrap();
    let part = &crate::support::job::parts(&job.output())[4];
    std::fs::remove_file(job.output().join(part)).unwrap();
    let shard = folder.path().join("train-004.tar");
    let mut bytes = std::fs::read(&shard).unwrap();
    bytes.extend([0; 512]);
    std::fs::write(&shard, bytes).unwrap();
    job.run().exits(0);
    let rows = job.rows();
    assert_eq!(row(&rows, "train-004.tar")["error_kind"], "changed");
    assert_eq!(row(&rows, "train-004.tar")["row_id"], 4_i64 << 32);
    assert_eq!(rows.len(), 81);
}

#[test]
fn a_class_that_the_model_has_not_is_an_error_row_that_says_so() {
    // the model has no class names, so only indices can be read
    let job = Job::on(&local_shards())
        .set("input.format=webdataset")
        .set("input.targets=webdataset")
        .set("limits.max_error_fraction=1");
    job.run().exits(0);
    let rows = job.rows();
    let named =
        rows.iter().find(|row| row["error_message"].as_str().is_some_and(|why| why.contains("`.cls`")));
    let why = named.unwrap()["error_message"].as_str().unwrap();
    assert!(why.contains("is no index") && why.contains("`[input] classes`"), "{why}");
    assert!(rows.iter().any(|row| row["status"] == "ok" && row["target"].is_i64()));
}

#[test]
fn a_parquet_file_that_is_rewritten_after_the_plan_is_error_rows_and_nothing_else_is() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for item in std::fs::read_dir(PACKED.join("parquet")).unwrap() {
        let path = item.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let job = super::parquet_job(folder.path().to_str().unwrap())
        .set("limits.max_error_fraction=0.5")
        .set("limits.max_damaged_inputs=1");
    job.run().exits(0);
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    let part = &crate::support::job::parts(&job.output())[5];
    std::fs::remove_file(job.output().join(part)).unwrap();
    let second = folder.path().join("train-00001-of-00002.parquet");
    std::fs::copy(folder.path().join("train-00000-of-00002.parquet"), second).unwrap();
    assert_eq!(job.run().exits(0)["damaged_inputs"], 1);
    let rows = job.rows();
    let changed: Vec<&Value> = rows.iter().filter(|row| row["error_kind"] == "changed").collect();
    assert_eq!((rows.len(), changed.len()), (90, 13));
    assert_eq!(changed[0]["key"], "train-00001-of-00002.parquet!13");
}

#[test]
fn a_file_that_holds_no_images_is_66_with_its_columns() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::copy(PACKED.join("rows.parquet"), &path).unwrap();
    let job = super::parquet_job(folder.path().to_str().unwrap());
    job.run().fails(66, &["a.parquet", "no column of images", "`f-stop`"]);
    std::fs::write(&path, "PAR1 and nothing more PAR1").unwrap();
    job.run().fails(66, &["a.parquet", "no whole Parquet file"]);
}

#[test]
fn shards_that_are_not_there_at_all_are_66() {
    for address in ["/nowhere/{0..3}.tar".to_owned(), IMAGES.folder.display().to_string()] {
        shard_job(&address).run().fails(
            66,
            &[if address.contains("nowhere") {
                "/nowhere"
            } else {
                "no .tar, .tar.gz, .tgz or .tar.zst file in"
            }],
        );
    }
}

#[test]
fn keys_that_do_not_go_together_are_78() {
    let shards = local_shards();
    for (job, words) in [
        (shard_job(&shards).set("input.limit=5"), ["`input.limit`", "{000000..000003}"]),
        (shard_job(&shards).set("input.targets=folder"), ["`input.targets`", "\"webdataset\""]),
        (shard_job(&shards).set("input.manifest=x.csv"), ["`input.manifest`", "format = \"manifest\""]),
        (shard_job("/data/{3..1}.tar"), ["`{3..1}.tar`", "backwards"]),
        (shard_job("/data/{a,a}.tar"), ["`a.tar`", "twice"]),
        (shard_job(&shards).set("input.carry_columns=[\"key\"]"), ["`key`", "rename"]),
    ] {
        job.run().fails(78, &words);
        assert!(!job.output().exists());
    }
}

/// A file of two row groups of images, whose texts have packed lengths.
fn packed_lengths(images: &[Vec<u8>; 4]) -> Vec<u8> {
    let path = ColumnPath::from("image");
    let properties = WriterProperties::builder()
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_max_row_group_row_count(Some(2))
        .build();
    let column = BinaryArray::from_iter_values(images);
    let batch = RecordBatch::try_from_iter([("image", Arc::new(column) as ArrayRef)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_row_group_that_announces_more_lengths_than_values_is_error_rows_and_the_others_are_read() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let yams = std::fs::read_dir(IMAGES.folder.join("yam")).unwrap().map(|item| item.unwrap().path());
    let yams: Vec<Vec<u8>> = yams.take(4).map(|path| std::fs::read(path).unwrap()).collect();
    let mut file = packed_lengths(&yams.try_into().unwrap());
    let job = super::parquet_job(folder.path().to_str().unwrap())
        .set("input.targets=none")
        .set("limits.max_damaged_inputs=1")
        .set("limits.max_error_fraction=1.0");
    // blocks of 128 values in 4 miniblocks, and two lengths, made 2^41: 8 TiB
    let at = file.windows(4).position(|window| *window == [0x80, 1, 4, 2]).unwrap();
    file[at + 3..at + 9].copy_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    std::fs::write(folder.path().join("a.parquet"), file).unwrap();
    job.run().exits(0);
    let rows = job.rows();
    let kinds: Vec<&Value> = rows.iter().map(|row| &row["error_kind"]).collect();
    assert_eq!(kinds[..2], [&json!("corrupt"); 2], "{rows:?}");
    assert_eq!(kinds.len(), 4, "{rows:?}");
    assert!(kinds[2..].iter().all(|kind| **kind != json!("corrupt")), "{rows:?}");
    let why = rows[0]["error_message"].as_str().unwrap();
    assert!(why.contains("announces 2199023255552 lengths, and it has 2 values"), "{why}");
}
