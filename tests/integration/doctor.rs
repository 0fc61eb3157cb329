//! `doctor decode`: decodes files without a model and without ONNX Runtime.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::job::{Ended, IMAGES, Job, ended, own_model, program_at};

/// The program without a runtime, even if the machine has one.
fn decode<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Ended {
    let mut command = program_at(Path::new(env!("CARGO_BIN_EXE_tresnet-batch")), false);
    command.env("ORT_DYLIB_PATH", "/nowhere");
    ended(command.args(["doctor", "decode"]).args(arguments))
}

fn lines(ended: &Ended) -> Vec<Vec<&str>> {
    let lines = ended.stderr.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines.filter(|fields| fields.len() == 7).collect()
}

#[test]
fn every_file_of_a_folder_is_told_as_a_run_would_tell_it() {
    let folder = IMAGES.folder.to_str().unwrap();
    let ended = decode([folder]);
    let summary = ended.exits(0);
    let told: BTreeMap<&str, Vec<&str>> =
        lines(&ended).into_iter().map(|line| (&line[6][folder.len() + 1..], line)).collect();
    let job = Job::own();
    job.run().exits(0);
    for row in job.rows() {
        let line = &told[row["key"].as_str().unwrap()];
        let or = |name: &str| row[name].as_str().unwrap_or("-");
        let size = match row["width"].as_u64() {
            Some(width) => format!("{width}×{}", row["height"]),
            None => "-".to_owned(),
        };
        assert_eq!(line[..4], [or("status"), or("error_kind"), or("format"), &size], "{row}");
        assert_eq!(line[5], or("error_message"));
    }
    // the three files that are no images by their names too
    assert_eq!(summary["files"], 93);
    assert_eq!(summary["errors_by_kind"]["unsupported"], 5);
    assert!(summary["peak_memory_bytes"].as_u64().unwrap() > 1 << 20, "{summary}");
}

#[test]
fn the_lines_come_in_the_order_of_the_names_and_of_the_arguments() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a/z", "a/y/x", "c"] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let root = folder.path().to_str().unwrap();
    let ended = decode([&format!("{root}/c"), root]);
    let order: Vec<String> = lines(&ended).iter().map(|line| line[6].replace(root, "")).collect();
    assert_eq!(order, ["/c", "/a/y/x", "/a/z", "/b", "/c"]);
}

#[test]
fn a_file_that_is_not_there_is_66_and_the_others_are_told_all_the_same() {
    let good = IMAGES.folder.join("beet-leaf.jpg");
    let ended = decode(["/nowhere/one.jpg", "/nowhere/two.jpg", good.to_str().unwrap()]);
    let summary = ended.fails(66, &["2 paths could not be read", "/nowhere/one.jpg"]);
    assert_eq!((&summary["files"], &summary["ok"]), (&1.into(), &1.into()));
}

#[test]
fn a_file_that_is_larger_than_the_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.jpg");
    // larger than any disk
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let ended = decode([path.to_str().unwrap()]);
    let summary = ended.exits(0);
    let line = lines(&ended)[0].join(" ");
    assert!(line.starts_with("error limit - - ") && line.contains("1099511627776 bytes"), "{line}");
    assert!(summary["peak_memory_bytes"].as_u64().unwrap() < 64 << 20, "{summary}");
}

#[test]
fn links_below_a_folder_are_counted_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    symlink("..", folder.path().join("in/round")).unwrap();
    symlink("/etc", folder.path().join("in/out")).unwrap();
    symlink("in", folder.path().join("typed")).unwrap();
    std::fs::write(folder.path().join("in/file"), "no image").unwrap();
    let summary = decode([folder.path().join("typed").to_str().unwrap()]).exits(0);
    assert_eq!((&summary["files"], &summary["links_left_out"]), (&1.into(), &2.into()));
}

#[test]
fn hidden_files_below_a_folder_are_counted_and_one_that_is_typed_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".ipynb_checkpoints")).unwrap();
    for name in ["1.jpg", "._1.jpg", ".ipynb_checkpoints/1-checkpoint.jpg"] {
        std::fs::copy(IMAGES.folder.join("beet-leaf.jpg"), folder.path().join(name)).unwrap();
    }
    let summary = decode([folder.path().to_str().unwrap()]).exits(0);
    assert_eq!((&summary["files"], &summary["hidden_left_out"]), (&1.into(), &2.into()));
    let summary = decode([folder.path().join("._1.jpg").to_str().unwrap()]).exits(0);
    assert_eq!((&summary["files"], &summary["hidden_left_out"]), (&1.into(), &0.into()));
}

#[test]
fn a_name_with_a_line_end_stays_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a\nok\tb\u{1b}[2J"), "no image").unwrap();
    let ended = decode([folder.path().to_str().unwrap()]);
    ended.exits(0);
    assert_eq!(ended.stderr.lines().count(), 2);
    assert!(lines(&ended)[0][6].ends_with(r"a\nok\tb\u{1b}[2J"), "{}", ended.stderr);
}

#[test]
fn the_limits_of_a_job_are_taken_where_one_is_named() {
    let good = IMAGES.folder.join("beet-leaf.jpg");
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &own_model("v1_odd.safetensors"));
    let typed = std::fs::read_to_string(job.file()).unwrap();
    std::fs::write(job.file(), typed + "\n[limits]\nmax_pixels = 7\n").unwrap();
    let ended = decode(["--job", job.file().to_str().unwrap(), good.to_str().unwrap()]);
    assert_eq!(ended.exits(0)["errors_by_kind"]["limit"], 1);
    assert!(lines(&ended)[0][5].contains("pixels are more than `limits.max_pixels` = 7"), "{}", ended.stderr);
    assert!(!job.output().exists(), "nothing is written");
}
