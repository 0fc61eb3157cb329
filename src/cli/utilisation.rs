//! How busy the stages of a run were and what it cost, for a person and for a machine.

use serde_json::{Value, json};

use crate::pipeline::progress::Snapshot;
use crate::pipeline::utilisation::Utilisation;

use super::print::{count, counted, line};

/// The lines of a person: the stages, and the one that decides the rate.
pub(super) fn show(used: &Utilisation) {
    match used.bottleneck {
        Some(bottleneck) => {
            show_stages(used);
            line(format!("  bottleneck: {}; {}", bottleneck.as_str(), bottleneck.advice()));
        }
        // its figures would be those of the first and the last batch
        None => line("  bottleneck: not known, the run was too short"),
    }
}

/// The lines of a person on each stage.
pub(super) fn show_stages(used: &Utilisation) {
    let percent = |share: f64| 100.0 * share;
    let megabytes = |bytes: f64| bytes / 1e6;
    line(format!(
        "  device busy {:.0} % of the time ({} of {:.1}); waited {:.0} % for images, {:.0} % for rows",
        percent(used.engine.busy),
        batches(used.engine.batches),
        used.engine.images_per_batch,
        percent(used.engine.waits_for_batch),
        percent(used.engine.waits_for_outputs)
    ));
    line(format!(
        "  {} decoders busy {:.0} % of the time, {:.0} images/s each while busy; {:.1} images waited for one",
        used.decode.workers,
        percent(used.decode.busy),
        used.decode.images_per_s_per_worker,
        used.decode.queue
    ));
    line(format!(
        "  read {:.1} MB/s, {:.1} images on their way (of {} requests); waited {:.0} % for a free row, {:.0} % for \
         bytes in flight, {:.0} % for a part",
        megabytes(used.fetch.bytes_per_s),
        used.fetch.in_flight,
        used.fetch.requests,
        percent(used.fetch.waits_for_row),
        percent(used.fetch.waits_for_bytes),
        percent(used.fetch.waits_for_part)
    ));
    line(format!(
        "  rows {:.1} %, encoding {:.1} % of a core; {} of {:.1} MB written in {:.2} s each",
        percent(used.rows.busy),
        percent(used.encode.busy),
        counted(used.commit.parts, "part"),
        megabytes(used.commit.bytes as f64) / used.commit.parts.max(1) as f64,
        used.commit.busy_s / used.commit.parts.max(1) as f64
    ));
    if let Some(cpu) = used.cpu {
        line(format!(
            "  processor busy {:.0} % of {} cores, {:.2} ms an image",
            percent(cpu.busy),
            cpu.cores,
            cpu.ms_per_image
        ));
    }
}

fn batches(number: u64) -> String {
    format!("{} batch{}", count(number), if number == 1 { "" } else { "es" })
}

/// The fields of a machine: `utilisation` with the bottleneck, and `cost` if a price is known.
pub(super) fn fields(run: &Snapshot, price_per_hour: Option<f64>) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("utilisation", json!(run.utilisation()))];
    fields.extend(price_per_hour.map(|price| ("cost", cost(run, price))));
    fields
}

/// The machine is paid for from the command's start.
fn cost(run: &Snapshot, price_per_hour: f64) -> Value {
    let run_cost = price_per_hour * run.elapsed.as_secs_f64() / 3600.0;
    let per_million = (run.rows > 0).then(|| 1e6 * run_cost / run.rows as f64);
    json!({ "price_per_hour": price_per_hour, "run": run_cost, "per_million_images": per_million })
}

/// The cost of a run for a person.
pub(super) fn show_cost(run: &Snapshot, price_per_hour: Option<f64>) {
    let Some(price) = price_per_hour else { return };
    let cost = cost(run, price);
    let number = |key: &str| cost[key].as_f64();
    let per_million = number("per_million_images")
        .map_or_else(String::new, |cost| format!(", {cost:.2} for a million images at this rate"));
    line(format!("  cost: {:.4} at {price} an hour{per_million}", number("run").unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pipeline::progress::Progress;

    #[test]
    fn a_cost_is_that_of_the_time_and_by_the_images_of_this_run() {
        let mut run = Progress::default().snapshot();
        run.elapsed = Duration::from_secs(1800);
        assert_eq!(cost(&run, 3.0)["per_million_images"], Value::Null);
        run.rows = 500_000;
        assert_eq!(cost(&run, 3.0), json!({ "price_per_hour": 3.0, "run": 1.5, "per_million_images": 3.0 }));
    }
}
