//! Listings in pieces over a store that lists keys by bytes or by folders, while keys come and go.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::BoxFuture;

use super::super::{Entry, StoreError};
use super::merge::Merge;
use super::{Folders, PageOf, PageSource, PiecePlan, in_pieces};

/// SplitMix64.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Bytes,
    /// A folder's keys come before those of a name that goes on: `a/1` before `a-1`.
    Folders,
}

impl Order {
    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Order::Bytes => one.cmp(other),
            Order::Folders => one.split('/').cmp(other.split('/')),
        }
    }
}

struct World {
    keys: BTreeSet<String>,
    /// Every key that was ever there.
    ever: BTreeSet<String>,
    noise: Noise,
    order: Order,
    page: usize,
    /// Keys that come and go, one a page.
    changes: bool,
    /// Listings begin with the first key, whatever they are asked for.
    begins_early: bool,
    /// Every n-th page fails.
    fails: Option<u64>,
    /// Time that a page takes.
    latency: Duration,
    requests: usize,
    first_keys: Vec<String>,
}

#[derive(Clone)]
struct Sim(Arc<Mutex<World>>);

#[derive(Clone)]
struct Walk {
    begins: Option<String>,
    after: Option<String>,
}

impl Sim {
    fn new(seed: u64, keys: impl IntoIterator<Item = String>) -> Sim {
        let keys: BTreeSet<String> = keys.into_iter().collect();
        Sim(Arc::new(Mutex::new(World {
            ever: keys.clone(),
            first_keys: keys.iter().cloned().collect(),
            keys,
            noise: Noise(seed),
            order: Order::Bytes,
            page: 3,
            changes: false,
            begins_early: false,
            fails: None,
            latency: Duration::ZERO,
            requests: 0,
        })))
    }

    fn with(self, change: impl FnOnce(&mut World)) -> Sim {
        change(&mut self.0.lock().unwrap());
        self
    }

    fn below(&self, n: u64) -> u64 {
        self.0.lock().unwrap().noise.below(n)
    }

    async fn wait(&self) {
        let latency = self.0.lock().unwrap().latency;
        match latency {
            Duration::ZERO => {
                for _ in 0..self.below(4) {
                    tokio::task::yield_now().await;
                }
            }
            latency => tokio::time::sleep(latency).await,
        }
    }

    /// Keys that are there from the beginning to the end.
    fn always(&self) -> Vec<String> {
        let world = self.0.lock().unwrap();
        world.first_keys.iter().filter(|key| world.keys.contains(*key)).cloned().collect()
    }
}

impl World {
    fn change(&mut self) {
        if !self.changes {
            return;
        }
        let number = self.noise.below(60);
        let key = format!("{}/{number:02}x", ["0", "a", "a-b", "b"][self.noise.below(4) as usize]);
        if self.noise.below(2) == 0 {
            self.ever.insert(key.clone());
            self.keys.insert(key);
        } else if !self.first_keys.contains(&key) {
            self.keys.remove(&key);
        }
    }

    fn page(&mut self, mut walk: Walk) -> Result<PageOf<Walk>, StoreError> {
        self.requests += 1;
        self.change();
        if self.fails.is_some_and(|one_in| self.noise.below(one_in) == 0) {
            return Err(StoreError::unavailable("listing", "no answer"));
        }
        let order = self.order;
        let after = match (&walk.after, self.begins_early) {
            (after, true) if *after == walk.begins => None,
            (after, _) => after.clone(),
        };
        let is_after =
            |key: &&String| after.as_ref().is_none_or(|after| order.compare(key, after) == Ordering::Greater);
        let keys: Vec<String> = match order {
            Order::Bytes => {
                let from = after.as_deref().unwrap_or_default();
                self.keys.range(from.to_owned()..).filter(is_after).take(self.page + 1).cloned().collect()
            }
            Order::Folders => {
                let mut keys: Vec<String> = self.keys.iter().filter(is_after).cloned().collect();
                keys.sort_by(|one, other| order.compare(one, other));
                keys.truncate(self.page + 1);
                keys
            }
        };
        let has_more = keys.len() > self.page;
        let entry = |key: String| Entry { key, size: 1, ..Entry::default() };
        let mut entries: Vec<Entry> = keys.into_iter().take(self.page).map(entry).collect();
        walk.after = entries.last().map(|entry| entry.key.clone()).or(walk.after);
        let is_early = |entry: &Entry| walk.begins.as_ref().is_some_and(|begins| entry.key <= *begins);
        let began_early = self.begins_early && entries.iter().any(is_early);
        if began_early {
            entries.retain(|entry| !is_early(entry));
        }
        Ok(PageOf { entries, walk: has_more.then_some(walk), began_early })
    }
}

