//! Where the bytes of row groups come from: the store, with patience, or what was read of them ahead of their turn.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::dataset::ReadError;
use crate::dataset::ahead::{ReadAhead, Sizes, Warm};
use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::Pass;
use crate::dataset::plan::{Part, PlanRow, RowGroup};
use crate::dataset::unreadable::{Patience, Verdict, Waiting};
use crate::sample::{ErrorKind, RowError};
use crate::store::{FetchError, Location, ParquetReadError, PieceRequest, StoreError, WindowedGroup};

use super::footers::Footers;
use super::images::Images;
use super::opened::{NotOpened, Opened, joined};
use super::options::ParquetOptions;
use super::reading::{Asking, Fault, corrupt};

/// The files of a dataset, and what is read of them ahead.
pub(super) struct GroupSource {
    pub input: Location,
    pub options: Arc<ParquetOptions>,
    pub patience: Arc<Patience>,
    pub ahead: ReadAhead<Arc<Opened>, Bytes>,
    /// Files that are asked whether the input as a whole can be read.
    others: Vec<String>,
    footers: Arc<Footers>,
}

/// A group whose columns are known.
pub(super) struct Group<'a> {
    pub opened: Arc<Opened>,
    pub images: Images<'a>,
    pub batches: Batches,
}

/// The decoded rows of a group as they are taken.
pub(super) enum Batches {
    /// From its encoded bytes in memory.
    Held(Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>),
    /// From windows of them.
    Windowed(WindowedGroup),
}

impl GroupSource {
    pub fn new(input: Location, options: ParquetOptions, others: Vec<String>) -> Self {
        let patience = Arc::new(Patience::new(&input, others.clone()));
        let (options, ahead) = (Arc::new(options), ReadAhead::new(Sizes::default()));
        GroupSource { input, options, patience, ahead, others, footers: Arc::default() }
    }

