//! One process of a job without reading, decoding and inference; everything else is the program's own code.

use std::sync::Arc;

use tresnet_batch::dataset::{FolderSource, PartEnd, Planner, PlannerOptions, Planning};
use tresnet_batch::failure::Failure;
use tresnet_batch::job::{Components, Frozen};
use tresnet_batch::output::{
    self, Activation, Embedding, Layout, Options, PartContext, PartFooter, PartTime, Predictions, Success,
};
use tresnet_batch::pipeline::opening::Opening;
use tresnet_batch::pipeline::share::Share;
use tresnet_batch::runner::finish::{FinishOptions, Outcome, finish};
use tresnet_batch::runner::preflight::preflight;
use tresnet_batch::sample::RowOutcome;
use tresnet_batch::store::{Location, PiecePlan, Settings};

use crate::support::frozen::frozen;

use super::pages::Pages;
use super::world::{Client, give_way};

/// What a process runs.
#[derive(Clone)]
pub struct Job {
    pub share: Share,
    /// Two jobs differ in this.
    pub top_k: u32,
    pub rows_per_part: u32,
}

impl Job {
    fn frozen(&self) -> Frozen {
        let components = Components::from([
            ("output.top_k".to_owned(), self.top_k.into()),
            ("output.rows_per_part".to_owned(), self.rows_per_part.into()),
        ]);
        frozen(components, 0)
    }
}

/// The successful end of a process.
#[derive(Debug, PartialEq)]
pub enum Ended {
    Finished,
    /// Its share is done, others' parts are missing.
    ShareDone,
}

/// How each process splits its listings: all differ, and one in four does not split them. Pages have three keys.
fn pieces(worker: usize) -> PiecePlan {
    match worker % 4 {
        0 => PiecePlan { open: 4, pages: 1, first: 1, bytes: 1 << 20 },
        1 => PiecePlan { open: 1, ..PiecePlan::default() },
        2 => PiecePlan { open: 2, pages: 2, first: 2, bytes: 1 << 20 },
        _ => PiecePlan { open: 8, pages: 1, first: 1, bytes: 500 },
    }
}

/// Runs one process to its end.
pub async fn run(client: Client, job: Job) -> Result<Ended, Failure> {
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(client.clone());
    let pieces = pieces(client.worker);
    let settings = Settings { pieces, ..Settings::default() };
    let input = Location::over_pages(store.clone(), Pages(client.clone()), "s3://sim/in", settings)?;
    let output = Location::over_pages(store, Pages(client), "s3://sim/out", settings)?;
    let ours = job.frozen();
    let differs = |fingerprint: &str| fingerprint != ours.fingerprint;
    let other = || tresnet_batch::failure::Failure::new(tresnet_batch::failure::Exit::Config, "another job");

    let frozen = Frozen::read(&output).await?;
    if frozen.as_ref().is_some_and(|frozen| differs(&frozen.fingerprint)) {
        return Err(other());
    }
    if let Some(success) = Success::read(&output).await? {
        return if differs(&success.fingerprint) { Err(other()) } else { Ok(Ended::Finished) };
    }
    let source = FolderSource::new(input, true, None);
    let planning = if job.share.plans() {
        Planning::Make
    } else {
        Planning::Follow(std::time::Duration::from_secs(15 * 60))
    };
    let options = PlannerOptions {
        fingerprint: ours.fingerprint.clone(),
        rows_per_part: job.rows_per_part,
        limit: None,
        planning,
        sorted: false,
        disorder: Layout::DISORDER,
    };
    let mut planner = Planner::new(&source, &output, Layout::segment, options);
    // a process lists while its model loads, before it knows whether it is the first
    planner.list_first().await;
    let frozen = match frozen {
        Some(frozen) => frozen,
        None => ours.create(&output).await?,
    };
    if differs(&frozen.fingerprint) {
        return Err(other());
    }
    preflight(&output, &frozen).await?;
    let layout = Layout::new(&frozen.fingerprint);
    let mut opening = Opening::begin(job.share, output.clone(), layout.clone()).await?;
    let rows = Options {
        top_k: 1,
        embedding: Embedding::None,
        normalize_embedding: false,
        content_hash: false,
        logits: false,
        activation: Activation::Softmax,
        classes: 2,
        dim: 0,
        labels: None,
        sets: false,
        carried: Vec::new(),
    };
    let pairs = vec![("tresnet.fingerprint".to_owned(), frozen.fingerprint.clone())];
    let context = PartContext { schema: rows.schema(), pairs, compress: false };
    loop {
        if job.share.ends_before(planner.next_part()) {
            planner.only_look();
        }
        let Some(segment) = planner.next_segment().await? else { break };
        let (missing, _) = opening.segment(&segment);
        for part in missing {
            if !opening.is_missing(part.id).await? {
                continue;
            }
            let samples = part.samples(&output).await?;
            give_way().await;
            let logits: Vec<f32> = samples.iter().flat_map(|_| [0.0, 1.0]).collect();
            let end = PartEnd { rows: samples.len() as u32, ..PartEnd::default() };
            let outcomes = samples.into_iter().map(|sample| RowOutcome {
                sample,
                facts: None,
                error: None,
                content_hash: None,
            });
            let predictions = Predictions { logits: &logits, embedding: &[] };
            let batch = rows.record_batch(outcomes.collect(), predictions)?;
            let footer = PartFooter {
                id: part.id,
                first_row: part.first_row,
                plan: &part.plan,
                end,
                time: PartTime::default(),
            };
            let encoded = output::encode(&context, footer, &[batch])?;
            give_way().await;
            output::commit(&output, &layout, encoded).await?;
        }
    }
    let options = FinishOptions {
        formats: &[],
        gates: &[],
        max_error_fraction: 1.0,
        max_damaged_inputs: 0,
        storage: Settings::default(),
    };
    match finish(&output, &layout, &frozen, opening.plan, &options).await? {
        Outcome::Finished(_) => Ok(Ended::Finished),
        Outcome::PartsMissing { .. } => Ok(Ended::ShareDone),
    }
}
