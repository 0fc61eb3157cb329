//! Shards read in order, window by window; an image is admitted when its sample is whole.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use futures::future::{BoxFuture, try_join};
use futures::stream::BoxStream;

use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::{Arrival, Intake, Pass};
use crate::dataset::manifest::json_text;
use crate::dataset::objects::Objects;
use crate::dataset::plan::{LeftOut, Part, PlanPosition, PlanRow, PlanShape, PlanSource, Unit};
use crate::dataset::unreadable::{Patience, Verdict};
use crate::dataset::{CarriedColumn, Dataset, DatasetError, PartEnd, ReadError, Truth};
use crate::sample::{ErrorKind, RowError, Sample, Value};
use crate::store::{FetchError, Location, Window, escaped};

use super::{Samples, ShardImage, ShardLimits, TarError, Texts};

/// Bytes of one ranged read. Two are held: one becomes rows while the next is fetched. One shard is read at a time.
const WINDOW: u64 = 32 << 20;

/// Keys of a sample's `.json` under which its class may stand.
const TARGET_KEYS: [&str; 5] = ["cls", "label", "target", "labels", "targets"];

/// What a reader of shards needs to know of the job.
#[derive(Debug, Clone)]
pub struct ShardOptions {
    /// The largest image.
    pub max_encoded_bytes: u64,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    /// What is carried from `.json`, or `txt`.
    pub carried: Vec<CarriedColumn>,
    /// The most images of one shard: their rows are one file, encoded in memory.
    pub most_rows: u32,
}

/// The reading side of shards whose plan stands.
pub struct ShardDataset {
    input: Location,
    output: Location,
    options: ShardOptions,
    /// Some shards that are asked when the first ones are refused.
    others: Vec<String>,
    patience: Patience,
}

/// The planning side of shards: one row of the plan, and one part, is a shard.
pub struct ShardSource(Objects);

impl ShardSource {
    /// The shards below a folder, or those of it that `pattern` names.
    ///
    /// # Errors
    /// Where the pattern means nothing, or one shard twice.
    pub fn new(input: Location, pattern: Option<&str>) -> Result<Self, DatasetError> {
        Objects::new(input, "tar", pattern).map(ShardSource)
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        ShardSource(self.0.with_hidden(takes_hidden))
    }

    /// The names of some shards, for whoever asks whether the input is still there.
    pub async fn some_keys(&self, count: usize) -> Result<Vec<String>, DatasetError> {
        self.0.some_keys(count).await
    }
}

impl PlanSource for ShardSource {
    fn shape(&self) -> PlanShape<'_> {
        PlanShape { unit: Unit::Shard, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        self.0.rows(after.map(|row| row.key.as_str()))
    }

    fn take_left_out(&self) -> LeftOut {
        self.0.take_left_out()
    }

    fn empty_error(&self) -> DatasetError {
        self.0.empty_error()
    }
}

/// One shard that is being read.
struct Reading<'a> {
    part: &'a Part,
    shard: &'a PlanRow,
    /// As planned; where it was not, the first window's tag holds for all.
    etag: OnceLock<String>,
    intake: &'a dyn Intake,
    pass: Pass,
    rows: AtomicU32,
}

impl ShardDataset {
    /// `output` holds the plan; `others` are shards that tell whether the input as a whole can be read.
    pub fn new(input: Location, output: Location, options: ShardOptions, others: Vec<String>) -> Self {
        let patience = Patience::new(&input, others.clone());
        ShardDataset { input, output, options, others, patience }
    }

