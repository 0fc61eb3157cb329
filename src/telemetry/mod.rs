//! Telemetry: logs on standard error, filtered by `TRESNET_BATCH_LOG`, as text or as a JSON object a line; the
//! terminal that shows them ([`screen`]); timelines ([`trace`]); files that are fetched ([`transfer`]); the text
//! format of metrics ([`prometheus`]).
//!
//! Standard output belongs to results.

pub mod clock;
mod json;
mod person;
pub mod prometheus;
mod redact;
mod run;
pub mod screen;
pub mod trace;
pub mod transfer;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

pub use json::line as json_line;
pub use person::take_repeated;
pub use redact::{Redacted, explain, redact};
pub use run::run_id;

/// The variable that sets the filter, such as `debug` or `tresnet_batch::store=debug`.
pub const FILTER: &str = "TRESNET_BATCH_LOG";

const DEFAULT_FILTER: &str = "warn";

/// How standard error is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

static FORMAT: OnceLock<Format> = OnceLock::new();

/// Starts logging for the life of the process; a second call does nothing. With `quiet`, only errors are logged. On a
/// terminal, text is for a person (`person`) unless the variable is set; elsewhere each line is whole. A process that
/// works for another one is given that one's run id.
pub fn init(format: Format, quiet: bool, run_id: Option<&str>) {
    let format = *FORMAT.get_or_init(|| format);
    if let Some(id) = run_id {
        run::adopt(id);
    }
    let filter = match quiet {
        true => filter(Some("error")),
        false => filter(std::env::var(FILTER).ok().as_deref()),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter);
    // an embedding program may have its own subscriber already
    drop(match format {
        Format::Text => {
            let default = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| screen::above(|| default(panic))));
            let has_colours = screen::has_colours();
            let logs = logs.with_writer(|| Redacting);
            let is_filtered = std::env::var_os(FILTER).is_some_and(|filter| !filter.is_empty());
            if io::stderr().is_terminal() && !is_filtered {
                logs.with_ansi(false).event_format(person::Short { has_colours }).try_init()
            } else {
                logs.with_ansi(has_colours).try_init()
            }
        }
        Format::Json => {
            std::panic::set_hook(Box::new(json::panicked));
            logs.with_writer(io::stderr).with_ansi(false).event_format(json::Lines).try_init()
        }
    });
}

/// Returns the filter that a text describes, or the default. What AWS's crates log is left out whatever the text is:
/// key ids, tokens and bodies of answers that give credentials are among it.
fn filter(typed: Option<&str>) -> EnvFilter {
    EnvFilter::try_new(without_aws(typed.unwrap_or(DEFAULT_FILTER)))
        .unwrap_or_else(|_| EnvFilter::new(without_aws(DEFAULT_FILTER)))
}

fn without_aws(typed: &str) -> String {
    // a directive for spans (`[name]=trace`) would pass what is logged within AWS's spans
    let is_allowed =
        |directive: &&str| !directive.trim().starts_with("aws_") && !directive.contains(['[', ']', '{', '}']);
    let mut kept: Vec<&str> = typed.split(',').filter(is_allowed).collect();
    if kept.iter().all(|directive| directive.trim().is_empty()) {
        kept = vec![DEFAULT_FILTER];
    }
    kept.push("aws_=off");
    kept.join(",")
}

/// How standard error is written.
pub fn format() -> Format {
    FORMAT.get().copied().unwrap_or_default()
}

/// Standard error, a whole event at a time. Errors of stores are redacted already; this is for what others log.
struct Redacting;

impl Write for Redacting {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = redact(&String::from_utf8_lossy(event));
        screen::above(|| io::stderr().lock().write_all(text.as_bytes()))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_awss_crates_log_cannot_be_switched_on() {
        for (typed, expected) in [
            ("trace", "trace,aws_=off"),
            ("info, aws_config::profile=trace,tresnet_batch=debug", "info,tresnet_batch=debug,aws_=off"),
            ("aws_smithy_runtime=trace", "warn,aws_=off"),
            ("", "warn,aws_=off"),
            ("[invoke]=trace,info", "info,aws_=off"),
            ("warn,[{rpc.service=S3,rpc.method}]=trace", "warn,aws_=off"),
        ] {
            assert_eq!(without_aws(typed), expected);
            assert!(EnvFilter::try_new(without_aws(typed)).is_ok(), "{typed}");
        }
    }
}
