//! Parquet files on which their reader panics: inputs, manifests, and parts of an output.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::support::job::{Ended, IMAGES, Job, ended, parts, program};
use crate::support::{run_python, scratch};

static PACKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("packed_for_panics");
    let folder = IMAGES.folder.parent().unwrap();
    run_python("datasets.py", &["pack", folder.to_str().unwrap(), out.to_str().unwrap()]);
    out
});

const PANICS: (&str, &str) = ("FAILPOINTS", "parquet.read=panic");

fn job_of_files() -> Job {
    let folder = PACKED.join("parquet");
    Job::on(folder.to_str().unwrap())
        .set("input.format=parquet")
        .set("input.targets=none")
        .set("limits.max_error_fraction=1.0")
        .set("limits.max_damaged_inputs=20")
}

fn panicking(command: &mut Command) -> Ended {
    ended(command.env(PANICS.0, PANICS.1))
}

#[test]
fn an_input_whose_reader_panics_when_the_plan_is_made_is_66_and_named() {
    panicking(&mut job_of_files().command("run"))
        .fails(66, &[".parquet", "no whole Parquet file", "panicked"]);
}

#[test]
fn a_row_group_whose_reader_panics_is_error_rows_and_the_job_goes_on() {
    let job = job_of_files();
    // the panics begin when footers and plan are read, and end before the last group
    let mut run = job.command("run");
    let ended = ended(run.env(PANICS.0, "parquet.rows=20*off->2*panic"));
    let summary = ended.exits(0);
    let corrupt = summary["errors_by_kind"]["corrupt"].as_u64().unwrap();
    assert!((1..=32).contains(&corrupt), "{summary}");
    let rows = job.rows();
    let row =
        rows.iter().find(|row| row["error_message"].as_str().is_some_and(|why| why.contains("panicked")));
    assert_eq!(row.unwrap()["error_kind"], "corrupt");
    crate::support::job::ended(&mut job.command("verify")).exits(0);
}

#[test]
fn a_manifest_whose_reader_panics_is_78_and_named() {
    let manifest = PACKED.join("rows.parquet");
    let job = Job::own()
        .set("input.format=manifest")
        .set("input.targets=none")
        .set(format!("input.manifest={}", manifest.display()));
    panicking(&mut job.command("run")).fails(78, &["rows.parquet", "damaged", "panicked"]);
}

#[test]
fn a_part_whose_reader_panics_is_named_by_what_reads_it() {
    let job = Job::own();
    job.run().exits(0);
    let part = &parts(&job.output())[0];
    let export = job.output().with_file_name("export");
    let mut exporting = program();
    exporting.arg("export").arg(job.output()).args(["--format", "timm-csv", "--to"]).arg(export);
    for mut command in [job.command("report"), exporting] {
        let ended = panicking(&mut command);
        let code = ended.exits_somehow();
        assert!(code != 70 && code != 0, "{command:?}: {code}");
        let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.contains(part.as_str()) || error.contains("_tresnet/plan/"), "{command:?}: {error}");
    }
    let verified = panicking(&mut job.command("verify"));
    let code = verified.exits_somehow();
    assert!(code != 70 && code != 0, "verify: {code}");
}
