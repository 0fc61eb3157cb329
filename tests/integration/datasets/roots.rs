//! Manifests whose rows name objects of several stores, below `input.roots`.

use serde_json::{Value, json};

use crate::support::job::{IMAGES, Job, ended, program, rows};
use crate::support::remote::Remote;
use crate::support::scratch;
use crate::support::scripted_s3::{Fault, Kind, Rule, ScriptedS3};
use crate::support::web::{Page, WebServer};

fn image(name: &str) -> Vec<u8> {
    std::fs::read(IMAGES.folder.join(name)).unwrap()
}

/// A job over a manifest of these lines, relative keys below `s3://test/in`.
fn over(lines: &[String], stores: &[&ScriptedS3], roots: &[&str]) -> (tempfile::TempDir, Job) {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let job = stores.iter().fold(Job::on("s3://test/in"), |job, store| store.serve(job));
    let roots = serde_json::to_string(roots).unwrap();
    let job = job
        .set("input.targets=none")
        .set("input.format=manifest")
        .set(format!("input.manifest={}", path.display()))
        .set(format!("input.roots={roots}"))
        .set("limits.max_error_fraction=1");
    (folder, job)
}

/// Key and error kind of each row.
fn found(rows: &[Value]) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    rows.iter().map(|row| (text(&row["key"]).unwrap(), text(&row["error_kind"]))).collect()
}

/// An S3 with an image below `in/` and one below `other/`, and a server of GCS's dialect with one below `in/`.
fn stores() -> (ScriptedS3, ScriptedS3) {
    let (s3, gcs) = (ScriptedS3::start(), ScriptedS3::gcs());
    s3.put("in/a.jpg", image("yam/00.jpg"));
    s3.put("in/b.jpg", image("yam/01.jpg"));
    s3.put("other/c//d.jpg", image("okra/00.jpg"));
    gcs.put("in/a.jpg", image("okra/01.jpg"));
    (s3, gcs)
}

#[test]
fn rows_name_objects_of_several_stores_and_have_the_predictions_of_the_same_images_on_disk() {
    let (s3, gcs) = stores();
    let web = WebServer::start([
        ("/pics/a%20b.jpg", Page::Object(image("leek/00.jpg"))),
        ("/pics/c.jpg", Page::WithoutLength(image("leek/01.jpg"))),
    ]);
    let lines = [
        "a.jpg".to_owned(),
        "S3://test/in/b.jpg".to_owned(),
        "s3a://test/other/c//d.jpg".to_owned(),
        "gcs://test/in/a.jpg".to_owned(),
        web.address("/pics/a b.jpg"),
        web.address("/pics/%63.jpg"),
    ];
    let roots = ["s3://test/other", "gs://test/in/", &web.address("/pics/")];
    let (folder, job) = over(&lines, &[&s3, &gcs], &roots);
    // an address in another form of the scheme is below the input all the same
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({ "planned": 6, "ok": 6, "error": 0 }), "{summary}");
    let rows_found = job.rows();
    let keys: Vec<String> = found(&rows_found).into_iter().map(|(key, _)| key).collect();
    let expected = [
        "a.jpg".to_owned(),
        "b.jpg".to_owned(),
        "s3://test/other/c//d.jpg".to_owned(),
        "gs://test/in/a.jpg".to_owned(),
        web.address("/pics/a%20b.jpg"),
        web.address("/pics/c.jpg"),
    ];
    assert_eq!(keys, expected);
    let names = ["yam/00.jpg", "yam/01.jpg", "okra/00.jpg", "okra/01.jpg", "leek/00.jpg", "leek/01.jpg"];
    let list = folder.path().join("local.txt");
    std::fs::write(&list, names.join("\n")).unwrap();
    let local = Job::own()
        .set("input.targets=none")
        .set("input.format=manifest")
        .set(format!("input.manifest={}", list.display()));
    local.run().exits(0);
    let local = local.rows();
    assert_eq!(rows_found.len(), local.len());
    for (row, expected) in rows_found.iter().zip(&local) {
        for column in ["index", "prob", "width", "height", "format"] {
            assert_eq!(row[column], expected[column], "{column} of {row}");
        }
    }
    ended(&mut job.command("verify")).exits(0);
    // a request to a web server has no credential
    assert!(web.asked().iter().all(|asked| asked.split(' ').count() == 2), "{:?}", web.asked());
    let requests = summary["requests"]["input"]["by_method"]["GET"].as_u64().unwrap();
    assert!(requests >= 6, "{summary}");
}

