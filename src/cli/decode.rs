//! `doctor decode`: what would become of files in a run, without a model and without ONNX Runtime.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::dataset::is_hidden;
use crate::failure::{Exit, Failure};
use crate::image;
use crate::pipeline::decode::Decoding;
use crate::pipeline::decode::fault::{Decoded, Fault};
use crate::pipeline::decode::isolate::Isolation;
use crate::regular_file;
use crate::runner::opened::open_job;
use crate::sample::{ErrorKind, RowError};
use crate::tensor::{Layout, RowMut};

use super::examples;
use super::global::GlobalArgs;
use super::job::{Changes, JobArgs};
use super::print::{count, line, note};
use super::summary::Summary;

#[derive(Debug, Args)]
#[command(after_help = examples::DOCTOR_DECODE)]
pub(super) struct DecodeArgs {
    /// Files, and folders with everything below them but links and hidden files
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,
    /// Use the preprocessing and limits of this job and its model, instead of those of TResNet at 224 pixels
    #[arg(long, value_name = "JOB")]
    job: Option<PathBuf>,
    /// Decode in a process apart, as `run --isolate` does
    #[arg(long)]
    isolate: bool,
}

/// What was found, for the summary at the end.
#[derive(Default)]
struct Findings {
    files: u64,
    ok: u64,
    errors_by_kind: BTreeMap<&'static str, u64>,
    links: u64,
    hidden: u64,
    /// The first path that could not be read, and how many there were.
    unread: Option<(Failure, u64)>,
    decoder_peak: u64,
}

