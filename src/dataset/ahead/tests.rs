//! Windows of parts that are read ahead from a store that the test holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::{Semaphore, watch};

use super::*;

/// A store that gives windows as the test permits, and fails for some.
#[derive(Clone)]
struct Store {
    asked: watch::Sender<Vec<(u32, u64)>>,
    permits: Arc<Semaphore>,
    fails: Option<(u32, u64)>,
    at_once: Arc<AtomicUsize>,
    /// The highest number that `at_once` had.
    most_at_once: Arc<AtomicUsize>,
}

/// The part, and where the window begins.
type Got = (u32, u64);

const WINDOW: u64 = 256 << 10;

impl Store {
    fn new(permits: usize) -> Store {
        Store {
            asked: watch::Sender::new(Vec::new()),
            permits: Arc::new(Semaphore::new(permits)),
            fails: None,
            at_once: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    fn ask(&self, part: u32) -> Ask<Got> {
        let store = self.clone();
        Arc::new(move |range| {
            let store = store.clone();
            Box::pin(async move {
                let window = (part, range.start);
                let at_once = store.at_once.fetch_add(1, SeqCst) + 1;
                store.most_at_once.fetch_max(at_once, SeqCst);
                store.asked.send_modify(|asked| asked.push(window));
                let permit = store.permits.acquire().await.unwrap();
                permit.forget();
                store.at_once.fetch_sub(1, SeqCst);
                (store.fails != Some(window)).then_some(window)
            })
        })
    }

    fn windows(&self, part: u32, count: u64) -> Windows<Got> {
        Windows {
            cuts: Cuts::Even { from: 0, until: count * WINDOW, window: WINDOW },
            ask: self.ask(part),
            then: None,
        }
    }

    fn warm(&self, ahead: &ReadAhead<u32, Got>, part: u32, count: u64) -> Warm {
        let windows = self.windows(part, count);
        ahead.warm(PartId(part), async move { Some((part, windows)) })
    }

    /// Waits until `count` windows were asked for.
    async fn reaches(&self, count: usize) -> Vec<(u32, u64)> {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| asked.len() >= count).await.unwrap().clone()
    }
}

/// Room for `windows` windows ahead of their turn.
fn ahead(windows: u64) -> ReadAhead<u32, Got> {
    let sizes = Sizes::of((windows + 2) * WINDOW);
    assert!(windows > 2 || sizes.window() == WINDOW, "{sizes:?}");
    ReadAhead::new(sizes)
}

#[test]
fn the_part_with_the_turn_owns_two_windows_and_the_rest_is_read_ahead() {
    for total in [0, 1 << 20, 3 << 20, 64 << 20, 256 << 20] {
        let sizes = Sizes::of(total);
        assert_eq!(sizes.ahead() + 2 * sizes.window(), sizes.total());
        assert!(sizes.total() <= total.max(2 * WINDOW), "{sizes:?}");
        assert!(sizes.window() < 32 << 20);
    }
    assert_eq!((Sizes::of(256 << 20).parts(), Sizes::default().parts()), (30, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_of_later_parts_are_asked_for_before_their_turn_and_taken_in_it() {
    let (store, ahead) = (Store::new(0), ahead(2));
    let first = store.warm(&ahead, 0, 1);
    let second = store.warm(&ahead, 1, 1);
    let asked = store.reaches(2).await;
    assert!(asked.contains(&(0, 0)) && asked.contains(&(1, 0)), "{asked:?}");
    store.permits.add_permits(2);
    for (part, warm) in [(0, first), (1, second)] {
        let turn = ahead.turn(PartId(part));
        assert_eq!(turn.known().await, Some(part));
        assert_eq!(turn.take(0).await, Some((part, 0)));
        assert_eq!(turn.take(1).await, None);
        drop(warm);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_windows_are_on_their_way_than_there_is_room_for() {
    let (store, ahead) = (Store::new(0), ahead(2));
    let warm: Vec<Warm> = (0..3).map(|part| store.warm(&ahead, part, 5)).collect();
    assert_eq!(store.reaches(2).await.len(), 2);
    store.permits.add_permits(100);
    for (part, warm) in (0..3).zip(warm) {
        let turn = ahead.turn(PartId(part));
        for index in 0..5 {
            if let Some(window) = turn.take(index).await {
                assert_eq!(window, (part, index * WINDOW));
            }
        }
        drop(warm);
    }
    // one that was just taken may be on its way beside them
    assert!(store.most_at_once.load(SeqCst) <= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_fails_ahead_of_its_turn_is_forgotten_and_left_to_the_turn() {
    let store = Store { fails: Some((0, WINDOW)), ..Store::new(100) };
    let ahead = ahead(2);
    let _warm = store.warm(&ahead, 0, 4);
    let turn = ahead.turn(PartId(0));
    assert_eq!(turn.known().await, Some(0));
    assert_eq!(turn.take(0).await, Some((0, 0)));
    assert_eq!(turn.take(1).await, None);
    turn.came(1, &(0, WINDOW));
    store.reaches(3).await;
    for index in 2..4 {
        assert_eq!(turn.take(index).await, Some((0, index * WINDOW)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_a_part_warm_ends_its_requests_when_it_is_dropped_and_others_get_the_room() {
    let (store, ahead) = (Store::new(0), ahead(2));
    let first = store.warm(&ahead, 0, 9);
    store.reaches(2).await;
    let _second = store.warm(&ahead, 1, 9);
    drop(first);
    let asked = store.reaches(4).await;
    assert_eq!(asked.iter().filter(|(part, _)| *part == 1).count(), 2, "{asked:?}");
    assert_eq!(ahead.turn(PartId(0)).known().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_ends_drops_all_windows_of_its_part() {
    let (store, ahead) = (Store::new(0), ahead(2));
    let _first = store.warm(&ahead, 0, 9);
    let turn = ahead.turn(PartId(0));
    assert_eq!(turn.known().await, Some(0));
    let _second = store.warm(&ahead, 1, 9);
    drop(turn);
    let mut asked = store.asked.subscribe();
    let of_second = |asked: &Vec<(u32, u64)>| asked.iter().filter(|(part, _)| *part == 1).count() == 2;
    asked.wait_for(of_second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_read_again_has_its_windows_asked_for_again() {
    let (store, ahead) = (Store::new(100), ahead(2));
    let _warm = store.warm(&ahead, 0, 2);
    let turn = ahead.turn(PartId(0));
    assert_eq!(turn.known().await, Some(0));
    assert_eq!(turn.take(0).await, Some((0, 0)));
    turn.restart(Cuts::Even { from: 7, until: 2 * WINDOW, window: WINDOW });
    assert_eq!(turn.take(0).await, Some((0, 7)));
    assert_eq!(turn.take(1).await, Some((0, 7 + WINDOW)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_windows_of_a_part_follow_its_first_one_where_that_alone_is_known() {
    let (store, ahead) = (Store::new(0), ahead(2));
    let all = store.windows(0, 2);
    let first = Windows { then: Some(Box::new(move |_: &Got| all)), ..store.windows(0, 1) };
    let _warm = ahead.warm(PartId(0), async move { Some((0, first)) });
    assert_eq!(store.reaches(1).await, [(0, 0)]);
    store.permits.add_permits(1);
    assert_eq!(store.reaches(2).await, [(0, 0), (0, WINDOW)]);
}

#[tokio::test]
async fn on_one_thread_nothing_is_read_ahead() {
    let (store, ahead) = (Store::new(100), ahead(2));
    let _warm = store.warm(&ahead, 0, 2);
    let turn = ahead.turn(PartId(0));
    assert_eq!((turn.known().await, turn.take(0).await), (None, None));
    assert!(store.asked.borrow().is_empty());
}
