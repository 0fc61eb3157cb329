//! The commands. The only place that prints, and the only one that turns failures into exit codes.

mod audit;
mod bench;
mod bench_engine;
mod compare;
mod decode;
mod demo;
mod device;
mod doctor;
mod doctor_job;
mod ended;
mod examples;
mod export;
mod export_findings;
mod export_writer;
mod fetching;
mod files;
mod flips;
mod gates;
mod global;
mod help;
mod index;
mod init;
mod install;
mod job;
mod margin;
mod metrics;
mod model;
mod next_steps;
mod one_line;
mod plan;
mod print;
mod progress;
mod pull;
mod quantize;
mod ranges;
mod repair;
mod report;
mod run;
mod signals;
mod status;
mod summary;
mod target;
#[cfg(test)]
mod tests;
mod timeline;
mod topics;
mod utilisation;
mod verify;
mod version;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use serde_json::{Map, Value, json};

use crate::engine::{exit_at_once, share_heaps};
use crate::failpoints;
use crate::failure::{Exit, Failure};
use crate::job::SCHEMA;
use crate::open_files;
use crate::pipeline::aside::is_abandoned;
use crate::pipeline::decode::child::serve as serve_decoding;
use crate::pipeline::decode::isolate::COMMAND as DECODE_COMMAND;
use crate::telemetry;

use global::{GlobalArgs, LogFormat, asks_for_json};
use print::Printing;
use summary::Summary;

/// Classifies every image of a dataset with a TResNet and leaves one Parquet row per image.
///
/// Start with `tresnet-batch init INPUT --model MODEL`, which writes a job file, then `doctor JOB`, `run JOB` and
/// `report JOB`. A job that was stopped resumes when the same command is given again.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(disable_help_subcommand = true, after_help = examples::PROGRAM)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at images and a model, and write a job file that fits them
    Init(init::InitArgs),
    /// Copy the model and the pictures that are installed with the program to a folder, and classify them there
    Demo(demo::DemoArgs),
    /// Run a job to its end, or resume one that was stopped
    Run(run::RunArgs),
    /// Show the resolved job and the first rows of its plan; writes nothing
    Plan(plan::PlanArgs),
    /// Report on the accuracy of an output, from its rows alone
    Report(report::ReportArgs),
    /// Show the accuracy of several outputs over time, by job and model
    Index(index::IndexArgs),
    /// Compare an output with a baseline: is the new model, precision or provider as good?
    Compare(compare::CompareArgs),
    /// Look for wrong labels, and for images that are nearly the same, in the rows of an output
    Audit(audit::AuditArgs),
    /// Write the rows in the form of another tool (timm's CSV or JSON, clip-retrieval's folders), or findings for a review
    Export(export::ExportArgs),
    /// Check that every row of the plan exists exactly once, from the files alone
    Verify(verify::VerifyArgs),
    /// Show how far a job is, while runs may go on elsewhere
    Status(status::StatusArgs),
    /// Measure how fast the stages of a job are
    #[command(subcommand, after_help = examples::BENCH)]
    Bench(bench::BenchCommand),
    /// Look at models, or turn a checkpoint into an ONNX file
    #[command(subcommand, after_help = examples::MODEL)]
    Model(model::ModelCommand),
    /// Show what this machine can run with; with a job: whether it can run, and what it will take
    Doctor(doctor::DoctorArgs),
    /// Print the script that completes command lines in a shell
    Completions(install::CompletionsArgs),
    /// Print the JSON Schema of the job file, with which editors complete and check it
    #[command(after_help = examples::SCHEMA)]
    Schema,
    /// Print the help of a command, or what is known of gates, exit-codes or environment
    Help(help::HelpArgs),
    /// Write the man pages: `make man`
    #[command(hide = true)]
    Man(install::ManArgs),
    /// Decodes for `--isolate`
    #[command(name = DECODE_COMMAND, hide = true)]
    DecodeProcess {
        /// The run that it decodes for
        #[arg(long)]
        run_id: Option<String>,
    },
}

