//! The view of a terminal: the bar, and lines that are written while it is shown.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::job::{IMAGES, Job, by_hand, ended, parts};
use crate::support::{python, root};

/// Marks of the bar.
const BAR: [&str; 3] = ["█", "░", " images/s, "];

/// A terminal after the program has ended.
struct Seen {
    code: i64,
    lines: Vec<String>,
    raw: String,
}

/// Runs a command of the job on a terminal of `columns` columns; `terminal.py` describes the actions.
fn on_terminal(columns: u32, actions: &[&str], job: &Job, command: &str, variables: &[(&str, &str)]) -> Seen {
    let program = by_hand();
    let mut terminal = Command::new(python());
    terminal.arg(root().join("tests/reference/terminal.py")).arg(columns.to_string()).args(actions).arg("--");
    terminal.arg(program.get_program()).args(command.split(' ')).arg(job.file());
    terminal.args(job.overrides().iter().flat_map(|assignment| ["--set", assignment]));
    terminal.env_clear().env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    terminal.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.envs(variables.iter().copied());
    terminal.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = ended(&mut terminal);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let seen: Value = serde_json::from_str(&ended.stdout).unwrap();
    let lines = seen["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    Seen {
        code: seen["code"].as_i64().unwrap(),
        lines: lines.collect(),
        raw: seen["raw"].as_str().unwrap().to_owned(),
    }
}

impl Seen {
    fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The one line that begins so.
    #[track_caller]
    fn line(&self, begins: &str) -> &str {
        let found: Vec<&String> = self.lines.iter().filter(|line| line.starts_with(begins)).collect();
        assert_eq!(found.len(), 1, "lines with `{begins}` in:\n{}", self.text());
        found[0]
    }

    /// Checks that the bar was shown and is erased.
    #[track_caller]
    fn has_no_bar(&self) {
        assert!(self.raw.contains("░") || self.raw.contains("█"), "no bar was shown:\n{}", self.raw);
        for mark in BAR {
            let left = self.lines.iter().find(|line| line.contains(mark));
            assert_eq!(left, None, "in:\n{}", self.text());
        }
    }
}

/// A job in 90 parts of one image that takes some seconds and warns while its bar is shown.
fn warns() -> Job {
    Job::slow(IMAGES.folder.to_str().unwrap()).set("storage.conditional_put=off")
}

const WARNING: &str = "warning: conditional writes are switched off";

#[test]
fn warnings_are_above_the_bar_without_time_and_module() {
    let seen = on_terminal(120, &[], &warns(), "run", &[]);
    assert_eq!(seen.code, 0, "{}", seen.text());
    seen.has_no_bar();
    assert_eq!(seen.line("warning: cond"), format!("{WARNING}: only one process at a time may plan"));
    assert!(!seen.text().contains("tresnet_batch::") && !seen.text().contains("WARN"), "{}", seen.text());
    seen.line("90 images: 85 ok, 5 errors");
}

#[test]
fn a_narrow_terminal_and_one_that_becomes_narrow_keep_no_piece_of_the_bar() {
    for (columns, actions) in [(40, &[][..]), (80, &[" images,=40"][..]), (40, &[" images,=100"][..])] {
        let seen = on_terminal(columns, actions, &warns(), "run", &[]);
        assert_eq!(seen.code, 0, "{}", seen.text());
        seen.has_no_bar();
        seen.line("warning: cond");
    }
}

#[test]
fn results_are_broken_between_words() {
    let job = Job::own();
    job.run().exits(0);
    let seen = on_terminal(40, &[], &job, "status", &[]);
    let settings = job.overrides().iter().flat_map(|assignment| ["--set", assignment]);
    let whole = ended(by_hand().arg("status").arg(job.file()).args(settings)).stdout;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let wide = whole.lines().filter(|line| line.chars().count() > 40).count();
    assert!(wide > 0, "every line fits:\n{whole}");
    let shown = words(&seen.text());
    for word in words(&whole)
        .iter()
        .filter(|word| word.chars().count() < 40 && !word.contains(|c: char| c.is_ascii_digit()))
    {
        assert!(shown.contains(word), "`{word}` is broken:\n{}", seen.text());
    }
}

