//! A run's counters as Prometheus metrics: each name, what it means, and where its value comes from.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sample::ErrorKind;
use crate::store::{Reason, Requests};
use crate::telemetry::prometheus::{Kind, Labels, Page, label, value};
use crate::telemetry::run_id;

use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::share::Share;
use crate::pipeline::utilisation::Bottleneck;

use Kind::{Counter, Gauge};

const LAST_SUCCESS: &str = "tresnet_batch_last_success_timestamp_seconds";
const LAST_EXIT: &str = "tresnet_batch_last_exit_code";
/// The label that distinguishes the samples of one file from those of others. `job` is Prometheus's own.
const JOB: &str = "job_name";
const SHARE: &str = "share";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// The exit code.
    pub exit: u8,
    /// Everything that was asked for is done.
    pub is_success: bool,
    /// The job is finished: `_SUCCESS` exists.
    pub is_complete: bool,
}

/// The metrics of one run, and what is carried over from the run before.
#[derive(Debug)]
pub struct Metrics {
    job: String,
    share: String,
    began: SystemTime,
    ended: Option<RunEnd>,
    last_exit: Option<f64>,
    last_success: Option<f64>,
    counted: Counted,
}

/// Images so far. Rows that are given up with a damaged shard stay counted: a falling counter would mean a restart.
#[derive(Debug, Default)]
struct Counted {
    ok: u64,
    error: u64,
    by_kind: BTreeMap<String, u64>,
}

impl Counted {
    fn up_to(&mut self, now: &Snapshot) {
        self.ok = self.ok.max(now.rows.saturating_sub(now.errors));
        self.error = self.error.max(now.errors);
        for (kind, rows) in &now.by_kind {
            let counted = self.by_kind.entry(kind.clone()).or_default();
            *counted = (*counted).max(*rows);
        }
    }
}

/// The job whose metrics a text holds, if it is one of ours.
pub fn job_of_metrics(text: &str) -> Option<String> {
    text.starts_with("# HELP tresnet_batch_").then(|| label(text, JOB)).flatten()
}

impl Metrics {
    /// Creates the metrics of a run that begins now. `before` is the file that the previous run left.
    pub fn new(job: String, share: Share, before: &str) -> Metrics {
        let share = if share.is_whole() { "all".to_owned() } else { share.name() };
        let carried = |name| value(before, name, &[(JOB, job.as_str()), (SHARE, share.as_str())]);
        let (last_exit, last_success) = (carried(LAST_EXIT), carried(LAST_SUCCESS));
        let began = SystemTime::now();
        Metrics { job, share, began, ended: None, last_exit, last_success, counted: Counted::default() }
    }

    /// The run has ended.
    pub fn end(&mut self, end: RunEnd) {
        self.ended = Some(end);
        self.last_exit = Some(f64::from(end.exit));
        if end.is_success {
            self.last_success = Some(seconds(SystemTime::now()));
        }
    }

    /// The text of the file at this moment.
    pub fn page(&mut self, progress: &Progress) -> String {
        let now = progress.latest();
        self.counted.up_to(&now);
        let mut page = Page::new(&[(JOB, self.job.as_str()), (SHARE, self.share.as_str())]);
        self.run(&mut page, progress);
        self.images(&mut page, &now);
        parts(&mut page, &now);
        if let Some((input, output)) = progress.places() {
            storage(&mut page, [("input", input.requests()), ("output", output.requests())]);
        }
        stages(&mut page, &now);
        page.text()
    }

