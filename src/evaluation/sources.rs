//! Single images of an input, read again by their rows: from a folder one GET each, from shards and row groups by the
//! dataset's own reader, which stops after the last requested image.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::StreamExt;

use crate::dataset::parquet::{ParquetDataset, ParquetOptions, TableColumns};
use crate::dataset::webdataset::{ShardDataset, ShardOptions, ShardRules};
use crate::dataset::{
    Arrival, Dataset, ImageNames, Intake, Part, Pass, Roots, Segment, Stop, Ticket, split_address,
};
use crate::failure::Failure;
use crate::ids::PartId;
use crate::output::Layout;
use crate::sample::{RowError, Sample};
use crate::store::{FetchError, Location, Planned, Role};

use super::image_row::ImageRow;
use super::report_input::ReportInput;

/// Images that are fetched at the same time.
const AT_ONCE: usize = 8;
/// One operation is not tried for longer: there are other images.
const RETRY: Duration = Duration::from_secs(10);
/// The largest image, if the job has no limit.
const MAX_ENCODED_BYTES: u64 = 64 << 20;

/// The bytes of an image, or the kind of error that it ended with.
pub(crate) type FetchedImage = Result<Bytes, String>;

/// The input of a job, and what came from it so far.
pub(crate) struct ImageSources {
    input: Location,
    roots: Roots,
    output: Location,
    /// Reads parts, if an image is not a separate object.
    dataset: Option<Box<dyn Dataset>>,
    max_encoded_bytes: u64,
    found: Arc<Mutex<HashMap<u64, FetchedImage>>>,
}

impl ImageSources {
    /// Opens the input that `job.json` names.
    ///
    /// # Errors
    /// The address of the input or of a root, or the environment's settings of its store, are invalid.
    pub fn open(of: &ReportInput<'_>) -> Result<ImageSources, Failure> {
        let text =
            |name: &str| of.frozen.components.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let limit = of.frozen.components.get("limits.max_encoded_bytes").and_then(|limit| limit.as_u64());
        let max_encoded_bytes = limit.unwrap_or(MAX_ENCODED_BYTES);
        let format = text("input.format");
        let (folder, _) = match format {
            "webdataset" => split_address(&of.frozen.input, "tar"),
            "parquet" => split_address(&of.frozen.input, "parquet"),
            _ => (of.frozen.input.as_str(), None),
        };
        let settings = crate::store::Settings { retry: of.storage.retry.min(RETRY), ..of.storage };
        let input = Location::open_with(folder, Role::Input, settings)?;
        let roots = Roots::open(&of.frozen.roots(), &input)?;
        let output = of.output.clone();
        let dataset: Option<Box<dyn Dataset>> = match format {
            "webdataset" => {
                let options = ShardOptions {
                    max_encoded_bytes,
                    targets: None,
                    carried: Vec::new(),
                    most_rows: u32::MAX,
                    image_names: match of.frozen.components.contains_key("rules.formats") {
                        true => ImageNames::Current,
                        false => ImageNames::Earlier,
                    },
                    rules: match of.frozen.has_earlier_shards() {
                        true => ShardRules::Earlier,
                        false => ShardRules::Current,
                    },
                };
                Some(Box::new(ShardDataset::new(input.clone(), output.clone(), options, Vec::new())))
            }
            "parquet" => {
                let column =
                    |name: &str| Some(text(name)).filter(|column| !column.is_empty()).map(str::to_owned);
                let columns =
                    TableColumns { image: column("input.image_column"), key: column("input.key_column") };
                let options = ParquetOptions { columns, ..ParquetOptions::new(max_encoded_bytes) };
                Some(Box::new(ParquetDataset::new(input.clone(), output.clone(), options, Vec::new())))
            }
            _ => None,
        };
        Ok(ImageSources { input, roots, output, dataset, max_encoded_bytes, found: Arc::default() })
    }

    /// Takes the images that came so far.
    pub fn take(&self) -> HashMap<u64, FetchedImage> {
        std::mem::take(&mut *lock(&self.found))
    }