impl PageSource for Sim {
    type Walk = Walk;

    fn begin(&self, after: Option<&str>, _: bool) -> Walk {
        let after = after.map(str::to_owned);
        Walk { begins: after.clone(), after }
    }

    fn next(&self, walk: Walk) -> BoxFuture<'static, Result<PageOf<Walk>, StoreError>> {
        let sim = self.clone();
        Box::pin(async move {
            sim.wait().await;
            let page = sim.0.lock().unwrap().page(walk);
            sim.wait().await;
            page
        })
    }

    fn folders(&self, folder: &str, after: &str) -> BoxFuture<'static, Folders> {
        let (sim, folder, after) = (self.clone(), folder.to_owned(), after.to_owned());
        Box::pin(async move {
            sim.wait().await;
            let mut world = sim.0.lock().unwrap();
            world.requests += 1;
            let below = |key: &String| {
                let rest = key.strip_prefix(&folder)?;
                Some(format!("{folder}{}", &rest[..=rest.find('/')?]))
            };
            let folders: BTreeSet<String> = world.keys.range(after..).filter_map(below).collect();
            Folders { keys: folders.into_iter().take(1000).collect(), has_more: false }
        })
    }

    fn may_begin_early(&self) -> bool {
        self.0.lock().unwrap().begins_early
    }
}

async fn listed(sim: &Sim, after: Option<&str>, plan: PiecePlan) -> Result<Vec<String>, StoreError> {
    let entries = in_pieces(sim.clone(), after.map(str::to_owned), plan);
    entries.map_ok(|entry| entry.key).try_collect().await
}

/// Keys of a few shapes, and a plan that cuts them as often as it can.
fn any_keys(noise: &mut Noise) -> Vec<String> {
    let count = noise.below(80);
    let shape = noise.below(4);
    let key = |number: u64, noise: &mut Noise| match shape {
        0 => format!("{number:03}.jpg"),
        1 => format!("{}/{:02}", ["0", "a", "a-b", "a.b", "b"][noise.below(5) as usize], noise.below(60)),
        2 => format!("{:05x}", noise.below(1 << 20)),
        _ => format!("{}/{}/{number}", noise.below(3), noise.below(4)),
    };
    (0..count).map(|number| key(number, noise)).collect()
}

fn any_plan(noise: &mut Noise) -> PiecePlan {
    PiecePlan {
        open: 1 + noise.below(6) as usize,
        pages: 1 + noise.below(3) as usize,
        first: 1 + noise.below(2) as usize,
        bytes: [0, 500, 2_000, 1 << 20][noise.below(4) as usize],
    }
}

#[tokio::test]
async fn every_key_comes_once_and_in_order_wherever_the_listing_is_cut() {
    for seed in 0..3_000 {
        let mut noise = Noise(seed);
        let sim = Sim::new(seed, any_keys(&mut noise)).with(|world| world.page = 1 + noise.below(4) as usize);
        let expected = sim.always();
        let plan = any_plan(&mut noise);
        assert_eq!(listed(&sim, None, plan).await.unwrap(), expected, "seed {seed}, {plan:?}");
        let Some(after) = expected.get(noise.below(expected.len().max(1) as u64) as usize) else { continue };
        let rest: Vec<String> = expected.iter().filter(|key| *key > after).cloned().collect();
        assert_eq!(listed(&sim, Some(after), any_plan(&mut noise)).await.unwrap(), rest, "seed {seed}");
    }
}