    fn run(&self, page: &mut Page, progress: &Progress) {
        let version: Labels<'_> = &[("version", env!("CARGO_PKG_VERSION"))];
        page.metric("tresnet_batch_build_info", Gauge, "The program.", [(version, 1.0)]);
        let (output, ran) = (progress.places().map(|(_, output)| output.uri()), progress.device());
        let batch_size = ran.map(|ran| ran.batch_size.to_string()).unwrap_or_default();
        let devices = ran.map(|ran| ran.devices_text()).unwrap_or_default();
        let about: Labels<'_> = &[
            ("run_id", run_id()),
            ("output", output.as_deref().unwrap_or_default()),
            ("provider", ran.map_or("", |ran| ran.provider)),
            ("devices", devices.as_str()),
            ("precision", ran.map_or("", |ran| ran.precision.as_str())),
            ("batch_size", batch_size.as_str()),
            ("onnxruntime", ran.map_or("", |ran| ran.onnxruntime.as_str())),
        ];
        let help = "The latest run: its id, where its rows go, and what computes them once that is loaded.";
        page.metric("tresnet_batch_run_info", Gauge, help, [(about, 1.0)]);
        let is = |yes: bool| f64::from(u8::from(yes));
        let singles = [
            ("tresnet_batch_running", "1 while the latest run goes on.", Some(is(self.ended.is_none()))),
            (
                "tresnet_batch_run_start_timestamp_seconds",
                "When the latest run began.",
                Some(seconds(self.began)),
            ),
            (
                "tresnet_batch_run_duration_seconds",
                "How long the latest run has gone on, or took.",
                Some(self.began.elapsed().unwrap_or_default().as_secs_f64()),
            ),
            (
                "tresnet_batch_updated_timestamp_seconds",
                "When these metrics were written: a few seconds ago, while a run goes on.",
                Some(seconds(SystemTime::now())),
            ),
            (LAST_EXIT, "Exit code of the last run that has ended.", self.last_exit),
            (LAST_SUCCESS, "When a run of this job last finished successfully.", self.last_success),
            (
                "tresnet_batch_complete",
                "1 where the latest run has found the job finished, or has finished it.",
                Some(is(self.ended.is_some_and(|end| end.is_complete))),
            ),
        ];
        for (name, help, value) in singles {
            page.single(name, Gauge, help, value);
        }
    }

    fn images(&self, page: &mut Page, now: &Snapshot) {
        let Counted { ok, error, by_kind } = &self.counted;
        let rows: [(Labels<'_>, f64); 2] =
            [(&[("status", "ok")], *ok as f64), (&[("status", "error")], *error as f64)];
        page.metric("tresnet_batch_images_total", Counter, "Images classified by the latest run.", rows);
        let kinds = ErrorKind::ALL.map(|kind| [("kind", kind.as_str())]);
        let rows = kinds
            .iter()
            .map(|kind| (kind as Labels<'_>, by_kind.get(kind[0].1).copied().unwrap_or_default() as f64));
        page.metric("tresnet_batch_image_errors_total", Counter, "Error rows by what is wrong.", rows);
        let reasons = Reason::ALL.map(|reason| [("reason", reason.as_str())]);
        let counts =
            Reason::ALL.map(|reason| now.unreadable.get(&reason).copied().unwrap_or_default() as f64);
        let help = "Objects that the store does not give, although it gives others, by what it does instead.";
        let rows = reasons.iter().map(|reason| reason as Labels<'_>).zip(counts);
        page.metric("tresnet_batch_unreadable_objects_total", Counter, help, rows);
        for (name, help, value) in [
            (
                "tresnet_batch_images_planned",
                "Images of this run's share, as far as the plan is known.",
                Some(now.planned as f64),
            ),
            (
                "tresnet_batch_images_resumed",
                "Images among them that needed not be done again.",
                Some(now.resumed as f64),
            ),
            (
                "tresnet_batch_images_per_second",
                "Images a second since everything was loaded.",
                Some(now.rate()),
            ),
            (
                "tresnet_batch_remaining_seconds",
                "Time left at this rate, once the whole plan is known.",
                now.left().as_ref().map(Duration::as_secs_f64),
            ),
        ] {
            page.single(name, Gauge, help, value);
        }
    }
}

fn parts(page: &mut Page, now: &Snapshot) {
    let help = "Parts written by the latest run.";
    page.single("tresnet_batch_parts_committed_total", Counter, help, now.parts as f64);
    for (name, help, value) in [
        (
            "tresnet_batch_parts_planned",
            "Parts of this run's share, as far as the plan is known.",
            now.planned_parts,
        ),
        ("tresnet_batch_parts_resumed", "Parts among them that needed not be done again.", now.resumed_parts),
        (
            "tresnet_batch_plan_known",
            "1 once all parts of this run's share are known.",
            u64::from(now.parts_are_known),
        ),
    ] {
        page.single(name, Gauge, help, value as f64);
    }
    let help = "Encoded bytes of images read.";
    page.single("tresnet_batch_read_bytes_total", Counter, help, now.bytes as f64);
    let help = "Bytes of part files written.";
    page.single("tresnet_batch_written_bytes_total", Counter, help, now.stages.commit_bytes as f64);
}

fn storage(page: &mut Page, of: [(&str, Requests); 2]) {
    let mut by_method = Vec::new();
    for (location, requests) in &of {
        for (method, count) in &requests.by_method {
            by_method.push(([("location", *location), ("method", method.as_str())], *count as f64));
        }
    }
    let help = "HTTP requests to input and output, each try counted; none for a local disk.";
    let rows = by_method.iter().map(|(labels, count)| (labels as Labels<'_>, *count));
    page.metric("tresnet_batch_requests_total", Counter, help, rows);
    let by_location = [[("location", of[0].0)], [("location", of[1].0)]];
    let each = |count: fn(&Requests) -> u64| {
        let counts = [count(&of[0].1) as f64, count(&of[1].1) as f64];
        by_location.iter().map(|labels| labels as Labels<'_>).zip(counts)
    };
    let help = "Answers that asked to slow down (429, 503).";
    page.metric("tresnet_batch_throttled_total", Counter, help, each(|requests| requests.throttled));
    let help = "Operations tried again after the client's own tries.";
    page.metric("tresnet_batch_retries_total", Counter, help, each(|requests| requests.retried));
}

fn stages(page: &mut Page, now: &Snapshot) {
    let (used, stages) = (now.utilisation(), &now.stages);
    let mut by_label = |name: &str, kind, help: &str, label: &str, values: &[(&str, f64)]| {
        let labels: Vec<_> = values.iter().map(|(word, _)| [(label, *word)]).collect();
        let values = values.iter().map(|(_, value)| *value);
        page.metric(name, kind, help, labels.iter().map(|labels| labels as Labels<'_>).zip(values));
    };
    by_label(
        "tresnet_batch_stage_busy_seconds_total",
        Counter,
        "Time that each stage was busy, summed over all that it did at once.",
        "stage",
        &[
            ("fetch", stages.fetch.seconds),
            ("decode", stages.decode.seconds),
            ("engine", stages.engine.seconds),
            ("rows", stages.rows.seconds),
            ("encode", stages.encode.seconds),
            ("commit", stages.commit.seconds),
        ],
    );
    by_label(
        "tresnet_batch_stage_busy_ratio",
        Gauge,
        "Share of the time since everything was loaded: of the decoders, of the devices, of one core.",
        "stage",
        &[
            ("decode", used.decode.busy),
            ("engine", used.engine.busy),
            ("rows", used.rows.busy),
            ("encode", used.encode.busy),
        ],
    );
    by_label(
        "tresnet_batch_stage_workers",
        Gauge,
        "Threads that decode, devices that compute.",
        "stage",
        &[("decode", stages.setup.workers as f64), ("engine", stages.setup.engines as f64)],
    );
    by_label(
        "tresnet_batch_wait_seconds_total",
        Counter,
        "Time in which reading waited for a row, for bytes in flight or for a part, and the network for a batch or for outputs.",
        "for",
        &[
            ("row", stages.wait_row.seconds),
            ("bytes", stages.wait_bytes.seconds),
            ("part", stages.wait_part.seconds),
            ("batch", stages.wait_batch.seconds),
            ("outputs", stages.wait_outputs.seconds),
        ],
    );
    by_label(
        "tresnet_batch_wait_ratio",
        Gauge,
        "The same as a share of the time since everything was loaded.",
        "for",
        &[
            ("row", used.fetch.waits_for_row),
            ("bytes", used.fetch.waits_for_bytes),
            ("part", used.fetch.waits_for_part),
            ("batch", used.engine.waits_for_batch),
            ("outputs", used.engine.waits_for_outputs),
        ],
    );
    let named =
        Bottleneck::ALL.map(|stage| (stage.as_str(), f64::from(u8::from(used.bottleneck == Some(stage)))));
    let help = "1 for the stage that decides the rate; 0 for all if that is not known.";
    by_label("tresnet_batch_bottleneck", Gauge, help, "stage", &named);
    let help = "Processor time of the whole process since everything was loaded.";
    page.single("tresnet_batch_cpu_seconds_total", Counter, help, stages.cpu);
    let help = "The same as a share of the cores' time.";
    page.single("tresnet_batch_cpu_busy_ratio", Gauge, help, used.cpu.map(|cpu| cpu.busy));
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(rows: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("corrupt".to_owned(), rows)])
    }

    fn metrics(before: &str) -> Metrics {
        Metrics::new("photos".into(), Share::WHOLE, before)
    }

    fn read(page: &str, name: &str, own: &[(&str, &str)]) -> Option<f64> {
        let labels: Vec<_> = [("job_name", "photos"), ("share", "all")].iter().chain(own).copied().collect();
        value(page, name, &labels)
    }

    #[test]
    fn counters_do_not_fall_when_rows_are_given_up() {
        let (progress, mut metrics) = (Progress::default(), metrics(""));
        let count = |metrics: &mut Metrics| {
            let page = metrics.page(&progress);
            let read = |name, own: (&str, &str)| read(&page, name, &[own]).unwrap();
            (
                read("tresnet_batch_images_total", ("status", "ok")),
                read("tresnet_batch_images_total", ("status", "error")),
                read("tresnet_batch_image_errors_total", ("kind", "corrupt")),
            )
        };
        progress.batch(10, &errors(2));
        assert_eq!(count(&mut metrics), (8.0, 2.0, 2.0));
        progress.take_back(10, &errors(2));
        assert_eq!(count(&mut metrics), (8.0, 2.0, 2.0));
        progress.batch(20, &errors(3));
        assert_eq!(count(&mut metrics), (17.0, 3.0, 3.0));
    }

    #[test]
    fn the_last_success_outlives_failed_runs_of_its_job_and_of_no_other() {
        let progress = Progress::default();
        let mut first = metrics("");
        assert_eq!(read(&first.page(&progress), LAST_SUCCESS, &[]), None);
        first.end(RunEnd { exit: 0, is_success: true, is_complete: true });
        let page = first.page(&progress);
        let at = read(&page, LAST_SUCCESS, &[]).unwrap();
        let mut second = metrics(&page);
        let running = second.page(&progress);
        assert_eq!(read(&running, LAST_EXIT, &[]), Some(0.0));
        assert_eq!(read(&running, "tresnet_batch_complete", &[]), Some(0.0));
        second.end(RunEnd { exit: 74, is_success: false, is_complete: false });
        let page = second.page(&progress);
        assert_eq!((read(&page, LAST_SUCCESS, &[]), read(&page, LAST_EXIT, &[])), (Some(at), Some(74.0)));
        assert_eq!(job_of_metrics(&page).as_deref(), Some("photos"));
        let another = Metrics::new("another".into(), Share::WHOLE, &page);
        assert_eq!((another.last_success, another.last_exit), (None, None));
        assert_eq!(job_of_metrics("# HELP node_cpu_seconds_total x\n"), None);
    }
}
