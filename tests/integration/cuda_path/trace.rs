//! What the recording libraries wrote, read back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// One recorded call.
#[derive(Debug, Clone)]
pub struct Call {
    pub thread: u32,
    pub name: String,
    pub facts: BTreeMap<String, String>,
}

impl Call {
    fn parse(line: &str) -> Call {
        let mut words = line.split(' ');
        let thread = words.next().and_then(|word| word.parse().ok());
        let thread = thread.unwrap_or_else(|| panic!("`{line}` begins with no thread"));
        let name = words.next().unwrap_or_else(|| panic!("`{line}` names no call")).to_owned();
        let facts = words.filter_map(|word| word.split_once('='));
        Call { thread, name, facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    #[track_caller]
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("no `{name}` in {self:?}"))
    }

    #[track_caller]
    pub fn bytes(&self) -> usize {
        self.fact("bytes").parse().unwrap()
    }

    #[track_caller]
    pub fn address(&self, name: &str) -> usize {
        usize::from_str_radix(self.fact(name).trim_start_matches("0x"), 16).unwrap()
    }

    pub fn is_allocation(&self) -> bool {
        self.name.contains("Alloc") || self.name.contains("Malloc") || self.name.contains("Free")
    }

    pub fn is_copy(&self) -> bool {
        self.name.contains("Memcpy")
    }

    /// The calling thread waits for the device.
    pub fn is_wait(&self) -> bool {
        self.name.contains("Synchronize")
    }
}

/// A whole run, cut where its program said what it did next.
pub struct Trace(pub Vec<Call>);

impl Trace {
    pub fn read(file: &Path) -> Trace {
        Trace(std::fs::read_to_string(file).unwrap().lines().map(Call::parse).collect())
    }

    /// The calls between a mark and the next.
    #[track_caller]
    pub fn phase(&self, mark: &str) -> &[Call] {
        let begins = |call: &Call| call.name == "mark" && call.fact("phase") == mark;
        let start = 1 + self.0.iter().position(begins).unwrap_or_else(|| panic!("no phase `{mark}`"));
        let end = self.0[start..].iter().position(|call| call.name == "mark");
        &self.0[start..end.map_or(self.0.len(), |end| start + end)]
    }

    /// Where memory was pinned, in the whole run.
    pub fn pinned(&self) -> Vec<Range<usize>> {
        let pinned = self.0.iter().filter(|call| call.name == "cuMemHostAlloc");
        pinned.map(|call| call.address("at")..call.address("at") + call.bytes()).collect()
    }
}

/// Names of calls with the numbers that distinguish streams and events, in words of this test.
pub fn story(calls: &[Call]) -> Vec<String> {
    let mut streams: Vec<String> = Vec::new();
    let mut events: Vec<String> = Vec::new();
    let numbered = |known: &mut Vec<String>, address: &str| match known.iter().position(|one| one == address)
    {
        Some(number) => number,
        None => {
            known.push(address.to_owned());
            known.len() - 1
        }
    };
    let tell = |call: &Call| {
        let stream = call.facts.get("stream").map(|stream| format!(" s{}", numbered(&mut streams, stream)));
        let event = call.facts.get("event").map(|event| format!(" e{}", numbered(&mut events, event)));
        format!("{}{}{}", call.name, stream.unwrap_or_default(), event.unwrap_or_default())
    };
    calls.iter().map(tell).collect()
}
