//! Commands that a person may want next, with what each is for.

use std::path::Path;

use super::print::line;

/// Prints the commands on `file`, each as it is typed.
pub(super) fn show(file: &Path, steps: &[(&str, &str)]) {
    let program = std::env::args().next().unwrap_or_else(|| "tresnet-batch".to_owned());
    let typed = |command: &str| match command.split_once(' ') {
        None => format!("{program} {command} {}", file.display()),
        Some((command, options)) => format!("{program} {command} {} {options}", file.display()),
    };
    let steps: Vec<(String, &str)> = steps.iter().map(|(command, what)| (typed(command), *what)).collect();
    let width = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    for (command, what) in steps {
        line(format!("  {command:<width$}  # {what}"));
    }
}
