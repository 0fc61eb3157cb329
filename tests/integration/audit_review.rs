//! Uses of an audit: pictures on its page, its figures in the report, its findings in tools for reviews.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, program};
use crate::support::{ask_python, scratch};

fn folder() -> PathBuf {
    tempfile::tempdir_in(scratch()).unwrap().keep()
}

/// The test images, with copies of some of them under hostile names.
fn images() -> PathBuf {
    let folder = folder().join("images");
    let mut copies = 0;
    for (key, (_, error)) in &IMAGES.expected {
        let to = folder.join(key);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(IMAGES.folder.join(key), &to).unwrap();
        if error.is_none() && copies < 4 && key.contains('/') {
            let name = format!("zz \"<b>{copies} & #é.jpg");
            std::fs::copy(IMAGES.folder.join(key), to.with_file_name(name)).unwrap();
            copies += 1;
        }
    }
    folder
}

fn done(images: &Path) -> Job {
    let job = Job::on(images.to_str().unwrap())
        .set("output.embedding=f16")
        .set("output.content_hash=true")
        .set(format!("input.classes={}", IMAGES.classes.display()));
    job.run().exits(0);
    job
}

/// A finished run over images with copies.
static DONE: LazyLock<Job> = LazyLock::new(|| done(&images()));

fn audit(of: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("audit").arg(of).args(["--progress", "none"]).args(arguments))
}

fn export(of: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("export").arg(of).args(arguments))
}

/// Writes the findings of an output, and returns their file.
fn findings(of: &Path, arguments: &[&str]) -> String {
    let file = folder().join("findings.parquet").to_str().unwrap().to_owned();
    audit(of, &[arguments, &["--parquet", &file]].concat()).exits(0);
    file
}

fn page(of: &Path, arguments: &[&str]) -> String {
    let file = folder().join("audit.html");
    audit(of, &[arguments, &["--html", file.to_str().unwrap()]].concat()).exits(0);
    std::fs::read_to_string(file).unwrap()
}

fn pictures(page: &str) -> usize {
    page.matches("<img src=\"data:image/jpeg;base64,").count()
}

#[test]
fn the_page_shows_findings_with_their_pictures_and_hostile_names_as_text() {
    let page = page(&DONE.output(), &["--against", DONE.output().to_str().unwrap()]);
    // four copies as pairs, at least, and as many in the other output
    assert!(pictures(&page) >= 16, "{} pictures", pictures(&page));
    assert!(page.len() <= 5_000_000, "{} bytes", page.len());
    assert!(page.contains("zz &quot;&lt;b&gt;0") && !page.contains("zz \"<b>"));
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(page.contains("gallery pair"));
}

#[test]
fn a_page_without_its_images_says_why_there_are_no_pictures() {
    let images = images();
    let job = done(&images);
    std::fs::remove_dir_all(&images).unwrap();
    let page = page(&job.output(), &[]);
    assert_eq!(pictures(&page), 0);
    assert!(page.contains("There are no pictures"), "{page}");
}

#[test]
fn images_of_shards_are_on_the_page() {
    let shards = folder();
    let tar = shards.join("a.tar");
    let mut archive = Vec::new();
    let whole = IMAGES.expected.iter().filter(|(key, (_, error))| error.is_none() && key.contains('/'));
    for (number, (key, _)) in whole.take(30).enumerate() {
        let ending = key.rsplit('.').next().unwrap();
        let bytes = std::fs::read(IMAGES.folder.join(key)).unwrap();
        // every image twice
        for copy in ["a", "b"] {
            append(&mut archive, &format!("{number:03}{copy}.{ending}"), &bytes);
        }
    }
    archive.extend([0; 1024]);
    std::fs::write(&tar, archive).unwrap();
    let job = Job::on(shards.to_str().unwrap())
        .set("input.format=webdataset")
        .set("input.targets=none")
        .set("output.embedding=f16")
        .set("output.content_hash=true")
        .set("limits.max_error_fraction=1.0");
    job.run().exits(0);
    let page = page(&job.output(), &[]);
    assert!(pictures(&page) >= 20, "{} pictures", pictures(&page));
}