    /// With another number of shards that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        ShardDataset { patience: self.patience.with_most(most), ..self }
    }

    /// The next window, or what its absence means: damage of this shard, or of everything.
    async fn window(&self, reading: &Reading<'_>, range: Range<u64>) -> Result<Window, ReadError> {
        let key = &reading.shard.key;
        if self.patience.skips(key, reading.pass) {
            return Err(ReadError::GivenUp);
        }
        let mut waiting = None;
        let (error, refused) = loop {
            let refused = Instant::now();
            let input = self.patience.input(waiting.as_ref());
            let error = match input.window(key, range.clone(), reading.etag.get().map(String::as_str)).await {
                Ok(window) if reading.shard.size.is_some_and(|planned| planned != window.size) => {
                    break (FetchError::Changed, refused);
                }
                Ok(window) => {
                    self.patience.probe.record_read(key, window.bytes.len());
                    if let Some(etag) = &window.etag {
                        reading.etag.get_or_init(|| etag.clone());
                    }
                    return Ok(window);
                }
                Err(FetchError::Store(error)) => error,
                Err(error) => break (error, refused),
            };
            let of = (reading.pass, reading.intake);
            match self.patience.after(&mut waiting, key, error, of).await? {
                Verdict::Again => {}
                Verdict::GivenUp => return Err(ReadError::GivenUp),
                Verdict::Row(error) => {
                    return Err(ReadError::Damaged { row: Box::new(reading.whole()), error });
                }
            }
        };
        let (kind, why) = match error {
            FetchError::Store(error) => return Err(error.into()),
            FetchError::Changed | FetchError::TooLarge { .. } => {
                return Err(reading.damaged(ErrorKind::Changed, "the shard is not the one that was planned"));
            }
            FetchError::Unaddressable(why) => {
                let why = format!("the shard's key cannot be asked for: {why}");
                return Err(reading.damaged(ErrorKind::Unaddressable, &why));
            }
            FetchError::Corrupt(mismatch) => {
                return Err(reading.damaged(ErrorKind::Corrupt, &mismatch.to_string()));
            }
            FetchError::Archived => return Err(reading.damaged(ErrorKind::Archived, ARCHIVED)),
            FetchError::NotFound => (ErrorKind::NotFound, "the shard is gone"),
            FetchError::Denied => (ErrorKind::Denied, "the store refuses to give this shard"),
        };
        let denied = kind == ErrorKind::Denied;
        self.patience.probe.check_input(&self.input, key, &self.others, denied, refused).await?;
        Err(reading.damaged(kind, why))
    }

    async fn shard(&self, reading: &Reading<'_>) -> Result<PartEnd, ReadError> {
        let mut samples = Samples::new(ShardLimits::new(self.options.max_encoded_bytes));
        let mut window = self.window(reading, 0..WINDOW).await?;
        let mut at = 0;
        loop {
            at += window.bytes.len() as u64;
            let goes_on = at < window.size && !window.bytes.is_empty();
            let next = async {
                match goes_on {
                    true => self.window(reading, at..at + WINDOW).await.map(Some),
                    false => Ok(None),
                }
            };
            // one window is fetched while the one before becomes rows
            let ((), next) = try_join(self.images(reading, &mut samples, &window.bytes), next).await?;
            match next {
                Some(next) if !samples.has_ended() => window = next,
                _ => break,
            }
        }
        let found = samples.finish();
        let skipped = found.skipped.special + found.skipped.files;
        let cut = match &found.end {
            Err(error @ TarError::Truncated { .. }) => Some(error.to_string()),
            Err(error) => return Err(reading.broken(error)),
            Ok(()) => None,
        };
        let nobody = found.images.is_empty();
        self.deliver(reading, found.images).await?;
        if let Some(why) = &cut {
            tracing::warn!(key = reading.shard.key, why, "a shard was cut");
            if nobody {
                // a cut always leaves a row that says so
                let mut row = reading.whole();
                row.row_id += i64::from(reading.rows());
                let error = RowError::new(ErrorKind::Truncated, format!("the shard {why}"));
                self.row(reading, row, Err(error)).await?;
            }
        }
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        Ok(PartEnd { rows: reading.rows(), skipped, damaged: u32::from(cut.is_some()) })
    }

    /// Takes the images of a window.
    async fn images(
        &self,
        reading: &Reading<'_>,
        samples: &mut Samples,
        mut bytes: &[u8],
    ) -> Result<(), ReadError> {
        while let Some(images) = samples.next(&mut bytes).map_err(|error| reading.broken(&error))? {
            self.deliver(reading, images).await?;
        }
        Ok(())
    }

    async fn deliver(&self, reading: &Reading<'_>, images: Vec<ShardImage>) -> Result<(), ReadError> {
        for image in images {
            let mut sample = Sample {
                row_id: reading.part.first_row + i64::from(reading.rows()),
                key: format!("{}!{}", reading.shard.key, image.name),
                etag: reading.etag.get().cloned(),
                size: Some(image.size),
                target: None,
                carried: Vec::new(),
            };
            sample.target = self.options.targets.as_ref().and_then(|truth| truth.named(&image.name));
            let described = self.describe(&mut sample, &image.texts);
            let bytes = image.bytes.and_then(|bytes| described.map(|()| bytes));
            self.row(reading, sample, bytes).await?;
        }
        Ok(())
    }

    async fn row(
        &self,
        reading: &Reading<'_>,
        sample: Sample,
        bytes: Result<Vec<u8>, RowError>,
    ) -> Result<(), ReadError> {
        if reading.rows() == self.options.most_rows {
            return Err(ReadError::TooMany {
                key: reading.shard.key.clone(),
                most: self.options.most_rows,
                what: "shard",
                advice: "pack smaller shards, or ask for less a row (`output.embedding`, `output.logits`)",
            });
        }
        let size = bytes.as_ref().map_or(0, Vec::len) as u64;
        let ticket = reading.intake.admit(sample, Some(size)).await.map_err(|_| ReadError::Stopped)?;
        // the tag stands in the sample already
        ticket.deliver(bytes.map(|bytes| Arrival { bytes: bytes.into(), etag: None }));
        reading.rows.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Reads target and carried columns from the texts beside an image.
    fn describe(&self, sample: &mut Sample, texts: &Texts) -> Result<(), RowError> {
        let refuse = |why: String| RowError::new(ErrorKind::Corrupt, why);
        let cls = text("cls", texts.cls.as_ref())?;
        let names = self.options.targets.as_ref().and_then(Truth::beside);
        let wants_json = names.is_some() && cls.is_none() || !self.options.carried.is_empty();
        let json: serde_json::Map<String, serde_json::Value> = match text("json", texts.json.as_ref())? {
            Some(json) if wants_json => serde_json::from_str(json)
                .map_err(|error| refuse(format!("the `.json` beside it is no object: {error}")))?,
            _ => serde_json::Map::new(),
        };
        for column in &self.options.carried {
            sample.carried.push(match json.get(&column.name) {
                None | Some(serde_json::Value::Null) if column.name == "txt" => {
                    text("txt", texts.txt.as_ref())?.map_or(Value::Null, |text| Value::Text(text.to_owned()))
                }
                value => json_text(value),
            });
        }
        let Some(names) = names else { return Ok(()) };
        let target = match (cls, TARGET_KEYS.into_iter().find_map(|key| json.get(key))) {
            (Some(cls), _) => names.target(cls).map_err(|why| format!("the `.cls` beside it: {why}")),
            (None, Some(value)) => {
                names.target_of(value).map_err(|why| format!("the class in the `.json` beside it: {why}"))
            }
            (None, None) => Ok(None),
        };
        sample.target = target.map_err(refuse)?;
        Ok(())
    }
}

