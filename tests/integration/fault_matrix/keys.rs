//! Rows 36 to 38: keys of objects that the store client merges, and keys that no request can express.

use std::path::Path;

use serde_json::Value;

use crate::support::job::{IMAGES, Job, ended, own_model, program, rows};
use crate::support::root;
use crate::support::s3::files;
use crate::support::scripted_s3::{Fault, Kind, Paging, Rule, ScriptedS3};

use super::{download, serve, verify};

/// Different images, from the test's own.
fn images() -> Vec<Vec<u8>> {
    let names = ["yam/00.jpg", "yam/01.jpg", "fig/00.jpg", "fig/01.jpg"];
    let found: Vec<Vec<u8>> =
        names.iter().filter_map(|name| std::fs::read(IMAGES.folder.join(name)).ok()).collect();
    assert!(found.len() > 1, "the test's images have other names");
    found
}

/// A job without targets over `s3://test/ADDRESS`.
fn over(server: &ScriptedS3, address: &str) -> Job {
    serve(server, Job::on(&format!("s3://test{address}")))
        .set("output.uri=s3://test/rows/out")
        .set("input.targets=none")
        .set("limits.max_error_fraction=1")
}

/// The rows of the job on the server: key, error kind and the bytes that were read.
fn rows_of(server: &ScriptedS3) -> Vec<(String, Option<String>, Option<u64>)> {
    let copy = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    for key in server.keys("rows/out/") {
        let path = copy.path().join(key.strip_prefix("rows/out/").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, server.get(&key).unwrap()).unwrap();
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    rows(copy.path())
        .iter()
        .map(|row| (text(&row["key"]).unwrap(), text(&row["error_kind"]), row["size"].as_u64()))
        .collect()
}

fn good(key: &str, image: &[u8]) -> (String, Option<String>, Option<u64>) {
    (key.to_owned(), None, Some(image.len() as u64))
}

#[test]
fn row_36_keys_that_differ_in_their_slashes_are_a_row_each() {
    let (server, images) = (ScriptedS3::start(), images());
    let keys = ["/lead.jpg", "a//b.jpg", "a/b.jpg", "lead.jpg", "x.jpg", "x.jpg/"];
    for (key, image) in keys.iter().zip(images.iter().cycle()) {
        server.put(&format!("in/{key}"), image.clone());
    }
    let job = over(&server, "/in");
    job.run().exits(0);
    let expected: Vec<_> =
        keys.iter().zip(images.iter().cycle()).map(|(key, image)| good(key, image)).collect();
    assert_eq!(rows_of(&server), expected);
    verify(&job).exits(0);
}

#[test]
fn row_36_a_sorted_listing_and_one_in_short_pages_give_the_same_rows() {
    for sorts in [false, true] {
        let (server, images) = (ScriptedS3::start(), images());
        let keys = ["a//b.jpg", "a/b.jpg", "x.jpg", "x.jpg/", "x.jpg//y.jpg"];
        for key in keys {
            server.put(&format!("in/{key}"), images[0].clone());
        }
        server.rule(Rule::on(Kind::List, Fault::Listing(Paging::Short(1))).prefix("in"));
        let job = over(&server, "/in").set(if sorts { "input.listing=sort" } else { "input.listing=auto" });
        job.run().exits(0);
        assert_eq!(rows_of(&server), keys.map(|key| good(key, &images[0])));
    }
}

#[test]
fn row_36_empty_objects_whose_key_ends_in_a_slash_are_counted_as_markers() {
    let (server, images) = (ScriptedS3::start(), images());
    for marker in ["in/", "in/cat/", "in/dog/", "in/empty/"] {
        server.put(marker, "");
    }
    server.put("in/cat/1.jpg", images[0].clone());
    server.put("in/dog/1.jpg", "");
    let job = over(&server, "/in");
    let summary = job.run().exits(0);
    assert_eq!(summary["left_out"]["markers"], 4, "{summary}");
    let kinds: Vec<_> = rows_of(&server).into_iter().map(|(key, kind, _)| (key, kind)).collect();
    let empty = Some("unsupported".to_owned());
    assert_eq!(kinds, [("cat/1.jpg".to_owned(), None), ("dog/1.jpg".to_owned(), empty)]);
}

#[test]
fn row_36_a_manifest_names_keys_as_they_are() {
    let (server, images) = (ScriptedS3::start(), images());
    let keys = ["x.jpg/", "a//b.jpg", "x.jpg"];
    for (key, image) in keys.iter().zip(images.iter().cycle()) {
        server.put(&format!("in/{key}"), image.clone());
    }
    server.put("lists/all.txt", keys.join("\n"));
    let job = over(&server, "/in").set("input.format=manifest").set("input.manifest=s3://test/lists/all.txt");
    job.run().exits(0);
    let expected: Vec<_> =
        keys.iter().zip(images.iter().cycle()).map(|(key, image)| good(key, image)).collect();
    assert_eq!(rows_of(&server), expected);
}

#[test]
fn row_37_a_key_that_no_request_can_express_is_one_row_that_says_so() {
    let (server, images) = (ScriptedS3::start(), images());
    let keys = ["/lead.jpg", "a/../b.jpg", "a/./b.jpg", "a/b.jpg", "b\u{1}.jpg", "c\n.jpg", "notes\u{2}.txt"];
    for key in keys {
        server.put(key, images[0].clone());
    }
    let job =
        serve(&server, Job::on("s3://test")).set("input.targets=none").set("limits.max_error_fraction=1");
    let summary = job.run().exits(0);
    let row = |row: &Value| {
        (row["key"].as_str().unwrap().to_owned(), row["error_kind"].as_str().map(str::to_owned))
    };
    let found: Vec<_> = job.rows().iter().map(row).collect();
    let refused = |key: &str| (key.to_owned(), Some("unaddressable".to_owned()));
    let expected = [
        refused("/lead.jpg"),
        refused("a/../b.jpg"),
        refused("a/./b.jpg"),
        ("a/b.jpg".to_owned(), None),
        refused("b\\u{1}.jpg"),
        refused("c\\n.jpg"),
    ];
    assert_eq!(found, expected);
    assert_eq!(summary["left_out"]["extensions"][".txt"], 1, "{summary}");
    verify(&job).exits(0);
    ended(&mut job.command("report")).exits(0);
    // nothing else was read in their place
    let asked = server.count(|seen| seen.kind == Kind::Get && seen.key != "a/b.jpg");
    assert_eq!(asked, 0, "{:?}", server.requests());
}

#[test]
fn row_37_what_is_unaddressable_does_not_end_a_folder_on_disk_either() {
    let folder = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    let image = &images()[0];
    for name in ["a.jpg", "b\u{1}.jpg", "c.jpg"] {
        std::fs::write(folder.path().join(name), image).unwrap();
    }
    let job =
        Job::on(folder.path().to_str().unwrap()).set("input.targets=none").set("limits.max_error_fraction=1");
    job.run().exits(0);
    let kinds: Vec<Value> = job.rows().iter().map(|row| row["error_kind"].clone()).collect();
    assert_eq!(kinds, [Value::Null, "unaddressable".into(), Value::Null]);
}

#[test]
fn row_37_a_store_that_lists_other_keys_than_were_asked_for_is_69() {
    let server = ScriptedS3::start();
    server.put("in/a.jpg", images()[0].clone());
    server.put("other/b.jpg", images()[0].clone());
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::IgnoresPrefix)).prefix("in"));
    over(&server, "/in")
        .set("storage.retry_seconds=1")
        .run()
        .fails(69, &["`other/b.jpg`", "ignores the prefix"]);
}

