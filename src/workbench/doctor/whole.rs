//! A job that can be opened: its plan, its images, its output, its device, and what all of it will take.

use std::time::Duration;

use crate::dataset::{FolderTargets, PlanSource};
use crate::failure::{Exit, Failure};
use crate::job::{Format, ResolvedJob};
use crate::runner::devices::{Devices, WarmUp};
use crate::runner::inputs::any_row;
use crate::runner::opened::Opened;
use crate::workbench::bench::{BenchOptions, BenchReport, measure};

use super::check::Findings;
use super::estimate::{Counted, Estimate, Places, count};
use super::{images, output, room};

/// Time of each stage of the measurement, at most; a batch that has begun is waited for.
const MEASURING: Duration = Duration::from_secs(2);
/// Images of the measurement: as many as the network takes in that time, by the one batch that it has run.
const IMAGES: std::ops::RangeInclusive<u64> = 8..=256;

/// Checks everything, and measures if nothing failed.
pub(super) async fn whole(
    opened: Opened,
    other: Option<Failure>,
    found: &mut Findings<'_>,
) -> Option<Estimate> {
    let job = opened.job.clone();
    found.ok(
        "settings",
        format!(
            "{} {}; {}; top {}",
            job.model.arch,
            job.model.precision,
            job.preprocess_text(),
            job.rows.top_k
        ),
    );
    if let Some(doubt) = job.preprocess_doubt() {
        found.warn("settings", doubt);
    }
    let source = plan(&opened, found).await;
    if source.is_none() {
        found.not_checked("plan", "the input comes first");
    }
    let counted = match &source {
        Some(source) => found.take("listing", count(source.as_ref(), job.limit).await),
        None => None,
    };
    if let Some(counted) = &counted {
        match counted.rows {
            0 => found.warn("listing", format!("nothing is left to do: {}", counted.text())),
            _ => found.ok("listing", counted.text()),
        }
    }
    let has_images = source.is_some() && images::look(&opened, found).await;
    output::standing(&opened, other, found).await;
    output::writes(&opened.output, found).await;
    let devices = found.take("device", Devices::load(&opened, WarmUp::Full).await);
    if let Some(devices) = &devices {
        device(devices, found);
        room::memory(&job, devices, found);
    }
    match (source, devices, counted) {
        (Some(source), Some(devices), Some(counted)) if has_images && counted.rows > 0 => {
            takes(opened, devices, source.as_ref(), &counted, found).await
        }
        _ => {
            found.not_checked("time", "it is measured where there are images, a plan and a device");
            None
        }
    }
}

/// Checks whether the input can be listed and whether its targets fit. Returns what is to be planned; without targets
/// if these do not fit.
async fn plan(opened: &Opened, found: &mut Findings<'_>) -> Option<Box<dyn PlanSource>> {
    let plain = found.take("input", opened.input.source(&opened.job, None))?;
    found.take("input", any_row(plain.as_ref()).await)?;
    found.ok("input", format!("`{}` can be listed, and there are images", opened.input_uri()));
    match found.take("plan", opened.source().await) {
        None => Some(plain),
        Some((source, folders)) => {
            found.ok("plan", targets(&opened.job, folders.as_ref()));
            Some(source)
        }
    }
}

fn targets(job: &ResolvedJob, folders: Option<&FolderTargets>) -> String {
    let targets = match (folders, job.rule(folders)) {
        (Some(folders), Some(rule)) => {
            format!("targets by {} folders, by the rule {rule}", folders.folders.len())
        }
        (None, Some(rule)) => format!("targets by the rule {rule}"),
        (_, None) => "no targets, so reports have no accuracy".to_owned(),
    };
    let part = match job.format {
        Format::Folder | Format::Manifest => format!("parts of {} rows", job.rows_per_part),
        Format::Webdataset => "a part a shard".to_owned(),
        Format::Parquet => "a part a row group".to_owned(),
    };
    format!("{targets}; {part}")
}

fn device(devices: &Devices, found: &mut Findings<'_>) {
    let Devices { device, warm_up, .. } = devices;
    let told = format!(
        "{} ({}), ONNX Runtime {}; a first batch of {} took {:.2} s",
        device.provider,
        device.devices_text(),
        device.onnxruntime,
        device.batch_size,
        warm_up.as_secs_f64()
    );
    match &device.why {
        Some(why) if device.is_surprising => {
            found.warn("device", format!("{told}; `auto` takes the CPU: {why}"))
        }
        _ => found.ok("device", told),
    }
}

/// How many images are measured with.
fn many(devices: &Devices) -> u64 {
    let batch = devices.device.batch_size as u64;
    // a device that takes full batches only is measured by them
    if devices.engines.iter().any(|engine| engine.spec().fixed_batch.is_some()) {
        return (2 * batch).max(*IMAGES.start());
    }
    let per_image = devices.warm_up.as_secs_f64().max(1e-6) / batch.max(1) as f64;
    ((MEASURING.as_secs_f64() / per_image) as u64).clamp(*IMAGES.start(), *IMAGES.end())
}

/// Measures a few images, and reports what all of them take.
async fn takes(
    opened: Opened,
    devices: Devices,
    source: &dyn PlanSource,
    counted: &Counted,
    found: &mut Findings<'_>,
) -> Option<Estimate> {
    let (job, output, input) = (opened.job.clone(), opened.output.clone(), opened.input.location.clone());
    let options = BenchOptions { images: many(&devices), time: MEASURING, rounds: 1, commit: false };
    let measured = measure(opened, devices, source, options, &mut |_| {}).await;
    let measured: BenchReport = match measured {
        Err(failure) if failure.exit == Exit::NoInput => {
            let why =
                format!("no image came within {} s, which is too slow to be measured", MEASURING.as_secs());
            found.warn("time", why);
            return None;
        }
        measured => found.take("time", measured)?,
    };
    if measured.expected.images_per_s <= 0.0 {
        found.warn("time", "not measured: no image of the sample was decoded in the time".to_owned());
        return None;
    }
    let estimate = Estimate::of(&job, counted, &measured, &Places { input: &input, output: &output });
    found.ok(
        "time",
        format!(
            "{:.1} images/s by a sample of {}: reading {:.1}, decoding {:.1}, the network {:.1} images/s",
            estimate.images_per_s,
            estimate.measured_on,
            measured.fetch.images_per_s,
            measured.decode.images_per_s,
            measured.engine.images_per_s
        ),
    );
    room::disk(&output, &estimate, found);
    Some(estimate)
}
