//! The number of requests against stores that are a formula.

use super::*;

/// A store and what is after it, images a second and seconds.
#[derive(Debug, Clone, Copy)]
struct World {
    latency: f64,
    /// What its connection brings at most.
    bandwidth: f64,
    capacity: f64,
}

impl World {
    /// What is seen with `requests` on their way, by Little's law.
    fn seen(self, requests: usize) -> Seen {
        let rate = (requests as f64 / self.latency).min(self.bandwidth).min(self.capacity);
        let latency = self.latency.max(if rate == self.bandwidth { requests as f64 / rate } else { 0.0 });
        Seen { rate, latency, capacity: self.capacity, is_short: rate < BUSY * self.capacity }
    }

    /// The requests after each of a number of decisions.
    fn follow(self, demand: &mut Demand, decisions: usize) -> Vec<usize> {
        (0..decisions).map(|_| demand.next(self.seen(demand.requests))).collect()
    }
}

const FAR: World = World { latency: 0.05, bandwidth: f64::INFINITY, capacity: 12_800.0 };

#[test]
fn requests_grow_to_what_latency_and_decoders_need_and_no_further() {
    let mut demand = Demand::new(128, 4096);
    let seen = FAR.follow(&mut demand, 40);
    assert_eq!(seen[..3], [256, 512, 1024]);
    // 640 are busy all the time
    assert!(seen[3..].iter().all(|requests| (640..=1280).contains(requests)), "{seen:?}");
}

#[test]
fn requests_never_exceed_the_most() {
    let far = World { latency: 1.0, ..FAR };
    assert_eq!(far.follow(&mut Demand::new(128, 4096), 10).last(), Some(&4096));
}

#[test]
fn requests_shrink_when_the_store_is_near_or_the_network_slow() {
    for world in [World { latency: 0.001, ..FAR }, World { capacity: 13.0, ..FAR }] {
        let mut demand = Demand::new(512, 4096);
        assert_eq!(world.follow(&mut demand, 20).last(), Some(&LEAST), "{world:?}");
        // and grow again with the need
        assert!(*FAR.follow(&mut demand, 10).last().unwrap() >= 640);
    }
}

#[test]
fn a_growth_that_brings_no_more_images_is_taken_back_and_tried_again_later() {
    let full = World { bandwidth: 1000.0, ..FAR };
    let seen = full.follow(&mut Demand::new(128, 4096), 100);
    assert!(seen.iter().all(|requests| [128, 256].contains(requests)), "{seen:?}");
    let tries = seen.iter().filter(|requests| **requests == 256).count();
    assert!((4..=6).contains(&tries), "{tries} tries");
}

#[test]
fn a_number_that_was_too_small_is_not_tried_again_at_once() {
    let mut demand = Demand::new(128, 4096);
    let short = Seen { rate: 100.0, latency: 0.01, capacity: 1000.0, is_short: true };
    let enough = Seen { rate: 200.0, is_short: false, ..short };
    assert_eq!(demand.next(short), 192);
    // by latency and decoders 20 would do: batches wait for slow images
    let later: Vec<usize> = (0..HOLDS + 8).map(|_| demand.next(enough)).collect();
    assert!(later[..HOLDS as usize].iter().all(|requests| *requests == 160), "{later:?}");
    assert_eq!(later.last(), Some(&LEAST));
}

#[test]
fn too_little_says_nothing() {
    let stages = |times, seconds| {
        let mut stages = Stages::default();
        (stages.fetch.times, stages.fetch.seconds) = (times, seconds);
        stages
    };
    let before = stages(10, 1.0);
    let second = Duration::from_secs(1);
    assert!(Seen::between(&before, &stages(20, 1.5), second).is_none());
    assert!(Seen::between(&before, &stages(200, 20.0), second / 4).is_none());
    // each took three seconds
    assert!(Seen::between(&before, &stages(110, 301.0), second).is_none());
    let seen = Seen::between(&before, &stages(110, 6.0), second).unwrap();
    assert_eq!((seen.rate, seen.latency, seen.capacity), (100.0, 0.05, f64::INFINITY));
    assert!(!seen.is_short);
}
