//! The first steps of a new user: a folder of pictures, weights without a configuration, the first mistakes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::job::{
    Ended, IMAGES, Job, by_hand, ended, own_model, parts, program, reaches, send, wait,
};
use crate::support::scratch;

/// A folder with 20 pictures in two albums, one of them cut in its middle and one empty, and a note.
fn pictures() -> TempDir {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for album in ["Köln 2019", "cats and dogs"] {
        std::fs::create_dir_all(folder.path().join("pictures").join(album)).unwrap();
    }
    let whole = std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap();
    for number in 0..20 {
        let album = if number % 2 == 0 { "Köln 2019" } else { "cats and dogs" };
        let bytes = match number {
            6 => &whole[..whole.len() / 2],
            7 => &[],
            _ => &whole[..],
        };
        let path = folder.path().join("pictures").join(album).join(format!("IMG_{number}.JPG"));
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(folder.path().join("pictures/notes.txt"), "milk").unwrap();
    folder
}

fn at(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.current_dir(folder).args(arguments);
    ended(command.args(["--progress", "none"]))
}

/// Weights without the `config.json` of their training.
fn bare_weights(folder: &Path) -> PathBuf {
    let bare = folder.join("bare");
    std::fs::create_dir(&bare).unwrap();
    let path = bare.join("model.safetensors");
    std::fs::copy(own_model("v1_odd.safetensors"), &path).unwrap();
    path
}

#[test]
fn a_folder_of_albums_with_two_broken_files_goes_through_as_init_writes_it() {
    let folder = pictures();
    let model = own_model("v1_odd.safetensors");
    let begun = at(folder.path(), &["init", "pictures", "--model", model.to_str().unwrap()]);
    let summary = begun.exits(0);
    assert_eq!(summary["found"], "20 images in 2 folders in `pictures`, and 1 other file");
    let why = summary["targets_why"].as_str().unwrap();
    for words in ["`Köln 2019`", "are not the model's", "classified and none is scored"] {
        assert!(why.contains(words), "no `{words}` in: {why}");
    }
    let ran = at(folder.path(), &["run", "job.toml"]);
    assert_eq!(ran.exits(0)["rows"]["error"], 2);
    for words in
        ["1 truncated, such as `Köln 2019/IMG_6.JPG`: ", "1 unsupported, such as `cats and dogs/IMG_7.JPG`: "]
    {
        assert!(ran.stderr.contains(words), "no `{words}` in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("_report/report.html\n"), "{}", ran.stderr);
    let told = at(folder.path(), &["report", "job.toml"]);
    told.exits(0);
    assert!(told.stderr.contains("no row has a target, so there is no accuracy"), "{}", told.stderr);
}

#[test]
fn a_refused_run_names_the_images_and_the_command_that_accepts_them() {
    let folder = pictures();
    let model = own_model("v1_odd.safetensors");
    at(folder.path(), &["init", "pictures", "--model", model.to_str().unwrap()]).exits(0);
    let refused = at(folder.path(), &["run", "job.toml", "--set", "limits.max_error_fraction=0.01"]);
    let summary =
        refused.fails(65, &["2 of 20 rows", "`Köln 2019/IMG_6.JPG`: ", "`cats and dogs/IMG_7.JPG`: "]);
    let error = summary["error"].as_str().unwrap();
    let told = error.split('`').find(|words| words.starts_with("--set ")).unwrap();
    let accepted =
        at(folder.path(), &[&["run", "job.toml"], told.split(' ').collect::<Vec<_>>().as_slice()].concat());
    let summary = accepted.exits(0);
    assert_eq!((&summary["resumed_rows"], &summary["parts"]), (&20.into(), &1.into()));
    // nothing was computed, so no line on stages is printed
    assert!(!accepted.stderr.contains("device busy"), "{}", accepted.stderr);
}

#[test]
fn what_weights_without_a_word_are_fed_with_is_typed_by_init_and_doubted_where_nobody_typed_it() {
    let folder = pictures();
    let model = bare_weights(folder.path());
    let begun = at(folder.path(), &["init", "pictures", "--model", model.to_str().unwrap()]);
    assert_eq!(begun.exits(0)["assumed_preprocessing"], true);
    let path = folder.path().join("job.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for key in
        ["image_size = 224", "crop_pct = 0.875", "interpolation = \"bilinear\"", "mean = [0.0, 0.0, 0.0]"]
    {
        assert!(text.contains(&format!("\n{key}\n")), "no `{key}` in:\n{text}");
    }
    let plan = at(folder.path(), &["plan", "job.toml"]);
    plan.exits(0);
    assert!(!plan.stderr.contains("WARN"), "{}", plan.stderr);

    std::fs::write(&path, text.replace("\ncrop_pct = ", "\n# crop_pct = ")).unwrap();
    let plan = at(folder.path(), &["plan", "job.toml"]);
    plan.exits(0);
    assert_eq!(plan.stderr.matches("no whole config.json is beside").count(), 1, "{}", plan.stderr);
    let doctor = at(folder.path(), &["doctor", "job.toml"]).exits(0);
    assert_eq!(doctor["warnings"], 1, "{doctor}");
}

#[test]
fn a_job_file_that_is_not_there_is_what_init_writes() {
    let folder = pictures();
    for file in ["job.toml", "pictures"] {
        for command in ["plan", "run"] {
            at(folder.path(), &[command, file]).fails(78, &[file, "tresnet-batch init IMAGES --model MODEL"]);
        }
    }
}

#[test]
fn a_relative_path_that_is_not_there_is_told_with_the_folder_it_counts_from() {
    let folder = pictures();
    let model = bare_weights(folder.path());
    assert!(model.is_file());
    at(folder.path(), &["init", "pictures", "--model", "bare/model.safetensors"]).exits(0);
    let inside = folder.path().join("pictures");
    let inside = inside.to_str().unwrap();
    at(Path::new(inside), &["run", "../job.toml"]).fails(78, &["bare/model.safetensors", inside]);
}

#[test]
fn no_command_is_64_and_is_told_as_that() {
    assert_eq!(ended(&mut program()).exits(64)["error"], "no command is given; --help lists them");
    let told = ended(&mut by_hand());
    assert!(told.stderr.contains("Commands:"), "{}", told.stderr);
}

#[test]
fn an_interrupted_run_says_how_much_stands() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap()).set("preprocess.image_size=896");
    let mut child = job.start();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    send(child.id(), "TERM");
    let stopped = wait(child);
    stopped.exits(75);
    assert!(stopped.stderr.contains(" parts are committed; "), "{}", stopped.stderr);
}

/// `script` gives the program a terminal.
fn on_a_terminal(arguments: &str) -> String {
    let executable = program().get_program().to_str().unwrap().to_owned();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("'{executable}' {arguments}"), "/dev/null"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in program().get_envs() {
        command.env(name, value.unwrap());
    }
    ended(&mut command).stdout
}

#[test]
fn a_terminal_changes_nothing_about_what_is_printed_with_and_without_json() {
    for (command, words) in [("doctor", "ONNX Runtime"), ("run no-such-job.toml", "no-such-job.toml")] {
        let printed = on_a_terminal(command);
        assert!(printed.contains(words) && !printed.contains("\"command\""), "{printed}");
        let printed = on_a_terminal(&format!("{command} --json"));
        assert!(printed.contains(words) && printed.contains("\"command\""), "{printed}");
    }
}

#[test]
fn onnx_runtime_keeps_nothing_of_a_user_and_asks_for_no_host() {
    let home = tempfile::tempdir_in(scratch()).unwrap();
    let job = Job::own();
    ended(job.command("run").env("HOME", home.path()).env_remove("XDG_CACHE_HOME")).exits(0);
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|item| item.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn a_tilde_is_the_home_folder_on_the_command_line_and_in_a_job_file() {
    let home = pictures();
    let model = own_model("v1_odd.safetensors");
    let desk = tempfile::tempdir_in(scratch()).unwrap();
    let at_desk = |arguments: &[&str]| {
        let mut command = program();
        command.current_dir(desk.path()).env("HOME", home.path()).args(arguments);
        ended(command.args(["--progress", "none"]))
    };
    at_desk(&["init", "~/pictures", "--model", model.to_str().unwrap()]).exits(0);
    let text = std::fs::read_to_string(desk.path().join("job.toml")).unwrap();
    let typed = text.replace(&format!("{}/pictures", home.path().display()), "~/pictures");
    assert!(
        typed.contains("uri = \"~/pictures\"\n") && typed.contains("uri = \"~/pictures-rows\"\n"),
        "{typed}"
    );
    std::fs::write(desk.path().join("job.toml"), typed).unwrap();
    assert_eq!(at_desk(&["run", "job.toml"]).exits(0)["rows"]["planned"], 20);
    assert!(home.path().join("pictures-rows/_SUCCESS").exists());
    at_desk(&["verify", "~/pictures-rows"]).exits(0);
}
