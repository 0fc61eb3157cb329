//! The pieces of a listing, in key order: which pages are asked for, and when a page may be handed on.

use std::collections::VecDeque;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::failpoints;
use crate::tasks::aside;

use super::super::{Entry, StoreError};
use super::cuts::folder_of;
use super::hints::Hints;
use super::piece::{Brought, Piece, State, size_of_all};
use super::plan::PiecePlan;
use super::source::{Folders, PageOf, PageSource};
use super::spent::Spent;

/// How often two neighbours are asked again before their store's order is not believed. Keys that are added or removed
/// at the cut meanwhile are the other reason why their keys may differ.
const MOST_TRIES: u32 = 2;

/// Pieces that may fail before cutting stops: the store may not take the cuts.
const MOST_FAILURES: u32 = 16;

/// What was asked for, and came.
pub(super) enum Answer<W> {
    Page(u64, Result<PageOf<W>, StoreError>),
    Folders(String, Folders),
}

pub(super) struct Merge<S: PageSource> {
    pub source: S,
    pub plan: PiecePlan,
    /// In key order; the first is the head, whose pages are handed on.
    pub pieces: VecDeque<Piece<S::Walk>>,
    asked: FuturesUnordered<BoxFuture<'static, Answer<S::Walk>>>,
    next_id: u64,
    /// True while the listing may be cut.
    pub cuts: bool,
    /// Pieces that failed and were given up.
    failures: u32,
    pub hints: Hints,
    pub asks_for_hints: bool,
    pub spent: Spent,
    /// Bytes of the largest page so far: what a page that is asked for may bring.
    page_bytes: usize,
}

impl<S: PageSource> Merge<S> {
    pub fn new(source: S, after: Option<String>, plan: PiecePlan) -> Self {
        let walk = source.begin(after.as_deref(), false);
        Merge {
            source,
            plan,
            pieces: VecDeque::from([Piece::new(0, after, None, walk)]),
            asked: FuturesUnordered::new(),
            next_id: 1,
            cuts: plan.open > 1,
            failures: 0,
            hints: Hints::default(),
            asks_for_hints: false,
            spent: Spent::default(),
            page_bytes: 0,
        }
    }

    /// The next keys in order; `None` after the last ones.
    ///
    /// # Errors
    /// The listing of the first piece fails. [`StoreError::Disorder`]: a page begins before the key that it should
    /// begin after.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        loop {
            while let Some(Some(answer)) = self.asked.next().now_or_never() {
                self.take(answer);
            }
            if self.settle()? {
                return Ok(None);
            }
            self.split();
            self.ask();
            if let Some(page) = self.pieces.front_mut().and_then(Piece::take_page) {
                return Ok(Some(page));
            }
            match self.asked.next().await {
                Some(answer) => self.take(answer),
                // nothing is asked for only where the head has something to settle
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Drops pieces that are done. True where none is left.
    fn settle(&mut self) -> Result<bool, StoreError> {
        loop {
            let Some(head) = self.pieces.front_mut() else { return Ok(true) };
            if !head.pages.is_empty() || head.is_open() {
                return Ok(false);
            }
            if let State::Failed(_) = &head.state {
                let failed = self.pieces.pop_front().map(|piece| piece.state);
                // what was after it is not looked at
                self.pieces.clear();
                if let Some(State::Failed(error)) = failed {
                    return Err(error);
                }
                return Ok(true);
            }
            if self.pieces.len() == 1 {
                return Ok(true);
            }
            match (self.pieces[0].beyond(), &self.pieces[1].first) {
                (_, None) => return Ok(false),
                (beyond, first) if beyond == *first || failpoints::on("mutant.neighbours_are_believed") => {
                    let done = self.pieces.pop_front();
                    if let Some(position) = done.as_ref().and_then(Piece::position) {
                        self.hints.forget(folder_of(position));
                    }
                }
                _ if self.pieces[1].tries < MOST_TRIES => self.ask_again(),
                (beyond, first) => {
                    tracing::debug!(?beyond, ?first, "the listing continues in one piece");
                    self.join_all(0);
                }
            }
        }
    }

    /// Asks the head and its neighbour again: what is between the last key of the one and the first of the other.
    fn ask_again(&mut self) {
        let head = &mut self.pieces[0];
        (head.state, head.bytes_beyond) = (State::Ready(self.source.begin(head.position(), false)), 0);
        let tries = self.pieces[1].tries + 1;
        self.begin_again(1);
        self.pieces[1].tries = tries;
    }

    /// Forgets what was read of a piece.
    pub fn begin_again(&mut self, at: usize) {
        let piece = &self.pieces[at];
        let keys: usize = piece.pages.iter().map(Vec::len).sum();
        let walk = self.source.begin(piece.after.as_deref(), true);
        let again = Piece::new(self.next_id, piece.after.clone(), piece.until.clone(), walk);
        self.next_id += 1;
        self.spent.keys = self.spent.keys.saturating_sub(keys);
        self.pieces[at] = again;
    }

    /// Joins every piece after this one into it: its own listing continues to the end, and nothing is cut after that.
    fn join_all(&mut self, at: usize) {
        self.cuts = false;
        while at + 1 < self.pieces.len() {
            self.join(at);
        }
    }

    /// Gives up the piece after this one; this one continues to its end.
    fn join(&mut self, at: usize) {
        if let Some(given_up) = self.pieces.remove(at + 1) {
            let keys: usize = given_up.pages.iter().map(Vec::len).sum();
            self.spent.keys = self.spent.keys.saturating_sub(keys);
            let brought = self.pieces[at].extend(given_up.until);
            self.spent.brought(&brought);
        }
    }

    /// Cuts a piece after what was read of it.
    pub fn cut(&mut self, at: usize, key: String, is_guessed: bool) {
        let walk = self.source.begin(Some(&key), true);
        let piece = &mut self.pieces[at];
        let until = piece.until.replace(key.clone());
        let mut after = Piece::new(self.next_id, Some(key), until, walk);
        after.is_guessed = is_guessed;
        self.next_id += 1;
        self.spent.folders += 1;
        self.pieces.insert(at + 1, after);
    }

    pub fn held(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes + piece.bytes_beyond).sum()
    }

