//! A folder of images on any store: what belongs to it, in byte order of the key, and how it is read.

use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt, TryStreamExt};

use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{FetchError, Location, Planned, escaped};

use super::hidden::{is_hidden, is_hidden_name};
use super::intake::{Arrival, Intake, Pass, Ticket};
use super::plan::{
    LeftOut, LeftOutCounter, Part, PlanPosition, PlanRow, PlanShape, PlanSource, extension_of,
};
use super::spelling;
use super::unreadable::{Patience, Verdict};
use super::{Dataset, DatasetError, FolderRule, FolderTargets, Glob, NameTruth, PartEnd, ReadError};

/// Extensions that are taken for images; the bytes decide the format.
pub const IMAGE_EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp"];

/// How many folders are looked into at the same time for their first image.
const FOLDERS_AT_ONCE: usize = 16;

/// The planning side of a folder.
pub struct FolderSource {
    input: Location,
    any_extension: bool,
    takes_hidden: bool,
    targets: Option<NameTruth>,
    /// Which keys are meant, where not all are; and what stands in front of ours in it.
    glob: Option<(Glob, String)>,
    left_out: LeftOutCounter,
}

impl FolderSource {
    /// A folder whose targets are known (or do not matter).
    pub fn new(input: Location, any_extension: bool, targets: Option<NameTruth>) -> Self {
        let left_out = LeftOutCounter::default();
        FolderSource { input, any_extension, takes_hidden: false, targets, glob: None, left_out }
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        FolderSource { takes_hidden, ..self }
    }

    /// Only the images that a pattern means.
    ///
    /// # Errors
    /// Where the pattern means nothing.
    pub fn matching(mut self, pattern: Option<&str>) -> Result<Self, DatasetError> {
        let bad = |why| DatasetError::Pattern { pattern: pattern.unwrap_or_default().to_owned(), why };
        let glob = pattern.map(Glob::parse).transpose().map_err(bad)?;
        self.glob = glob.map(|glob| (glob, String::new()));
        Ok(self)
    }

    /// Finds the classes by the rule of the dataset, or by one that fits: folder names first, and only if no rule
    /// takes them as they are, whether each holds an image (so that a bucket, which has no empty folders, and a
    /// disk agree).
    pub async fn observe_targets(
        &self,
        rule: Option<FolderRule>,
        model_classes: Option<&[String]>,
        class_count: usize,
    ) -> Result<FolderTargets, DatasetError> {
        let mut names = self.input.folders().await?;
        // a pattern may name one
        names.retain(|name| self.glob.is_some() || !is_hidden_name(name));
        let choose = |names: &[String]| match rule {
            Some(rule) => FolderTargets::by_rule(rule, &self.input.uri(), names),
            None => FolderTargets::choose(&self.input.uri(), names, model_classes, class_count),
        };
        if let Ok(targets) = choose(&names)
            && targets.rule != FolderRule::Codepoint
            && self.glob.is_none()
        {
            return Ok(targets);
        }
        let holds: Vec<(String, bool)> = futures::stream::iter(names)
            .map(|name| async move {
                let source = FolderSource {
                    glob: self.glob.as_ref().map(|(glob, front)| (glob.clone(), format!("{front}{name}/"))),
                    ..FolderSource::new(self.input.below(&name)?, self.any_extension, None)
                };
                Ok::<_, DatasetError>((name, source.first().await?.is_some()))
            })
            .buffered(FOLDERS_AT_ONCE)
            .try_collect()
            .await?;
        let names: Vec<String> =
            holds.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect();
        choose(&names)
    }

    /// The first image, if there is one; leaves no trace in the counts.
    pub async fn first(&self) -> Result<Option<PlanRow>, DatasetError> {
        let first = self.rows(None).try_next().await?;
        Ok(first)
    }

    fn matches(&self, key: &str) -> bool {
        self.glob.as_ref().is_none_or(|(glob, front)| match front.is_empty() {
            true => glob.matches(key),
            false => glob.matches(&format!("{front}{key}")),
        })
    }

