//! Jobs over shards that version 0.1.0 began or finished: it joined no texts, read no compressed shard, nothing after an
//! end mark, and hidden members.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tresnet_batch::job::{Frozen, fingerprint};

use super::{PACKED, shard_job};
use crate::support::job::{IMAGES, Job, ended, parts};
use crate::support::{run_python, scratch};

/// A folder with two of the packed shards.
fn two_shards() -> TempDir {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for name in ["train-000.tar", "train-001.tar"] {
        std::fs::copy(PACKED.join("shards").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn over(folder: &Path) -> Job {
    shard_job(folder.to_str().unwrap())
        .set("limits.max_error_fraction=0.6")
        .set("limits.max_damaged_inputs=1")
}

/// What version 0.1.0 froze for a job, without the rules of later versions.
fn frozen_by_earlier_version(job: &Job) -> Frozen {
    let path = job.output().join("_tresnet/job.json");
    let mut frozen: Frozen = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    frozen.version = "0.1.0".into();
    frozen.components.retain(|name, _| !name.starts_with("rules."));
    frozen.fingerprint = fingerprint(&frozen.components);
    frozen
}

/// A job that version 0.1.0 froze and has not planned.
fn begun_by_earlier_version(folder: &Path) -> Job {
    let first = over(folder);
    ended(first.command("plan").arg("--write")).exits(0);
    let job = over(folder);
    let path = job.output().join("_tresnet/job.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_vec_pretty(&frozen_by_earlier_version(&first)).unwrap()).unwrap();
    job
}

fn texts_last(folder: &Path, shard: &str) {
    let out = tempfile::tempdir_in(scratch()).unwrap();
    let shards = PACKED.join("shards");
    run_python("shards.py", &["apart", shards.to_str().unwrap(), out.path().to_str().unwrap()]);
    std::fs::copy(out.path().join("texts_last").join(shard), folder.join(shard)).unwrap();
}

#[test]
fn a_job_of_0_1_0_over_shards_that_are_read_as_before_is_finished() {
    let folder = two_shards();
    let job = begun_by_earlier_version(folder.path());
    job.run().exits(0);
    let frozen = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
    assert!(!frozen.contains("rules.shards"), "{frozen}");
    let fresh = over(folder.path());
    fresh.run().exits(0);
    crate::support::ask_python(
        "rows.py",
        &["same", job.output().to_str().unwrap(), fresh.output().to_str().unwrap()],
    );
    assert_eq!(job.run().exits(0)["already_complete"], true);
    for command in ["verify", "report"] {
        ended(&mut job.command(command)).exits(0);
    }
}

#[test]
fn a_job_of_0_1_0_is_78_at_the_first_shard_that_is_read_otherwise_now() {
    let append = |name: &str, bytes: &[u8], folder: &Path| {
        let path = folder.join(name);
        let whole = [std::fs::read(&path).unwrap(), bytes.to_vec()].concat();
        std::fs::write(path, whole).unwrap();
    };
    let second = std::fs::read(PACKED.join("shards/train-002.tar")).unwrap();
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let changes: [(Change<'_>, &str, &str); 3] = [
        (Box::new(|folder| texts_last(folder, "train-001.tar")), "`train-001.tar`", "beside their image"),
        (Box::new(|folder| append("train-001.tar", &second, folder)), "`train-001.tar`", "after an end mark"),
        (
            Box::new(|folder| {
                let mut gzip = Command::new("gzip");
                assert!(gzip.arg(folder.join("train-001.tar")).status().unwrap().success());
            }),
            "`train-001.tar.gz`",
            "is compressed",
        ),
    ];
    for (change, key, why) in changes {
        let folder = two_shards();
        change(folder.path());
        let job = begun_by_earlier_version(folder.path());
        job.run().fails(78, &[key, why, "0.1.0", "output.uri"]);
        assert!(!job.output().join("_SUCCESS").exists());
        // shards that both versions read alike may be committed
        assert!(parts(&job.output()).len() <= 1);
        over(folder.path()).run().exits(0);
    }
}

#[test]
fn exclude_done_tries_compressed_shards_of_a_finished_output_of_0_1_0_again_and_no_others() {
    let folder = two_shards();
    // a shard that is compressed in another way is the row that 0.1.0 made of a gzip file
    std::fs::write(folder.path().join("train-002.tar"), b"BZh91AY&SYxxxxxxxxxxxxxxxx").unwrap();
    let done = over(folder.path());
    done.run().exits(0);
    let next =
        |done: &Job| over(folder.path()).set(format!("input.exclude_done=[\"{}\"]", done.output().display()));
    assert_eq!(next(&done).run().exits(0)["left_out"]["already_done"], 3);
    let earlier = frozen_by_earlier_version(&done);
    let success = done.output().join("_SUCCESS");
    let text = std::fs::read_to_string(&success).unwrap();
    let now: serde_json::Value = serde_json::from_str(&text).unwrap();
    let now = now["fingerprint"].as_str().unwrap();
    std::fs::write(success, text.replace(now, &earlier.fingerprint)).unwrap();
    let path = done.output().join("_tresnet/job.json");
    std::fs::write(path, serde_json::to_vec_pretty(&earlier).unwrap()).unwrap();
    let again = next(&done).set("limits.max_error_fraction=1");
    let summary = again.run().exits(0);
    assert_eq!(summary["left_out"]["already_done"], 2, "{summary}");
    assert_eq!(again.rows()[0]["key"], json!("train-002.tar"));
}

#[test]
fn a_whole_float_beside_an_image_is_an_index_unless_0_1_0_began_the_job() {
    let (parts, folder) =
        (tempfile::tempdir_in(scratch()).unwrap(), tempfile::tempdir_in(scratch()).unwrap());
    let image = std::fs::read(IMAGES.folder.join("beet-leaf.jpg")).unwrap();
    for (name, text, content) in [("one", "json", "{\"label\": 3.0}"), ("two", "cls", "3.0")] {
        std::fs::write(parts.path().join(format!("{name}.jpg")), &image).unwrap();
        std::fs::write(parts.path().join(format!("{name}.{text}")), content).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.arg("-cf")
        .arg(folder.path().join("floats.tar"))
        .arg("-C")
        .arg(parts.path())
        .arg("--sort=name")
        .arg(".");
    assert!(tar.status().unwrap().success());
    let job = over(folder.path());
    job.run().exits(0);
    assert_eq!(job.rows().iter().map(|row| &row["target"]).collect::<Vec<_>>(), [&json!(3), &json!(3)]);
    // its other rows may be written already
    let begun = begun_by_earlier_version(folder.path()).set("limits.max_error_fraction=1");
    begun.run().exits(0);
    for row in begun.rows() {
        assert_eq!(
            (&row["target"], &row["error_kind"]),
            (&serde_json::Value::Null, &json!("corrupt")),
            "{row}"
        );
    }
}
