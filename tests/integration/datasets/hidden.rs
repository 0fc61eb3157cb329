//! Hidden files and folders among the images of a folder, among shards and among Parquet files, on disk and on a store;
//! and jobs of version 0.1.0, which read them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tresnet_batch::dataset::{FolderRule, FolderTargets};
use tresnet_batch::job::{Frozen, fingerprint};

use super::{PACKED, named_classes, parquet_job, same_rows, shard_job};
use crate::support::job::{IMAGES, Job, ended};
use crate::support::s3::files;
use crate::support::scripted_s3::ScriptedS3;
use crate::support::{root, scratch};

/// An empty input: a folder on disk, or one on a server.
struct Place {
    folder: TempDir,
    server: Option<ScriptedS3>,
}

impl Place {
    fn everywhere() -> [Place; 2] {
        let empty = || tempfile::tempdir_in(scratch()).unwrap();
        [
            Place { folder: empty(), server: None },
            Place { folder: empty(), server: Some(ScriptedS3::start()) },
        ]
    }

    fn uri(&self) -> String {
        match &self.server {
            None => self.folder.path().join("in").display().to_string(),
            Some(_) => "s3://test/in".into(),
        }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        match &self.server {
            None => {
                let path = self.folder.path().join("in").join(key);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            Some(server) => {
                server.put(&format!("in/{key}"), bytes.to_vec());
            }
        }
    }

    fn put_folder(&self, folder: &Path) {
        for path in files(folder) {
            let key = path.strip_prefix(folder).unwrap().to_str().unwrap();
            self.put(key, &std::fs::read(&path).unwrap());
        }
    }

    fn delete(&self, key: &str) {
        match &self.server {
            None => std::fs::remove_file(self.folder.path().join("in").join(key)).unwrap(),
            Some(server) => {
                server.delete(&format!("in/{key}"));
            }
        }
    }

    fn serve(&self, job: Job) -> Job {
        match &self.server {
            None => job,
            Some(server) => server.environment().iter().fold(job, |job, (name, value)| job.env(name, value)),
        }
    }
}

fn image() -> Vec<u8> {
    std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap()
}

/// The names of the model's seven classes.
fn classes() -> Vec<String> {
    std::fs::read_to_string(&IMAGES.classes).unwrap().lines().map(str::to_owned).collect()
}

fn keys_and_targets(job: &Job) -> Vec<(String, Option<i64>)> {
    let row = |row: &Value| (row["key"].as_str().unwrap().to_owned(), row["target"].as_i64());
    job.rows().iter().map(row).collect()
}

const HIDDEN: [&str; 6] = [
    ".DS_Store",
    ".ipynb_checkpoints/1-checkpoint.jpg",
    "__MACOSX/a/._1.jpg",
    "a/._1.jpg",
    "b/@eaDir/1.jpg/SYNOFILE_THUMB_M.jpg",
    "b/Thumbs.db",
];

#[test]
fn hidden_files_are_no_images_and_hidden_folders_are_no_classes() {
    for place in Place::everywhere() {
        let folders = ["a", "b", "c", "d", "e", "f", "g"];
        for folder in folders {
            place.put(&format!("{folder}/1.jpg"), &image());
        }
        for key in HIDDEN {
            place.put(key, &image());
        }
        let job = place.serve(Job::on(&place.uri()));
        let summary = job.run().exits(0);
        assert_eq!(summary["left_out"]["hidden"], HIDDEN.len(), "{summary}");
        assert_eq!(summary["left_out"]["extensions"], json!({}), "{summary}");
        let expected: Vec<_> =
            folders.iter().zip(0..).map(|(folder, class)| (format!("{folder}/1.jpg"), Some(class))).collect();
        assert_eq!(keys_and_targets(&job), expected);
        ended(&mut job.command("verify")).exits(0);
    }
}

#[test]
fn every_file_is_no_image_either_where_it_is_hidden() {
    for place in Place::everywhere() {
        place.put("1", &image());
        place.put(".DS_Store", b"x");
        place.put("._1", b"x");
        let job = Job::on(&place.uri()).set("input.targets=none").set("input.extensions=any");
        let job = place.serve(job);
        let summary = job.run().exits(0);
        assert_eq!((&summary["rows"]["planned"], &summary["left_out"]["hidden"]), (&json!(1), &json!(2)));
    }
}

#[test]
fn a_hidden_folder_does_not_take_the_place_of_a_class() {
    for place in Place::everywhere() {
        let classes = classes();
        for class in &classes[1..] {
            place.put(&format!("{class}/1.jpg"), &image());
        }
        place.put(".ipynb_checkpoints/1-checkpoint.jpg", &image());
        let job = named_classes(place.serve(Job::on(&place.uri())));
        assert_eq!(job.run().exits(0)["targets"], "model-classes");
        for (key, target) in keys_and_targets(&job) {
            let (folder, _) = key.split_once('/').unwrap();
            assert_eq!(target.and_then(|target| classes.get(target as usize)), Some(&folder.to_owned()));
        }
    }
}

#[test]
fn folders_most_of_which_have_names_of_classes_are_not_counted_by_position() {
    for place in Place::everywhere() {
        for class in &classes()[1..] {
            place.put(&format!("{class}/1.jpg"), &image());
        }
        place.put("Unsorted/1.jpg", &image());
        let job = named_classes(place.serve(Job::on(&place.uri())));
        job.run().fails(78, &["6 of the 7", "`Unsorted`", "by position"]);
    }
}

#[test]
fn a_folder_of_hidden_files_alone_is_66_and_says_so() {
    for place in Place::everywhere() {
        place.put("._1.jpg", b"x");
        place.put(".trash/2.jpg", b"x");
        let job = place.serve(Job::on(&place.uri()).set("input.targets=none"));
        job.run().fails(66, &["no image below", "2 hidden files"]);
    }
}

#[test]
fn hidden_shards_and_parquet_files_are_left_out() {
    for place in Place::everywhere() {
        place.put_folder(&PACKED.join("shards"));
        place.put("._train-000.tar", b"x");
        place.put(".ipynb_checkpoints/train-000-checkpoint.tar", b"x");
        let job = place.serve(shard_job(&place.uri()));
        let summary = job.run().exits(0);
        assert_eq!(summary["left_out"]["hidden"], 2, "{summary}");
        same_rows(&job.output(), &["row_id", "key", "etag"]);
    }
    for place in Place::everywhere() {
        place.put_folder(&PACKED.join("parquet"));
        place.put("._train-00000-of-00002.parquet", b"x");
        place.put(".ipynb_checkpoints/x.parquet", b"x");
        let job = place.serve(parquet_job(&place.uri()));
        let summary = job.run().exits(0);
        assert_eq!(summary["left_out"]["hidden"], 2, "{summary}");
        same_rows(&job.output(), &["key", "etag"]);
    }
}

#[test]
fn a_pattern_means_what_is_hidden_only_where_it_names_it() {
    for place in Place::everywhere() {
        for key in ["a/1.jpg", "a/._1.jpg", "a/.thumbs/1.jpg", ".b/1.jpg"] {
            place.put(key, &image());
        }
        for (pattern, expected, hidden) in [
            ("*/*.jpg", "a/1.jpg", 2),
            ("**/*.jpg", "a/1.jpg", 3),
            ("*/.thumbs/*.jpg", "a/.thumbs/1.jpg", 0),
            (".b/*.jpg", "1.jpg", 0),
            ("*/._*.jpg", "a/._1.jpg", 0),
        ] {
            let job = Job::on(&format!("{}/{pattern}", place.uri())).set("input.targets=none");
            let job = place.serve(job);
            let summary = job.run().exits(0);
            assert_eq!(keys_and_targets(&job), [(expected.to_owned(), None)], "{pattern}");
            assert_eq!(summary["left_out"]["hidden"].as_u64().unwrap_or_default(), hidden, "{pattern}");
        }
    }
}

#[test]
fn shards_that_are_named_are_read_whatever_their_names_are() {
    for place in Place::everywhere() {
        let shard = std::fs::read(PACKED.join("shards/train-000.tar")).unwrap();
        place.put(".cache-000.tar", &shard);
        let job = place.serve(shard_job(&format!("{}/.cache-{{000..000}}.tar", place.uri())));
        let summary = job.run().exits(0);
        assert_eq!(summary["left_out"]["hidden"], Value::Null, "{summary}");
        assert!(!job.rows().is_empty());
    }
}

/// A job over four images whose output has the `job.json` of version 0.1.0, and no plan yet.
fn begun_by_earlier_version(place: &Place, targets: Option<&[&str]>) -> Job {
    let earlier = root().join("tests/data/earlier");
    place.put_folder(&earlier.join("images"));
    let job = place.serve(Job::on(&place.uri()).set("output.rows_per_part=1"));
    let job = if targets.is_none() { job.set("input.targets=none") } else { job };
    let frozen = std::fs::read(earlier.join("unfinished/_tresnet/job.json")).unwrap();
    let mut frozen: Frozen = serde_json::from_slice(&frozen).unwrap();
    frozen.input = place.uri();
    frozen.components.insert("input.uri".into(), json!(place.uri()));
    if targets.is_some() {
        frozen.components.insert("input.targets".into(), json!("folder"));
    }
    frozen.fingerprint = fingerprint(&frozen.components);
    frozen.folder_targets = targets.map(of_folders);
    write(&job, &frozen);
    job
}

fn of_folders(folders: &[&str]) -> FolderTargets {
    let folders: BTreeMap<String, i32> = folders.iter().map(|name| (*name).to_owned()).zip(0..).collect();
    FolderTargets { rule: FolderRule::Codepoint, folders }
}

fn write(job: &Job, frozen: &Frozen) {
    let path = job.output().join("_tresnet/job.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_vec_pretty(frozen).unwrap()).unwrap();
}

#[test]
fn a_job_of_0_1_0_is_finished_where_nothing_is_hidden_that_it_would_read() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, None);
        place.put("b/.DS_Store", b"x");
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"]["planned"], 4, "{summary}");
        ended(&mut job.command("verify")).exits(0);
    }
}

