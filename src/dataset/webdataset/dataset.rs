//! Shards read in order, window by window; an image is admitted when its sample is whole.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures::future::{BoxFuture, try_join};

use crate::dataset::ahead::{ReadAhead, Sizes, Warm};
use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::{Arrival, Intake, Pass, ReadAheadLimits};
use crate::dataset::plan::{Part, PlanRow};
use crate::dataset::unreadable::{Patience, Verdict};
use crate::dataset::{Dataset, PartEnd, ReadError};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{FetchError, Location, Window};

use super::error::TarError;
use super::finish::Found;
use super::options::ShardOptions;
use super::reading::Reading;
use super::rules::{ShardLimits, ShardRules};
use super::samples::{Samples, ShardImage};
use super::unpack::Unpacked;
use super::windows::windows;

/// The reading side of shards whose plan is frozen.
pub struct ShardDataset {
    input: Location,
    output: Location,
    options: ShardOptions,
    /// Some shards that are asked when the first ones are refused.
    others: Vec<String>,
    patience: Arc<Patience>,
    ahead: ReadAhead<PlanRow, Window>,
}

impl ShardDataset {
    /// `output` holds the plan; `others` are shards that are asked whether the input as a whole can be read.
    pub fn new(input: Location, output: Location, options: ShardOptions, others: Vec<String>) -> Self {
        let patience = Arc::new(Patience::new(&input, others.clone()));
        ShardDataset { input, output, options, others, patience, ahead: ReadAhead::new(Sizes::default()) }
    }

