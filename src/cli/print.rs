//! Standard output and standard error. A reader that has gone away is no failure of ours; any other error of standard
//! output is kept for the exit code.
//!
//! Results for a person are lines on standard output. With `--json`, standard output has one JSON object and nothing
//! else, and the lines for a person are on standard error. With `--quiet`, only errors are printed. `run --parts -`
//! implies `--json`, and prints an object for each range before that of the command.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use console::Term;
use serde_json::{Map, Value};

use crate::failure::Exit;
use crate::output::Ranges;
pub(super) use crate::report::thousands as count;
use crate::telemetry::{self, Format, screen};

/// What is printed, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Printing {
    /// Standard output is for a program.
    pub json: bool,
    /// Only errors are printed.
    pub quiet: bool,
}

static PRINTING: OnceLock<Printing> = OnceLock::new();

/// The exit code of the one thread that ends the process, once there is one.
static ENDING: OnceLock<u8> = OnceLock::new();

/// The first error of standard output, if there was one.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Chooses what is printed for the life of the process; a second call does nothing.
pub(super) fn choose(printing: Printing) {
    PRINTING.get_or_init(|| printing);
}

fn printing() -> Printing {
    PRINTING.get().copied().unwrap_or_default()
}

/// Allows the first caller to print the result and end the process with this code.
///
/// # Errors
/// Another thread ends it, with the code that is returned.
pub(super) fn may_end(code: u8) -> Result<(), u8> {
    ENDING.set(code).map_err(|_| ENDING.get().copied().unwrap_or(code))
}

/// One line of a result, for a person.
pub(super) fn line(line: impl Display) {
    match printing() {
        Printing { quiet: true, .. } => {}
        Printing { json: true, .. } => note(line),
        Printing { .. } => text(screen::fitted(format!("{line}\n"), &Term::stdout())),
    }
}

/// Clears a terminal before lines that replace the earlier ones; prints an empty line elsewhere.
pub(super) fn begin_again() {
    match printing() == Printing::default() && std::io::stdout().is_terminal() {
        true => text("\x1b[H\x1b[2J"),
        false => line(""),
    }
}

/// The result for a program: with `--json`, the one object on standard output.
pub(super) fn result(fields: Value) {
    if printing().json {
        text(format_args!("{fields}\n"));
    }
}

/// A text that is the result itself, such as a page of the help: as it is, or as `name` of the object of `--json`.
pub(super) fn document(command: &str, name: &str, content: impl Display) {
    if printing().json {
        let content = content.to_string();
        let content = serde_json::from_str(&content).unwrap_or(Value::String(content));
        let mut fields = Map::new();
        fields.insert("command".into(), command.into());
        fields.insert("exit".into(), 0.into());
        fields.insert(name.into(), content);
        result(Value::Object(fields));
    } else {
        text(content);
    }
}

/// The same for a text whose facts are separate fields of the `--json` object.
pub(super) fn document_of(fields: Value, content: impl Display) {
    if printing().json { result(fields) } else { text(content) }
}

/// One of several objects on standard output, for a program that waits for it.
///
/// # Errors
/// Standard output cannot be written, or its reader has gone away.
pub(super) fn answer(fields: &Value) -> io::Result<()> {
    write_out(format_args!("{fields}\n"))
}

/// Text on standard output that brings its own line ends.
fn text(text: impl Display) {
    if let Err(error) = write_out(text)
        && error.kind() != ErrorKind::BrokenPipe
    {
        // the first error is the cause
        drop(UNWRITTEN.set(error));
    }
}

fn write_out(text: impl Display) -> io::Result<()> {
    screen::above(|| {
        let mut out = std::io::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush())
    })
}

/// Reports an error of standard output, if there was one, and returns the exit code: 74 for a command that succeeded
/// (`stays` names what is committed), its own code for one that failed.
pub(super) fn end(exit: u8, has_failed: bool, stays: &str) -> u8 {
    let Some(cause) = UNWRITTEN.get() else { return exit };
    let why = format!("cannot write standard output: {cause}");
    if has_failed {
        tell("WARN", why, Map::new());
        return exit;
    }
    error(&format!("{why}{stays}"), Exit::Io.code());
    Exit::Io.code()
}

/// One line on standard error.
pub(super) fn note(text: impl Display) {
    tell("INFO", text, Map::new());
}

/// One line on standard error: the text for a person, the text with its figures for a machine.
pub(super) fn tell(level: &str, text: impl Display, figures: Map<String, Value>) {
    if printing().quiet && level != "ERROR" {
        return;
    }
    let text = match telemetry::format() {
        Format::Text => screen::fitted(text.to_string(), &Term::stderr()),
        Format::Json => telemetry::json_line(level, "tresnet_batch", &text.to_string(), figures),
    };
    screen::above(|| drop(writeln!(std::io::stderr().lock(), "{text}")));
}

/// Text on standard error that brings its own line ends.
pub(super) fn error_text(text: impl Display) {
    drop(write!(std::io::stderr().lock(), "{text}"));
}

/// A question on standard error, with the answer to be typed after it.
pub(super) fn ask(question: impl Display) {
    let mut err = std::io::stderr().lock();
    drop(write!(err, "{question}").and_then(|()| err.flush()));
}

/// Prints what was logged more than once, each with its count.
pub(super) fn repeated() {
    for (message, count) in telemetry::take_repeated() {
        let times = counted(count, "more time");
        tell("WARN", format!("{times}: {message} ({}=warn shows each)", telemetry::FILTER), Map::new());
    }
}

/// The one error of a command, which ends with this code.
pub(super) fn error(text: &str, exit: u8) {
    if telemetry::format() == Format::Json {
        return tell("ERROR", text, Map::from_iter([("exit".to_owned(), exit.into())]));
    }
    let (on, off) = if screen::has_colours() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    tell("ERROR", format!("{on}error:{off} {text}"), Map::new());
}

/// A number and what is counted, such as `1 part` or `2,000 parts`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The verb after `N of M parts`.
pub(super) fn are(of: u64) -> &'static str {
    if of == 1 { "is" } else { "are" }
}

/// The numbers of parts, such as `number 0` or `numbers 3-7, 12`.
pub(super) fn numbers(parts: &Ranges) -> String {
    format!("number{} {parts}", if parts.count() == 1 { "" } else { "s" })
}

/// A time with a decimal while it is short.
pub(super) fn seconds(time: std::time::Duration) -> String {
    if time.as_secs() < 10 { format!("{:.1}s", time.as_secs_f64()) } else { duration(time.as_secs()) }
}

/// Seconds as `1h 02m`, `3m 04s` or `5s`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PartId;

    #[test]
    fn one_thing_is_not_several() {
        assert_eq!([0, 1, 1000].map(|number| counted(number, "part")), ["0 parts", "1 part", "1,000 parts"]);
        let mut missing = Ranges::default();
        missing.push(PartId(0));
        assert_eq!(numbers(&missing), "number 0");
        missing.push(PartId(1));
        assert_eq!(numbers(&missing), "numbers 0-1");
    }

    #[test]
    fn numbers_are_grouped_and_times_short() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (seconds, text) in [(5, "5s"), (184, "3m 04s"), (3720, "1h 02m")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
