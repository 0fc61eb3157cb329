//! `help [COMMAND|TOPIC]`, and what a mistyped command may have been.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command};

use crate::failure::{Exit, Failure};
use crate::job::nearest_key;

use super::examples;
use super::topics::TOPICS;

/// What other tools call our commands.
const OTHER_NAMES: [(&str, &str); 18] = [
    ("accuracy", "report"),
    ("check", "doctor"),
    ("classify", "run"),
    ("convert", "model import"),
    ("continue", "run"),
    ("dedupe", "audit"),
    ("diff", "compare"),
    ("duplicates", "audit"),
    ("eval", "report"),
    ("evaluate", "report"),
    ("infer", "run"),
    ("new", "init"),
    ("predict", "run"),
    ("progress", "status"),
    ("resume", "run"),
    ("start", "run"),
    ("validate", "verify"),
    ("version", "--version"),
];

#[derive(Debug, Args)]
#[command(after_help = examples::HELP)]
pub(super) struct HelpArgs {
    /// A command, or one of the topics gates, exit-codes and environment
    #[arg(value_name = "COMMAND|TOPIC")]
    pub of: Vec<String>,
}

/// The help of a command of `root`, the page of a topic, or without either the help of the program.
///
/// # Errors
/// There is no such command or topic.
pub(super) fn text(mut root: Command, arguments: &HelpArgs) -> Result<String, Failure> {
    if let [topic] = arguments.of.as_slice()
        && let Some((_, text)) = TOPICS.iter().find(|(name, _)| name == topic)
    {
        return Ok(text());
    }
    root.build();
    let mut command = &mut root;
    for (depth, name) in arguments.of.iter().enumerate() {
        let known: Vec<String> = visible(command).map(|command| command.get_name().to_owned()).collect();
        let topics = TOPICS.iter().map(|(name, _)| *name).filter(|_| depth == 0);
        if !known.contains(name) {
            let near = nearest(name, known.iter().map(String::as_str).chain(topics));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let why =
                format!("there is no command and no topic `{}`{near}", arguments.of[..=depth].join(" "));
            return Err(Failure::new(Exit::Usage, why));
        }
        let Some(next) = command.find_subcommand_mut(name) else {
            return Err(Failure::new(Exit::Bug, format!("the command `{name}` has no help")));
        };
        command = next;
    }
    Ok(command.render_long_help().to_string())
}

/// Adds a suggestion to the error for a command that does not exist, if clap has none, and to the error for
/// `--json FILE` how a file is named.
pub(super) fn suggest(error: &mut clap::Error, root: &Command, typed: impl Iterator<Item = String>) {
    let typed: Vec<String> = typed.collect();
    if let Some(file) = file_after_json(error, &typed) {
        let tip = format!("`--json` takes no file; `--json-file {file}` writes one");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
        return;
    }
    if error.kind() == ErrorKind::UnknownArgument {
        return suggest_key(error);
    }
    if error.kind() != ErrorKind::InvalidSubcommand || error.get(ContextKind::SuggestedSubcommand).is_some() {
        return;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else { return };
    let tips = tips(root, name, typed.into_iter());
    if !tips.is_empty() {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}

/// Replaces clap's advice to type an option as a value, which no command of ours takes, by the key of the job file that
/// was meant, if one is near.
fn suggest_key(error: &mut clap::Error) {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return };
    let option = option.trim_start_matches('-').replace('-', "_");
    if error.get(ContextKind::SuggestedArg).is_some() {
        return;
    }
    let tips = match nearest_key(&option) {
        Some(key) => vec![StyledStr::from(format!("a key of the job file is changed by `--set {key}=…`"))],
        None => Vec::new(),
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
}

/// The file of `--json FILE` or `--json=FILE`, as versions before 0.2 took it, if it is what is wrong.
fn file_after_json<'a>(error: &clap::Error, typed: &'a [String]) -> Option<&'a str> {
    if !matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues) {
        return None;
    }
    let is_option =
        |value: &ContextValue| matches!(value, ContextValue::String(text) if text.starts_with('-'));
    if error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::InvalidArg).is_some_and(is_option)
    {
        return None;
    }
    let joined = typed.iter().find_map(|word| word.strip_prefix("--json="));
    let next = || typed.windows(2).find(|pair| pair[0] == "--json").map(|pair| pair[1].as_str());
    joined.or_else(next).filter(|file| !file.starts_with('-'))
}

/// Returns suggestions for `name`, the first of the typed words that is no command.
fn tips(root: &Command, name: &str, typed: impl Iterator<Item = String>) -> Vec<String> {
    let mut command = root;
    for word in typed.take_while(|word| word != name) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    if command.get_name() != root.get_name() {
        let known: Vec<String> =
            visible(command).map(|command| format!("`{}`", command.get_name())).collect();
        return vec![format!("`{}` has {}", command.get_name(), known.join(", "))];
    }
    if name.ends_with(".toml") {
        return vec![format!("a job file follows a command: tresnet-batch run {name}")];
    }
    if name.contains(['/', '\\']) || name.contains("://") {
        return vec![format!("to begin with these images: tresnet-batch init {name} --model MODEL")];
    }
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, own)| (*own).to_owned());
    let nested = || {
        let mut below = visible(root)
            .flat_map(|outer| visible(outer).map(move |inner| (outer.get_name(), inner.get_name())));
        below.find(|(_, inner)| *inner == name).map(|(outer, inner)| format!("{outer} {inner}"))
    };
    let topic = || TOPICS.iter().find(|(topic, _)| *topic == name).map(|(topic, _)| format!("help {topic}"));
    let near = || nearest(name, visible(root).map(Command::get_name)).map(str::to_owned);
    let meant = other.or_else(nested).or_else(topic).or_else(near);
    meant.map(|meant| format!("try 'tresnet-batch {meant}'")).into_iter().collect()
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::normalized_damerau_levenshtein(typed, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.5).then_some(best.1)
}