#[tokio::test]
async fn keys_that_are_there_all_the_time_come_while_others_come_and_go() {
    for seed in 0..3_000 {
        let mut noise = Noise(seed);
        let sim = Sim::new(seed, any_keys(&mut noise)).with(|world| world.changes = true);
        let found = listed(&sim, None, any_plan(&mut noise)).await.unwrap();
        assert!(found.is_sorted_by(|one, next| one < next), "seed {seed}: {found:?}");
        let found: BTreeSet<String> = found.into_iter().collect();
        let missing: Vec<String> = sim.always().into_iter().filter(|key| !found.contains(key)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        assert!(found.is_subset(&sim.0.lock().unwrap().ever), "seed {seed}");
    }
}

#[tokio::test]
async fn a_store_that_sorts_by_folder_is_disorder_or_gives_all_keys() {
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..3_000 {
        let mut noise = Noise(seed);
        let sim = Sim::new(seed, any_keys(&mut noise)).with(|world| world.order = Order::Folders);
        match listed(&sim, None, any_plan(&mut noise)).await {
            Ok(found) => {
                whole += 1;
                assert_eq!(found, sim.always(), "seed {seed}");
            }
            Err(StoreError::Disorder { .. }) => refused += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(whole > 100 && refused > 100, "{whole} whole, {refused} refused");
}

#[tokio::test]
async fn a_store_that_begins_where_it_likes_is_listed_in_one_piece() {
    for seed in 0..1_000 {
        let mut noise = Noise(seed);
        let sim = Sim::new(seed, any_keys(&mut noise)).with(|world| world.begins_early = true);
        assert_eq!(listed(&sim, None, any_plan(&mut noise)).await.unwrap(), sim.always(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_page_that_fails_ends_the_listing_or_costs_no_key() {
    let (mut whole, mut failed) = (0, 0);
    for seed in 0..2_000 {
        let mut noise = Noise(seed);
        let sim = Sim::new(seed, any_keys(&mut noise)).with(|world| world.fails = Some(20));
        match listed(&sim, None, any_plan(&mut noise)).await {
            Ok(found) => {
                whole += 1;
                assert_eq!(found, sim.always(), "seed {seed}");
            }
            Err(StoreError::Disorder { key }) => panic!("seed {seed}: {key}"),
            Err(_) => failed += 1,
        }
    }
    assert!(whole > 100 && failed > 100, "{whole} whole, {failed} failed");
}

#[tokio::test]
async fn pages_that_wait_are_held_within_their_bytes() {
    let sim = Sim::new(1, (0..4_000).map(|number| format!("{:02}/{number:05}", number / 200)));
    let sim = sim.with(|world| world.page = 20);
    let plan = PiecePlan { open: 16, pages: 16, first: 4, bytes: 40_000 };
    let mut merge = Merge::new(sim.clone(), None, plan);
    let (mut keys, mut most, mut pieces) = (0, 0, 0);
    while let Some(page) = merge.next_page().await.unwrap() {
        keys += page.len();
        most = most.max(merge.held());
        pieces = pieces.max(merge.pieces.len());
    }
    assert_eq!(keys, 4_000);
    // the head's page comes on top
    let page = 20 * (56 + 8 + 32);
    assert!(most > 20_000 && most <= plan.bytes + page, "{most} bytes in {pieces} pieces");
}

/// Virtual time and requests of a listing in pages of 1000 keys at 50 ms each, and its pages.
async fn cost(keys: Vec<String>, open: usize) -> (f64, usize, usize) {
    let pages = keys.len().div_ceil(1000);
    let sim = Sim::new(1, keys.clone()).with(|world| {
        world.page = 1000;
        world.latency = Duration::from_millis(25);
    });
    let began = tokio::time::Instant::now();
    assert!(listed(&sim, None, PiecePlan { open, ..PiecePlan::default() }).await.unwrap() == keys);
    (began.elapsed().as_secs_f64(), sim.0.lock().unwrap().requests, pages)
}

#[tokio::test(start_paused = true)]
async fn many_pages_take_an_eighth_of_the_time_and_few_requests_more() {
    let folders = (0..40).flat_map(|folder| (0..5_000).map(move |key| format!("c{folder:02}/{key:06}.jpg")));
    let flat = (0..200_000).map(|key| format!("{key:08}.jpg"));
    let small = (0..1_000).flat_map(|folder| (0..100).map(move |key| format!("{folder:04}/{key:06}.jpg")));
    for (name, keys, faster) in [
        ("folders", folders.collect(), 8.0),
        ("flat", flat.collect(), 4.0),
        ("small", small.collect::<Vec<_>>(), 4.0),
    ] {
        let (one, asked, pages) = cost(keys.clone(), 1).await;
        assert_eq!(asked, pages, "{name}");
        let (many, asked, _) = cost(keys, 16).await;
        assert!(one / many >= faster, "{name}: {one:.2} s in one piece, {many:.2} s in many");
        assert!(asked as f64 <= 1.3 * pages as f64, "{name}: {asked} requests for {pages} pages");
    }
}
