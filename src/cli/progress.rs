//! Shows a run's counters while it goes: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as Style};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use crate::pipeline::progress::{Progress, Snapshot};
use crate::telemetry::{Format, format, screen, transfer};

use super::fetching;
use super::global::{GlobalArgs, ProgressStyle};
use super::margin::WithMargin;
use super::print::{count, duration, tell};

const BAR_EVERY: Duration = Duration::from_millis(200);

/// Shows progress until it is dropped.
pub(super) struct Display {
    task: Option<JoinHandle<()>>,
    is_bar: bool,
}

impl Display {
    pub fn start(progress: Arc<Progress>, global: &GlobalArgs) -> Display {
        match global.progress() {
            ProgressStyle::None => Display { task: None, is_bar: false },
            ProgressStyle::Auto if std::io::stderr().is_terminal() && format() == Format::Text => {
                Self::bar(progress)
            }
            _ => Self::lines(progress, global.progress_every()),
        }
    }

    fn bar(progress: Arc<Progress>) -> Display {
        let terminal = ProgressDrawTarget::term_like(Box::new(WithMargin::stderr()));
        let bar = ProgressBar::with_draw_target(Some(0), terminal);
        // what does not fit is cut off: a part of a line that wraps would remain on the screen
        let template = if screen::has_colours() { "{bar:12.cyan} {wide_msg}" } else { "{bar:12} {wide_msg}" };
        if let Ok(style) = Style::with_template(template) {
            bar.set_style(style);
        }
        screen::show(bar.clone());
        let shown = bar;
        let task = tokio::spawn(async move {
            loop {
                if let Some(file) = transfer::current() {
                    shown.set_length(file.bytes.unwrap_or(file.done));
                    shown.set_position(file.done);
                    shown.set_message(fetching::message(&file));
                } else {
                    let now = progress.snapshot();
                    shown.set_length(now.planned);
                    shown.set_position(now.resumed + now.rows);
                    shown.set_message(message(&now));
                }
                tokio::time::sleep(BAR_EVERY).await;
            }
        });
        Display { task: Some(task), is_bar: true }
    }

    fn lines(progress: Arc<Progress>, every: Duration) -> Display {
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Some(file) = transfer::current() {
                    tell("INFO", fetching::message(&file), fetching::figures(&file));
                    continue;
                }
                let now = progress.snapshot();
                tell("INFO", message(&now), figures(&now));
            }
        });
        Display { task: Some(task), is_bar: false }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if self.is_bar {
            screen::hide();
        }
    }
}

/// The same for a machine.
fn figures(now: &Snapshot) -> Map<String, Value> {
    let figures: [(&str, Value); 6] = [
        ("images", (now.resumed + now.rows).into()),
        ("planned", now.planned.into()),
        ("plan_is_whole", now.plan_is_whole.into()),
        ("images_per_s", now.rate().into()),
        ("errors", now.errors.into()),
        ("seconds_left", now.left().map(|left| left.as_secs()).into()),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn message(now: &Snapshot) -> String {
    if now.planned == 0 && !now.plan_is_whole {
        return "loading the model and listing the images".to_owned();
    }
    let more = if now.plan_is_whole { "" } else { "+" };
    let left = now.left().map_or_else(String::new, |left| format!(", {} left", duration(left.as_secs())));
    format!(
        "{} of {}{more} images, {:.1} images/s, {} errors{left}",
        count(now.resumed + now.rows),
        count(now.planned),
        now.rate(),
        count(now.errors),
    )
}
