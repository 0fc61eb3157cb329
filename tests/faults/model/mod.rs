//! The commit protocol under every kind of fault: the program's own planner, `create_once` and finish over a simulated
//! store. One to three processes run, and a seed chooses each step of each. Each process splits its listings into
//! different pieces, the input has keys in folders, and some stores list by folder.

mod oracle;
mod pages;
mod worker;
mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tresnet_batch::failure::{Exit, Failure};
use tresnet_batch::pipeline::share::Share;

use worker::{Ended, Job};
use world::{Client, World};

/// Steps after which the store has no more faults, and steps after which the job must be finished.
const CALM_AFTER: u64 = 3_000;
const MOST_STEPS: u64 = 60_000;

type Process = Pin<Box<dyn Future<Output = Result<Ended, Failure>>>>;

struct Live {
    worker: usize,
    job: Job,
    process: Process,
}

fn start(world: &Arc<World>, worker: usize, job: &Job) -> Live {
    let client = Client { world: world.clone(), worker };
    Live { worker, job: job.clone(), process: Box::pin(worker::run(client, job.clone())) }
}

/// Runs the schedule of one seed; returns the first defect, or `None`.
async fn schedule(seed: u64) -> Option<String> {
    let world = World::new(seed);
    let below = |n| world.state().noise.below(n);
    let has_folders = below(2) == 0;
    world.state().by_folder = has_folders && below(3) == 0;
    let input = oracle::Input::fill(&world, below(14), has_folders).await;
    let rows_per_part = 1 + below(2) as u32;
    let mut live: Vec<Live> = Vec::new();
    let workers = 1 + below(3) as u32;
    let shared = below(2) == 0;
    for index in 0..workers {
        // shares of several workers, or several processes that each run the whole job
        let share = if shared { Share::Worker { index, of: workers } } else { Share::WHOLE };
        let top_k = 1 + u32::from(below(12) == 0 && index > 0);
        live.push(start(&world, index as usize, &Job { share, top_k, rows_per_part }));
    }
    let mut next = workers as usize;
    let mut steps = 0;
    loop {
        steps += 1;
        if steps == CALM_AFTER {
            world.state().calm = true;
        }
        if steps > MOST_STEPS {
            return Some("the job does not come to its end".into());
        }
        oracle::meddle(&world, &input).await;
        if live.is_empty() {
            let frozen = oracle::top_k(&world).await;
            if oracle::is_finished(&world).await {
                break;
            }
            // cron starts the job again, as it was begun
            let job = Job { share: Share::WHOLE, top_k: frozen.unwrap_or(1), rows_per_part };
            live.push(start(&world, next, &job));
            next += 1;
        }
        let at = below(live.len() as u64) as usize;
        if below(6) == 0 {
            tokio::time::advance(Duration::from_millis(100 + below(20_000))).await;
        }
        let ended = live[at].process.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let killed = std::mem::take(&mut world.state().killed);
        if !killed.is_empty() {
            // kill -9: the process is gone; most are started again at once
            let dead = live.swap_remove(at);
            assert!(killed.iter().all(|killed| *killed == dead.worker));
            if below(3) > 0 {
                live.push(start(&world, next, &dead.job));
                next += 1;
            }
            continue;
        }
        let Poll::Ready(ended) = ended else { continue };
        let Live { worker, job, .. } = live.swap_remove(at);
        match ended {
            Ok(_) => {}
            Err(failure) if matches!(failure.exit, Exit::Unavailable | Exit::TryAgain) => {}
            Err(failure)
                if failure.exit == Exit::Config && Some(job.top_k) != oracle::top_k(&world).await => {}
            // keys in another order than that of bytes, seen after the first segment: a person has to decide, and
            // nothing was sealed
            Err(failure) if failure.exit == Exit::Config && failure.explain().contains("out of order") => {
                let may_be = world.state().by_folder && !oracle::is_finished(&world).await;
                return (!may_be).then(|| format!("worker {worker}: {}", failure.explain()));
            }
            Err(failure) => {
                return Some(format!(
                    "worker {worker} gave up with {:?}: {}",
                    failure.exit,
                    failure.explain()
                ));
            }
        }
    }
    oracle::violation(&world, &input).await
}

/// Runs seeds on two threads; returns the lowest that finds a defect, with the defect.
fn check(seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut found: Option<(u64, String)> = None;
        while found.is_none() {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                break;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let wrong = runtime.block_on(tokio::task::unconstrained(schedule(seed)));
            if let Some(wrong) = wrong {
                next.store(seeds.end, Relaxed);
                found = Some((seed, wrong));
            }
        }
        found
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).min()
    })
}

/// `TRESNET_BATCH_SCHEDULES`, for the long run.
fn schedules() -> u64 {
    std::env::var("TRESNET_BATCH_SCHEDULES").map_or(4_000, |text| text.parse().unwrap())
}

const MUTANTS: [(&str, &str); 7] = [
    ("mutant.random_part_names", "parts have random names"),
    ("mutant.conflict_is_fatal", "AlreadyExists is fatal"),
    ("mutant.no_final_listing", "no listing before _SUCCESS"),
    ("mutant.absent_is_done", "no retry on NotFound"),
    ("mutant.planner_trusts_its_listing", "a planner trusts its own listing"),
    ("mutant.any_page_is_believed", "any answer to a listing is a page"),
    ("mutant.neighbours_are_believed", "pieces of a listing are not compared at their cuts"),
];

/// Mutants are switched on in this process itself, so all of them are one test.
#[test]
fn no_schedule_breaks_the_protocol_and_every_mutant_of_it_is_caught() {
    let started = std::time::Instant::now();
    let count = schedules();
    let found = check(0..count);
    println!("{count} schedules in {:.0} s: {found:?}", started.elapsed().as_secs_f64());
    assert_eq!(found, None);
    for (point, meaning) in MUTANTS {
        fail::cfg(point, "return").unwrap();
        let found = check(0..5_000);
        fail::remove(point);
        let (seed, wrong) = found.unwrap_or_else(|| panic!("{meaning}: not caught within 5000 schedules"));
        println!("mutant `{meaning}`: caught within {} schedules: {wrong}", seed + 1);
    }
}
