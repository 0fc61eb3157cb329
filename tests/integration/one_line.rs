//! `run IMAGES --model MODEL`: images are classified by one command line, which resumes when it is given again.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::job::{
    Ended, IMAGES, by_hand, ended, own_model, parts, program, reaches, rows, send, wait,
};
use crate::support::scratch;

/// A folder in which the program is started, with 20 images in `pictures`.
fn desk() -> TempDir {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for number in 0..20 {
        let to = pictures.join(format!("IMG_{number:02}.jpg"));
        std::fs::copy(IMAGES.folder.join("yam/00.jpg"), to).unwrap();
    }
    folder
}

fn line(folder: &Path, input: &str, more: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(folder).args(["run", input, "--model"]).arg(own_model("v1_odd.safetensors"));
    command.args(["--progress", "none"]).args(more);
    command
}

fn run(folder: &Path, input: &str, more: &[&str]) -> Ended {
    ended(&mut line(folder, input, more))
}

#[test]
fn images_and_a_model_are_enough_and_the_job_file_is_shown() {
    let desk = desk();
    let ran = run(desk.path(), "pictures", &[]);
    let summary = ran.exits(0);
    assert_eq!((&summary["rows"]["ok"], &summary["job_file"]), (&20.into(), &"job.toml".into()));
    for words in ["job file job.toml, written now:", "  uri = \"pictures\"", "  uri = \"pictures-rows\""] {
        assert!(ran.stderr.contains(words), "no `{words}` in:\n{}", ran.stderr);
    }
    assert_eq!(rows(&desk.path().join("pictures-rows")).len(), 20);
    // the written file is a job file like any other
    ended(program().current_dir(desk.path()).args(["verify", "job.toml"])).exits(0);
    let verified = ended(program().current_dir(desk.path()).args(["run", "job.toml"]));
    assert_eq!(verified.exits(0)["already_complete"], true);
}

#[test]
fn what_can_be_done_next_is_the_end_of_what_is_printed() {
    let desk = desk();
    let ran = run(desk.path(), "pictures", &[]);
    ran.exits(0);
    let next: Vec<&str> = ran.stderr.lines().skip_while(|line| *line != "next:").collect();
    assert!(next.len() == 3 && next[1].contains(" audit job.toml "), "{}", ran.stderr);
}

#[test]
fn errors_of_one_kind_are_shown_with_an_image_for_each_reason() {
    let desk = desk();
    let pictures = desk.path().join("pictures");
    std::fs::write(pictures.join("a.jpg"), b"").unwrap();
    std::fs::write(pictures.join("b.jpg"), b"").unwrap();
    std::fs::write(pictures.join("c.jpg"), b"a text").unwrap();
    let ran = run(desk.path(), "pictures", &["--set", "limits.max_error_fraction=0.5"]);
    ran.exits(0);
    let shown = "  3 unsupported, such as\n    `a.jpg`: the file is empty\n    `c.jpg`: the file begins with \"a text\", as ";
    assert!(ran.stderr.contains(shown), "{}", ran.stderr);
}

#[test]
fn a_finished_run_names_the_options_that_changed_nothing() {
    let desk = desk();
    run(desk.path(), "pictures", &[]).exits(0);
    let again =
        ended(program().current_dir(desk.path()).args(["run", "job.toml", "--set", "engine.batch_size=4"]));
    again.exits(0);
    let told = "nothing was run, so that `--set engine.batch_size=4` changed nothing";
    assert!(again.stderr.contains(told), "{}", again.stderr);
}

#[test]
fn the_file_is_the_one_that_init_writes() {
    let (one, other) = (desk(), desk());
    run(one.path(), "pictures", &[]).exits(0);
    let mut init = program();
    init.current_dir(other.path()).args(["init", "pictures", "--model"]).arg(own_model("v1_odd.safetensors"));
    ended(&mut init).exits(0);
    let text = |desk: &TempDir| std::fs::read_to_string(desk.path().join("job.toml")).unwrap();
    assert_eq!(text(&one), text(&other));
}

#[test]
fn the_same_line_resumes_what_was_stopped_and_finds_what_is_complete() {
    let desk = desk();
    let slow = [
        "--set",
        "output.rows_per_part=1",
        "--set",
        "preprocess.image_size=896",
        "--set",
        "engine.batch_size=1",
    ];
    let output = desk.path().join("pictures-rows");
    let mut child = line(desk.path(), "pictures", &slow).spawn().unwrap();
    assert!(reaches(&mut child, 2, || parts(&output).len()));
    send(child.id(), "TERM");
    wait(child).exits(75);
    let written = std::fs::read_to_string(desk.path().join("job.toml")).unwrap();
    let resumed = run(desk.path(), "pictures/", &slow);
    let summary = resumed.exits(0);
    assert!(summary["resumed_rows"].as_u64().unwrap() >= 2, "{summary}");
    assert!(resumed.stderr.contains("job file job.toml, which exists"), "{}", resumed.stderr);
    assert_eq!(std::fs::read_to_string(desk.path().join("job.toml")).unwrap(), written);
    assert_eq!(run(desk.path(), "./pictures", &slow).exits(0)["already_complete"], true);
}

#[test]
fn a_job_file_for_another_input_or_model_is_refused_and_stays() {
    let desk = desk();
    run(desk.path(), "pictures", &[]).exits(0);
    let written = std::fs::read_to_string(desk.path().join("job.toml")).unwrap();
    std::fs::create_dir(desk.path().join("others")).unwrap();
    std::fs::copy(IMAGES.folder.join("yam/00.jpg"), desk.path().join("others/0.jpg")).unwrap();
    run(desk.path(), "others", &[]).fails(78, &["the input `pictures` and not `others`", "-o FILE"]);
    let mut model = program();
    model.current_dir(desk.path()).args(["run", "pictures", "--model"]).arg(own_model("v1_odd_authors.pth"));
    ended(&mut model).fails(78, &["the model", "v1_odd.safetensors", "-o FILE"]);
    run(desk.path(), "pictures", &["--output", "elsewhere"]).fails(78, &["the output `pictures-rows`"]);
    assert_eq!(std::fs::read_to_string(desk.path().join("job.toml")).unwrap(), written);
    assert!(!desk.path().join("others-rows").exists() && !desk.path().join("elsewhere").exists());
    let other = run(desk.path(), "others", &["-o", "others.toml"]).exits(0);
    assert_eq!((&other["rows"]["ok"], &other["job_file"]), (&1.into(), &"others.toml".into()));
}

#[test]
fn a_model_beside_a_job_file_and_images_without_a_model_are_mistakes() {
    let desk = desk();
    run(desk.path(), "job.toml", &[]).fails(64, &["--model goes with images", "model.path"]);
    let without = ended(program().current_dir(desk.path()).args(["run", "pictures"]));
    without.fails(78, &["pictures", "--model MODEL"]);
    let alone = ended(program().current_dir(desk.path()).args(["run", "job.toml", "-o", "x.toml"]));
    assert!(alone.exits(64)["error"].as_str().unwrap().contains("--model"));
    assert!(!desk.path().join("job.toml").exists());
}

#[test]
fn a_person_reads_no_json() {
    let desk = desk();
    let mut command = by_hand();
    command
        .current_dir(desk.path())
        .args(["run", "pictures", "--model"])
        .arg(own_model("v1_odd.safetensors"));
    let ran = ended(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("20 images: 20 ok, 0 errors"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('{'), "{}", ran.stdout);
}
