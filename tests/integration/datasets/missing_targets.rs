//! A job that reads targets and finds hardly any: it warns, and does not end as if all had been scored.

use crate::support::job::{IMAGES, Job, ended};
use crate::support::scratch;

/// A job over a list of three good images, of which the first `with` have a target.
fn listed(with: usize) -> (tempfile::TempDir, Job) {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let good = IMAGES.expected.iter().filter(|(_, (class, error))| class.is_some() && error.is_none());
    let mut list = "path,target\n".to_owned();
    for (at, (key, _)) in good.take(3).enumerate() {
        list += &format!("{key},{}\n", if at < with { "1" } else { "" });
    }
    let path = folder.path().join("list.csv");
    std::fs::write(&path, list).unwrap();
    let job = Job::own()
        .set("input.format=manifest")
        .set("input.targets=manifest")
        .set(format!("input.manifest={}", path.display()));
    (folder, job)
}

#[test]
fn a_job_most_of_whose_rows_have_no_target_says_so_and_names_the_gate() {
    let (_list, job) = listed(1);
    let ran = job.run();
    ran.exits(0);
    assert!(ran.stderr.contains("2 of 3 rows have no target"), "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown_target == 0"), "{}", ran.stderr);
    let report = std::fs::read_to_string(job.output().join("_report/report.md")).unwrap();
    assert!(report.contains("2 of 3 rows have no target"), "{report}");
    let told = ended(&mut job.command("report"));
    told.exits(0);
    assert!(told.stderr.contains("2 of 3 rows have no target"), "{}", told.stderr);
}

#[test]
fn the_gate_that_is_named_refuses_such_a_run() {
    let (_list, job) = listed(1);
    job.set("report.require=[\"unknown_target == 0\"]").run().fails(65, &["unknown_target"]);
}

#[test]
fn a_job_most_of_whose_rows_have_a_target_is_not_remarked_on() {
    let (_list, job) = listed(2);
    let ran = job.run();
    ran.exits(0);
    assert!(!ran.stderr.contains("have no target"), "{}", ran.stderr);
}
