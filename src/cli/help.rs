//! `help [COMMAND|TOPIC]`, and what a mistyped command may have been.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, CommandFactory};

use crate::failure::{Exit, Failure};

use super::{Cli, examples, topics::TOPICS};

/// What other tools call our commands.
const OTHER_NAMES: [(&str, &str); 16] = [
    ("accuracy", "report"),
    ("check", "doctor"),
    ("classify", "run"),
    ("convert", "model import"),
    ("continue", "run"),
    ("diff", "compare"),
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
    of: Vec<String>,
}

/// The help of a command, the page of a topic, or without either the help of the program.
///
/// # Errors
/// There is no such command or topic.
pub(super) fn text(arguments: &HelpArgs) -> Result<String, Failure> {
    if let [topic] = arguments.of.as_slice()
        && let Some((_, text)) = TOPICS.iter().find(|(name, _)| name == topic)
    {
        return Ok(text());
    }
    let mut root = Cli::command();
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

/// Adds to the error for a command that does not exist what may have been meant, where clap knows nothing near.
pub(super) fn suggest(error: &mut clap::Error, typed: impl Iterator<Item = String>) {
    if error.kind() != ErrorKind::InvalidSubcommand || error.get(ContextKind::SuggestedSubcommand).is_some() {
        return;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else { return };
    let tips = tips(name, typed);
    if !tips.is_empty() {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}

/// What may have been meant by `name`, the first of the typed words that is no command.
fn tips(name: &str, typed: impl Iterator<Item = String>) -> Vec<String> {
    let root = Cli::command();
    let mut command = &root;
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
        let mut below = visible(&root)
            .flat_map(|outer| visible(outer).map(move |inner| (outer.get_name(), inner.get_name())));
        below.find(|(_, inner)| *inner == name).map(|(outer, inner)| format!("{outer} {inner}"))
    };
    let topic = || TOPICS.iter().find(|(topic, _)| *topic == name).map(|(topic, _)| format!("help {topic}"));
    let meant = other.or_else(nested).or_else(topic);
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn of(words: &[&str]) -> Result<String, Failure> {
        text(&HelpArgs { of: words.iter().map(|word| (*word).to_owned()).collect() })
    }

    #[test]
    fn help_has_a_page_for_each_topic_and_for_commands_in_commands() {
        for (topic, words) in [("gates", "top1"), ("exit-codes", "75"), ("environment", "AWS_ACCESS_KEY_ID")]
        {
            assert!(of(&[topic]).unwrap().contains(words), "{topic}");
        }
        assert!(of(&["bench", "engine"]).unwrap().contains("Usage: tresnet-batch bench engine"));
        assert!(of(&[]).unwrap().contains("help exit-codes"));
    }

    #[test]
    fn help_on_what_does_not_exist_names_what_is_near() {
        for (words, near) in [
            (&["gate"][..], "`gates`"),
            (&["exitcodes"][..], "`exit-codes`"),
            (&["reprot"][..], "`report`"),
            (&["model", "inspct"][..], "`inspect`"),
        ] {
            let failure = of(words).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.explain().ends_with(&format!("did you mean {near}?")), "{}", failure.explain());
        }
        assert!(!of(&["zzzzzz"]).unwrap_err().explain().contains("did you mean"));
        // not offered to people
        assert!(of(&["decode-process"]).is_err());
    }

    #[test]
    fn global_options_have_a_heading_in_the_help_of_every_command() {
        for words in [&["run"][..], &["bench", "job"][..], &[][..]] {
            let help = of(words).unwrap();
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
            suggest(&mut error, line().skip(1).map(str::to_owned));
            let shown = error.render().to_string();
            assert!(shown.contains(tip), "no `{tip}` in: {shown}");
        }
    }
}