#[test]
fn an_image_that_is_named_twice_in_different_words_is_a_duplicate() {
    let (s3, gcs) = stores();
    let web = WebServer::start([]);
    let roots = [&*web.address("/"), "gs://test/in"];
    for [first, second] in [
        ["a.jpg".to_owned(), "S3A://test/in/a.jpg".to_owned()],
        [web.address("/%7Ex.jpg"), web.address("/~x.jpg")],
        ["gs://test/in/a.jpg".to_owned(), "GCS://test/in/a.jpg".to_owned()],
    ] {
        let (_folder, job) = over(&[first, second.clone()], &[&s3, &gcs], &roots);
        job.run().fails(78, &["line 2", "is in line 1 already"]);
    }
}

#[test]
fn an_address_below_no_root_and_one_with_a_secret_are_78_with_their_line() {
    let (s3, _) = stores();
    let web = WebServer::start([]);
    let roots = [&*web.address("/pics"), "s3://test/other/"];
    for (line, words) in [
        ("s3://elsewhere/x.jpg".to_owned(), &["below no folder of `input.roots`", "s3://test/other/"][..]),
        (web.address("/private/x.jpg"), &["below no folder of `input.roots`"]),
        (web.address("/pics/../private/x.jpg"), &["`..`"]),
        ("http://169.254.169.254/latest/meta-data".to_owned(), &["below no folder of `input.roots`"]),
        ("http://localhost/pics/x.jpg".to_owned(), &["below no folder of `input.roots`"]),
        (web.address("/pics/x.jpg?sig=s3cret"), &["a query"]),
        (web.address("/pics/x.jpg").replace("http://", "http://user:s3cret@"), &["user info"]),
        ("s3://test/other/x.jpg?X-Amz-Signature=s3cret".to_owned(), &["a query"]),
        ("s3://test/in/x.jpg?X-Amz-Signature=s3cret".to_owned(), &["a signature"]),
    ] {
        let (_folder, job) = over(&["a.jpg".to_owned(), line.clone()], &[&s3], &roots);
        let failed = job.run();
        failed.fails(78, &[&["line 2"], words].concat());
        assert!(!failed.stderr.contains("s3cret") && !failed.stdout.contains("s3cret"), "{line}");
    }
    assert_eq!(web.asked(), [""; 0]);
}

#[test]
fn a_root_that_is_no_folder_of_a_store_is_78_and_quotes_no_secret() {
    let (s3, _) = stores();
    for root in [
        "/data/images",
        "s3://key:s3cret@test/in",
        "https://host/x?sig=s3cret",
        "ftp://host/s3cret/..",
        "s3://",
    ] {
        let (_folder, job) = over(&["a.jpg".to_owned()], &[&s3], &[root]);
        let failed = job.run();
        failed.fails(78, &["`input.roots`"]);
        assert!(root.contains("ftp") || !failed.stderr.contains("s3cret"), "{root}");
    }
    let folder = s3.serve(Job::on("s3://test/in")).set("input.roots=[\"s3://test/other\"]");
    folder.run().fails(78, &["`input.roots`", "format = \"manifest\""]);
}

#[test]
fn a_redirect_is_not_followed() {
    let (s3, _) = stores();
    let hidden = WebServer::start([("/secret.jpg", Page::Object(image("yam/00.jpg")))]);
    let web = WebServer::start([
        ("/a.jpg", Page::Object(image("yam/01.jpg"))),
        ("/b.jpg", Page::Moved(hidden.address("/secret.jpg"))),
    ]);
    let (_folder, job) = over(&[web.address("/a.jpg"), web.address("/b.jpg")], &[&s3], &[&web.address("")]);
    job.set("storage.retry_seconds=3").run().exits(0);
    assert_eq!(hidden.asked(), [""; 0]);
}

#[test]
fn what_a_web_server_refuses_is_a_row_of_its_kind() {
    let (s3, _) = stores();
    let web = WebServer::start([
        ("/a.jpg", Page::Object(image("yam/01.jpg"))),
        ("/b.jpg", Page::Status(403)),
        ("/d.jpg", Page::Object(b"<html>busy</html>".to_vec())),
        ("/e.jpg", Page::Moved("/a.jpg".into())),
    ]);
    let lines = ["a", "b", "c", "d", "e"].map(|name| web.address(&format!("/{name}.jpg")));
    let (_folder, job) = over(&lines, &[&s3], &[&web.address("/")]);
    let job = job.set("storage.retry_seconds=3");
    job.run().exits(0);
    let rows = job.rows();
    let kinds: Vec<_> = found(&rows).into_iter().map(|(_, kind)| kind).collect();
    let expected = [None, Some("denied"), Some("not_found"), Some("unsupported"), Some("unreadable")];
    assert_eq!(kinds, expected.map(|kind| kind.map(str::to_owned)));
    assert!(rows[4]["error_message"].as_str().unwrap().contains("302"), "{}", rows[4]);
}