    /// Reads the images of `rows`; if it is dropped half-way, the images so far are kept.
    pub async fn read(&self, rows: &[ImageRow]) {
        match &self.dataset {
            None => {
                let reads = futures::stream::iter(rows);
                reads.for_each_concurrent(AT_ONCE, |row| self.one(row)).await;
            }
            Some(dataset) => self.parts(dataset.as_ref(), rows).await,
        }
    }

    async fn one(&self, row: &ImageRow) {
        let planned = Planned { etag: row.etag.as_deref(), size: row.size };
        let fetched = match self.roots.find(&row.key) {
            None => self.input.fetch(&row.key, planned, self.max_encoded_bytes).await,
            Some((root, key)) => match self.roots.all().nth(root) {
                Some((_, store)) => store.fetch(&key, planned, self.max_encoded_bytes).await,
                None => Err(FetchError::NotFound),
            },
        };
        let found = fetched.map(|fetched| fetched.bytes).map_err(|error| {
            match error {
                FetchError::NotFound => "not_found",
                FetchError::Denied => "denied",
                FetchError::Archived => "archived",
                FetchError::Changed => "changed",
                FetchError::Unaddressable(_) => "unaddressable",
                FetchError::TooLarge { .. } => "limit",
                FetchError::Corrupt(_) => "corrupt",
                FetchError::Store(_) => "unreachable",
            }
            .to_owned()
        });
        lock(&self.found).insert(row.number, found);
    }

    async fn parts(&self, dataset: &dyn Dataset, rows: &[ImageRow]) {
        let mut by_part: BTreeMap<PartId, Vec<&ImageRow>> = BTreeMap::new();
        rows.iter().for_each(|row| by_part.entry(row.part).or_default().push(row));
        let mut index = 0;
        while let Some(last) = by_part.keys().next_back().copied() {
            let segment = match Segment::open(&self.output, &Layout::segment(index)).await {
                Ok(Some(segment)) => Arc::new(segment),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the plan cannot be read: pictures are missing");
                    return;
                }
            };
            for part in segment.parts() {
                if let Some(rows) = by_part.remove(&part.id) {
                    self.part(dataset, &part, &rows).await;
                }
            }
            if segment.head().last || segment.head().first_part > last {
                return;
            }
            index += 1;
        }
    }

    /// Reads one part up to the last requested image. That reading was stopped is no fault; every other fault leaves its
    /// images out.
    async fn part(&self, dataset: &dyn Dataset, part: &Part, rows: &[&ImageRow]) {
        let numbers = rows.iter().map(|row| (row.row_id, row.number)).collect();
        let picker = RowPicker { numbers, left: Mutex::default(), found: self.found.clone() };
        lock(&picker.left).extend(rows.iter().map(|row| row.row_id));
        if let Err(error) = dataset.read(part, &picker, Pass::First).await
            && !lock(&picker.left).is_empty()
        {
            tracing::debug!(%error, part = part.id.0, "pictures are missing");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes some rows of a part and discards the others.
struct RowPicker {
    /// Requested rows: row id → number.
    numbers: HashMap<i64, u64>,
    left: Mutex<HashSet<i64>>,
    found: Arc<Mutex<HashMap<u64, FetchedImage>>>,
}

impl Intake for RowPicker {
    fn admit(&self, sample: Sample, _: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        let admitted = {
            let mut left = lock(&self.left);
            if left.is_empty() {
                Err(Stop)
            } else {
                left.remove(&sample.row_id);
                let number = self.numbers.get(&sample.row_id).copied();
                Ok(Box::new(PickedRow { number, found: self.found.clone() }) as Box<dyn Ticket>)
            }
        };
        Box::pin(std::future::ready(admitted))
    }
}

struct PickedRow {
    number: Option<u64>,
    found: Arc<Mutex<HashMap<u64, FetchedImage>>>,
}

impl Ticket for PickedRow {
    fn fit(&mut self, _: u64) -> bool {
        true
    }

    fn refit(&mut self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>) {
        let Some(number) = self.number else { return };
        let found = image.map(|arrival| arrival.bytes).map_err(|error| error.kind.to_string());
        lock(&self.found).insert(number, found);
    }
}