/// A text beside an image, if there is one.
fn text<'a>(suffix: &str, bytes: Option<&'a Result<Vec<u8>, String>>) -> Result<Option<&'a str>, RowError> {
    match bytes {
        None => Ok(None),
        Some(Err(why)) => Err(RowError::new(ErrorKind::Limit, why.clone())),
        Some(Ok(bytes)) => std::str::from_utf8(bytes).map(Some).map_err(|_| {
            RowError::new(ErrorKind::Corrupt, format!("the `.{suffix}` beside it is not UTF-8"))
        }),
    }
}

impl Reading<'_> {
    fn rows(&self) -> u32 {
        self.rows.load(Ordering::Relaxed)
    }

    /// The row that stands for the whole shard.
    fn whole(&self) -> Sample {
        Sample {
            row_id: self.part.first_row,
            key: escaped(&self.shard.key),
            etag: self.etag.get().cloned(),
            size: self.shard.size,
            target: None,
            carried: Vec::new(),
        }
    }

    fn damaged(&self, kind: ErrorKind, why: &str) -> ReadError {
        ReadError::Damaged { row: Box::new(self.whole()), error: RowError::new(kind, why) }
    }

    fn broken(&self, error: &TarError) -> ReadError {
        let kind = match error {
            TarError::NotTar { .. } => ErrorKind::Unsupported,
            TarError::Broken { .. } => ErrorKind::Corrupt,
            TarError::Truncated { .. } => ErrorKind::Truncated,
        };
        self.damaged(kind, &format!("the shard {error}"))
    }
}

impl ShardDataset {
    async fn read_part(&self, part: &Part, intake: &dyn Intake, pass: Pass) -> Result<PartEnd, ReadError> {
        let shard = part.plan_row(&self.output).await?;
        let etag = shard.etag.clone().map_or_else(OnceLock::new, OnceLock::from);
        self.shard(&Reading { part, shard: &shard, etag, intake, pass, rows: AtomicU32::new(0) }).await
    }
}

impl Dataset for ShardDataset {
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(self.read_part(part, intake, pass))
    }
}
