//! Shows files of a model while they are fetched: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as Style};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use crate::telemetry::transfer::{self, TransferState};
use crate::telemetry::{Format, format, screen};

use super::global::{GlobalArgs, ProgressStyle};
use super::margin::WithMargin;
use super::print::{duration, tell};

const BAR_EVERY: Duration = Duration::from_millis(200);

/// Shows what is fetched until it is dropped. A run's own display shows it while that one is there.
pub(super) struct Fetching {
    task: Option<JoinHandle<()>>,
    is_bar: bool,
}

impl Fetching {
    pub fn show(global: &GlobalArgs) -> Fetching {
        match global.progress() {
            ProgressStyle::None => Fetching { task: None, is_bar: false },
            ProgressStyle::Auto if std::io::stderr().is_terminal() && format() == Format::Text => {
                Fetching { task: Some(tokio::spawn(bars())), is_bar: true }
            }
            _ => Fetching { task: Some(tokio::spawn(lines(global.progress_every()))), is_bar: false },
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if self.is_bar {
            screen::hide();
        }
    }
}

async fn bars() {
    let mut bar: Option<ProgressBar> = None;
    loop {
        tokio::time::sleep(BAR_EVERY).await;
        match transfer::current() {
            None if bar.take().is_some() => screen::hide(),
            None => {}
            Some(now) => {
                let shown = bar.get_or_insert_with(new_bar);
                shown.set_length(now.bytes.unwrap_or(now.done));
                shown.set_position(now.done);
                shown.set_message(message(&now));
            }
        }
    }
}

fn new_bar() -> ProgressBar {
    let terminal = ProgressDrawTarget::term_like(Box::new(WithMargin::stderr()));
    let bar = ProgressBar::with_draw_target(Some(0), terminal);
    let template = if screen::has_colours() { "{bar:12.cyan} {wide_msg}" } else { "{bar:12} {wide_msg}" };
    if let Ok(style) = Style::with_template(template) {
        bar.set_style(style);
    }
    screen::show(bar.clone());
    bar
}

async fn lines(every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if let Some(now) = transfer::current() {
            tell("INFO", message(&now), figures(&now));
        }
    }
}

/// The same for a machine.
pub(super) fn figures(now: &TransferState) -> Map<String, Value> {
    let figures: [(&str, Value); 4] = [
        ("bytes", now.done.into()),
        ("bytes_in_all", now.bytes.into()),
        ("bytes_per_s", now.rate.into()),
        ("seconds_left", now.left().map(|left| left.as_secs()).into()),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// How far a file is.
pub(super) fn message(now: &TransferState) -> String {
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let all = now.bytes.map_or_else(String::new, |bytes| format!(" of {}", megabytes(bytes)));
    let left = now.left().map_or_else(String::new, |left| format!(", {} left", duration(left.as_secs())));
    // the name is last: a narrow terminal cuts it
    format!("fetching {}{all} MB, {:.1} MB/s{left}: {}", megabytes(now.done), now.rate / 1e6, now.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_its_way_is_shown_with_the_time_left_once_it_is_known() {
        let now = TransferState { name: "`m`".into(), bytes: Some(30_000_000), done: 10_000_000, rate: 2e6 };
        assert_eq!(message(&now), "fetching 10.0 of 30.0 MB, 2.0 MB/s, 10s left: `m`");
        let unknown = TransferState { bytes: None, rate: 0.0, ..now };
        assert_eq!(message(&unknown), "fetching 10.0 MB, 0.0 MB/s: `m`");
        assert_eq!(figures(&unknown)["seconds_left"], Value::Null);
    }
}