    /// With another number of shards that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        let patience = Patience::new(&self.input, self.others.clone()).with_most(most);
        ShardDataset { patience: Arc::new(patience), ..self }
    }

    /// With windows of `bytes` together, most of them read ahead of their turn.
    pub fn with_window_bytes(self, bytes: u64) -> Self {
        ShardDataset { ahead: ReadAhead::new(Sizes::of(bytes)), ..self }
    }

    /// The window that begins at a byte, or what its absence means: damage of this shard, or of everything.
    async fn window(&self, reading: &Reading<'_>, at: u64) -> Result<Window, ReadError> {
        let key = &reading.shard.key;
        if self.patience.skips(key, reading.pass) {
            return Err(ReadError::GivenUp);
        }
        let index = reading.index(at);
        if let Some(window) = reading.turn.take(index).await
            && reading.is_same_version(&window)
        {
            self.is_read(reading, &window);
            return Ok(window);
        }
        let window = self.window_in_turn(reading, at).await?;
        self.is_read(reading, &window);
        reading.turn.came(index, &window);
        Ok(window)
    }

    fn is_read(&self, reading: &Reading<'_>, window: &Window) {
        self.patience.probe.record_read(&reading.shard.key, window.bytes.len());
        if let Some(etag) = &window.etag {
            reading.etag.get_or_init(|| etag.clone());
        }
    }

    /// Asks for a window that was not asked for ahead of its turn, or not with success.
    async fn window_in_turn(&self, reading: &Reading<'_>, at: u64) -> Result<Window, ReadError> {
        let (key, range) = (&reading.shard.key, at..at + reading.window);
        let mut waiting = None;
        let (error, refused) = loop {
            let refused = Instant::now();
            let input = self.patience.input(waiting.as_ref());
            let permit = input.permit().await;
            let window = input.window(key, range.clone(), reading.etag.get().map(String::as_str)).await;
            drop(permit);
            let error = match window {
                Ok(window) if reading.shard.size.is_some_and(|planned| planned != window.size) => {
                    break (FetchError::Changed, refused);
                }
                Ok(window) => return Ok(window),
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

    /// Reads a shard, twice where images wait for texts that are not beside them.
    async fn shard(&self, reading: &Reading<'_>) -> Result<PartEnd, ReadError> {
        let limits = ShardLimits::new(self.options.max_encoded_bytes);
        let samples = Samples::new(limits, self.options.asked(), self.options.rules)
            .with_image_names(self.options.image_names);
        let mut window = self.window(reading, 0).await?;
        let size = window.size;
        let mut unpacked = self.unpacked(reading, &window.bytes)?;
        let mut found = self.to_its_end(reading, samples, &mut unpacked, (0, window)).await?;
        if let Some(again) = found.again.take() {
            let mut at = again.begins_at();
            let from = if unpacked.is_packed() { 0 } else { at };
            reading.restart(from, size);
            window = self.window(reading, from).await?;
            if unpacked.is_packed() {
                unpacked = self.unpacked(reading, &window.bytes)?;
                unpacked.skip(at);
                at = 0;
            }
            found = self.to_its_end(reading, *again, &mut unpacked, (at, window)).await?;
        }
        let cut = found.end.err().map(|error| error.to_string());
        let no_one = found.images.is_empty();
        self.deliver(reading, found.images).await?;
        if let Some(why) = &cut {
            tracing::warn!(key = reading.shard.key, why, "a shard was cut");
            if no_one {
                // a cut always leaves an error row
                let mut row = reading.whole();
                row.row_id += i64::from(reading.rows());
                let error = RowError::new(ErrorKind::Truncated, format!("the shard {why}"));
                self.row(reading, row, Err(error)).await?;
            }
        }
        if found.skipped.trailing > 0 {
            let bytes = found.skipped.trailing;
            tracing::warn!(
                key = reading.shard.key,
                bytes,
                "the end of a shard is no archive: it is left out"
            );
        }
        let skipped = u32::try_from(found.skipped.count()).unwrap_or(u32::MAX);
        Ok(PartEnd { rows: reading.rows(), skipped, damaged: u32::from(cut.is_some()), ..PartEnd::default() })
    }

    /// How the bytes of a shard are compressed, by its first window.
    fn unpacked(&self, reading: &Reading<'_>, first: &[u8]) -> Result<Unpacked, ReadError> {
        if self.options.rules == ShardRules::Earlier {
            return Ok(Unpacked::plain());
        }
        let unpacked = Unpacked::of(first).map_err(|error| reading.broken(&error))?;
        match unpacked.is_packed() && self.options.rules == ShardRules::SameAsEarlier {
            true => Err(reading.other_rules("is compressed").into()),
            false => Ok(unpacked),
        }
    }

    /// Reads on from a window that was fetched and its place in the object.
    async fn to_its_end(
        &self,
        reading: &Reading<'_>,
        mut samples: Samples,
        unpacked: &mut Unpacked,
        begin: (u64, Window),
    ) -> Result<Found, ReadError> {
        let (mut at, mut window) = begin;
        loop {
            at += window.bytes.len() as u64;
            let goes_on = at < window.size && !window.bytes.is_empty();
            let next = async {
                match goes_on {
                    true => self.window(reading, at).await.map(Some),
                    false => Ok(None),
                }
            };
            // one window is fetched while the one before becomes rows
            let images = self.images(reading, &mut samples, unpacked, &window.bytes);
            let ((), next) = try_join(images, next).await?;
            match next {
                Some(next) => window = next,
                None => break,
            }
        }
        let cut = unpacked.finish().err();
        let mut found = samples.finish(cut);
        found.skipped.trailing += unpacked.trailing();
        match &found.end {
            Ok(()) | Err(TarError::Truncated { .. }) => Ok(found),
            Err(error) => Err(reading.broken(error)),
        }
    }

    /// Takes the images of a window.
    async fn images(
        &self,
        reading: &Reading<'_>,
        samples: &mut Samples,
        unpacked: &mut Unpacked,
        mut bytes: &[u8],
    ) -> Result<(), ReadError> {
        loop {
            let ended = samples.has_ended();
            let piece = unpacked.next(&mut bytes, ended).map_err(|error| reading.broken(&error))?;
            let Some(mut piece) = piece else { return Ok(()) };
            while let Some(images) = samples.next(&mut piece).map_err(|error| reading.broken(&error))? {
                self.deliver(reading, images).await?;
            }
            if reading.rows().saturating_add(samples.collected()) > self.options.most_rows {
                return Err(self.too_many(reading));
            }
            // a piece may be of a window that expands to much more than its length
            tokio::task::yield_now().await;
        }
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
            let described = self.options.describe(&mut sample, &image.texts);
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
            return Err(self.too_many(reading));
        }
        let size = bytes.as_ref().map_or(0, Vec::len) as u64;
        let ticket = reading.intake.admit(sample, Some(size)).await.map_err(|_| ReadError::Stopped)?;
        // the sample has the tag already
        ticket.deliver(bytes.map(|bytes| Arrival { bytes: bytes.into(), etag: None }));
        reading.rows.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn too_many(&self, reading: &Reading<'_>) -> ReadError {
        ReadError::TooMany {
            key: reading.shard.key.clone(),
            most: self.options.most_rows,
            what: "shard",
            advice: "pack smaller shards, or ask for less a row (`output.embedding`, `output.logits`)",
        }
    }

    async fn read_part(&self, part: &Part, intake: &dyn Intake, pass: Pass) -> Result<PartEnd, ReadError> {
        let turn = self.ahead.turn(part.id);
        let shard = match turn.known().await {
            Some(shard) => shard,
            None => part.plan_row(&self.output).await?,
        };
        let window = self.ahead.sizes().window();
        if !self.patience.skips(&shard.key, pass) {
            turn.cut(|| windows(self.patience.input(None), &shard, window));
        }
        let reading = Reading {
            part,
            etag: shard.etag.clone().map_or_else(OnceLock::new, OnceLock::from),
            shard: &shard,
            intake,
            pass,
            rows: AtomicU32::new(0),
            turn,
            begin: AtomicU64::new(0),
            window,
        };
        self.shard(&reading).await
    }
}

impl Dataset for ShardDataset {
    fn read_ahead(&self) -> ReadAheadLimits {
        let sizes = self.ahead.sizes();
        ReadAheadLimits { parts: sizes.parts(), bytes: sizes.total() }
    }

    fn warm(&self, part: &Part) -> Warm {
        let (part, output, patience) = (part.clone(), self.output.clone(), self.patience.clone());
        let window = self.ahead.sizes().window();
        self.ahead.warm(part.id, async move {
            let shard = part.plan_row(&output).await.ok()?;
            let windows = windows(patience.input(None), &shard, window);
            (!patience.skips(&shard.key, Pass::First)).then_some((shard, windows))
        })
    }

    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(self.read_part(part, intake, pass))
    }
}
