//! How images are read that are an object each: those of a folder, or those that a manifest names.

use std::borrow::Cow;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{FetchError, Location, Planned, escaped};

use super::error::ARCHIVED;
use super::intake::{Arrival, Intake, Pass, Ticket};
use super::plan::Part;
use super::spelling;
use super::unreadable::{Patience, Verdict};
use super::{Dataset, PartEnd, ReadError, Roots};

/// A store that images are read from, with the witnesses that distinguish an image's fault from the store's.
struct Store {
    input: Location,
    patience: Patience,
}

/// Reads the images of a folder or a manifest whose plan is frozen.
pub struct FolderDataset {
    /// The input's, then those of the roots.
    stores: Vec<Store>,
    roots: Roots,
    output: Location,
    max_encoded_bytes: u64,
}

impl FolderDataset {
    /// `output` holds the plan; the input's own settings bound the requests in flight.
    pub fn new(input: Location, output: Location, max_encoded_bytes: u64) -> Self {
        let patience = Patience::new(&input, Vec::new());
        let stores = vec![Store { input, patience }];
        FolderDataset { stores, roots: Roots::default(), output, max_encoded_bytes }
    }

    /// With another number of objects that may be given up in this process.
    pub fn with_most_unreadable(mut self, most: usize) -> Self {
        let stores = self.stores.drain(..);
        self.stores =
            stores.map(|store| Store { patience: store.patience.with_most(most), ..store }).collect();
        self
    }

    /// Reads keys that are addresses below these folders from their stores. The number of objects that may be given up
    /// is that of all stores together, so it has to be set before.
    pub fn with_roots(mut self, roots: Roots) -> Self {
        let beside = |(address, input): (&str, &Location)| Store {
            patience: self.stores[0].patience.beside(input, address),
            input: input.clone(),
        };
        let others: Vec<Store> = roots.all().map(beside).collect();
        self.stores.truncate(1);
        self.stores.extend(others);
        self.roots = roots;
        self
    }

    /// The store of an image, and the image's key on it.
    fn store_of<'a>(&self, key: &'a str) -> (&Store, Cow<'a, str>) {
        match self.roots.find(key) {
            None => (&self.stores[0], Cow::Borrowed(key)),
            Some((root, key)) => (&self.stores[root + 1], key),
        }
    }

    /// Reads one image into its row; false if its part is given up for it.
    async fn fetch(
        &self,
        sample: Sample,
        mut ticket: Box<dyn Ticket>,
        reading: (Pass, &dyn Intake),
    ) -> Result<bool, ReadError> {
        let planned = Planned { etag: sample.etag.as_deref(), size: sample.size };
        let (store, key) = self.store_of(&sample.key);
        let mut waiting = None;
        if store.patience.skips(&key, reading.0) {
            return Ok(false);
        }
        loop {
            let permit = store.input.permit().await;
            let input = store.patience.input(waiting.as_ref());
            let fetched = input.fetch_aside(&key, planned, self.max_encoded_bytes).await;
            drop(permit);
            let refused = Instant::now();
            let error = match fetched {
                Ok(fetched) => {
                    let len = fetched.bytes.len() as u64;
                    store.patience.probe.record_read(&key, fetched.bytes.len());
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
                    ticket.deliver(Err(self.refusal((store, &key), error, (refused, hint)).await?));
                    return Ok(true);
                }
            };
            ticket.release();
            match store.patience.after(&mut waiting, &key, error, reading).await? {
                Verdict::Again => ticket.refit(sample.size.unwrap_or_default()).await,
                Verdict::Row(error) => {
                    ticket.deliver(Err(error));
                    return Ok(true);
                }
                Verdict::GivenUp => return Ok(false),
            }
        }
    }

    /// Returns the row of an image that the store refuses, if the store serves others. The hint names what about the
    /// key may be the reason.
    async fn refusal(
        &self,
        (store, key): (&Store, &str),
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
            FetchError::Archived => {
                // the store answers for it, and to these credentials: it is as good a witness as one that was read
                store.patience.probe.record_read(key, 1);
                RowError::new(ErrorKind::Archived, ARCHIVED)
            }
            FetchError::NotFound | FetchError::Denied => {
                let denied = matches!(error, FetchError::Denied);
                let key = store.patience.named(key);
                match (store.patience.probe.can_still_read(&store.input, refused).await?, denied) {
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

    /// Looks for an object that can be read on every store of a part.
    async fn probe_part(&self, samples: &[Sample]) -> Result<(), ReadError> {
        let mut keys: Vec<Vec<Cow<'_, str>>> = self.stores.iter().map(|_| Vec::new()).collect();
        for sample in samples.iter().filter(|sample| sample.size != Some(0)) {
            match self.roots.find(&sample.key) {
                None => keys[0].push(Cow::Borrowed(&sample.key)),
                Some((root, key)) => keys[root + 1].push(key),
            }
        }
        for (store, keys) in self.stores.iter().zip(&keys) {
            store.patience.probe.probe_part(keys, &store.input).await?;
        }
        Ok(())
    }

    async fn read_part(&self, part: &Part, intake: &dyn Intake, pass: Pass) -> Result<PartEnd, ReadError> {
        let samples = part.samples(&self.output).await?;
        let rows = samples.len() as u32;
        self.probe_part(&samples).await?;
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