/// Parses the command line, runs the command, prints its result, and returns the exit code.
pub fn main() -> ExitCode {
    share_heaps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(error),
    };
    let printing = cli.global.printing();
    print::choose(Printing { json: printing.json || cli.command.answers_ranges(), ..printing });
    let name = cli.command.name();
    if let Some((field, Ok(text))) = cli.command.text() {
        print::document(name, field, text);
        return ExitCode::from(print::end(Exit::Complete.code(), false, ""));
    }
    let format = match cli.global.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::init(format, cli.global.quiet, cli.command.run_id());
    let _failpoints = failpoints::from_environment();
    let (mut fields, failure, success) = match catch_unwind(AssertUnwindSafe(|| dispatch(&cli))) {
        Ok(Ok(Summary { fields, failure, exit })) => (fields, failure, exit.unwrap_or_default()),
        Ok(Err(failure)) => (Map::new(), Some(failure), 0),
        Err(_) => (Map::new(), Some(Failure::new(Exit::Bug, "a bug: the program panicked, see above")), 0),
    };
    let exit = failure.as_ref().map_or(success, |failure| failure.exit.code());
    while print::may_end(exit).is_err() {
        // another thread ends the process
        std::thread::park();
    }
    print::repeated();
    let mut result = Map::new();
    result.insert("command".into(), json!(name));
    result.insert("exit".into(), json!(exit));
    if matches!(cli.command, Command::Run(_) | Command::Demo(_)) {
        result.insert("run_id".into(), json!(telemetry::run_id()));
    }
    if let Some(failure) = &failure {
        print::error(&failure.explain(), exit);
        result.insert("error".into(), json!(failure.explain()));
    }
    let stays = cli.command.stays(&fields);
    result.append(&mut fields);
    print::result(Value::Object(result));
    let exit = print::end(exit, failure.is_some(), stays);
    if is_abandoned() {
        exit_at_once(exit);
    }
    ExitCode::from(exit)
}

/// Prints what is wrong with a command line, or the help or the version that it asks for.
fn not_parsed(mut error: clap::Error) -> ExitCode {
    let typed = || std::env::args_os().skip(1);
    print::choose(Printing { json: asks_for_json(typed()), quiet: false });
    if error.use_stderr() {
        help::suggest(&mut error, &Cli::command(), typed().map(|word| word.to_string_lossy().into_owned()));
        match error.kind() {
            ErrorKind::MissingSubcommand => print::error(&usage(&error), Exit::Usage.code()),
            _ => print::error_text(error.render()),
        }
        print::result(json!({ "exit": Exit::Usage.code(), "error": usage(&error) }));
        return ExitCode::from(print::end(Exit::Usage.code(), true, ""));
    }
    match error.kind() {
        ErrorKind::DisplayVersion => version::show(!typed().any(|word| word == "--version")),
        _ => print::document("help", "text", error.render()),
    }
    ExitCode::from(print::end(Exit::Complete.code(), false, ""))
}

/// What is wrong with a command line, on one line.
fn usage(error: &clap::Error) -> String {
    // clap's message for a missing subcommand lists hidden ones, too
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    ) {
        return "no command is given; --help lists them".to_owned();
    }
    let text = error.render().to_string();
    let text: Vec<&str> = text.split("\n\n").next().unwrap_or_default().split_whitespace().collect();
    text.join(" ").trim_start_matches("error: ").to_owned()
}

/// Threads that plan, admit, sign, parse and copy: one for each four of the decoders, which have a thread a core. An image
/// of a store costs them 0.27 ms, and a decoder 1.35 ms (docs/performance.md, ceilings).
fn runtime_threads() -> usize {
    const CORES_OF_ONE: usize = 4;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.div_ceil(CORES_OF_ONE).max(2)
}

