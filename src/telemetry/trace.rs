//! A timeline of a run, in the JSON that Chrome's trace viewer and Perfetto open.
//!
//! The file is one array of events, written as they end: memory does not grow with the run. Only whole events are
//! handed to the system, so the file of a run that was killed is an array without its end, which both viewers
//! open as it is. Threads have a track each; what is awaited rather than computed (reads, parts) takes the lowest
//! free lane of its kind, so that no two spans of a track overlap without one lying in the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Spans of one file, about 130 bytes each: what Perfetto still opens well in a browser.
pub const MOST_EVENTS: u64 = 2_000_000;

/// Bytes gathered before they are written.
const CHUNK: usize = 64 << 10;

/// Threads are numbered over the life of the process; lanes of all files above them.
static THREADS: AtomicU64 = AtomicU64::new(1);
const FIRST_LANE: u64 = 1 << 20;

thread_local! {
    static THREAD: u64 = THREADS.fetch_add(1, Relaxed);
}

/// A fact about a span.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// A number.
    Number(i64),
    /// A word of the program's own or a key.
    Text(&'a str),
}

/// Writes spans, or nothing at all. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Sink>>);

/// What a finished trace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// Spans written.
    pub events: u64,
    /// Spans beyond the most that a file takes.
    pub left_out: u64,
}

#[derive(Debug)]
struct Sink {
    started: Instant,
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    text: String,
    is_first: bool,
    is_closed: bool,
    failed: Option<io::Error>,
    traced: Traced,
    named: BTreeSet<u64>,
    /// Kind → its lanes: the track of each, and the free ones.
    lanes: BTreeMap<&'static str, (Vec<u64>, BTreeSet<usize>)>,
    next_lane: u64,
}

/// A lane, for exclusive use while it is held.
#[derive(Debug, Default)]
pub struct Lane(Option<(Arc<Sink>, &'static str, usize, u64)>);

impl Tracer {
    /// Begins a file, over an older one if need be, of at most `most` spans.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(path: &Path, most: u64) -> io::Result<Tracer> {
        let mut file = File::create(path)?;
        file.write_all(b"[")?;
        let state = State {
            file,
            text: String::with_capacity(CHUNK + 1024),
            is_first: true,
            is_closed: false,
            failed: None,
            traced: Traced { events: 0, left_out: 0 },
            named: BTreeSet::new(),
            lanes: BTreeMap::new(),
            next_lane: FIRST_LANE,
        };
        Ok(Tracer(Some(Arc::new(Sink { started: Instant::now(), most, state: Mutex::new(state) }))))
    }

    /// True where spans are written.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A span of the calling thread that began then and ends now.
    pub fn span(&self, name: &'static str, began: Instant, facts: &[(&'static str, Fact<'_>)]) {
        if let Some(sink) = &self.0 {
            sink.span(THREAD.with(|thread| *thread), None, name, began, facts);
        }
    }

    /// Takes the lowest free lane of a kind.
    pub fn lane(&self, kind: &'static str) -> Lane {
        let Some(sink) = &self.0 else { return Lane(None) };
        let mut state = sink.state();
        let next = state.next_lane;
        let (tracks, free) = state.lanes.entry(kind).or_default();
        let index = free.pop_first().unwrap_or(tracks.len());
        let is_new = index == tracks.len();
        if is_new {
            tracks.push(next);
        }
        let track = tracks[index];
        state.next_lane += u64::from(is_new);
        drop(state);
        Lane(Some((sink.clone(), kind, index, track)))
    }

    /// Ends the array and returns what is in it; later spans are dropped.
    ///
    /// # Errors
    /// The first fault of the file: its spans end there.
    pub fn finish(&self) -> io::Result<Traced> {
        let Some(sink) = &self.0 else { return Ok(Traced { events: 0, left_out: 0 }) };
        let mut state = sink.state();
        state.close();
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok(state.traced),
        }
    }
}

