//! The command line as a whole: its help, its examples, and the files that are made from it.

use std::ffi::OsString;

use clap::{Command, CommandFactory, Parser, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use super::global::asks_for_json;
use super::help::{self, HelpArgs};
use super::install::{self, CompletionsArgs, ManArgs};
use crate::failure::{Exit, Failure};

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

/// The words of a line as a shell takes them, up to a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words.into_iter().take_while(|word| word != ">").collect()
}

fn commands<'a>(command: &'a Command, path: &str, found: &mut Vec<(String, &'a Command)>) {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let path = format!("{path} {}", command.get_name());
        commands(command, &path, found);
        found.push((path, command));
    }
}

#[test]
fn every_command_has_examples_of_itself_and_each_is_a_command_line() {
    let root = Cli::command();
    let mut all = vec![("tresnet-batch".to_owned(), &root)];
    commands(&root, "tresnet-batch", &mut all);
    assert!(all.len() > 18, "{}", all.len());
    for (path, command) in all {
        let after = command.get_after_help().unwrap_or_else(|| panic!("{path} has no examples")).to_string();
        let examples = after.strip_prefix("Examples:\n").unwrap_or_else(|| panic!("{path}: {after}"));
        let lines: Vec<&str> = examples.lines().take_while(|line| line.starts_with("  ")).collect();
        assert!(!lines.is_empty(), "{path}");
        for line in lines {
            assert!(line.trim().starts_with(&path), "{path}: {line}");
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("{line}\n{error}");
            }
        }
    }
}

fn help_of(words: &[&str]) -> Result<String, Failure> {
    help::text(Cli::command(), &HelpArgs { of: words.iter().map(|word| (*word).to_owned()).collect() })
}

#[test]
fn help_has_a_page_for_each_topic_and_for_commands_in_commands() {
    for (topic, words) in [("gates", "top1"), ("exit-codes", "75"), ("environment", "AWS_ACCESS_KEY_ID")] {
        assert!(help_of(&[topic]).unwrap().contains(words), "{topic}");
    }
    assert!(help_of(&["bench", "engine"]).unwrap().contains("Usage: tresnet-batch bench engine"));
    assert!(help_of(&[]).unwrap().contains("help exit-codes"));
}

#[test]
fn help_on_what_does_not_exist_names_what_is_near() {
    for (words, near) in [
        (&["gate"][..], "`gates`"),
        (&["exitcodes"][..], "`exit-codes`"),
        (&["reports"][..], "`report`"),
        (&["model", "inspct"][..], "`inspect`"),
    ] {
        let failure = help_of(words).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.explain().ends_with(&format!("did you mean {near}?")), "{}", failure.explain());
    }
    assert!(!help_of(&["zzzzzz"]).unwrap_err().explain().contains("did you mean"));
    // not offered to people
    assert!(help_of(&["decode-process"]).is_err());
}

#[test]
fn global_options_have_a_heading_in_the_help_of_every_command() {
    for words in [&["run"][..], &["bench", "job"][..], &[][..]] {
        let help = help_of(words).unwrap();
        let (own, global) = help.split_once("Global options:").unwrap_or_else(|| panic!("{help}"));
        assert!(global.contains("--log-format") && !own.contains("--log-format"), "{help}");
    }
}

#[test]
fn a_mistyped_command_is_answered_with_the_one_that_was_meant() {
    for (words, tip) in [
        (&["rum", "job.toml"][..], "'run'"),
        (&["classify", "job.toml"][..], "tip: try 'tresnet-batch run'"),
        (&["inspect", "model.pth"][..], "tip: try 'tresnet-batch model inspect'"),
        (&["gates"][..], "tip: try 'tresnet-batch help gates'"),
        (&["bench", "jb"][..], "tip: `bench` has `job`, `engine`"),
        (
            &["my/pictures"][..],
            "tip: to begin with these images: tresnet-batch init my/pictures --model MODEL",
        ),
        (&["first.toml"][..], "tip: a job file follows a command: tresnet-batch run first.toml"),
    ] {
        let line = || std::iter::once("tresnet-batch").chain(words.iter().copied());
        let mut error = Cli::try_parse_from(line()).unwrap_err();
        help::suggest(&mut error, &Cli::command(), line().skip(1).map(str::to_owned));
        let shown = error.render().to_string();
        assert!(shown.contains(tip), "no `{tip}` in: {shown}");
    }
}

#[test]
fn a_file_after_json_is_answered_with_the_option_that_takes_one() {
    for words in [&["report", "out", "--json", "a.json"][..], &["compare", "a", "b", "--json=a.json"][..]] {
        let line = || std::iter::once("tresnet-batch").chain(words.iter().copied());
        let mut error = Cli::try_parse_from(line()).unwrap_err();
        help::suggest(&mut error, &Cli::command(), line().skip(1).map(str::to_owned));
        let shown = error.render().to_string();
        assert!(shown.contains("`--json-file a.json` writes one"), "{shown}");
    }
}

#[test]
fn json_is_asked_for_anywhere_before_the_end_of_options() {
    for (words, asks) in [
        (&["--json", "rum"][..], true),
        (&["run", "--no-such", "--json"][..], true),
        (&["run", "--", "--json"][..], false),
        (&["run", "--json-file", "a"][..], false),
    ] {
        assert_eq!(asks_for_json(words.iter().map(OsString::from)), asks, "{words:?}");
    }
}

#[test]
fn json_and_quiet_may_be_given_before_and_after_the_command_and_twice() {
    for line in
        ["--json schema", "schema --json", "--json -q schema --json --json --quiet", "--json run a --json"]
    {
        let cli = Cli::try_parse_from(std::iter::once("tresnet-batch").chain(line.split(' ')));
        assert!(cli.unwrap_or_else(|error| panic!("{line}: {error}")).global.json, "{line}");
    }
}

#[test]
fn images_with_a_model_are_a_run_and_its_options_need_the_model() {
    let parse = |line: &str| Cli::try_parse_from(std::iter::once("tresnet-batch").chain(line.split(' ')));
    assert!(parse("run my/pictures --model m.pth --output rows -o my.toml --limit 3").is_ok());
    for option in ["--output rows", "-o my.toml", "--images below"] {
        assert!(parse(&format!("run job.toml {option}")).is_err(), "{option}");
    }
}

#[test]
fn a_page_of_man_is_written_for_every_command_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let summary = install::man(&Cli::command(), &ManArgs { folder: folder.path().join("man1") }).unwrap();
    let names = summary.fields["pages"].as_array().unwrap();
    for name in ["tresnet-batch.1", "tresnet-batch-run.1", "tresnet-batch-model-quantize.1"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.as_str().unwrap().contains("decode-process")), "{names:?}");
    let whole = std::fs::read_to_string(folder.path().join("man1/tresnet-batch.1")).unwrap();
    for heading in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH SYNOPSIS"] {
        assert!(whole.contains(heading), "no {heading} in {whole}");
    }
    let run = std::fs::read_to_string(folder.path().join("man1/tresnet-batch-run.1")).unwrap();
    assert!(run.contains("run job.toml"), "{run}");
}

#[test]
fn completions_know_every_command_for_people_and_no_other() {
    for shell in Shell::value_variants() {
        let script = install::completions(&Cli::command(), &CompletionsArgs { shell: *shell });
        for word in ["quantize", "already-done-exit"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
        assert!(!script.contains("decode-process"), "{shell}");
    }
}
