//! A simulated object store whose every request may be lost, refused, late or the last action of its client.
//!
//! Each request yields twice: before it takes effect and before its answer arrives. The test polls the processes and
//! decides which one continues, so one seed is one schedule.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::support::Noise;

/// What the workers of one schedule share.
pub struct World {
    pub store: InMemory,
    pub state: Mutex<State>,
}

pub struct State {
    pub noise: Noise,
    /// No more faults: the remaining work must finish.
    pub calm: bool,
    /// Workers that were killed in the middle of a request.
    pub killed: Vec<usize>,
    /// Creates without an answer that take effect later.
    pub late: Vec<(Path, Bytes)>,
    /// Objects that determine rows, as they were first written.
    pub first: BTreeMap<Path, Bytes>,
    pub violations: Vec<String>,
    /// Listings are in the order of folders, in which `a/1` is before `a-1`, and not in byte order.
    pub by_folder: bool,
    /// The last page of a listing that each worker got, by its request.
    pub pages: BTreeMap<(usize, String), String>,
}

impl World {
    pub fn new(seed: u64) -> Arc<World> {
        Arc::new(World {
            store: InMemory::new(),
            state: Mutex::new(State {
                noise: Noise(seed),
                calm: false,
                killed: Vec::new(),
                late: Vec::new(),
                first: BTreeMap::new(),
                violations: Vec::new(),
                by_folder: false,
                pages: BTreeMap::new(),
            }),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Writes an object; every write uses this function.
    pub async fn create(&self, path: &Path, bytes: Bytes) -> Result<PutResult> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let created = self.store.put_opts(path, bytes.clone().into(), options).await?;
        if path.filename() == Some("_SUCCESS") {
            self.see_success(path).await;
        }
        self.state().first.insert(path.clone(), bytes);
        Ok(created)
    }

    /// `_SUCCESS` may be written only if every part of the job is committed.
    async fn see_success(&self, path: &Path) {
        let parts = self.parts().await;
        let bytes = self.store.get(path).await.unwrap().bytes().await.unwrap();
        let success: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let named: Vec<String> = success["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["name"].as_str().unwrap().to_owned())
            .collect();
        if parts != named {
            self.state().violations.push(format!("_SUCCESS names {named:?} while {parts:?} stand"));
        }
    }

    /// Names of the part files, sorted.
    pub async fn parts(&self) -> Vec<String> {
        let out = Path::from("out");
        let listing = self.store.list_with_delimiter(Some(&out)).await.unwrap();
        let names = listing.objects.iter().filter_map(|meta| meta.location.filename().map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| name.starts_with("part-")).collect();
        names.sort();
        names
    }
}

/// The store as one worker sees it.
#[derive(Clone)]
pub struct Client {
    pub world: Arc<World>,
    pub worker: usize,
}

#[derive(PartialEq)]
enum Fate {
    Good,
    /// The request never arrives.
    Lost,
    /// Refused as a conflict although nothing was written.
    Conflict,
    /// It takes effect and its answer is lost.
    Silent,
    /// It takes effect, its answer is lost, and the client's own retry meets its result.
    Echo,
    /// It has no answer and takes effect later.
    Late,
    KilledBefore,
    KilledAfter,
}

impl Client {
    fn fate(&self, writing: bool) -> Fate {
        let mut state = self.world.state();
        if state.calm {
            return Fate::Good;
        }
        match (state.noise.below(100), writing) {
            (0..3, _) => Fate::Lost,
            (3..5, _) => Fate::KilledBefore,
            (5..8, true) => Fate::Conflict,
            (8..12, true) => Fate::Silent,
            (12..15, true) => Fate::Echo,
            (15..17, true) => Fate::Late,
            (17..19, true) => Fate::KilledAfter,
            _ => Fate::Good,
        }
    }

    async fn killed<T>(&self) -> T {
        self.world.state().killed.push(self.worker);
        futures::future::pending().await
    }

    pub async fn before(&self) -> Result<()> {
        give_way().await;
        match self.fate(false) {
            Fate::Lost => Err(lost()),
            Fate::KilledBefore => self.killed().await,
            _ => Ok(()),
        }
    }
}

/// Lets another worker continue.
pub async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn lost() -> Error {
    Error::Generic { store: "sim", source: "connection closed".into() }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "status 412".into() }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.worker)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.worker)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Client {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        give_way().await;
        if options.mode != PutMode::Create {
            if !path.as_ref().contains("_report") {
                self.world.state().violations.push(format!("`{path}` was written over"));
            }
            return self.world.store.put_opts(path, bytes.into(), options).await;
        }
        let fate = self.fate(true);
        match fate {
            Fate::Lost => return Err(lost()),
            Fate::Conflict => return Err(exists(path)),
            Fate::KilledBefore => return self.killed().await,
            Fate::Late => {
                self.world.state().late.push((path.clone(), bytes));
                return Err(lost());
            }
            _ => {}
        }
        let created = self.world.create(path, bytes).await;
        give_way().await;
        match fate {
            Fate::KilledAfter => self.killed().await,
            Fate::Silent => Err(lost()),
            Fate::Echo => Err(exists(path)),
            _ => created,
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.before().await?;
        let found = self.world.store.get_opts(path, options).await;
        give_way().await;
        found
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix.cloned(), None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix.cloned(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.before().await?;
        let listing = self.world.store.list_with_delimiter(prefix).await;
        give_way().await;
        listing
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "sim".into() })
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.world.state().violations.push("something was deleted".into());
        stream::empty().boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".into(), implementer: "sim".into() })
    }
}

impl Client {
    /// Lists three keys a page, each page a separate request, with changes of the bucket in between.
    fn pages(&self, prefix: Option<Path>, offset: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let client = self.clone();
        let pages = stream::try_unfold((client, prefix, offset), |(client, prefix, offset)| async move {
            client.before().await?;
            let mut all: Vec<ObjectMeta> = {
                let metas: Vec<Result<ObjectMeta>> = client.world.store.list(prefix.as_ref()).collect().await;
                metas.into_iter().collect::<Result<_>>()?
            };
            all.sort_by(|a, b| a.location.cmp(&b.location));
            let behind = |meta: &ObjectMeta| offset.as_ref().is_none_or(|offset| meta.location > *offset);
            let page: Vec<ObjectMeta> = all.into_iter().filter(behind).take(3).collect();
            give_way().await;
            let Some(last) = page.last().map(|meta| meta.location.clone()) else {
                return Ok::<_, Error>(None);
            };
            Ok(Some((stream::iter(page.into_iter().map(Ok)), (client, prefix, Some(last)))))
        });
        futures::TryStreamExt::try_flatten(pages).boxed()
    }
}