/// Adds a member to a tar archive.
fn append(archive: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut head = [0_u8; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[100..107].copy_from_slice(b"0000644");
    head[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    head[136..147].copy_from_slice(b"00000000000");
    head[156] = b'0';
    head[257..265].copy_from_slice(b"ustar\x0000");
    head[148..156].copy_from_slice(b"        ");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive.extend(head);
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// A copy of a finished output.
fn copy_of(output: &Path) -> PathBuf {
    let to = folder().join("out");
    for folder in ["", "_tresnet", "_tresnet/plan", "_report"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for item in std::fs::read_dir(output.join(folder)).unwrap().map(Result::unwrap) {
            if item.path().is_file() {
                std::fs::copy(item.path(), to.join(folder).join(item.file_name())).unwrap();
            }
        }
    }
    to
}

fn report(of: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("report").arg(of).args(arguments))
}

#[test]
fn the_report_has_the_figures_of_an_attached_audit_and_links_to_its_page() {
    let output = copy_of(&DONE.output());
    report(&output, &["--format", "html"]).exits(0);
    let own = output.join("_report/report.html");
    assert!(!std::fs::read_to_string(&own).unwrap().contains("id=\"audit\""));
    let summary = audit(&output, &["--attach"]).exits(0);
    let files = summary["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file.as_str().unwrap().ends_with("_report/audit.html")), "{files:?}");
    report(&output, &["--format", "html"]).exits(0);
    let text = std::fs::read_to_string(&own).unwrap();
    assert!(text.contains("id=\"audit\"") && text.contains("href=\"audit.html\""));
    assert!(text.contains("Near duplicates"));
    // a page elsewhere on the same disk
    let elsewhere = output.parent().unwrap().join("mine.html");
    report(&output, &["--html", elsewhere.to_str().unwrap()]).exits(0);
    let text = std::fs::read_to_string(&elsewhere).unwrap();
    assert!(text.contains("out&#x2f;%5Freport&#x2f;audit%2Ehtml"), "no link to the audit");
}

#[test]
fn the_audit_of_other_rows_is_not_shown_as_that_of_the_output() {
    let output = copy_of(&DONE.output());
    audit(&output, &["--attach"]).exits(0);
    let file = output.join("_report/audit.json");
    let written = std::fs::read_to_string(&file).unwrap();
    let mut figures: Value = serde_json::from_str(&written).unwrap();
    figures["rows"] = json!(3);
    for (text, why) in [
        (figures.to_string(), "is an audit of other rows"),
        ("{}".to_owned(), "is not an audit of this program"),
    ] {
        std::fs::write(&file, text).unwrap();
        report(&output, &["--format", "html"]).exits(0);
        let page = std::fs::read_to_string(output.join("_report/report.html")).unwrap();
        assert!(page.contains(why) && !page.contains("href=\"audit.html\""), "{why}");
    }
}

#[test]
fn an_attached_audit_changes_nothing_for_what_reads_the_output() {
    let images = images();
    let job = done(&images);
    let rows = job.rows();
    audit(&job.output(), &["--attach"]).exits(0);
    assert_eq!(job.rows(), rows);
    ended(program().arg("verify").arg(job.output())).exits(0);
    job.run().exits(0);
    // a draft that a killed writer left is swept with those of the report
    let draft = job.output().join("_report/audit.html#1");
    std::fs::write(&draft, "half").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(&draft).unwrap().set_modified(old).unwrap();
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    job.run().exits(0);
    assert!(!draft.exists());
    let later = images.join(IMAGES.expected.keys().find(|key| key.contains('/')).unwrap());
    std::fs::copy(&later, later.with_file_name("zzzz-later.jpg")).unwrap();
    let next = Job::on(images.to_str().unwrap())
        .set("limits.max_error_fraction=1.0")
        .set(format!("input.exclude_done=[\"{}\"]", job.output().display()));
    next.run().exits(0);
    assert_eq!(next.rows().len(), 1);
}

fn kinds(read: &Value) -> BTreeMap<String, u64> {
    let kinds = read["kinds"].as_object().unwrap();
    kinds.iter().map(|(kind, count)| (kind.clone(), count.as_u64().unwrap())).collect()
}

#[test]
fn findings_are_read_back_by_the_rules_of_label_studio_and_fiftyone() {
    let output = DONE.output();
    let against = output.to_str().unwrap();
    let file = findings(&output, &["--against", against]);
    let all = ask_python("findings.py", &[&file])["rows"].as_u64().unwrap();
    for tool in ["label-studio", "fiftyone"] {
        let to = folder();
        let to = to.to_str().unwrap();
        let arguments =
            ["--format", tool, "--findings", &file, "--against", against, "--most", "10000", "--to", to];
        let summary = export(&output, &arguments).exits(0);
        assert_eq!((&summary["findings"], &summary["left_out"]), (&json!(all), &json!(0)));
        let read = ask_python("reviews.py", &[tool, to, &file]);
        assert_eq!(kinds(&read).values().sum::<u64>(), all, "{read}");
        assert!(kinds(&read)["duplicate"] >= 4 && kinds(&read)["leak"] > 0, "{read}");
        assert_eq!(read["opened"], read["images"], "an image is not where {tool} looks for it");
        assert!(read["images"].as_u64().unwrap() > 4);
    }
}

#[test]
fn the_most_suspicious_findings_of_some_kinds_are_exported_alone() {
    let output = DONE.output();
    let file = findings(&output, &[]);
    let to = folder();
    let to = to.to_str().unwrap();
    let kind = ["--kind", "duplicate", "--kind", "isolated", "--most", "1"];
    let arguments = ["--format", "label-studio", "--findings", &file, "--to", to];
    export(&output, &[&arguments[..], &kind[..]].concat()).exits(0);
    let read = ask_python("reviews.py", &["label-studio", to, &file]);
    assert_eq!(kinds(&read), BTreeMap::from([("duplicate".to_owned(), 1), ("isolated".to_owned(), 1)]));
    // nothing is overwritten without a message
    export(&output, &arguments).fails(73, &["images.xml", "already exists", "--overwrite"]);
    export(&output, &[&arguments[..], &["--overwrite"]].concat()).exits(0);
    export(&output, &[&arguments[..], &["--kind", "cats"]].concat()).fails(64, &["far_from_class"]);
}

#[test]
fn images_elsewhere_are_named_by_the_address_that_was_given() {
    let output = DONE.output();
    let file = findings(&output, &[]);
    for (tool, root, image) in [
        ("label-studio", "https://images.example/a", "https://images.example/a/"),
        ("label-studio", "s3://bucket/a/", "s3://bucket/a/"),
        ("fiftyone", "/mnt/images", "/mnt/images/"),
    ] {
        let to = folder();
        let arguments = ["--format", tool, "--findings", &file, "--to", to.to_str().unwrap()];
        export(&output, &[&arguments[..], &["--image-root", root]].concat()).exits(0);
        let name = if tool == "fiftyone" { "data.json" } else { "images.json" };
        let text = std::fs::read_to_string(to.join(name)).unwrap();
        assert!(text.contains(&format!("\"{image}")), "{text}");
    }
}

#[test]
fn what_cannot_be_reviewed_is_refused_with_what_to_give() {
    let output = DONE.output();
    let own = output.to_str().unwrap();
    let to = folder();
    let to = to.to_str().unwrap();
    let file = findings(&output, &["--against", own]);
    let of = |arguments: &[&str]| {
        export(&output, &[&["--format", "label-studio", "--to", to], arguments].concat())
    };
    of(&[]).fails(64, &["--findings"]);
    of(&["--findings", &file]).fails(64, &["--against", own]);
    of(&["--findings", &format!("{to}/none.parquet")]).fails(66, &["there is no file of findings"]);
    let part = std::fs::read_dir(&output).unwrap().map(|item| item.unwrap().path());
    let part = part.into_iter().find(|path| path.extension().is_some_and(|end| end == "parquet")).unwrap();
    of(&["--findings", part.to_str().unwrap()]).fails(78, &["is no file of findings"]);
    export(&output, &["--format", "timm-csv", "--to", to, "--findings", &file]).fails(64, &["--findings"]);
    let other = Job::on(IMAGES.folder.to_str().unwrap());
    other.run().exits(0);
    let arguments = ["--format", "fiftyone", "--to", to, "--findings", &file, "--against", own];
    export(&other.output(), &arguments).fails(78, &["another job"]);
    let against = other.output();
    of(&["--findings", &file, "--against", against.to_str().unwrap()])
        .fails(78, &["--against", "another job", own]);
}

#[test]
fn a_damaged_part_ends_an_audit_as_it_ends_a_report() {
    let output = copy_of(&DONE.output());
    let mut parts: Vec<PathBuf> =
        std::fs::read_dir(&output).unwrap().map(|item| item.unwrap().path()).collect();
    parts.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    parts.sort();
    let part = &parts[3];
    let name = part.file_name().unwrap().to_str().unwrap();
    let mut bytes = std::fs::read(part).unwrap();
    // the rows, and not the footer
    let half = bytes.len() / 2;
    bytes[4..half].fill(0xa5);
    std::fs::write(part, bytes).unwrap();
    report(&output, &["--format", "json"]).fails(65, &[name, "is damaged"]);
    audit(&output, &[]).fails(65, &[name, "is damaged"]);
}
