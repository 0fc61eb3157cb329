//! The files of `infra/` for schedulers, each in use: Airflow's DAG, systemd's units, a crontab, container files.

mod airflow;
mod containers;
mod cron;
mod systemd;

use std::path::{Path, PathBuf};

use crate::support::job::{IMAGES, own_model};

/// How long a job takes.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// 12 parts of 8 rows, at once.
    Quick,
    /// 23 parts of 4 rows, which take a while.
    Slow,
}

/// A job file with every needed key, since a scheduler adds nothing to it: the images of `job_images.py` into
/// `FOLDER/out`. `more` are further tables.
fn job_file(folder: &Path, pace: Pace, more: &str) -> PathBuf {
    let (size, rows, batch) = match pace {
        Pace::Quick => (64, 8, 4),
        Pace::Slow => (448, 4, 2),
    };
    let few = if pace == Pace::Slow { "decode_threads = 1\nrequests = 2\n" } else { "" };
    let text = format!(
        "[input]\nuri = \"{}\"\ntargets = \"folder\"\n\n[model]\npath = \"{}\"\n\n[preprocess]\nimage_size = {size}\n\n\
         [engine]\nthreads = 1\nbatch_size = {batch}\n\n[output]\nuri = \"{}\"\nrows_per_part = {rows}\nlogits = true\n\n\
         [limits]\nmax_error_fraction = 0.2\n{few}\n{more}",
        IMAGES.folder.display(),
        own_model("v1_odd.safetensors").display(),
        folder.join("out").display()
    );
    let file = folder.join("job.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// A gate that the small network cannot hold.
const TOO_HIGH: &str = "[report]\nrequire = [\"top1 >= 99\"]\n";
