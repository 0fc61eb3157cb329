//! One piece of a listing: what was read of it, and how it ended.

use std::collections::VecDeque;

use super::super::{Entry, StoreError};
use super::cuts::{Density, folder_of};
use super::source::PageOf;

/// Folders in a page that may be large.
const FEW: usize = 3;

/// The first key after a cut, as one of the two pieces beside it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edge {
    Key(String),
    /// There is none: the listing ends.
    End,
}

pub(super) enum State<W> {
    /// The next page can be asked for.
    Ready(W),
    /// A page is on its way.
    Asked,
    /// It read beyond its end. What it read there is kept until its neighbour has confirmed it, since the piece goes on
    /// from here if the neighbour does not.
    Ended { rest: Vec<Entry>, walk: Option<W> },
    /// Reported when everything before it was handed on.
    Failed(StoreError),
}

pub(super) struct Piece<W> {
    /// Answers carry it; a piece that begins again has another one.
    pub id: u64,
    pub after: Option<String>,
    pub until: Option<String>,
    /// Pages that were not handed on yet.
    pub pages: VecDeque<Vec<Entry>>,
    /// Bytes of those, and of what was read beyond the end.
    pub bytes: usize,
    pub bytes_beyond: usize,
    /// The first key after its beginning, which may be beyond its end.
    pub first: Option<Edge>,
    /// The greatest key that was read of it.
    pub last: Option<String>,
    pub state: State<W>,
    /// How often it was asked for again because its first key was not that of the piece before.
    pub tries: u32,
    /// True if its beginning is a guess by the density of keys, until it has a key.
    pub is_guessed: bool,
    /// Pages in a row that hold keys of the folder of `last` and of no other.
    pub pages_of_folder: usize,
    /// The density of keys in the last page, and since the first key of the folder.
    pub density: [Option<Density>; 2],
    /// The first key of the folder that is read, or of the piece if its folders are small, and keys read since.
    since: Option<(String, usize)>,
}

/// What a page brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// Keys of the piece.
    pub keys: usize,
    /// How often the folder changed from one key to the next.
    pub folder_changes: usize,
}

/// Bytes that an entry takes in memory, about.
pub(super) fn size_of(entry: &Entry) -> usize {
    size_of_val(entry) + entry.key.len() + entry.etag.as_ref().map_or(0, String::len) + 32
}

pub(super) fn size_of_all(entries: &[Entry]) -> usize {
    entries.iter().map(size_of).sum()
}

impl<W> Piece<W> {
    pub fn new(id: u64, after: Option<String>, until: Option<String>, walk: W) -> Piece<W> {
        Piece {
            id,
            after,
            until,
            pages: VecDeque::new(),
            bytes: 0,
            bytes_beyond: 0,
            first: None,
            last: None,
            state: State::Ready(walk),
            tries: 0,
            is_guessed: false,
            pages_of_folder: 0,
            density: [None, None],
            since: None,
        }
    }

    /// True while it has pages to ask for.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Ready(_) | State::Asked)
    }

    /// Where it is asked for again.
    pub fn position(&self) -> Option<&str> {
        self.last.as_deref().or(self.after.as_deref())
    }

    /// The first key beyond its end, once it has read that far.
    pub fn beyond(&self) -> Option<Edge> {
        match &self.state {
            State::Ended { rest, .. } => {
                Some(rest.first().map_or(Edge::End, |entry| Edge::Key(entry.key.clone())))
            }
            _ => None,
        }
    }

    /// The next page to hand on.
    pub fn take_page(&mut self) -> Option<Vec<Entry>> {
        let page = self.pages.pop_front()?;
        self.bytes -= size_of_all(&page);
        Some(page)
    }

    /// Takes the next page of its listing.
    pub fn push(&mut self, page: PageOf<W>) -> Brought {
        let PageOf { mut entries, walk, .. } = page;
        if self.first.is_none() {
            match entries.first() {
                Some(entry) => self.first = Some(Edge::Key(entry.key.clone())),
                None if walk.is_none() => self.first = Some(Edge::End),
                None => {}
            }
        }
        let broken = self.break_of(&entries);
        let disorder = broken.map(|at| entries.split_off(at).swap_remove(0).key);
        let end = match &self.until {
            // in order up to here, so what is beyond is at the end
            Some(until) => entries.partition_point(|entry| entry.key <= *until),
            None => entries.len(),
        };
        let rest = entries.split_off(end);
        self.bytes_beyond = size_of_all(&rest);
        let brought = self.keep(entries);
        self.state = match (disorder, walk) {
            (Some(key), _) => State::Failed(StoreError::Disorder { key }),
            (None, walk) if !rest.is_empty() => State::Ended { rest, walk },
            (None, Some(walk)) => State::Ready(walk),
            (None, None) => State::Ended { rest, walk: None },
        };
        brought
    }

    /// The position of the first entry that is not greater than the one before.
    fn break_of(&self, entries: &[Entry]) -> Option<usize> {
        let mut last = self.last.as_deref();
        entries
            .iter()
            .position(|entry| last.replace(&entry.key).is_some_and(|last| entry.key.as_str() <= last))
    }

    fn keep(&mut self, entries: Vec<Entry>) -> Brought {
        let Some(greatest) = entries.last().map(|entry| entry.key.clone()) else { return Brought::default() };
        let before = self.last.as_deref().map(folder_of);
        let folders = before.into_iter().chain(entries.iter().map(|entry| folder_of(&entry.key)));
        let mut folder_changes = 0;
        folders.reduce(|one, next| {
            folder_changes += usize::from(one != next);
            next
        });
        self.pages_of_folder = if folder_changes == 0 { self.pages_of_folder + 1 } else { 0 };
        let folder = folder_of(&greatest);
        let begins = entries.iter().rposition(|entry| folder_of(&entry.key) != folder).map_or(0, |at| at + 1);
        self.since = match self.since.take() {
            Some((first, keys)) if folder_changes == 0 || folder_changes > FEW => {
                Some((first, keys + entries.len()))
            }
            None if folder_changes > FEW => Some((entries[0].key.clone(), entries.len())),
            _ => Some((entries[begins].key.clone(), entries.len() - begins)),
        };
        let stretches = [(&entries[begins].key, entries.len() - begins), (&entries[0].key, entries.len())];
        let stretch = stretches[usize::from(folder_changes > FEW)];
        let long = self.since.as_ref().map_or(stretch, |(first, keys)| (first, *keys));
        self.density = [stretch, long].map(|(first, keys)| Density::since(first, keys, &entries));
        self.last = Some(greatest);
        self.bytes += size_of_all(&entries);
        let keys = entries.len();
        self.pages.push_back(entries);
        Brought { keys, folder_changes }
    }

    /// Continues to a later end: the piece after it is given up. What was read beyond the end is its own now.
    pub fn extend(&mut self, until: Option<String>) -> Brought {
        self.until = until;
        match std::mem::replace(&mut self.state, State::Asked) {
            State::Ended { rest, walk } => {
                // not the first page of the piece: its first key stays
                let page = PageOf { entries: rest, walk, began_early: false };
                self.push(page)
            }
            state => {
                self.state = state;
                Brought::default()
            }
        }
    }
}
