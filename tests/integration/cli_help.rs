//! Completions, man pages, the schema of the job file, and the pages of the help, as an installation has them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, by_hand, ended, own_model, program, program_at};
use crate::support::{root, run_python, scratch};

/// What a command prints that only prints a text.
fn printed(arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr, .. } = ended(by_hand().args(arguments));
    assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
    assert!(stderr.is_empty(), "{arguments:?}: {stderr}");
    stdout
}

/// The program in `bin` of a folder, as a package installs it.
fn installed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = bin.join("tresnet-batch");
    std::fs::copy(env!("CARGO_BIN_EXE_tresnet-batch"), &program).unwrap();
    (folder, program)
}

/// What `init` writes for a folder of images.
fn job_file(program: &Path, folder: &Path) -> String {
    let model = own_model("v1_odd.safetensors");
    let mut command = program_at(program, true);
    command.current_dir(folder).arg("init").arg(IMAGES.folder.join("yam"));
    let begun = ended(command.arg("--model").arg(model).args(["--output", "rows", "--progress", "none"]));
    begun.exits(0);
    std::fs::read_to_string(folder.join("job.toml")).unwrap()
}

#[test]
fn every_job_file_of_the_project_fits_the_schema_and_mistakes_do_not() {
    let schema = scratch().join("job.schema.json");
    std::fs::write(&schema, printed(&["schema"])).unwrap();
    run_python("job_schema.py", &[schema.to_str().unwrap(), root().join("jobs").to_str().unwrap()]);
}

#[test]
fn init_names_the_schema_in_the_first_line_where_it_is_installed() {
    let (folder, program) = installed();
    let share = folder.path().join("share/tresnet-batch");
    std::fs::create_dir_all(&share).unwrap();
    std::fs::write(share.join("job.schema.json"), printed(&["schema"])).unwrap();
    let text = job_file(&program, folder.path());
    let address = text.lines().next().unwrap().strip_prefix("#:schema file://").unwrap();
    let named = std::fs::canonicalize(address).unwrap();
    assert_eq!(named, std::fs::canonicalize(share.join("job.schema.json")).unwrap());
    let planned = ended(program_at(&program, true).current_dir(folder.path()).args(["plan", "job.toml"]));
    planned.exits(0);
}

#[test]
fn init_names_no_schema_where_none_is_installed() {
    let (folder, program) = installed();
    let text = job_file(&program, folder.path());
    assert!(text.starts_with("# Made by"), "{text}");
}

#[test]
fn completions_know_every_command_and_only_those_for_people() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for word in ["run", "quantize", "already-done-exit"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
        assert!(!script.contains("decode-process"), "{shell}");
        assert!(
            !script.lines().last().unwrap_or_default().starts_with('{'),
            "{shell} ends with a line of JSON"
        );
    }
}

#[test]
fn bash_takes_the_completions_and_completes_a_command() {
    let script = scratch().join("tresnet-batch.bash");
    std::fs::write(&script, printed(&["completions", "bash"])).unwrap();
    let completes = format!(
        "source '{}'; function=$(complete -p tresnet-batch | sed 's/.* -F \\([^ ]*\\) .*/\\1/'); \
         COMP_WORDS=(tresnet-batch repo); COMP_CWORD=1; $function tresnet-batch repo tresnet-batch; \
         echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let bash = std::process::Command::new("bash").args(["-c", &completes]).output().unwrap();
    let reply = String::from_utf8_lossy(&bash.stdout).into_owned();
    assert_eq!(reply.trim(), "report", "{}", String::from_utf8_lossy(&bash.stderr));
}

#[test]
fn man_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let pages = folder.path().join("man1");
    let summary = ended(program().arg("man").arg(&pages)).exits(0);
    let names = summary["pages"].as_array().unwrap();
    for name in ["tresnet-batch.1", "tresnet-batch-run.1", "tresnet-batch-model-quantize.1"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.as_str().unwrap().contains("decode-process")), "{names:?}");
    let whole = std::fs::read_to_string(pages.join("tresnet-batch.1")).unwrap();
    for heading in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH SYNOPSIS"] {
        assert!(whole.contains(heading), "no {heading}");
    }
    let run = std::fs::read_to_string(pages.join("tresnet-batch-run.1")).unwrap();
    assert!(run.contains("run job.toml"), "{run}");
}

#[test]
fn help_prints_topics_and_refuses_what_it_does_not_know() {
    for (topic, words) in
        [("gates", "top1_drop_high"), ("exit-codes", "75"), ("environment", "ORT_DYLIB_PATH")]
    {
        assert!(printed(&["help", topic]).contains(words), "{topic}");
    }
    assert_eq!(printed(&["help", "run"]), printed(&["run", "--help"]));
    let refused = ended(program().args(["help", "gate"]));
    let error = refused.exits(64)["error"].as_str().unwrap().to_owned();
    assert_eq!(error, "there is no command and no topic `gate`; did you mean `gates`?");
}

#[test]
fn a_mistyped_command_is_answered_with_a_tip() {
    let refused = ended(program().args(["inspect", "model.onnx"]));
    refused.exits(64);
    assert!(refused.stderr.contains("tip: try 'tresnet-batch model inspect'"), "{}", refused.stderr);
}

#[test]
fn a_command_with_a_letter_missing_is_answered_with_the_nearest_one() {
    let refused = ended(program().args(["rn", "job.toml"]));
    refused.exits(64);
    assert!(refused.stderr.contains("tip: try 'tresnet-batch run'"), "{}", refused.stderr);
}

#[test]
fn an_option_that_is_a_key_of_the_job_file_is_answered_with_the_key() {
    for (option, key) in
        [("--batch", "engine.batch_size"), ("--batch-size", "engine.batch_size"), ("--top-k", "output.top_k")]
    {
        let refused = ended(program().args(["run", "job.toml", option, "4"]));
        refused.exits(64);
        let tip = format!("tip: a key of the job file is changed by `--set {key}=…`");
        assert!(refused.stderr.contains(&tip), "{}", refused.stderr);
    }
}

#[test]
fn an_option_that_nothing_is_called_like_gets_no_tip() {
    let refused = ended(program().args(["run", "job.toml", "--xyzzy", "4"]));
    refused.exits(64);
    assert!(!refused.stderr.contains("tip:"), "{}", refused.stderr);
}