    /// With another number of files that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        let patience = Patience::new(&self.input, self.others.clone()).with_most(most);
        GroupSource { patience: Arc::new(patience), ..self }
    }

    /// With windows of `bytes` together. A quarter of them is a row group in memory, the rest is read ahead of its turn.
    pub fn with_window_bytes(self, bytes: u64) -> Self {
        let most_held = self.options.most_held.min(bytes / 4);
        let options = ParquetOptions { most_held, ..ParquetOptions::clone(&self.options) };
        let ahead = ReadAhead::new(Sizes::of(bytes - most_held));
        GroupSource { options: Arc::new(options), ahead, ..self }
    }

    /// Begins to read the group of a part ahead of its turn. `output` holds the plan.
    pub fn warm(&self, part: &Part, output: &Location) -> Warm {
        let (part, output, patience) = (part.clone(), output.clone(), self.patience.clone());
        let (footers, options, sizes) = (self.footers.clone(), self.options.clone(), self.ahead.sizes());
        self.ahead.warm(part.id, async move {
            let file = part.plan_row(&output).await.ok()?;
            if patience.skips(&file.key, Pass::First) {
                return None;
            }
            let (input, group) = (patience.input(None), file.group?);
            let permit = input.permit().await;
            let footer = footers.open(input, &file).await.ok()?;
            drop(permit);
            let opened = Opened::new(file, group, footer, (&options, sizes)).ok()?;
            let windows = opened.windows(input);
            Some((Arc::new(opened), windows))
        })
    }

    async fn fault(&self, key: &str, error: ParquetReadError, since: Instant) -> Fault {
        let error = match error {
            ParquetReadError::Store(error)
            | ParquetReadError::Refused { error: FetchError::Store(error), .. } => {
                return error.into();
            }
            ParquetReadError::Damaged { why, .. } => return corrupt(why),
            ParquetReadError::Refused { error, .. } => error,
        };
        let (kind, why) = match error {
            FetchError::Unaddressable(why) => {
                let why = format!("the file's key cannot be asked for: {why}");
                return Fault::Group(RowError::new(ErrorKind::Unaddressable, why));
            }
            FetchError::Archived => return Fault::Group(RowError::new(ErrorKind::Archived, ARCHIVED)),
            FetchError::NotFound => (ErrorKind::NotFound, "the file is gone"),
            FetchError::Denied => (ErrorKind::Denied, "the store refuses to give this file"),
            _ => (ErrorKind::Changed, "the file is not the one that was planned"),
        };
        if kind != ErrorKind::Changed {
            let denied = kind == ErrorKind::Denied;
            let checked = self.patience.probe.check_input(&self.input, key, &self.others, denied, since);
            if let Err(error) = checked.await {
                return Fault::Read(error);
            }
        }
        Fault::Group(RowError::new(kind, why))
    }

    /// Opens a group as soon as the store gives its bytes, or those of its footer.
    ///
    /// # Errors
    /// [`Fault::Group`]: the file is gone, denied, archived, changed or damaged. [`Fault::Read`]: the input cannot be
    /// read as a whole, or the file is given up.
    pub async fn group(&self, asking: Asking<'_>, group: RowGroup) -> Result<Group<'_>, Fault> {
        let (mut waiting, mut known) = (None, asking.turn.known().await);
        loop {
            let input = self.waits(asking, waiting.as_ref())?;
            let opened = match known.take() {
                Some(opened) => Ok(opened),
                None => self.opened(input, asking.file, group).await,
            };
            let read = match opened {
                Ok(opened) => {
                    let is_cut_now = asking.turn.cut(|| opened.windows(self.patience.input(None)));
                    if waiting.is_some() && !is_cut_now {
                        // the windows that came are lost with the try that failed
                        asking.turn.restart(opened.cuts());
                    }
                    self.group_from(input, asking, opened).await
                }
                Err(fault) => Err(fault),
            };
            match read {
                Err(Fault::Read(ReadError::Store(error))) => self.wait(asking, &mut waiting, error).await?,
                done => return done,
            }
        }
    }

    /// Where a file is read from, unless it was given up.
    fn waits(&self, asking: Asking<'_>, waiting: Option<&Waiting>) -> Result<&Location, Fault> {
        match self.patience.skips(&asking.file.key, asking.pass) {
            true => Err(ReadError::GivenUp.into()),
            false => Ok(self.patience.input(waiting)),
        }
    }

    /// Waits after a try that failed, if there is another one.
    async fn wait(
        &self,
        asking: Asking<'_>,
        waiting: &mut Option<Waiting>,
        error: StoreError,
    ) -> Result<(), Fault> {
        match self.patience.after(waiting, &asking.file.key, error, (asking.pass, asking.intake)).await? {
            Verdict::Again => Ok(()),
            Verdict::Row(error) => Err(Fault::Group(error)),
            Verdict::GivenUp => Err(ReadError::GivenUp.into()),
        }
    }

    /// Reads the footer of a group's file.
    async fn opened(&self, input: &Location, file: &PlanRow, group: RowGroup) -> Result<Arc<Opened>, Fault> {
        let since = Instant::now();
        let footer = match self.footers.open(input, file).await {
            Ok(footer) => footer,
            Err(error) => return Err(self.fault(&file.key, error, since).await),
        };
        self.patience.probe.record_read(&file.key, 1);
        match Opened::new(file.clone(), group, footer, (&self.options, self.ahead.sizes())) {
            Ok(opened) => Ok(Arc::new(opened)),
            Err(NotOpened::Damaged(why)) => Err(corrupt(why)),
            Err(NotOpened::Read(error)) => Err(self.fault(&file.key, error, since).await),
        }
    }

    async fn group_from(
        &self,
        input: &Location,
        asking: Asking<'_>,
        opened: Arc<Opened>,
    ) -> Result<Group<'_>, Fault> {
        let (key, object, since) = (&asking.file.key, &opened.footer.object, Instant::now());
        let images = Images::of(object, &self.options).map_err(corrupt)?;
        let read = opened.read.clone();
        let batches = if opened.is_held {
            // the two windows that the part owns
            let cells = stream::iter(0..opened.cells.len());
            let cells = cells.map(|index| self.cell(input, asking, (&opened, index))).buffered(2);
            let batches = match cells.try_collect().await {
                Ok(cells) => object.batches_of(read, opened.pieces(cells)),
                Err(error) => Err(error),
            };
            match batches {
                Ok(batches) => Batches::Held(Box::new(batches)),
                Err(error) => return Err(self.fault(key, error, since).await),
            }
        } else {
            Batches::Windowed(object.windowed(read, self.ahead.sizes().window()))
        };
        Ok(Group { opened, images, batches })
    }

    /// One cell of a group, which may have come ahead of its turn.
    async fn cell(
        &self,
        input: &Location,
        asking: Asking<'_>,
        (opened, index): (&Opened, usize),
    ) -> Result<Bytes, ParquetReadError> {
        let bytes = match asking.turn.take(index as u64).await {
            Some(bytes) => bytes,
            None => {
                let permit = input.permit().await;
                let bytes = opened.footer.object.piece(input, opened.cells[index].clone()).await?;
                drop(permit);
                asking.turn.came(index as u64, &bytes);
                bytes
            }
        };
        self.patience.probe.record_read(&asking.file.key, bytes.len());
        Ok(bytes)
    }

    /// Reads what the decoding of a group asks for, until it ends.
    ///
    /// # Errors
    /// Those of [`GroupSource::group`], and a request that does not begin where a column is cut.
    pub async fn serve(
        &self,
        opened: &Opened,
        mut requests: mpsc::Receiver<PieceRequest>,
        asking: Asking<'_>,
    ) -> Result<(), Fault> {
        while let Some(request) = requests.recv().await {
            let (mut at, mut cells) = (request.range.start, Vec::new());
            while at < request.range.end {
                // it asks for whole cells
                let cell = opened.cells.iter().position(|cell| cell.start == at);
                let cell = cell.ok_or_else(|| corrupt(format!("no column is cut at byte {at}")))?;
                cells.push(self.patient_cell(asking, (opened, cell)).await?);
                at = opened.cells[cell].end;
            }
            request.answer(joined(cells));
        }
        Ok(())
    }

    /// One cell of a group, as soon as the store gives it.
    async fn patient_cell(&self, asking: Asking<'_>, cell: (&Opened, usize)) -> Result<Bytes, Fault> {
        let mut waiting = None;
        loop {
            let (input, since) = (self.waits(asking, waiting.as_ref())?, Instant::now());
            let error = match self.cell(input, asking, cell).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => self.fault(&asking.file.key, error, since).await,
            };
            match error {
                Fault::Read(ReadError::Store(error)) => self.wait(asking, &mut waiting, error).await?,
                fault => return Err(fault),
            }
        }
    }
}
