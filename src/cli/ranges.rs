//! `run JOB --parts -`: ranges of parts are lines of standard input, and each is answered by a line of JSON.

use std::io::{BufRead, Read};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::failure::{Exit, Failure};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::telemetry;

use super::print;
use super::summary::Summary;

/// What `--parts` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// One range.
    Range(Share),
    /// Those of standard input.
    OfInput,
}

/// The lines of standard input as they come.
pub(super) type Lines = mpsc::Receiver<Result<String, Failure>>;

/// A range is always shorter; a longer line means that the input is not a list of ranges.
const LONGEST_LINE: u64 = 1024;

impl Parts {
    /// `A-B`, one id, or `-`.
    ///
    /// # Errors
    /// `text` is neither `-` nor one of the forms of [`Share::parts`].
    pub fn parse(text: &str) -> Result<Parts, String> {
        match text {
            "-" => Ok(Parts::OfInput),
            range => Share::parts(range).map(Parts::Range),
        }
    }
}

/// Runs and answers each range of `lines`, in their order. Stops at the first that fails: the reason may be what the
/// process keeps, such as a device.
///
/// # Errors
/// That of the range that fails; 74 if standard input or output fails; 75 after a signal.
pub(super) async fn answer_each(
    mut lines: Lines,
    shutdown: &Shutdown,
    mut run: impl AsyncFnMut(Share) -> Result<Summary, Failure>,
) -> Result<Summary, Failure> {
    let (mut answered, mut is_complete) = (0, false);
    loop {
        let line = tokio::select! {
            biased;
            () = shutdown.draining() => return Err(interrupted(shutdown)),
            line = lines.recv() => line,
        };
        let Some(line) = line else { break };
        let line = line?;
        let ran = match Share::parts(&line) {
            Ok(share) => run(share).await,
            Err(why) => Err(Failure::new(Exit::Usage, format!("standard input: {why}"))),
        };
        answer(&line, &ran)?;
        answered += 1;
        let summary = ran?;
        if let Some(failure) = summary.failure {
            return Err(failure);
        }
        is_complete |= summary.fields.get("complete") == Some(&Value::Bool(true));
    }
    Ok(Summary::new(json!({ "complete": is_complete, "ranges": answered })))
}

fn interrupted(shutdown: &Shutdown) -> Failure {
    let cause = shutdown.take_cause();
    cause.unwrap_or_else(|| Failure::new(Exit::TryAgain, "interrupted between two ranges"))
}

/// Answers a range.
fn answer(range: &str, ran: &Result<Summary, Failure>) -> Result<(), Failure> {
    let (fields, failure, exit) = match ran {
        Ok(summary) => (summary.fields.clone(), summary.failure.as_ref(), summary.code()),
        Err(failure) => (Map::new(), Some(failure), failure.exit.code()),
    };
    let mut answer = Map::new();
    answer.insert("command".into(), json!("run"));
    answer.insert("range".into(), json!(range));
    answer.insert("exit".into(), json!(exit));
    answer.insert("run_id".into(), json!(telemetry::run_id()));
    if let Some(failure) = failure {
        answer.insert("error".into(), json!(failure.explain()));
    }
    answer.extend(fields);
    print::answer(&Value::Object(answer)).map_err(|error| {
        let what =
            format!("the answer to the range {range} cannot be written; what is committed of it stays");
        Failure::caused(Exit::Io, what, error)
    })
}

/// Reads standard input ahead by one line, on a thread that nothing waits for. Empty lines are skipped.
pub(super) fn read_lines() -> Result<Lines, Failure> {
    let (sender, lines) = mpsc::channel(1);
    let read = move || {
        let mut input = std::io::stdin().lock();
        loop {
            let line = match read_line(&mut input) {
                Ok(Some(line)) if line.is_empty() => continue,
                Ok(Some(line)) => Ok(line),
                Ok(None) => return,
                Err(failure) => Err(failure),
            };
            let has_failed = line.is_err();
            if sender.blocking_send(line).is_err() || has_failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("ranges".into()).spawn(read).map_err(|error| {
        Failure::caused(Exit::Unavailable, "cannot start the thread that reads ranges", error)
    })?;
    Ok(lines)
}

/// Reads a line without the white space around it; `None` at the end.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    let read = input.take(LONGEST_LINE).read_until(b'\n', &mut line);
    match read.map_err(|error| Failure::caused(Exit::Io, "cannot read standard input", error))? {
        0 => Ok(None),
        length if length as u64 == LONGEST_LINE => {
            let why = format!(
                "standard input has a line of {LONGEST_LINE} bytes or more, which is no range of parts"
            );
            Err(Failure::new(Exit::Usage, why))
        }
        _ => Ok(Some(String::from_utf8_lossy(&line).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_the_spaces_around_it_and_also_without_its_end() {
        let mut input = &b"0-3\r\n\n 4 \n5-9"[..];
        let lines: Vec<String> = std::iter::from_fn(|| read_line(&mut input).unwrap()).collect();
        assert_eq!(lines, ["0-3", "", "4", "5-9"]);
    }

    #[test]
    fn a_line_that_never_ends_is_not_kept() {
        let mut input = std::io::BufReader::new(std::io::repeat(b'1'));
        assert_eq!(read_line(&mut input).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_dash_is_standard_input_and_anything_else_a_range() {
        assert_eq!(Parts::parse("-"), Ok(Parts::OfInput));
        assert_eq!(Parts::parse("3-5"), Share::parts("3-5").map(Parts::Range));
        assert!(Parts::parse("--").is_err() && Parts::parse("").is_err());
    }
}