pub(super) async fn decode(arguments: &DecodeArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let options = match &arguments.job {
        None => image::Options::new(224),
        Some(file) => {
            let job = JobArgs { file: file.clone(), changes: Changes::default() };
            open_job(&job.invocation(&[], global)?).await?.job.image
        }
    };
    let isolation = if arguments.isolate { Isolation::on()? } else { Isolation::Off };
    let started = Instant::now();
    let mut bench = Bench {
        decoding: Decoding::new(options, &isolation)?,
        limit: options.limits.max_encoded_bytes,
        row: vec![0.0; 3 * (options.image_size as usize).pow(2)],
        findings: Findings::default(),
    };
    for path in &arguments.files {
        bench.look_at(path)?;
    }
    let findings = bench.findings;
    let (files, ok) = (findings.files, findings.ok);
    note(format!("{} files: {} ok, {} errors", count(files), count(ok), count(files.saturating_sub(ok))));
    let mut summary = Summary::new(json!({
        "files": findings.files,
        "ok": findings.ok,
        "errors_by_kind": findings.errors_by_kind,
        "links_left_out": findings.links,
        "hidden_left_out": findings.hidden,
        "seconds": (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        "peak_memory_bytes": peak_memory("self"),
    }));
    if arguments.isolate {
        summary.fields.insert("decoder_peak_memory_bytes".into(), json!(findings.decoder_peak));
    }
    summary.failure = findings.unread.map(|(first, count)| match count {
        1 => first,
        _ => first.within(format!("{count} paths could not be read; the first")),
    });
    Ok(summary)
}

struct Bench {
    decoding: Decoding,
    limit: u64,
    row: Vec<f32>,
    findings: Findings,
}

impl Bench {
    /// A path as it was typed: a link is followed here, and only here.
    fn look_at(&mut self, path: &Path) -> Result<(), Failure> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => self.folder(path),
            Ok(found) if found.is_file() => self.file(path),
            Ok(_) => {
                self.unread(path, &io::Error::other("it is neither a file nor a folder"));
                Ok(())
            }
            Err(error) => {
                self.unread(path, &error);
                Ok(())
            }
        }
    }

    /// Visits everything below a folder in the order of the names, from a list instead of by recursion, so that a deep
    /// tree does not overflow the stack.
    fn folder(&mut self, root: &Path) -> Result<(), Failure> {
        let mut waiting = vec![root.to_owned()];
        while let Some(path) = waiting.pop() {
            let kind = match fs::symlink_metadata(&path) {
                Ok(found) => found.file_type(),
                Err(error) => {
                    self.unread(&path, &error);
                    continue;
                }
            };
            if kind.is_file() && path.strip_prefix(root).is_ok_and(|key| is_hidden(&key.to_string_lossy())) {
                self.findings.hidden += 1;
            } else if kind.is_file() {
                self.file(&path)?;
            } else if kind.is_dir() || path == root {
                let items = fs::read_dir(&path)
                    .and_then(|items| items.map(|item| Ok(item?.path())).collect::<io::Result<Vec<_>>>());
                match items {
                    Ok(mut items) => {
                        items.sort();
                        waiting.extend(items.into_iter().rev());
                    }
                    Err(error) => self.unread(&path, &error),
                }
            } else if kind.is_symlink() {
                self.findings.links += 1;
            } else {
                self.unread(&path, &io::Error::other("it is neither a file nor a folder"));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let started = Instant::now();
        let bytes = match read(path, self.limit) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unread(path, &error);
                return Ok(());
            }
        };
        let decoded = match bytes {
            Ok(bytes) => self.decoding.decode(&bytes, Layout::Nchw, RowMut::F32(&mut self.row))?,
            Err(error) => Decoded::Fault(Fault { source: None, error }),
        };
        let time = started.elapsed();
        if let Some(process) = self.decoding.process() {
            let peak = peak_memory(&process.to_string()).unwrap_or_default();
            self.findings.decoder_peak = self.findings.decoder_peak.max(peak);
        }
        self.findings.files += 1;
        let (source, error) = match decoded {
            Decoded::Pixels(source) => {
                self.findings.ok += 1;
                (Some(source), None)
            }
            Decoded::Fault(Fault { source, error }) => {
                *self.findings.errors_by_kind.entry(error.kind.as_str()).or_default() += 1;
                (source, Some(error))
            }
        };
        let nothing = || "-".to_owned();
        line(
            [
                if error.is_none() { "ok" } else { "error" }.to_owned(),
                error.as_ref().map_or_else(nothing, |error| error.kind.to_string()),
                source.map_or_else(nothing, |source| source.format.as_str().to_owned()),
                source.map_or_else(nothing, |source| format!("{}×{}", source.width, source.height)),
                format!("{:.1}", time.as_secs_f64() * 1e3),
                error.map_or_else(nothing, |error| shown(&error.message)),
                shown(&path.to_string_lossy()),
            ]
            .join("\t"),
        );
        Ok(())
    }

    fn unread(&mut self, path: &Path, error: &io::Error) {
        let exit = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Exit::NoInput,
            io::ErrorKind::PermissionDenied => Exit::Denied,
            _ => Exit::Io,
        };
        let path = shown(&path.to_string_lossy());
        line(["unread", "-", "-", "-", "-", &shown(&error.to_string()), &path].join("\t"));
        match &mut self.findings.unread {
            Some((_, count)) => *count += 1,
            None => {
                let first = Failure::new(exit, format!("`{path}` cannot be read: {error}"));
                self.findings.unread = Some((first, 1));
            }
        }
    }
}

/// The bytes of a file, or its error row if it is too large to be read at all.
fn read(path: &Path, limit: u64) -> io::Result<Result<Vec<u8>, RowError>> {
    let file = regular_file::open(path)?;
    let size = file.metadata()?.len();
    let too_large = |size: u64| {
        let message = format!("{size} bytes are more than `limits.max_encoded_bytes` = {limit}");
        Ok(Err(RowError::new(ErrorKind::Limit, message)))
    };
    if size > limit {
        return too_large(size);
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // it may grow while it is read
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { too_large(bytes.len() as u64) } else { Ok(Ok(bytes)) }
}

/// Escapes a text for one field on one line: names and messages may hold anything.
fn shown(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Returns the most memory that a process has held at once, or `None` if the system does not report it.
fn peak_memory(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