#[test]
fn an_outage_of_one_store_is_69_although_the_others_answer() {
    let (s3, gcs) = stores();
    gcs.close();
    let (_folder, job) =
        over(&["a.jpg".to_owned(), "gs://test/in/a.jpg".to_owned()], &[&s3, &gcs], &["gs://test/in"]);
    job.set("storage.retry_seconds=3").run().fails(69, &["does not answer"]);
}

#[test]
fn each_store_has_its_own_witness() {
    let (s3, gcs) = stores();
    gcs.put("in/b.jpg", image("yam/02.JPEG"));
    gcs.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")).prefix("in/a.jpg"));
    let lines = ["a.jpg", "gs://test/in/a.jpg", "gs://test/in/b.jpg"].map(str::to_owned);
    let (_folder, job) = over(&lines, &[&s3, &gcs], &["gs://test/in"]);
    job.run().exits(0);
    let kinds: Vec<_> = found(&job.rows()).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [None, Some("denied".to_owned()), None]);
    // objects of the other store are no witnesses for one whose objects are all refused
    gcs.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")));
    let (_folder, job) = over(&lines, &[&s3, &gcs], &["gs://test/in"]);
    job.run().fails(77, &["gs://test/in/"]);
}

#[test]
fn a_later_job_leaves_out_what_is_done_and_rebases_only_relative_keys() {
    let (s3, gcs) = stores();
    let lines = ["a.jpg", "s3://test/other/c//d.jpg", "gs://test/in/a.jpg"].map(str::to_owned);
    let roots = ["s3://test/other", "gs://test/in"];
    let (_folder, done) = over(&lines, &[&s3, &gcs], &roots);
    done.run().exits(0);
    let lines = ["in/a.jpg", "in/b.jpg", "gs://test/in/a.jpg", "s3://test/other/c//d.jpg"].map(str::to_owned);
    // below this input the second root's objects have relative keys, which are other keys than before
    let (_folder, again) = over(&lines, &[&s3, &gcs], &["gs://test/in"]);
    let again =
        again.set("input.uri=s3://test").set(format!("input.exclude_done=[\"{}\"]", done.output().display()));
    let summary = again.run().exits(0);
    assert_eq!(summary["left_out"]["already_done"], 2, "{summary}");
    let keys: Vec<String> = found(&again.rows()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["in/b.jpg", "other/c//d.jpg"]);
}

#[test]
fn the_pictures_of_a_report_come_from_every_store() {
    let (s3, gcs) = stores();
    let web = WebServer::start([("/c.jpg", Page::Object(image("leek/00.jpg")))]);
    let keys = ["a.jpg", "b.jpg", "s3://test/other/c//d.jpg", "gs://test/in/a.jpg", &web.address("/c.jpg")];
    let roots = ["s3://test/other", "gs://test/in/", &web.address("/")];
    let (_folder, found) = over(&keys.map(str::to_owned), &[&s3, &gcs], &roots);
    found.run().exits(0);
    // each target is another class than the predicted one, so that each image is a mistake
    let wrong = |row: &Value| (row["index"][0].as_i64().unwrap() + 1) % 7;
    let lines: Vec<String> =
        found.rows().iter().map(|row| format!("{} {}", row["key"].as_str().unwrap(), wrong(row))).collect();
    let (_folder, job) = over(&lines, &[&s3, &gcs], &roots);
    let job = job.set("input.targets=manifest");
    job.run().exits(0);
    let file = job.output().with_extension("html");
    let mut report = program();
    report.arg("report").arg(job.output()).arg("--html").arg(&file);
    for (name, value) in [s3.environment(), gcs.environment()].concat() {
        report.env(name, value);
    }
    ended(&mut report).exits(0);
    let page = std::fs::read_to_string(file).unwrap();
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), keys.len(), "{page}");
    assert_eq!(page.matches("class=\"missing\"").count(), 0);
    // the picture and the key of the only image that needs no credentials; stores may need some
    assert_eq!(page.matches("rel=\"noopener noreferrer\"").count(), 2, "{page}");
}

#[test]
fn roots_are_part_of_the_fingerprint_only_where_there_are_some() {
    let (s3, gcs) = stores();
    let components = |job: &Job| {
        let text = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["components"]["input.roots"].clone()
    };
    let lines = ["a.jpg".to_owned()];
    let (_folder, none) = over(&lines, &[&s3], &[]);
    none.run().exits(0);
    assert_eq!(components(&none), Value::Null);
    let (_folder, some) =
        over(&lines, &[&s3, &gcs], &["s3a://test/other/", "gs://test/in", "s3://test/other"]);
    some.run().exits(0);
    assert_eq!(components(&some), json!(["gs://test/in/", "s3://test/other/"]));
    let changed = some.set("input.roots=[\"gs://test/in\"]");
    changed.run().fails(78, &["`input.roots`"]);
    assert_eq!(rows(&changed.output()).len(), 1);
}