/// What version 0.1.0 wrote, and the images that it read: a finished output and one that was stopped after the first
/// segment of its plan.
fn earlier() -> std::path::PathBuf {
    root().join("tests/data/earlier")
}

fn put_folder(server: &ScriptedS3, folder: &Path, prefix: &str) {
    for path in files(folder) {
        let key = path.strip_prefix(folder).unwrap().to_str().unwrap();
        server.put(&format!("{prefix}/{key}"), std::fs::read(&path).unwrap());
    }
}

/// The images of version 0.1.0's job and the output that it left.
fn begun_by_earlier_version() -> (ScriptedS3, Job) {
    let server = ScriptedS3::start();
    put_folder(&server, &earlier().join("images"), "images");
    put_folder(&server, &earlier().join("unfinished"), "out");
    let job = earlier_job(&server);
    (server, job)
}

fn earlier_job(server: &ScriptedS3) -> Job {
    serve(server, Job::on("s3://test/images").set("output.uri=s3://test/out"))
        .set("input.targets=none")
        .set("output.rows_per_part=1")
}

#[test]
fn row_38_a_job_that_version_0_1_0_began_is_finished_where_all_keys_are_plain() {
    let (server, job) = begun_by_earlier_version();
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"]["planned"], 4, "{summary}");
    verify(&job).exits(0);
    let finished = download(&server);
    let whole = earlier().join("finished");
    // another processor computed the rows of 0.1.0, with other vector instructions
    crate::support::ask_python(
        "rows.py",
        &["near", finished.path().to_str().unwrap(), whole.to_str().unwrap(), "1e-5"],
    );
}

#[test]
fn row_38_a_job_that_version_0_1_0_began_is_78_where_a_key_to_plan_meant_another_object_to_it() {
    let (server, job) = begun_by_earlier_version();
    server.put("images/b//2.png", "x");
    job.run().fails(78, &["`b//2.png`", "0.1.0", "output.uri"]);
    assert!(server.get("out/_SUCCESS").is_none());
    server.delete("images/b//2.png");
    server.put("images/b/", "");
    job.run().exits(0);
}

/// The job with the crop mode `squash` in the configuration beside its model, which version 0.1.0 did not read.
fn with_crop_mode(job: Job, folder: &Path) -> Job {
    let model = folder.join("model.safetensors");
    std::fs::copy(own_model("v1_odd.safetensors"), &model).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"crop_mode": "squash"}"#).unwrap();
    job.set(format!("model.path={}", model.display()))
}