fn dispatch(cli: &Cli) -> Result<Summary, Failure> {
    open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(runtime_threads())
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(Exit::Unavailable, "cannot start the runtime", error))?;
    let global = &cli.global;
    let ended = match &cli.command {
        Command::Init(arguments) => runtime.block_on(init::init(arguments, global)),
        Command::Demo(arguments) => runtime.block_on(demo::demo(arguments, global)),
        Command::Run(arguments) => runtime.block_on(run::run(arguments, global)),
        Command::Plan(arguments) => runtime.block_on(plan::plan(arguments, global)),
        Command::Report(arguments) => runtime.block_on(report::report(arguments)),
        Command::Index(arguments) => runtime.block_on(index::index(arguments)),
        Command::Compare(arguments) => runtime.block_on(compare::compare(arguments)),
        Command::Audit(arguments) => runtime.block_on(audit::audit(arguments, global)),
        Command::Export(arguments) => runtime.block_on(export::export(arguments)),
        Command::Verify(arguments) => runtime.block_on(verify::verify(arguments, global)),
        Command::Status(arguments) => runtime.block_on(status::status(arguments)),
        Command::Bench(bench::BenchCommand::Job(arguments)) => {
            runtime.block_on(bench::bench(arguments, global))
        }
        Command::Bench(bench::BenchCommand::Engine(arguments)) => bench_engine::bench(arguments, global),
        Command::Model(command) => runtime.block_on(model::model(command, global)),
        Command::Doctor(arguments) => runtime.block_on(doctor::doctor(arguments, global)),
        Command::Man(arguments) => install::man(&Cli::command(), arguments),
        Command::Completions(_) | Command::Schema | Command::Help(_) => {
            let text = cli.command.text().map_or_else(|| Err(install::no_text()), |(_, text)| text);
            text.map(|_| Summary::new(json!({})))
        }
        Command::DecodeProcess { .. } => {
            runtime.block_on(async { serve_decoding().map(|()| Summary::new(json!({}))) })
        }
    };
    // abandoned reads of a local disk must not keep the process alive
    runtime.shutdown_background();
    ended
}

impl Command {
    /// The id of the run that this process works for, if it is not its own.
    fn run_id(&self) -> Option<&str> {
        match self {
            Command::DecodeProcess { run_id } => run_id.as_deref(),
            _ => None,
        }
    }

    /// True if standard output is for a program without `--json`.
    fn answers_ranges(&self) -> bool {
        matches!(self, Command::Run(arguments) if arguments.answers_ranges())
    }

    /// Returns what is committed although the result of a successful command was not printed, as the end of an error.
    fn stays(&self, fields: &Map<String, Value>) -> &'static str {
        match (self, fields.get("complete")) {
            (Command::Run(_) | Command::Demo(_), Some(Value::Bool(true))) => {
                "; every row is committed and the output is whole"
            }
            (Command::Run(_) | Command::Demo(_), _) => "; every row of this share is committed",
            _ => "",
        }
    }

    /// The whole standard output of a command that only prints a text, after its name in the object of `--json`;
    /// `None` for all others.
    fn text(&self) -> Option<(&'static str, Result<String, Failure>)> {
        match self {
            Command::Completions(arguments) => {
                Some(("script", Ok(install::completions(&Cli::command(), arguments))))
            }
            Command::Schema => Some(("schema", Ok(SCHEMA.to_owned()))),
            Command::Help(arguments) => Some(("text", help::text(Cli::command(), arguments))),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Demo(_) => "demo",
            Command::Run(_) => "run",
            Command::Plan(_) => "plan",
            Command::Report(_) => "report",
            Command::Index(_) => "index",
            Command::Compare(_) => "compare",
            Command::Audit(_) => "audit",
            Command::Export(_) => "export",
            Command::Verify(_) => "verify",
            Command::Status(_) => "status",
            Command::Bench(bench::BenchCommand::Job(_)) => "bench job",
            Command::Bench(bench::BenchCommand::Engine(_)) => "bench engine",
            Command::Model(model::ModelCommand::Import { .. }) => "model import",
            Command::Model(model::ModelCommand::Inspect { .. }) => "model inspect",
            Command::Model(model::ModelCommand::New { .. }) => "model new",
            Command::Model(model::ModelCommand::Pull(_)) => "model pull",
            Command::Model(model::ModelCommand::Quantize(_)) => "model quantize",
            Command::Doctor(arguments) => arguments.name(),
            Command::Completions(_) => "completions",
            Command::Schema => "schema",
            Command::Help(_) => "help",
            Command::Man(_) => "man",
            Command::DecodeProcess { .. } => DECODE_COMMAND,
        }
    }
}
