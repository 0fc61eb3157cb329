//! What must hold at the end of a schedule, read from the objects themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::world::World;

/// The keys of the input, and how they changed.
pub struct Input {
    /// There from beginning to end.
    always: BTreeSet<String>,
    has_folders: bool,
    ever: Mutex<BTreeSet<String>>,
}

impl Input {
    /// Fills a bucket with `keys` keys, some of them in folders whose order by bytes differs from that by name.
    pub async fn fill(world: &Arc<World>, keys: u64, has_folders: bool) -> Input {
        let always: BTreeSet<String> = (0..keys + 1).map(|key| name(key, "", has_folders)).collect();
        for key in &always {
            put(world, key).await;
        }
        Input { ever: Mutex::new(always.clone()), always, has_folders }
    }
}

fn name(number: u64, added: &str, has_folders: bool) -> String {
    let folder = if has_folders { ["", "0/", "a/", "a-b/", "b/"][number as usize % 5] } else { "" };
    format!("{folder}img{number:02}{added}.jpg")
}

async fn put(world: &World, key: &str) {
    world.store.put(&Path::from(format!("in/{key}")), Bytes::from_static(b"x").into()).await.unwrap();
}

/// Changes the world: images are added, and creates without an answer take effect.
pub async fn meddle(world: &Arc<World>, input: &Input) {
    let (add, late) = {
        let mut state = world.state();
        let add = (!state.calm && state.noise.below(40) == 0)
            .then(|| name(state.noise.below(20), "b", input.has_folders));
        let late = (!state.late.is_empty() && state.noise.below(10) == 0).then(|| {
            let late = state.late.len() as u64;
            let at = state.noise.below(late) as usize;
            state.late.swap_remove(at)
        });
        (add, late)
    };
    if let Some(key) = add {
        put(world, &key).await;
        input.ever.lock().unwrap().insert(key);
    }
    if let Some((path, bytes)) = late {
        // if it exists by now, it is refused as any other create
        drop(world.create(&path, bytes).await);
    }
}

async fn read(world: &World, path: &Path) -> Option<Bytes> {
    world.store.get(path).await.ok()?.bytes().await.ok()
}

/// The component of job.json in which two jobs differ.
pub async fn top_k(world: &World) -> Option<u32> {
    let bytes = read(world, &Path::from("out/_tresnet/job.json")).await?;
    let frozen: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    Some(frozen["components"]["output.top_k"].as_u64().unwrap() as u32)
}

pub async fn is_finished(world: &World) -> bool {
    read(world, &Path::from("out/_SUCCESS")).await.is_some()
}

/// (row_id of the first column that is one, key) of every row of a Parquet object.
fn rows(bytes: Bytes) -> Vec<(Option<i64>, String)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let key = batch.column_by_name("key").unwrap().as_string::<i32>();
        let ids = batch.column_by_name("row_id").map(|ids| ids.as_primitive::<Int64Type>());
        rows.extend(
            (0..batch.num_rows()).map(|row| (ids.map(|ids| ids.value(row)), key.value(row).to_owned())),
        );
    }
    rows
}

/// The first defect of a finished output.
pub async fn violation(world: &World, input: &Input) -> Option<String> {
    if let Some(violation) = world.state().violations.first() {
        return Some(violation.clone());
    }
    let first: BTreeMap<Path, Bytes> = world.state().first.clone();
    for (path, bytes) in &first {
        if read(world, path).await.as_ref() != Some(bytes) {
            return Some(format!("`{path}` is not what was first written"));
        }
    }
    let mut planned: Vec<String> = Vec::new();
    for segment in 0.. {
        let Some(bytes) = read(world, &Path::from(format!("out/_tresnet/plan/{segment:06}"))).await else {
            break;
        };
        planned.extend(rows(bytes).into_iter().map(|(_, key)| key));
    }
    let mut standing = Vec::new();
    for name in world.parts().await {
        standing.extend(rows(read(world, &Path::from(format!("out/{name}"))).await?));
    }
    standing.sort();
    let expected: Vec<(Option<i64>, String)> =
        planned.iter().cloned().enumerate().map(|(row, key)| (Some(row as i64), key)).collect();
    if standing != expected {
        return Some(format!("rows {standing:?}, planned {expected:?}"));
    }
    let keys: BTreeSet<String> = planned.iter().cloned().collect();
    let ever = input.ever.lock().unwrap();
    if keys.len() != planned.len() {
        return Some(format!("a key is planned twice: {planned:?}"));
    }
    if !keys.is_subset(&ever) || !input.always.is_subset(&keys) {
        return Some(format!("planned {keys:?}, there from the start {:?}", input.always));
    }
    None
}
