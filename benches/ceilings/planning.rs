//! The planner, which is one of its process, and the listing that it takes its keys from.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use tokio::runtime::Runtime;
use tresnet_batch::dataset::{
    DatasetError, FolderSource, LeftOut, PlanPosition, PlanRow, PlanSource, Planner, PlannerOptions, Planning,
};
use tresnet_batch::output::Layout as Names;
use tresnet_batch::store::{Location, Role, Settings};

use crate::clock::{Spent, Timed, clock_cost, thread_nanos};
use crate::support::{median, runtime};
use crate::table::{Row, Scales};

/// A number of keys, made up as they are asked for.
pub struct Keys(pub u64, pub u64);

impl PlanSource for Keys {
    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let first = after.and_then(|after| after.key.parse::<u64>().ok()).map_or(0, |last| last + 1);
        let row = |number| PlanRow { key: format!("{number:012}"), size: Some(self.1), ..PlanRow::default() };
        futures::stream::iter(first..self.0).map(move |number| Ok(row(number))).boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        LeftOut::default()
    }

    fn empty_error(&self) -> DatasetError {
        unreachable!("there are keys")
    }
}

pub fn planner_options(rows_per_part: u32) -> PlannerOptions {
    PlannerOptions {
        fingerprint: "bench".into(),
        rows_per_part,
        limit: None,
        planning: Planning::Make,
        sorted: false,
        disorder: Names::DISORDER,
    }
}

async fn plan(source: &dyn PlanSource, rows_per_part: u32) -> u64 {
    let output = Location::in_memory("out").unwrap();
    let mut planner = Planner::new(source, &output, Names::segment, planner_options(rows_per_part));
    let mut rows = 0;
    while let Some(segment) = planner.next_segment().await.unwrap() {
        rows += segment.head().rows();
    }
    rows
}

/// What a key costs, and the longest that the planner kept its thread from everything else: beside other threads, and on
/// the only one. The S3 server lists `keys` of them under `s3://test/list/`.
pub fn measure(runs: usize, keys: u64) -> (Vec<Row>, (u64, u64)) {
    let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let threads = runtime();
    let cost = clock_cost();
    let list = || {
        let input = Location::open_with("s3://test/list/", Role::Input, Settings::default()).unwrap();
        FolderSource::new(input, false, None)
    };
    let (mut cut, mut whole, mut merged, mut longest) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
    for _ in 0..runs {
        let source = Keys(keys, 105_000);
        let planned = |runtime: &Runtime| {
            let (spent, before) = (Arc::new(Spent::default()), thread_nanos());
            let planning = Timed::new(Box::pin(plan(&source, 4096)), spent.clone());
            assert_eq!(runtime.block_on(planning), keys);
            (thread_nanos() - before, spent.longest())
        };
        let (nanos, on_the_only) = planned(&alone);
        cut.push(nanos as f64 / keys as f64);
        longest.0 = longest.0.max(planned(&threads).1);
        longest.1 = longest.1.max(on_the_only);

        let count = |source: FolderSource| async move {
            source.rows(None).try_fold(0, |keys, _| async move { Ok(keys + 1) }).await.unwrap()
        };
        let source = list();
        let before = thread_nanos();
        assert_eq!(alone.block_on(count(source)), keys);
        whole.push((thread_nanos() - before) as f64 / keys as f64);

        let spent = Arc::new(Spent::default());
        let counted = Timed::new(Box::pin(count(list())), spent.clone());
        assert_eq!(threads.block_on(counted), keys);
        merged.push(spent.nanos(cost) / keys as f64);
    }
    let row = |what, nanos, scales| Row { what, nanos: median(nanos), together: None, scales };
    let rows = vec![
        row("planner: a key cut into parts, hashed, encoded, written, read back", cut, Scales::No),
        row("listing: its keys merged and filtered, by the planner", merged, Scales::No),
        row("listing: asked for, parsed and merged, all threads of the runtime", whole, Scales::Threads(2)),
    ];
    (rows, longest)
}