#[test]
fn a_job_of_0_1_0_is_78_at_the_first_hidden_file_that_it_would_plan() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, None);
        place.put("b/._2.png", b"x");
        job.run().fails(78, &["`b/._2.png`", "0.1.0", "output.uri"]);
        assert!(!job.output().join("_SUCCESS").exists());
        place.delete("b/._2.png");
        job.run().exits(0);
    }
}

#[test]
fn a_hidden_file_that_comes_when_the_plan_of_0_1_0_is_whole_ends_nothing() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, None);
        job.run().exits(0);
        std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
        place.put("c/._1.png", b"x");
        assert_eq!(job.run().exits(0)["rows"]["planned"], 4);
    }
}

#[test]
fn hidden_files_before_the_last_row_that_0_1_0_planned_end_nothing_and_those_after_it_do() {
    let earlier = root().join("tests/data/earlier");
    let server = ScriptedS3::start();
    for (folder, prefix) in [("images", "images"), ("unfinished", "out")] {
        for path in files(&earlier.join(folder)) {
            let key = path.strip_prefix(earlier.join(folder)).unwrap().to_str().unwrap();
            server.put(&format!("{prefix}/{key}"), std::fs::read(&path).unwrap());
        }
    }
    server.put("images/.a/0.png", "x");
    server.put("images/b/._2.png", "x");
    let job = Job::on("s3://test/images")
        .set("output.uri=s3://test/out")
        .set("input.targets=none")
        .set("output.rows_per_part=1");
    let job = server.environment().iter().fold(job, |job, (name, value)| job.env(name, value));
    job.run().fails(78, &["`b/._2.png`", "0.1.0"]);
    server.delete("images/b/._2.png");
    assert_eq!(job.run().exits(0)["rows"]["planned"], 4);
    ended(&mut job.command("verify")).exits(0);
}

