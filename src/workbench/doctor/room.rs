//! Compares free memory and free disk space with what the job will take.

use std::path::Path;

use crate::engine::{available_memory, free_disk};
use crate::failure::{Exit, Failure};
use crate::job::{Limits, ResolvedJob};
use crate::pipeline::memory::{Memory, open_parts};
use crate::runner::devices::Devices;
use crate::store::Location;

use super::check::Findings;
use super::estimate::{Estimate, Exactness};

/// Of what is left on a disk, the share above which it is called scarce.
const SCARCE: f64 = 0.9;

pub(super) fn shown(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// What a run holds beside the loaded model: batches, encoded images, and the rows of open parts.
pub(super) fn memory(job: &ResolvedJob, devices: &Devices, found: &mut Findings<'_>) {
    let Devices { engines, device, .. } = devices;
    let Some(first) = engines.first() else { return };
    let (size, spec) = (device.batch_size, first.spec());
    let slots = Memory::slots(engines, job.limits.decode_threads, size);
    let outputs = slots * size * 4 * (spec.classes + spec.dim);
    let batches = (slots * size * spec.row_bytes() + outputs) as u64;
    let open = open_parts(&Limits { batch_size: size, ..job.limits.clone() }) as u64;
    let rows = open * u64::from(job.rows_per_part) * job.rows.row_bytes();
    let images = job.limits.in_flight_bytes;
    let wanted = batches + images + rows;
    let told = format!(
        "up to {} beside the model: {} of batches, {} of encoded images (`limits.in_flight_bytes`), {} of rows",
        shown(wanted),
        shown(batches),
        shown(images),
        shown(rows)
    );
    match available_memory() {
        Some(left) if wanted > left => found.warn(
            "memory",
            format!(
                "{told}; {} are left: lower `limits.in_flight_bytes`, `engine.batch_size` or `output.rows_per_part`",
                shown(left)
            ),
        ),
        Some(left) => found.ok("memory", format!("{told}; {} are left", shown(left))),
        None => found.ok("memory", told),
    }
}

/// Compares the size of the rows with the free space of the disk that they go to.
pub(super) fn disk(output: &Location, estimate: &Estimate, found: &mut Findings<'_>) {
    let Some(folder) = output.local_path() else { return };
    let standing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Some(free) = free_disk(standing) else {
        return found.not_checked(
            "disk",
            format!("the system does not report how much is left for `{}`", folder.display()),
        );
    };
    let or_more = if estimate.images_are == Exactness::AtLeast { " or more" } else { "" };
    let told = format!(
        "the rows will take about {}{or_more}; {} are left for `{}`",
        shown(estimate.output_bytes),
        shown(free),
        folder.display()
    );
    let less = "write less (`output.embedding = \"f16\"` or \"none\", `output.logits = false`)";
    if estimate.output_bytes > free {
        found.fail("disk", &Failure::new(Exit::Io, format!("{told}; {less}")));
    } else if estimate.output_bytes as f64 > SCARCE * free as f64 {
        found.warn("disk", format!("{told}; make room, or {less}"));
    } else {
        found.ok("disk", told);
    }
}