    /// True if no page more can wait beside those that are on their way.
    pub fn is_full(&self) -> bool {
        self.held() + (self.asked.len() + 1) * self.page_bytes > self.plan.bytes
    }

    /// Asks for the next page of each open piece: always that of the first which is not done, and others' while there is
    /// room for them.
    fn ask(&mut self) {
        let mut are_done = true;
        for at in 0..self.pieces.len() {
            let may_ask = are_done || !self.is_full();
            let piece = &mut self.pieces[at];
            are_done &= piece.pages.is_empty() && !piece.is_open();
            if !may_ask || !matches!(piece.state, State::Ready(_)) {
                continue;
            }
            if let State::Ready(walk) = std::mem::replace(&mut piece.state, State::Asked) {
                let (id, page) = (piece.id, self.source.next(walk));
                self.spent.requests += 1;
                self.asked.push(aside(async move { Answer::Page(id, page.await) }));
            }
        }
    }

    /// Asks for the folders of a level after a key.
    pub fn ask_for_folders(&mut self, level: String, after: &str) {
        let folders = self.source.folders(&level, after);
        self.asks_for_hints = true;
        self.spent.requests += 1;
        self.asked.push(aside(async move { Answer::Folders(level, folders.await) }));
    }

    fn take(&mut self, answer: Answer<S::Walk>) {
        match answer {
            Answer::Folders(level, found) => {
                self.asks_for_hints = false;
                self.hints.learn(level, found);
            }
            Answer::Page(id, page) => {
                self.spent.answers += 1;
                // a piece that began again, or was given up, has another id
                if let Some(at) = self.pieces.iter().position(|piece| piece.id == id) {
                    self.take_page(at, page);
                }
            }
        }
    }

    fn take_page(&mut self, at: usize, page: Result<PageOf<S::Walk>, StoreError>) {
        let page = match page {
            Ok(page) => page,
            // the piece before meets it too, unless it was the cut that the store did not take
            Err(error) if at > 0 => {
                tracing::debug!(%error, "a piece of the listing failed");
                self.failures += 1;
                self.cuts &= self.failures < MOST_FAILURES;
                return self.join(at - 1);
            }
            Err(error) => {
                self.pieces[at].state = State::Failed(error);
                return;
            }
        };
        if page.began_early {
            // such a store cannot begin anywhere but at its beginning
            if at > 0 {
                return self.join_all(at - 1);
            }
            self.join_all(0);
            let early = page.entries.first().map(|entry| entry.key.clone());
            if let (Some(key), false) = (early, self.source.may_begin_early()) {
                self.pieces[at].state = State::Failed(StoreError::Disorder { key });
                return;
            }
        }
        self.spent.largest(page.entries.len());
        self.page_bytes = self.page_bytes.max(size_of_all(&page.entries));
        let piece = &mut self.pieces[at];
        let is_first = piece.first.is_none();
        let brought: Brought = piece.push(page);
        if is_first && piece.is_guessed {
            self.spent.guessed(brought.keys > 0);
        }
        self.spent.brought(&brought);
    }
}
