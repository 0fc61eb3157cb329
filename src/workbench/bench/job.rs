//! The rounds of a job's measurement.

use crate::dataset::PlanSource;
use crate::engine::SharedEngine;
use crate::failure::{Exit, Failure};
use crate::runner::devices::{Devices, WarmUp};
use crate::runner::inputs::any_row;
use crate::runner::opened::{Invocation, Opened, open_job};
use crate::store::Location;
use crate::telemetry;

use super::report::{BenchReport, Runs};
use super::scratch;
use super::stage_bench::{KeptImages, StageBench};
use super::stages::{Bench, BenchOptions};

/// Parts that the whole pipeline is to finish in its time, if the job's own would take too long.
const PARTS: usize = 2;

/// Measures a job. Calls `tell` with what is being done.
///
/// # Errors
/// Those of [`open_job`]; the devices do not load; the input has no image, or none of the first can be read. A stage
/// fails; with [`BenchOptions::commit`], the store refuses a write.
pub async fn bench_job(
    invocation: &Invocation<'_>,
    options: BenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<BenchReport, Failure> {
    let opened = open_job(invocation).await?;
    tell("loading the model");
    let devices = Devices::load(&opened, WarmUp::Full).await?;
    let (source, _) = opened.source().await?;
    any_row(source.as_ref()).await?;
    measure(opened, devices, source.as_ref(), options, tell).await
}

/// Does what [`bench_job`] does, for a job whose devices are loaded and whose images `source` lists.
pub(crate) async fn measure(
    opened: Opened,
    devices: Devices,
    source: &dyn PlanSource,
    options: BenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<BenchReport, Failure> {
    let Devices { mut engines, device, .. } = devices;
    // of several devices, the first
    let engine = SharedEngine::new(engines.swap_remove(0));
    let (mut job, input, output) = opened.into_parts();
    job.limits.batch_size = device.batch_size;
    let bench = Bench { job, input, engine, device, options };

    tell("listing the first images");
    let plan = Location::in_memory("plan")?;
    let (parts, dataset) = bench.plan(source, &plan).await?;
    let stage_bench = StageBench::new(&bench, &plan)?;
    let mut runs = Runs::default();
    let mut kept = KeptImages::default();
    for round in 1..=options.rounds {
        let of = format!("round {round} of {}", options.rounds);
        tell(&format!("{of}: fetch"));
        runs.fetch.push(stage_bench.fetch(&dataset, &parts, &mut kept).await?);
        if kept.images.is_empty() {
            return Err(Failure::new(Exit::NoInput, "none of the first images could be read"));
        }
        tell(&format!("{of}: decode"));
        runs.decode.push(stage_bench.decode(&mut kept).await?);
        tell(&format!("{of}: engine"));
        runs.engine.push(stage_bench.engine(&mut kept, round == 1).await?);
        tell(&format!("{of}: together"));
        let rows = Location::in_memory("rows")?;
        let rows_in_time = runs.slower_rate() * options.time.as_secs_f64();
        let part = bench.job.rows_per_part.min(short_part(rows_in_time, bench.job.limits.batch_size));
        runs.together.push(bench.together(source, &rows, part).await?);
        tell(&format!("{of}: encode and commit"));
        let files = stage_bench.encode(&rows, &mut runs.encode).await?;
        if options.commit {
            let folder = format!("{}-{round}", telemetry::run_id());
            scratch::commit(&output, &folder, files, &mut runs.commit).await?;
        }
    }
    Ok(runs.report(&bench, kept.mean_bytes()))
}

/// Returns the rows of a part, in full batches, so that two parts are done in the time of `rows_in_time`: rows that
/// are in an open part when the time is over cannot be encoded.
fn short_part(rows_in_time: f64, batch: usize) -> u32 {
    let batches = rows_in_time as usize / (PARTS * batch.max(1));
    u32::try_from(batches.max(1) * batch).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_part_is_of_full_batches_and_two_of_them_fit_into_the_time() {
        assert_eq!(short_part(400.0, 32), 192);
        // a network that is slower than a batch in the time still gets one
        assert_eq!(short_part(10.0, 32), 32);
        assert_eq!(short_part(f64::INFINITY, 32), u32::MAX);
    }
}
