//! The options of every command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::print::{Printing, note};

// no doc comment: clap would take it for the help of the program
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The ONNX Runtime library, or the folder that it is in (default: ORT_DYLIB_PATH, beside the program,
    /// `.runtime/cpu` there or above, the system)
    #[arg(long, global = true, value_name = "PATH")]
    pub onnxruntime: Option<PathBuf>,
    /// Write one JSON object to standard output and nothing else, on success and on failure; what a person reads is
    /// written to standard error
    #[arg(long, global = true, overrides_with = "json")]
    pub json: bool,
    /// Print nothing but errors: no results for a person, no progress, no warnings
    #[arg(long, short, global = true, overrides_with = "quiet")]
    pub quiet: bool,
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t)]
    progress: ProgressStyle,
    /// Seconds between two lines of progress, if it is shown as lines
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    progress_every: u64,
    /// How standard error is written; TRESNET_BATCH_LOG=info shows more of it
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Whether a command line asks for `--json`, also one that cannot be parsed.
pub(super) fn asks_for_json(typed: impl IntoIterator<Item = OsString>) -> bool {
    typed.into_iter().take_while(|word| word != "--").any(|word| word == "--json")
}

impl GlobalArgs {
    /// What is printed, and where.
    pub fn printing(&self) -> Printing {
        Printing { json: self.json, quiet: self.quiet }
    }

    /// How progress is shown, which is not at all with `--quiet`.
    pub fn progress(&self) -> ProgressStyle {
        if self.quiet { ProgressStyle::None } else { self.progress }
    }

    /// The time between two lines of progress.
    pub fn progress_every(&self) -> Duration {
        Duration::from_secs(self.progress_every)
    }

    /// Returns what prints a command's notes on standard error, or nothing with `--progress none`.
    pub fn notes(&self) -> impl FnMut(&str) + use<> {
        let is_quiet = self.progress() == ProgressStyle::None;
        move |doing: &str| {
            if !is_quiet {
                note(doing);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressStyle {
    /// A bar on a terminal, else a line now and then
    #[default]
    Auto,
    /// A line now and then
    Plain,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For a person
    #[default]
    Text,
    /// One JSON object a line, logs, progress and the error alike
    Json,
}
