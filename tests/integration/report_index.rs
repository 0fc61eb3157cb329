//! `index`: several real outputs on one page, compared with the report of each.

use std::path::Path;

use serde_json::Value;

use crate::support::job::{Ended, Job, ended, program};
use crate::support::scratch;

fn index(outputs: &[&Path], arguments: &[&str]) -> Ended {
    ended(program().arg("index").args(outputs).args(arguments))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_index_lists_outputs_with_the_figures_that_they_were_finished_with() {
    let (one, other) = (Job::own(), Job::own().set("preprocess.image_size=96"));
    for job in [&one, &other] {
        job.run().exits(0);
    }
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (page, file) = (folder.path().join("index.html"), folder.path().join("index.json"));
    let (one, other) = (one.output(), other.output());
    let arguments = ["--html", page.to_str().unwrap(), "--json-file", file.to_str().unwrap()];
    index(&[&one, &other], &arguments).exits(0);

    let found = json(&file);
    assert_eq!(found["schema"], "tresnet-batch/index");
    let outputs = found["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 2);
    for output in [&one, &other] {
        let success = json(&output.join("_SUCCESS"));
        let name = output.to_str().unwrap();
        let listed = outputs.iter().find(|listed| listed["output"].as_str().unwrap().ends_with(name));
        let listed = listed.unwrap_or_else(|| panic!("{} is missing: {found}", output.display()));
        assert_eq!(listed["metrics"], success["metrics"]);
        let (of, percent) = (&listed["top1"]["of"], &listed["top1"]["percent"]);
        assert_eq!(of.as_f64(), success["metrics"]["scored"].as_f64());
        let apart = percent.as_f64().unwrap() - success["metrics"]["top1"].as_f64().unwrap();
        assert!(apart.abs() < 1e-9, "{listed}");
    }
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("2 outputs."), "{page}");
    let dots = page.matches("<circle class=\"mark s").count() - page.matches("class=\"swatch\"").count();
    assert_eq!(dots, 2, "a dot an output");
}

#[test]
fn an_output_of_an_earlier_version_is_listed_too() {
    let output = crate::support::root().join("tests/data/earlier/finished");
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    index(&[&output], &["--json-file", file.path().to_str().unwrap()]).exits(0);
    let found = json(file.path());
    let metrics = json(&output.join("_SUCCESS"))["metrics"].clone();
    assert_eq!(found["outputs"][0]["metrics"], metrics);
}

#[test]
fn an_index_of_nothing_and_one_without_a_file_are_refused() {
    index(&[], &["--html", "index.html"]).exits(64);
    index(&[Path::new("somewhere")], &[]).exits(64);
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    index(&[Path::new("/no/such/output")], &["--json-file", file.path().to_str().unwrap()]).exits(66);
}