    /// True if a key is hidden and no pattern names it.
    fn hides(&self, key: &str) -> bool {
        match &self.glob {
            _ if self.takes_hidden => false,
            None => is_hidden(key),
            Some((glob, front)) => {
                let key = format!("{front}{key}");
                is_hidden(&key) && !glob.names_hidden(&key)
            }
        }
    }

    fn takes(&self, extension: Option<&str>) -> bool {
        self.any_extension || extension.is_some_and(|extension| IMAGE_EXTENSIONS.contains(&extension))
    }
}

impl PlanSource for FolderSource {
    fn shape(&self) -> PlanShape<'_> {
        let sets = self.targets.as_ref().is_some_and(NameTruth::has_sets);
        PlanShape { sets, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let tell = |file: crate::store::Unreadable| {
            tracing::warn!(path = file.path, why = file.why, "a file cannot become a row");
            self.left_out.count(|left_out| left_out.unreadable += 1);
        };
        // the listing borrows the closure for as long as it runs
        let tell: Box<dyn Fn(crate::store::Unreadable) + Send + Sync + '_> = Box::new(tell);
        let rows = self.input.entries(after.map(|row| row.key.as_str()), tell).map_err(DatasetError::from);
        rows.try_filter_map(move |entry| {
            if !self.matches(&entry.key) {
                return futures::future::ready(Ok(None));
            }
            if entry.is_marker() {
                self.left_out.count(|left_out| left_out.markers += 1);
                return futures::future::ready(Ok(None));
            }
            if self.hides(&entry.key) {
                self.left_out.count(|left_out| left_out.hidden += 1);
                return futures::future::ready(Ok(None));
            }
            let extension = extension_of(&entry.key);
            if !self.takes(extension.as_deref()) {
                self.left_out.count_extension(extension.as_deref());
                return futures::future::ready(Ok(None));
            }
            let target = self.targets.as_ref().and_then(|targets| targets.of(&entry.key));
            if self.targets.is_some() && target.is_none() {
                self.left_out.count(|left_out| left_out.without_target += 1);
            }
            futures::future::ready(Ok(Some(PlanRow {
                size: Some(entry.size),
                etag: entry.etag,
                target,
                key: entry.key,
                ..PlanRow::default()
            })))
        })
        .boxed()
    }

    fn empty_error(&self) -> DatasetError {
        DatasetError::Empty {
            uri: self.input.uri(),
            left_out: self.take_left_out().in_brackets(),
            extensions: IMAGE_EXTENSIONS.join(", "),
        }
    }

    fn take_left_out(&self) -> LeftOut {
        self.left_out.take()
    }
}

/// The reading side of a folder whose plan stands.
pub struct FolderDataset {
    input: Location,
    output: Location,
    max_encoded_bytes: u64,
    patience: Patience,
}

impl FolderDataset {
    /// `output` holds the plan; the input's own settings bound the requests in flight.
    pub fn new(input: Location, output: Location, max_encoded_bytes: u64) -> Self {
        let patience = Patience::new(&input, Vec::new());
        FolderDataset { input, output, max_encoded_bytes, patience }
    }

