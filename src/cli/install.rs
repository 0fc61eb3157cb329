//! Files that an installation has beside the program: completions, man pages, the schema of the job file.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde_json::json;
use url::Url;

use crate::failure::{Exit, Failure};

use super::files::{self, refused};
use super::print::line;
use super::summary::Summary;
use super::{examples, topics};

const PROGRAM: &str = "tresnet-batch";
/// The file of the schema in [`share`].
const SCHEMA: &str = "job.schema.json";

#[derive(Debug, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub(super) struct CompletionsArgs {
    /// The shell that they are for
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder to write them to; it is made if it does not exist
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// The script that completes command lines in a shell.
pub(super) fn completions(root: &Command, arguments: &CompletionsArgs) -> String {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut shown(root), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The command without those that are not for people, which completions would offer.
fn shown(command: &Command) -> Command {
    let kept = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    let arguments = command.get_arguments().cloned();
    let bare = Command::new(PROGRAM).disable_help_subcommand(true).args(arguments).subcommands(kept);
    bare.version(env!("CARGO_PKG_VERSION")).propagate_version(true)
}

/// Writes a page for each command.
///
/// # Errors
/// A page cannot be written.
pub(super) fn man(root: &Command, arguments: &ManArgs) -> Result<Summary, Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
    let mut root = root.clone();
    root.build();
    let mut pages = Vec::new();
    write_pages(&root, folder, true, &mut pages)?;
    line(format!("{} man pages in {}", pages.len(), folder.display()));
    Ok(Summary::new(json!({ "folder": folder, "pages": pages })))
}

fn write_pages(
    command: &Command,
    folder: &Path,
    is_root: bool,
    pages: &mut Vec<String>,
) -> Result<(), Failure> {
    let man = Man::new(command.clone()).manual("tresnet-batch").source(env!("CARGO_PKG_VERSION"));
    let name = man.get_filename();
    let path = folder.join(&name);
    let mut page = Vec::new();
    let rendered = man.render(&mut page).and_then(|()| match is_root {
        true => more_sections().to_writer(&mut page),
        false => Ok(()),
    });
    rendered.map_err(|error| refused(&path, error))?;
    files::write(&path, &page)?;
    pages.push(name);
    let inner = command.get_subcommands().filter(|command| !command.is_hide_set());
    inner.into_iter().try_for_each(|command| write_pages(command, folder, false, pages))
}

/// The sections of the program's own page that clap does not know.
fn more_sections() -> Roff {
    let mut roff = Roff::new();
    for (heading, text) in [("EXIT STATUS", topics::exit_codes()), ("ENVIRONMENT", topics::environment())] {
        roff.control("SH", [heading]);
        roff.control("nf", []);
        for line in text.trim_end().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

/// Where an installation has the files that are not programs, whether they are there or not.
pub(super) fn share() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("share/tresnet-batch"))
}

/// The first line of a job file that this program writes: the address of the schema, if it is installed.
pub(super) fn schema_line() -> Option<String> {
    let schema = share()?.join(SCHEMA);
    let address = schema.is_file().then(|| Url::from_file_path(&schema).ok())??;
    Some(format!("#:schema {address}\n"))
}

/// The failure of a text that could not be made.
pub(super) fn no_text() -> Failure {
    Failure::new(Exit::Bug, "the command has no text")
}