#[test]
fn a_job_of_0_1_0_whose_targets_have_a_hidden_folder_is_78() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, Some(&[".ipynb_checkpoints", "a", "b"]));
        job.run().fails(78, &["`.ipynb_checkpoints`", "0.1.0", "output.uri"]);
        assert!(!job.output().join("_SUCCESS").exists());
    }
}

#[test]
fn a_job_of_0_1_0_without_a_hidden_folder_keeps_its_targets() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, Some(&["a", "b"]));
        job.run().exits(0);
        let targets: Vec<_> = keys_and_targets(&job).into_iter().map(|(_, target)| target).collect();
        assert_eq!(targets, [Some(0), Some(0), Some(1), Some(1)]);
    }
}

#[test]
fn a_finished_output_of_0_1_0_with_a_hidden_class_serves_every_command() {
    for place in Place::everywhere() {
        let job = begun_by_earlier_version(&place, Some(&["a", "b"]));
        job.run().exits(0);
        place.put(".ipynb_checkpoints/1.png", b"x");
        let path = job.output().join("_tresnet/job.json");
        let mut frozen: Frozen = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        frozen.folder_targets = Some(of_folders(&[".ipynb_checkpoints", "a", "b"]));
        write(&job, &frozen);
        assert_eq!(job.run().exits(0)["already_complete"], true);
        for command in ["plan", "verify", "report"] {
            ended(&mut job.command(command)).exits(0);
        }
    }
}