#[test]
fn row_38_a_job_that_version_0_1_0_began_is_78_where_it_ignored_the_crop_mode() {
    let (server, job) = begun_by_earlier_version();
    let folder = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    let job = with_crop_mode(job, folder.path());
    job.run().fails(78, &["`squash`", "0.1.0", "preprocess.mode", "output.uri"]);
    assert!(server.get("out/_SUCCESS").is_none());
    job.set("preprocess.mode=crop").run().exits(0);
}

#[test]
fn row_38_a_finished_output_of_version_0_1_0_stays_finished_whatever_the_crop_mode() {
    let server = ScriptedS3::start();
    put_folder(&server, &earlier().join("images"), "images");
    put_folder(&server, &earlier().join("finished"), "out");
    let folder = tempfile::tempdir_in(crate::support::scratch()).unwrap();
    let job = with_crop_mode(earlier_job(&server), folder.path());
    job.run().exits(0);
    verify(&job).exits(0);
}

/// A bitmap of one pixel whose padding is one byte short: version 0.1.0 called it truncated.
fn short_bitmap() -> Vec<u8> {
    let words = [57u32, 0, 54, 40, 1, 1, 24 << 16 | 1, 0, 3, 2835, 2835, 0, 0].map(u32::to_le_bytes).concat();
    [b"BM", words.as_slice(), &[10, 20, 30]].concat()
}

/// The error kind of the row of `images/b/4.bmp`, which the job has still to plan.
fn kind_of_short_bitmap(server: &ScriptedS3, job: Job) -> Value {
    server.put("images/b/4.bmp", short_bitmap());
    job.set("limits.max_error_fraction=1").run().exits(0);
    let found = rows(download(server).path());
    let row = found.iter().find(|row| row["key"] == "b/4.bmp").expect("the bitmap has a row");
    row["error_kind"].clone()
}

#[test]
fn row_38_a_job_that_version_0_1_0_began_reads_formats_as_that_version_did() {
    let (server, job) = begun_by_earlier_version();
    assert_eq!(kind_of_short_bitmap(&server, job), "truncated");
    let server = ScriptedS3::start();
    put_folder(&server, &earlier().join("images"), "images");
    let job = earlier_job(&server);
    assert_eq!(kind_of_short_bitmap(&server, job), Value::Null);
}

/// A TIFF of one gray pixel.
fn small_tiff() -> Vec<u8> {
    let entries: [[u16; 4]; 8] = [
        [256, 3, 1, 1],
        [257, 3, 1, 1],
        [258, 3, 1, 8],
        [262, 3, 1, 1],
        [273, 3, 1, 8],
        [277, 3, 1, 1],
        [278, 3, 1, 1],
        [279, 3, 1, 1],
    ];
    let entry =
        |[tag, kind, count, value]: [u16; 4]| [tag, kind, count, 0, value, 0].map(u16::to_le_bytes).concat();
    let directory = entries.map(entry).concat();
    [b"II*\0\x0a\0\0\0\x7f\0\x08\0", directory.as_slice(), &[0; 4]].concat()
}

#[test]
fn row_38_a_job_that_version_0_1_0_began_reads_no_tiff_and_exclude_done_tries_it_again() {
    let (server, job) = begun_by_earlier_version();
    server.put("images/b/4.png", small_tiff());
    server.put("images/b/5.tif", small_tiff());
    let summary = job.set("limits.max_error_fraction=1").run().exits(0);
    assert_eq!(summary["left_out"]["extensions"][".tif"], 1, "{summary}");
    let found = rows(download(&server).path());
    let row = found.iter().find(|row| row["key"] == "b/4.png").expect("a file of a known name has a row");
    assert_eq!(row["error_kind"], "unsupported");

    let next =
        earlier_job(&server).set("output.uri=s3://test/next").set("input.exclude_done=[\"s3://test/out\"]");
    let summary = next.run().exits(0);
    let counts = (&summary["rows"]["planned"], &summary["rows"]["error"]);
    assert_eq!(counts, (&2.into(), &0.into()), "{summary}");
}

#[test]
fn row_38_a_finished_output_of_version_0_1_0_serves_every_command() {
    let finished = earlier().join("finished");
    for command in ["verify", "report"] {
        let output = tempfile::tempdir_in(crate::support::scratch()).unwrap();
        let copy = output.path().join("out");
        assert!(
            std::process::Command::new("cp")
                .args(["-r"])
                .args([&finished, &copy])
                .status()
                .unwrap()
                .success()
        );
        ended(program().arg(command).arg(&copy)).exits(0);
    }
    let server = ScriptedS3::start();
    put_folder(&server, &earlier().join("images"), "images");
    put_folder(&server, &finished, "out");
    let job = earlier_job(&server);
    job.run().exits(0);
    verify(&job).exits(0);
    ended(&mut job.command("report")).exits(0);
    server.put("images/c//5.png", images()[0].clone());
    let next =
        earlier_job(&server).set("output.uri=s3://test/next").set("input.exclude_done=[\"s3://test/out\"]");
    let summary = next.run().exits(0);
    assert_eq!(
        (&summary["rows"]["planned"], &summary["left_out"]["already_done"]),
        (&1.into(), &4.into()),
        "{summary}"
    );
}
