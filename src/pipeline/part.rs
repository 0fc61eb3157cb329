//! One part: read, made into rows, encoded, committed. A part whose input turns out to be damaged is tried a
//! second time, as one error row.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::dataset::{Intake, Part, PartEnd, Pass, ReadError, Warm};
use crate::failure::{Exit, Failure};
use crate::ids::{AttemptId, PartId};
use crate::output::{self, PartFile, PartFooter, PartTime};
use crate::sample::{RowError, Sample};
use crate::telemetry::trace::Fact;

use super::intake::PartIntake;
use super::open_parts::OpenGuard;
use super::shared::Shared;

/// How a part ended.
pub(super) enum PartRun {
    /// It is committed.
    Committed(PartFile),
    /// Objects of it cannot be read: it is run again after all other parts.
    GivenUp(Part),
}

/// One part from its plan to its receipt. `warm` keeps what was read of it ahead, until it is read.
pub(super) async fn run_part(
    shared: &Shared,
    part: Part,
    pass: Pass,
    warm: Warm,
) -> Result<PartRun, Failure> {
    let started = PartTime::now();
    let (began, lane) = (Instant::now(), shared.progress.trace.lane("part"));
    let facts = [("part", Fact::Number(i64::from(part.id.0)))];
    let read = read_part(shared, &part, pass).await?;
    drop(warm);
    let Attempt { number, open, end } = match read {
        ReadPart::Whole(attempt) => attempt,
        ReadPart::Damaged(damaged) => damaged_part(shared, part.id, damaged).await?,
        ReadPart::GivenUp => return Ok(PartRun::GivenUp(part)),
    };
    lane.span("read", began, &facts);
    let is_read = Instant::now();
    open.part.expect(end.rows);
    let batches = open.part.whole().await;
    lane.span("last rows", is_read, &facts);
    shared.canary.ends(number);
    shared.canary.lets_pass(&batches, &shared.shutdown).await?;
    // all its rows are here: a signal must not give it up while it is written
    drop(open);
    if part.rows.is_none() {
        shared.progress.plan(u64::from(end.rows), u64::from(end.rows));
    }
    let (context, time) = (shared.context.clone(), PartTime::since(started));
    let (id, first_row, plan) = (part.id, part.first_row, part.plan);
    let progress = shared.progress.clone();
    let encode = move || {
        let began = Instant::now();
        let footer = PartFooter { id, first_row, plan: &plan, end, time };
        let encoded = output::encode(&context, footer, &batches);
        progress.meters.encode.since(began);
        encoded
    };
    let is_whole = Instant::now();
    let encoded = tokio::task::spawn_blocking(encode)
        .await
        .map_err(|error| Failure::caused(Exit::Bug, "encoding a part panicked", error))??;
    lane.span("encode", is_whole, &facts);
    let (is_encoded, bytes) = (Instant::now(), encoded.bytes.len() as u64);
    let receipt = output::commit(&shared.output, &shared.layout, encoded).await?;
    shared.progress.committed(is_encoded, bytes);
    lane.span("commit", is_encoded, &facts);
    lane.span("part", began, &facts);
    Ok(PartRun::Committed(receipt))
}

/// How the reading of a part ended.
pub(crate) enum ReadPart {
    Whole(Attempt),
    Damaged(Damaged),
    /// Objects cannot be read, although others can.
    GivenUp,
}

/// A part that was read to its end and whose rows may still be under way.
pub(crate) struct Attempt {
    number: AttemptId,
    open: OpenGuard,
    pub end: PartEnd,
}

/// A whole input that became one row.
pub(crate) struct Damaged {
    row: Sample,
    error: RowError,
}

/// Reads a part. One that is damaged or given up leaves no rows: those so far, made or in progress, are discarded.
pub(crate) async fn read_part(shared: &Shared, part: &Part, pass: Pass) -> Result<ReadPart, Failure> {
    let (number, open, intake) = attempt(shared, part.id, part.rows).await?;
    // whatever ends this task early drops the intake unsealed and closes the attempt: nothing of it is committed
    match shared.dataset.read(part, &intake, pass).await {
        Ok(end) => {
            intake.seal();
            Ok(ReadPart::Whole(Attempt { number, open, end }))
        }
        Err(ReadError::Damaged { row, error }) => {
            tracing::warn!(key = row.key, kind = %error.kind, why = error.message, "an input is damaged");
            give_up(shared, number, &open);
            Ok(ReadPart::Damaged(Damaged { row: *row, error }))
        }
        Err(ReadError::GivenUp) => {
            tracing::warn!(
                part = part.id.0,
                "objects of a part cannot be read: it is read again after all others"
            );
            give_up(shared, number, &open);
            Ok(ReadPart::GivenUp)
        }
        Err(error) => Err(Failure::from(error).within(format!("part {} was not read to its end", part.id))),
    }
}

/// Forgets the rows that an attempt has made so far.
fn give_up(shared: &Shared, number: AttemptId, open: &OpenGuard) {
    for batch in open.part.abandon() {
        shared.progress.take_back(batch.num_rows() as u64, &output::error_rows(&batch));
    }
    shared.canary.ends(number);
}

/// The part of a damaged input: one row, whose error is why there are no others.
async fn damaged_part(shared: &Shared, part: PartId, damaged: Damaged) -> Result<Attempt, Failure> {
    let (number, open, intake) = attempt(shared, part, Some(1)).await?;
    let ticket = intake.admit(damaged.row, Some(0)).await;
    let ticket = ticket.map_err(|_| Failure::from(ReadError::Stopped))?;
    ticket.deliver(Err(damaged.error));
    intake.seal();
    Ok(Attempt { number, open, end: PartEnd { rows: 1, damaged: 1, ..PartEnd::default() } })
}

/// Begins an attempt at a part of `rows` rows.
async fn attempt(
    shared: &Shared,
    part: PartId,
    rows: Option<u32>,
) -> Result<(AttemptId, OpenGuard, PartIntake), Failure> {
    let turn = tokio::select! {
        biased;
        // a part that waits for its turn has not begun
        () = shared.shutdown.draining() => return Err(ReadError::Stopped.into()),
        turn = shared.admitting.clone().acquire_owned() => turn,
    };
    let turn = turn.map_err(|error| Failure::caused(Exit::Bug, "the turns are closed", error))?;
    let number = AttemptId(shared.attempts.fetch_add(1, Ordering::Relaxed));
    shared.canary.begins(number, rows);
    let open = shared.parts.open(number, (part, rows));
    let intake = PartIntake::new(shared, number, rows, turn);
    Ok((number, open, intake))
}