#[test]
fn the_variable_brings_time_and_module_back() {
    let seen = on_terminal(200, &[], &warns(), "run", &[("TRESNET_BATCH_LOG", "warn")]);
    seen.has_no_bar();
    let text = seen.text();
    let line = text.lines().find(|line| line.contains("conditional writes are switched off")).unwrap();
    assert!(line.contains("WARN") && line.contains("tresnet_batch::runner::preflight"), "{line}");
    assert!(line.starts_with("20"), "{line}");
}

#[test]
fn colours_are_shown_unless_no_color_is_set() {
    let is_coloured = |seen: &Seen| seen.raw.contains("\u{1b}[33m") || seen.raw.contains("\u{1b}[36m");
    let coloured = on_terminal(100, &[], &warns(), "run", &[]);
    assert!(is_coloured(&coloured), "{}", coloured.raw);
    let plain = on_terminal(100, &[], &warns(), "run", &[("NO_COLOR", "1")]);
    plain.has_no_bar();
    let colours =
        plain.raw.split("\u{1b}[").skip(1).filter(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        });
    assert_eq!(colours.count(), 0, "{}", plain.raw);
    // an error without a bar
    let job = Job::own().set("input.uri=/no/such/folder");
    let red = |seen: Seen| seen.raw.contains("\u{1b}[1;31merror:");
    assert!(red(on_terminal(100, &[], &job, "run", &[])));
    assert!(!red(on_terminal(100, &[], &job, "run", &[("NO_COLOR", "1")])));
}

#[test]
fn ctrl_c_leaves_the_error_and_no_bar() {
    for columns in [40, 80] {
        let job = warns().set("preprocess.image_size=896");
        let seen = on_terminal(columns, &[" images,=^C"], &job, "run", &[]);
        assert_eq!(seen.code, 75, "{}", seen.text());
        seen.has_no_bar();
        seen.line("stopping: ");
        seen.line("error: ");
    }
}

#[test]
fn a_second_ctrl_c_leaves_the_error_and_no_bar() {
    let job = warns().set("preprocess.image_size=896").set("limits.grace_seconds=300");
    let seen = on_terminal(100, &[" images,=^C", "stopping=^C"], &job, "run", &[]);
    assert_eq!(seen.code, 75, "{}", seen.text());
    seen.has_no_bar();
    assert_eq!(seen.line("error: "), "error: ended by a second signal; run again");
}

#[test]
fn the_same_warning_is_written_once_and_counted() {
    let job = Job::own();
    job.run().exits(0);
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    for name in &parts(&job.output())[2..6] {
        std::fs::write(job.output().join(name), "torn").unwrap();
    }
    let seen = on_terminal(160, &[], &job, "run", &[]);
    assert_eq!(seen.code, 0, "{}", seen.text());
    let first = seen.line("warning: a part file is not whole");
    assert!(first.contains("(name: part-000002-"), "{first}");
    let again = seen.line("3 more times: a part file is not whole");
    assert!(again.ends_with("(TRESNET_BATCH_LOG=warn shows each)"), "{again}");
}

#[test]
fn elsewhere_each_warning_is_a_whole_line() {
    let job = Job::own();
    job.run().exits(0);
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    for name in &parts(&job.output())[2..6] {
        std::fs::write(job.output().join(name), "torn").unwrap();
    }
    let run = job.run();
    run.exits(0);
    let lines: Vec<&str> =
        run.stderr.lines().filter(|line| line.contains("a part file is not whole")).collect();
    assert_eq!(lines.len(), 4, "{}", run.stderr);
    assert!(lines.iter().all(|line| line.contains(" WARN tresnet_batch::")), "{lines:?}");
    assert!(!run.stderr.contains("more times") && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn ctrl_c_at_the_question_of_a_repair_removes_nothing() {
    let job = Job::own();
    job.run().exits(0);
    let name = parts(&job.output()).swap_remove(3);
    std::fs::write(job.output().join(&name), "torn").unwrap();
    let seen = on_terminal(100, &["[y/N]=^C"], &job, "verify --repair", &[]);
    assert_eq!(seen.code, 75, "{}", seen.text());
    seen.line("error: interrupted; nothing was changed");
    assert!(job.output().join(&name).exists() && job.output().join("_SUCCESS").exists());
}
