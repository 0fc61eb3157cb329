//! How much there is to do, and what it will take: by a listing of a few seconds and a sample of a few images.

use std::time::Duration;

use futures::TryStreamExt;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::dataset::{LeftOut, PlanSource, Unit, segments_of};
use crate::failure::Failure;
use crate::job::ResolvedJob;
use crate::pipeline::utilisation::Bottleneck;
use crate::store::Location;
use crate::workbench::bench::BenchReport;

/// Time of the listing.
const LISTING: Duration = Duration::from_secs(3);
/// Keys of a page of a listing, on every store.
const PAGE: u64 = 1000;
/// Bytes of a shard that are read at once.
const WINDOW: u64 = 8 << 20;

/// What a listing shows.
#[derive(Debug, Clone)]
pub(in crate::workbench) struct Counted {
    pub unit: Unit,
    /// Images, shards or row groups.
    pub rows: u64,
    /// Images; those of shards are not known before they are read.
    pub images: Option<u64>,
    /// Bytes of the listed objects, as far as the listing has their sizes.
    pub bytes: u64,
    /// Requests that read all of it.
    pub reads: u64,
    /// True if the listing came to its end.
    pub is_whole: bool,
    /// What it did not take.
    pub left_out: LeftOut,
}

/// Counts what is to be done, for a few seconds.
pub(in crate::workbench) async fn count(
    source: &dyn PlanSource,
    limit: Option<u64>,
) -> Result<Counted, Failure> {
    let unit = source.shape().unit;
    let (deadline, limit) = (Instant::now() + LISTING, limit.unwrap_or(u64::MAX));
    let (mut rows, mut images, mut bytes, mut reads, mut is_whole) = (0, 0, 0, 0, false);
    drop(source.take_left_out());
    let mut listing = source.rows(None);
    while let Ok(row) = timeout_at(deadline, listing.try_next()).await {
        let Some(row) = row?.filter(|_| images < limit) else {
            is_whole = true;
            break;
        };
        rows += 1;
        images += row.group.map_or(1, |group| u64::from(group.rows));
        let size = row.size.unwrap_or_default();
        reads += if unit == Unit::Shard { size.div_ceil(WINDOW).max(1) } else { 1 };
        bytes += size;
    }
    drop(listing);
    let images = (unit != Unit::Shard).then_some(images.min(limit));
    Ok(Counted { unit, rows, images, bytes, reads, is_whole, left_out: source.take_left_out() })
}

impl Counted {
    /// For a person.
    pub fn text(&self) -> String {
        let what = match self.unit {
            Unit::Image => "images".to_owned(),
            Unit::Shard => "shards".to_owned(),
            Unit::Group => format!("row groups with {} images", self.images.unwrap_or_default()),
        };
        let all = match self.is_whole {
            true => String::new(),
            false => {
                format!(" in the first {} seconds of the listing, and more after them", LISTING.as_secs())
            }
        };
        let left_out = match self.left_out.is_empty() {
            true => String::new(),
            false => format!("; {}", self.left_out),
        };
        format!("{} {what}{all}{left_out}", self.rows)
    }
}

/// How well the number of images is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exactness {
    /// All were counted.
    Exactly,
    /// There are more.
    AtLeast,
    /// By the bytes of shards and of the images measured.
    About,
}

/// Requests, by what they are for; none for a local disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Pages of the input's listing.
    pub listings: u64,
    /// Reads of the input.
    pub reads: u64,
    /// Writes of plan, parts and report.
    pub writes: u64,
}

/// What the whole job takes, from its beginning.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    /// Images.
    pub images: u64,
    /// How well that is known.
    pub images_are: Exactness,
    /// Images a second: what reading, decoding and the network promise, each measured alone.
    pub images_per_s: f64,
    /// Images that were measured with.
    pub measured_on: u64,
    /// The stage that promises the least.
    pub bottleneck: Option<Bottleneck>,
    /// Time at that rate.
    pub seconds: f64,
    /// Part files.
    pub parts: u64,
    /// Bytes of the rows.
    pub output_bytes: u64,
    /// Requests.
    pub requests: RequestCounts,
    /// Its price, if `job.price_per_hour` is typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// Where a job reads and writes.
pub(super) struct Places<'a> {
    pub input: &'a Location,
    pub output: &'a Location,
}

impl Estimate {
    pub(super) fn of(
        job: &ResolvedJob,
        counted: &Counted,
        measured: &BenchReport,
        places: &Places<'_>,
    ) -> Estimate {
        let (images, images_are) = match counted.images {
            Some(images) if counted.is_whole => (images, Exactness::Exactly),
            Some(images) => (images, Exactness::AtLeast),
            None => {
                let images = counted.bytes as f64 / measured.bytes_per_image.max(1.0);
                (images as u64, if counted.is_whole { Exactness::About } else { Exactness::AtLeast })
            }
        };
        let parts = match counted.unit {
            Unit::Image => images.div_ceil(u64::from(job.rows_per_part)),
            Unit::Shard | Unit::Group => counted.rows,
        };
        let row_bytes = match &measured.encode {
            Some(encode) => encode.bytes_per_image,
            None => job.rows.row_bytes() as f64,
        };
        let rate = measured.expected.images_per_s;
        let seconds = if rate > 0.0 { images as f64 / rate } else { 0.0 };
        let remote = |location: &Location| location.local_path().is_none();
        let mut requests = RequestCounts::default();
        if remote(places.input) {
            requests.listings = counted.rows.div_ceil(PAGE);
            requests.reads = counted.reads;
        }
        if remote(places.output) {
            let rows_per_part = if counted.unit == Unit::Image { job.rows_per_part } else { 1 };
            // job.json twice and `_SUCCESS`
            requests.writes = parts + segments_of(parts, rows_per_part) + 3 + job.report_formats.len() as u64;
        }
        Estimate {
            images,
            images_are,
            images_per_s: rate,
            // of fewer images some are measured several times
            measured_on: measured.images.min(images),
            bottleneck: measured.bottleneck,
            seconds,
            parts,
            output_bytes: (images as f64 * row_bytes) as u64,
            requests,
            cost: job.price_per_hour.map(|price| price * seconds / 3600.0),
        }
    }
}
