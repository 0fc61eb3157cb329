//! Processor time of the threads of this process, by name.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Samples the processor time of all threads of this process, until the result is requested.
pub struct Watch {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<BTreeMap<u64, (String, u64)>>,
}

/// The thread of a store that benches run in their own process.
pub const STORE: &str = "scripted-s3";

/// The rate that the cores would have without the store, which takes these seconds of a core for each image. It is right
/// where the cores have no idle time.
pub fn without_store(rate: f64, seconds: f64) -> f64 {
    rate / (1.0 - seconds * rate / super::cores() as f64)
}

/// A thread that ends is missed by this much.
const LOOK_EVERY: Duration = Duration::from_millis(4);

impl Watch {
    pub fn start() -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let before = threads();
        let looks = std::thread::Builder::new().name("watch".into()).spawn({
            let stop = stop.clone();
            move || {
                let mut last = BTreeMap::new();
                while !stop.load(Relaxed) {
                    last.extend(threads());
                    std::thread::sleep(LOOK_EVERY);
                }
                last.extend(threads());
                for (id, (_, nanos)) in &mut last {
                    *nanos -= before.get(id).map_or(0, |(_, before)| *before);
                }
                last
            }
        });
        Watch { stop, looks: looks.unwrap() }
    }

    /// Nanoseconds of the threads of each name, since the beginning.
    pub fn end(self) -> Vec<(String, f64)> {
        self.stop.store(true, Relaxed);
        self.looks.join().unwrap().into_values().map(|(name, nanos)| (name, nanos as f64)).collect()
    }
}

/// Name and nanoseconds of each thread that runs now, as Linux reports them.
fn threads() -> BTreeMap<u64, (String, u64)> {
    let tasks = fs::read_dir("/proc/self/task").expect("needs Linux: /proc/self/task");
    let mut found = BTreeMap::new();
    for task in tasks {
        let folder = task.unwrap().path();
        // a thread may end between two reads
        let (Ok(name), Ok(times)) =
            (fs::read_to_string(folder.join("comm")), fs::read_to_string(folder.join("schedstat")))
        else {
            continue;
        };
        let id = folder.file_name().and_then(|id| id.to_str()).and_then(|id| id.parse().ok());
        let nanos = times.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        if let (Some(id), Some(nanos)) = (id, nanos) {
            found.insert(id, (name.trim().to_owned(), nanos));
        }
    }
    found
}

/// Nanoseconds so far of the threads of one name that have not ended.
pub fn nanos_of(name: &str) -> u64 {
    threads().into_values().filter(|(found, _)| found == name).map(|(_, nanos)| nanos).sum()
}

/// Nanoseconds of all threads of this process, of those that have ended too.
pub fn process_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: plain numbers, filled by the kernel.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
