//! Allocations an image: of decoding alone, and of a run of the whole pipeline by thread.
//!
//! `cargo bench --bench allocations -- [--images FOLDER] [--count N] [--warm N]`
//!
//! Every `malloc`, `calloc` and `realloc` of the process is counted, those of C among them, so this needs glibc. Counting
//! begins after `--warm` images.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use tresnet_batch::image::{Decoder, Options};
use tresnet_batch::pipeline::progress::Progress;
use tresnet_batch::store::{Location, Role};
use tresnet_batch::tensor::{Layout, RowMut};

use support::{Arguments, Knobs, photographs};

/// Functions that replace and call those of the C library.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counted {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Threads by the beginning of their names; the last is for all others.
    pub const KINDS: [&str; 4] = ["decode", "engine", "tokio", ""];
    static COUNTS: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];
    const UNKNOWN: usize = usize::MAX;

    thread_local! {
        static KIND: Cell<usize> = const { Cell::new(UNKNOWN) };
    }

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
        fn prctl(option: c_int, argument: *mut u8, ...) -> c_int;
    }

    /// prctl(2)
    const PR_GET_NAME: c_int = 16;

    fn count() {
        // a thread also allocates before it has its name; these are few, and its kind is looked up again
        let kind = KIND.get();
        let kind = if kind < KINDS.len() - 1 { kind } else { look_up() };
        COUNTS[kind].fetch_add(1, Ordering::Relaxed);
    }

    fn look_up() -> usize {
        let mut name = [0; 16];
        // SAFETY: the kernel writes 16 bytes at most.
        unsafe { prctl(PR_GET_NAME, name.as_mut_ptr()) };
        let kind =
            KINDS.iter().position(|start| name.starts_with(start.as_bytes())).unwrap_or(KINDS.len() - 1);
        KIND.set(kind);
        kind
    }

    pub fn counts() -> [u64; KINDS.len()] {
        std::array::from_fn(|kind| COUNTS[kind].load(Ordering::Relaxed))
    }

    // SAFETY of all below: the arguments are passed on as they are.

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        count();
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_calloc(number, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
        count();
        unsafe { __libc_realloc(block, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        const ENOMEM: c_int = 12;
        count();
        let block = unsafe { __libc_memalign(alignment, size) };
        if block.is_null() {
            return ENOMEM;
        }
        unsafe { to.write(block) };
        0
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod counted {
    pub const KINDS: [&str; 4] = ["decode", "engine", "tokio", ""];

    pub fn counts() -> [u64; KINDS.len()] {
        panic!("allocations are counted with glibc only")
    }
}

fn total() -> u64 {
    counted::counts().iter().sum()
}

fn main() {
    let arguments = Arguments::read(&["images", "count", "warm"]);
    let (count, warm) = (arguments.number("count", 3000), arguments.number("warm", 1000));
    assert!(warm < count, "--warm is below --count");
    let images = photographs(&arguments.images());

    let mut decoder = Decoder::new(Options::new(224)).unwrap();
    let mut row = vec![0.0_f32; 224 * 224 * 3];
    let mut before = total();
    for index in 0..count as usize {
        if index as u64 == warm {
            before = total();
        }
        drop(decoder.decode_into(&images[index % images.len()], Layout::Nchw, RowMut::F32(&mut row)));
    }
    let decoding = total() - before;

    let folder = tempfile::tempdir().unwrap();
    support::link_photographs(&images, folder.path(), count as usize);
    let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
    let progress = Arc::new(Progress::default());
    let watcher = std::thread::spawn({
        let progress = progress.clone();
        move || loop {
            let done = progress.snapshot().stages.batch_rows;
            if done >= warm {
                return (done, counted::counts());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let output = Location::in_memory("out").unwrap();
    let run = support::run_with_noise_observed(&input, &output, Knobs::new(count), progress);
    let end = support::runtime().block_on(run);
    let after = counted::counts();
    let (done, before) = watcher.join().unwrap();
    let rest = (end.stages.batch_rows - done) as f64;

    println!("{} images, {count} reads, counted after {warm}", images.len());
    println!("| who | allocations an image |\n|---|---|");
    println!("| decoding alone, one thread | {:.4} |", decoding as f64 / (count - warm) as f64);
    let of = |kind: usize| (after[kind] - before[kind]) as f64 / rest;
    println!("| in a run: the workers (decoding, and making rows) | {:.1} |", of(0));
    println!("| in a run: the engine's thread | {:.1} |", of(1));
    println!("| in a run: listing, reading, parts | {:.1} |", of(2));
    println!("| in a run: other threads | {:.1} |", of(3));
}