impl Lane {
    /// A span of this lane that began then and ends now.
    pub fn span(&self, name: &'static str, began: Instant, facts: &[(&'static str, Fact<'_>)]) {
        if let Some((sink, kind, index, track)) = &self.0 {
            sink.span(*track, Some((kind, *index)), name, began, facts);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some((sink, kind, index, _)) = self.0.take()
            && let Some((_, free)) = sink.state().lanes.get_mut(kind)
        {
            free.insert(index);
        }
    }
}

impl Sink {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn span(
        &self,
        track: u64,
        lane: Option<(&'static str, usize)>,
        name: &'static str,
        began: Instant,
        facts: &[(&'static str, Fact<'_>)],
    ) {
        let now = Instant::now();
        let mut state = self.state();
        if state.is_closed || state.failed.is_some() {
            return;
        }
        if state.traced.events == self.most {
            if state.traced.left_out == 0 {
                let at = micros(now - self.started);
                state.event(format_args!(
                    "{{\"name\":\"the trace ends here: {} spans are the most\",\"ph\":\"i\",\"s\":\"g\",\"ts\":{at:.3},\"pid\":1,\"tid\":{track}}}",
                    self.most
                ));
            }
            state.traced.left_out += 1;
            return;
        }
        if state.named.insert(track) {
            state.name(track, lane);
        }
        let (ts, dur) = (
            micros(began.saturating_duration_since(self.started)),
            micros(now.saturating_duration_since(began)),
        );
        state.event(format_args!(
            "{{\"name\":\"{name}\",\"ph\":\"X\",\"ts\":{ts:.3},\"dur\":{dur:.3},\"pid\":1,\"tid\":{track},\"args\":{}}}",
            Facts(facts)
        ));
        state.traced.events += 1;
        if state.text.len() >= CHUNK {
            state.write();
        }
    }
}

fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.state().close();
    }
}

impl State {
    fn name(&mut self, track: u64, lane: Option<(&'static str, usize)>) {
        let name = match lane {
            Some((kind, index)) => format!("{kind} {index}"),
            None => std::thread::current().name().unwrap_or("a thread").to_owned(),
        };
        let facts = [("name", Fact::Text(&name))];
        self.event(format_args!(
            "{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":{track},\"args\":{}}}",
            Facts(&facts)
        ));
    }

    fn event(&mut self, event: std::fmt::Arguments<'_>) {
        self.text.push_str(if self.is_first { "\n" } else { ",\n" });
        self.is_first = false;
        // a `String` takes everything
        let _ = self.text.write_fmt(event);
    }

    fn write(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.file.write_all(self.text.as_bytes())
        {
            self.failed = Some(error);
        }
        self.text.clear();
    }

    fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.text.push_str("\n]\n");
            self.write();
        }
    }
}

/// Facts as a JSON object.
struct Facts<'a>(&'a [(&'static str, Fact<'a>)]);

impl std::fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('{')?;
        for (position, (name, fact)) in self.0.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            match fact {
                Fact::Number(number) => write!(f, "{comma}\"{name}\":{number}")?,
                Fact::Text(text) => {
                    let text = serde_json::to_string(text).map_err(|_| std::fmt::Error)?;
                    write!(f, "{comma}\"{name}\":{text}")?;
                }
            }
        }
        f.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read(path: &Path) -> Vec<Value> {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn spans_are_json_whatever_their_keys_hold_and_lanes_are_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let tracer = Tracer::create(&path, 10).unwrap();
        let began = Instant::now();
        let (first, second) = (tracer.lane("fetch"), tracer.lane("fetch"));
        first.span("fetch", began, &[("key", Fact::Text("a\"\\\n\u{1}é")), ("row", Fact::Number(-1))]);
        drop(first);
        let third = tracer.lane("fetch");
        second.span("fetch", began, &[]);
        third.span("fetch", began, &[]);
        tracer.span("decode", began, &[]);
        assert_eq!(tracer.finish().unwrap(), Traced { events: 4, left_out: 0 });
        tracer.span("late", began, &[]);
        let events = read(&path);
        let names: Vec<&Value> =
            events.iter().filter(|event| event["ph"] == "M").map(|event| &event["args"]["name"]).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!((names[0], names[1]), (&Value::from("fetch 0"), &Value::from("fetch 1")));
        let spans: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert_eq!(spans[0]["args"], serde_json::json!({ "key": "a\"\\\n\u{1}é", "row": -1 }));
        assert_eq!(spans[0]["tid"], spans[2]["tid"]);
    }

    #[test]
    fn a_file_that_is_full_says_so_and_how_many_spans_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let tracer = Tracer::create(&path, 2).unwrap();
        for _ in 0..5 {
            tracer.span("decode", Instant::now(), &[]);
        }
        assert_eq!(tracer.finish().unwrap(), Traced { events: 2, left_out: 3 });
        let told: Vec<Value> = read(&path).into_iter().filter(|event| event["ph"] == "i").collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0]["name"].as_str().unwrap().contains("2 spans are the most"), "{told:?}");
    }

    #[test]
    fn what_was_written_before_a_kill_is_an_array_that_only_lacks_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let tracer = Tracer::create(&path, MOST_EVENTS).unwrap();
        for row in 0..5000 {
            tracer.span("decode", Instant::now(), &[("row", Fact::Number(row))]);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() > CHUNK, "nothing was written before the end");
        let events: Vec<Value> = serde_json::from_str(&format!("{text}]")).unwrap();
        assert!(events.len() > 100);
    }
}