    /// With another number of objects that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        FolderDataset { patience: self.patience.with_most(most), ..self }
    }

    /// Reads one image into its row; false if its part is given up for it.
    async fn fetch(
        &self,
        sample: Sample,
        mut ticket: Box<dyn Ticket>,
        reading: (Pass, &dyn Intake),
    ) -> Result<bool, ReadError> {
        let planned = Planned { etag: sample.etag.as_deref(), size: sample.size };
        let mut waiting = None;
        if self.patience.skips(&sample.key, reading.0) {
            return Ok(false);
        }
        loop {
            let permit = self.input.permit().await;
            let input = self.patience.input(waiting.as_ref());
            let fetched = input.fetch(&sample.key, planned, self.max_encoded_bytes).await;
            drop(permit);
            let refused = Instant::now();
            let error = match fetched {
                Ok(fetched) => {
                    let len = fetched.bytes.len() as u64;
                    self.patience.probe.record_read(&sample.key, fetched.bytes.len());
                    if !ticket.fit(len) {
                        ticket.refit(len).await;
                    }
                    ticket.deliver(Ok(Arrival { bytes: fetched.bytes, etag: fetched.etag }));
                    return Ok(true);
                }
                Err(FetchError::Store(error)) => error,
                Err(error) => {
                    // a key that was listed is written as the store writes it
                    let hint = if planned.etag.is_none() { spelling::hint(&sample.key) } else { None };
                    ticket.deliver(Err(self.refusal(sample.key, error, (refused, hint)).await?));
                    return Ok(true);
                }
            };
            ticket.release();
            match self.patience.after(&mut waiting, &sample.key, error, reading).await? {
                Verdict::Again => ticket.refit(sample.size.unwrap_or_default()).await,
                Verdict::Row(error) => {
                    ticket.deliver(Err(error));
                    return Ok(true);
                }
                Verdict::GivenUp => return Ok(false),
            }
        }
    }

    /// The row of an image that the store refuses, if it gives others. The hint says what about the key may be the
    /// reason.
    async fn refusal(
        &self,
        key: String,
        error: FetchError,
        (refused, hint): (Instant, Option<&str>),
    ) -> Result<RowError, ReadError> {
        Ok(match error {
            FetchError::TooLarge { size } => RowError::new(
                ErrorKind::Limit,
                format!("{size} bytes are more than `limits.max_encoded_bytes` = {}", self.max_encoded_bytes),
            ),
            FetchError::Unaddressable(why) => {
                RowError::new(ErrorKind::Unaddressable, format!("its key cannot be asked for: {why}"))
            }
            FetchError::Changed => {
                RowError::new(ErrorKind::Changed, "the object is not the one that was planned")
            }
            FetchError::Corrupt(mismatch) => RowError::new(ErrorKind::Corrupt, mismatch.to_string()),
            FetchError::Store(error) => return Err(error.into()),
            FetchError::NotFound | FetchError::Denied => {
                let denied = matches!(error, FetchError::Denied);
                match (self.patience.probe.can_still_read(&self.input, refused).await?, denied) {
                    (false, true) => return Err(ReadError::AllDenied { key }),
                    (false, false) => {
                        let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
                        return Err(ReadError::AllGone { key, hint });
                    }
                    (true, true) => RowError::new(ErrorKind::Denied, "the store refuses to give this object"),
                    (true, false) => RowError::new(
                        ErrorKind::NotFound,
                        match hint {
                            None => "the object is gone".to_owned(),
                            Some(hint) => format!("there is no such object; {hint}"),
                        },
                    ),
                }
            }
        })
    }

    async fn read_part(&self, part: &Part, intake: &dyn Intake, pass: Pass) -> Result<PartEnd, ReadError> {
        let samples = part.samples(&self.output).await?;
        let rows = samples.len() as u32;
        self.patience.probe.probe_part(&samples, &self.input).await?;
        let (mut fetches, mut is_whole) = (FuturesUnordered::new(), true);
        for sample in samples {
            let row = Sample { key: escaped(&sample.key), ..sample.clone() };
            let mut admission = intake.admit(row, sample.size);
            let ticket = loop {
                tokio::select! {
                    biased;
                    Some(done) = fetches.next(), if !fetches.is_empty() => is_whole &= done?,
                    ticket = &mut admission => break ticket,
                }
            };
            let ticket = match ticket {
                Ok(ticket) => ticket,
                Err(_) if is_whole => return Err(ReadError::Stopped),
                Err(_) => return Err(ReadError::GivenUp),
            };
            fetches.push(self.fetch(sample, ticket, (pass, intake)));
        }
        // also in a part that is given up: what else cannot be read is to be known before it is read again
        while let Some(done) = fetches.next().await {
            is_whole &= done?;
        }
        match is_whole {
            true => Ok(PartEnd { rows, ..PartEnd::default() }),
            false => Err(ReadError::GivenUp),
        }
    }
}

impl Dataset for FolderDataset {
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(self.read_part(part, intake, pass))
    }
}
