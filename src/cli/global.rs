//! The options of every command.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::print::note;

// no doc comment: clap would take it for the help of the program
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The ONNX Runtime library, or the folder that it is in (default: ORT_DYLIB_PATH, beside the program,
    /// `.runtime/cpu` there or above, the system)
    #[arg(long, global = true, value_name = "PATH")]
    pub onnxruntime: Option<PathBuf>,
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t)]
    pub progress: ProgressStyle,
    /// How standard error is written; TRESNET_BATCH_LOG=info shows more of it
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl GlobalArgs {
    /// Returns what prints a command's notes on standard error, or nothing with `--progress none`.
    pub fn notes(&self) -> impl FnMut(&str) + use<> {
        let is_quiet = self.progress == ProgressStyle::None;
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
