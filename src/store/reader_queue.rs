//! Files that wait for the threads that read them, and the count of those threads.

use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ReaderQueue<R> {
    waiting: VecDeque<R>,
    /// Threads that read, or are about to.
    readers: usize,
}

impl<R> Default for ReaderQueue<R> {
    fn default() -> Self {
        ReaderQueue { waiting: VecDeque::new(), readers: 0 }
    }
}

impl<R> ReaderQueue<R> {
    /// A file waits for a reader.
    pub fn push(&mut self, file: R) {
        self.waiting.push_back(file);
    }

    /// Threads that read, or are about to.
    #[cfg(test)]
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// The next file for a reader; one that gets none is not counted any more.
    pub fn next(&mut self) -> Option<R> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.readers -= 1;
        }
        next
    }

    /// Counts one more reader in where none reads, or more files wait than `waiting` for each.
    pub fn begins(&mut self, waiting: usize) -> bool {
        let begins = self.readers == 0 || self.waiting.len() > waiting * self.readers;
        self.readers += usize::from(begins);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Everything that askers and readers share, between two of the sections that hold the lock.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Moment {
        state: ReaderQueue<()>,
        /// Askers that have not asked, readers that read a file, and readers that come for one.
        askers: usize,
        reading: usize,
        coming: usize,
    }

    fn follow(moment: Moment, seen: &mut HashSet<Moment>) {
        if !seen.insert(moment.clone()) {
            return;
        }
        let Moment { ref state, askers, reading, coming } = moment;
        assert_eq!(state.readers, reading + coming, "the count of readers is theirs");
        assert!(
            askers + reading + coming > 0 || state.waiting.is_empty(),
            "a file waits and no reader comes"
        );
        if askers > 0 {
            let mut next = Moment { askers: askers - 1, ..moment.clone() };
            next.state.push(());
            next.coming += usize::from(next.state.begins(2));
            follow(next, seen);
        }
        if coming > 0 {
            let mut next = Moment { coming: coming - 1, ..moment.clone() };
            next.reading += usize::from(next.state.next().is_some());
            follow(next, seen);
        }
        if reading > 0 {
            for slow in [false, true] {
                let mut next = Moment { reading: reading - 1, coming: coming + 1, ..moment.clone() };
                next.coming += usize::from(slow && next.state.begins(0));
                follow(next, seen);
            }
        }
    }

    #[test]
    fn in_no_order_of_asking_and_reading_is_a_file_left_without_a_reader() {
        let mut seen = HashSet::new();
        follow(Moment { state: ReaderQueue::default(), askers: 8, reading: 0, coming: 0 }, &mut seen);
        assert!(seen.len() > 100, "{} moments", seen.len());
    }
}
