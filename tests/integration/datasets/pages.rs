//! The report's page and its slices, over inputs of every kind.

use std::path::Path;

use serde_json::Value;

use crate::support::job::{IMAGES, Job, ended, program};

use super::{local_files, local_shards, manifest_job, named_classes, parquet_job, shard_job};

fn page(job: &Job) -> String {
    let file = job.output().with_extension("html");
    ended(program().arg("report").arg(job.output()).arg("--html").arg(&file)).exits(0);
    std::fs::read_to_string(file).unwrap()
}

/// Pictures, and placeholders.
fn pictures(page: &str) -> (usize, usize) {
    (page.matches("src=\"data:image/jpeg;base64,").count(), page.matches("class=\"missing\"").count())
}

#[test]
fn the_worst_mistakes_are_shown_whatever_the_images_lie_in() {
    let mut found = Vec::new();
    for job in [
        named_classes(Job::own()),
        manifest_job("rows.csv"),
        shard_job(&local_shards()),
        parquet_job(&local_files()),
    ] {
        job.run().exits(0);
        let page = page(&job);
        assert!(!job.output().join("_report/report.html").exists(), "a named file is the only one");
        assert!(
            !page.contains("There are no pictures") && !page.contains("not reached"),
            "{}",
            job.output().display()
        );
        found.push(pictures(&page));
    }
    // 90 rows: five failed, and of the others more are wrong than a page has room for
    assert!(found[0].0 >= 50, "{found:?}");
    assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
}

#[test]
fn an_input_that_is_gone_leaves_a_page_without_pictures_that_says_so() {
    let copy = tempfile::tempdir().unwrap();
    let images = copy.path().join("images");
    let copied = std::process::Command::new("cp").arg("-r").arg(&IMAGES.folder).arg(&images).status();
    assert!(copied.unwrap().success());
    let job = Job::on(images.to_str().unwrap()).set("report.formats=[\"html\"]");
    job.run().exits(0);
    let with = std::fs::read_to_string(job.output().join("_report/report.html")).unwrap();
    assert!(pictures(&with).0 >= 50, "{:?}", pictures(&with));

    std::fs::remove_dir_all(&images).unwrap();
    let without = page(&job);
    assert_eq!(pictures(&without), (0, 0));
    assert!(without.contains("There are no pictures"), "{without}");
}

#[test]
fn an_image_that_changed_or_went_has_a_placeholder_with_its_reason() {
    let copy = tempfile::tempdir().unwrap();
    let images = copy.path().join("images");
    let copied = std::process::Command::new("cp").arg("-r").arg(&IMAGES.folder).arg(&images).status();
    assert!(copied.unwrap().success());
    let job = Job::on(images.to_str().unwrap());
    job.run().exits(0);
    let mut wrong: Vec<Value> =
        job.rows().into_iter().filter(|row| row["target_rank"].as_i64() > Some(1)).collect();
    // the surest first: there is no room for all of them
    wrong.sort_by(|a, b| b["prob"][0].as_f64().unwrap().total_cmp(&a["prob"][0].as_f64().unwrap()));
    let path = |row: &Value| images.join(row["key"].as_str().unwrap());
    std::fs::remove_file(path(&wrong[0])).unwrap();
    std::fs::write(path(&wrong[1]), b"another").unwrap();
    let page = page(&job);
    for kind in ["not_found", "changed"] {
        assert!(page.contains(&format!("<span class=\"missing\">{kind}</span>")), "{kind}");
    }
}

fn report(output: &Path, more: &[&str]) -> Value {
    let file = output.with_extension("json");
    ended(program().arg("report").arg(output).args(more).arg("--json-file").arg(&file)).exits(0);
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn slices_by_carried_columns_and_by_what_the_images_are_add_up() {
    let job = parquet_job(&local_files()).set("input.carry_columns=[\"camera\"]");
    job.run().exits(0);
    let by = ["--by", "camera", "--by", "format", "--by", "pixels", "--by", "size"];
    let report = report(&job.output(), &by);
    let slices = report["slices"].as_array().unwrap();
    assert_eq!(
        slices.iter().map(|slice| slice["by"].as_str().unwrap()).collect::<Vec<_>>(),
        ["camera", "format", "pixels", "size"]
    );
    for slice in slices {
        let sum = |name: &str| -> u64 {
            slice["values"].as_array().unwrap().iter().map(|value| value[name].as_u64().unwrap()).sum()
        };
        assert_eq!((sum("rows"), sum("errors")), (90, 5), "{slice}");
        let hits: u64 =
            slice["values"].as_array().unwrap().iter().filter_map(|v| v["top1"]["hits"].as_u64()).sum();
        assert_eq!(hits, report["top1"]["hits"].as_u64().unwrap(), "{slice}");
    }
    let told = ended(program().arg("report").arg(job.output()).args(["--by", "lens"]));
    told.fails(64, &["`lens`", "format, pixels, size", "camera"]);
}

#[test]
fn timms_row_and_the_throughput_stand_in_the_files() {
    let job = Job::own();
    job.run().exits(0);
    let csv = job.output().with_extension("csv");
    ended(program().arg("report").arg(job.output()).arg("--csv").arg(&csv)).exits(0);
    let text = std::fs::read_to_string(csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation");
    // the model's name has commas, and is quoted
    let (name, rest) = lines[1].rsplit_once('"').unwrap();
    assert!(name.starts_with("\"tresnet"), "{name}");
    let fields: Vec<&str> = rest.split(',').collect();
    let report = report(&job.output(), &[]);
    assert_eq!(fields[1], format!("{:.4}", report["top1"]["percent"].as_f64().unwrap()));
    assert_eq!((fields[6], fields[8]), ("64", "bilinear"));
    assert!(fields[5].parse::<f64>().unwrap() > 0.0);

    let throughput = &report["throughput"];
    assert_eq!((&throughput["rows"], &throughput["untimed_parts"]), (&90.into(), &0.into()));
    assert!(throughput["seconds"].as_f64().unwrap() > 0.0);
    let provider = &throughput["providers"][0];
    assert_eq!((&provider["provider"], &provider["parts"]), (&"cpu".into(), &"0-11".into()));
}
