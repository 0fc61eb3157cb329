//! `verify --repair`: what a check found is removed, so that the next run makes it again.

use std::io::{BufRead, IsTerminal};

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::verify::{Defects, Verified};
use crate::output::{Layout, Repair};
use crate::runner::repair::Repairing;
use crate::store::Location;

use super::print::{ask, count, counted, line};
use super::signals::unless_interrupted;

/// Parts that are named; the others are counted.
const NAMED: usize = 10;

/// Removes what is damaged, after asking unless `yes`. Returns what was removed, or `None` if nothing had to be.
///
/// # Errors
/// The plan is damaged, or the question is not answered with yes.
pub(super) async fn repair(
    output: &Location,
    repairing: Repairing<'_>,
    verified: &Verified,
    yes: bool,
) -> Result<Option<Value>, Failure> {
    let Some(repair) = repairing.repair(verified)? else { return Ok(None) };
    show_defects(&verified.defects);
    line(format!(
        "the repair removes `{}`, the report and {} from `{}`",
        Layout::SUCCESS,
        counted(repair.parts.len() as u64, "part"),
        output.uri()
    ));
    for name in repair.parts.iter().take(NAMED) {
        line(format!("  {name}"));
    }
    if repair.parts.len() > NAMED {
        line(format!("  and {} more", count((repair.parts.len() - NAMED) as u64)));
    }
    if !yes {
        confirm(output).await?;
    }
    repairing.carry_out(&repair).await?;
    line("removed; the next `run` of the job makes what is missing again and finishes it");
    line(
        "images that have changed or gone since the plan was made become error rows (`changed`, `not_found`)",
    );
    Ok(Some(removed(&repair, verified)))
}

fn removed(repair: &Repair, verified: &Verified) -> Value {
    json!({ "success": verified.success, "parts": repair.parts })
}

async fn confirm(output: &Location) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let why = "`--repair` asks before it removes anything, and standard input is no terminal: give --yes";
        return Err(Failure::new(Exit::Usage, why));
    }
    // a store has no lock that would show a running job
    let alone = match output.local_path() {
        Some(_) => "",
        None => "No run may write to this output meanwhile. ",
    };
    let reading = async {
        // asked where a signal is listened to already: one that comes with the question counts
        ask(format!("{alone}Remove them? [y/N] "));
        let read = || {
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
        };
        // a separate thread, so that a signal does not wait for the answer
        Ok(tokio::task::spawn_blocking(read).await.ok().and_then(Result::ok).unwrap_or_default())
    };
    // the error begins another line
    let answer = unless_interrupted(reading).await.inspect_err(|_| ask("\n"))?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new(Exit::Rejected, "the output is damaged, and nothing was removed"))
}

/// One line for each defect, as far as they are kept.
pub(super) fn show_defects(defects: &Defects) {
    for defect in defects.first() {
        line(defect);
    }
    let more = defects.count() - defects.first().len() as u64;
    if more > 0 {
        line(format!("and {} more", count(more)));
    }
}
