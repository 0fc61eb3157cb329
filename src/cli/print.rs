//! Standard output and standard error. A reader that has gone away is no failure of ours.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Map, Value};

use crate::output::Ranges;
pub(super) use crate::report::thousands as count;
use crate::telemetry::{self, Format};

/// Something was told, on whatever stream.
static SAID: AtomicBool = AtomicBool::new(false);

/// The exit code of the one thread that ends the process, once there is one.
static ENDING: OnceLock<u8> = OnceLock::new();

/// Lets the first caller print the last line and end the process with this code.
///
/// # Errors
/// Another thread ends it, with the code that is returned.
pub(super) fn may_end(code: u8) -> Result<(), u8> {
    ENDING.set(code).map_err(|_| ENDING.get().copied().unwrap_or(code))
}

/// One line on standard output.
pub(super) fn line(text: impl Display) {
    SAID.store(true, Relaxed);
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// The last line of standard output, for a machine. Where a person watches both, it would say once more what was just
/// said, so it is left out, unless nothing else was said.
pub(super) fn last_line(fields: Value) {
    let is_watched = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if !is_watched || !SAID.load(Relaxed) {
        line(fields);
    }
}

/// Text on standard output that brings its own line ends.
pub(super) fn text(text: impl Display) {
    let mut out = std::io::stdout().lock();
    drop(write!(out, "{text}").and_then(|()| out.flush()));
}

/// One line on standard error.
pub(super) fn note(text: impl Display) {
    tell("INFO", text, Map::new());
}

/// One line on standard error: the text for a person, the text with its figures for a machine.
pub(super) fn tell(level: &str, text: impl Display, figures: Map<String, Value>) {
    SAID.store(true, Relaxed);
    let mut err = std::io::stderr().lock();
    drop(match telemetry::format() {
        Format::Text => writeln!(err, "{text}"),
        Format::Json => {
            writeln!(err, "{}", telemetry::json_line(level, "tresnet_batch", &text.to_string(), figures))
        }
    });
}

/// Text on standard error that brings its own line ends.
pub(super) fn error_text(text: impl Display) {
    SAID.store(true, Relaxed);
    drop(write!(std::io::stderr().lock(), "{text}"));
}

/// The one error of a command, which ends with this code.
pub(super) fn error(text: &str, exit: u8) {
    if telemetry::format() == Format::Json {
        return tell("ERROR", text, Map::from_iter([("exit".to_owned(), exit.into())]));
    }
    let red = std::io::stderr().is_terminal();
    let (on, off) = if red { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    note(format!("{on}error:{off} {text}"));
}

/// A number and what is counted, such as `1 part` or `2,000 parts`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
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
