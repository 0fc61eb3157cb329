//! Concurrent creates of one object: how a store answers them, tried on an object that no one reads.

use bytes::Bytes;
use futures::future::join_all;
use object_store::PutMode;

use super::create::Refusal;
use super::{Location, StoreError};

/// How a race to create one object ended.
#[derive(Debug, Default)]
pub struct Race {
    /// The number of creates.
    pub racers: usize,
    /// The creates that the store reported as successful.
    pub winners: Vec<usize>,
    /// The number of creates that were refused because the object exists or is being written.
    pub refused: usize,
    /// The create whose bytes are stored.
    pub standing: Option<usize>,
}

impl Race {
    /// Returns what is wrong with it. No reported success is no fault if the bytes of one create are stored: its reply
    /// was lost.
    pub fn fault(&self) -> Option<String> {
        match (self.winners.as_slice(), self.standing) {
            ([], Some(_)) => None,
            ([winner], Some(standing)) if *winner == standing => None,
            (_, None) => Some(format!(
                "of {} concurrent creates of one object, none has its bytes stored",
                self.racers
            )),
            ([_], Some(_)) => Some(format!(
                "of {} concurrent creates of one object, one was reported as successful, and the bytes of another are \
                 stored",
                self.racers
            )),
            (winners, _) => Some(format!(
                "of {} concurrent creates of one object, {} were reported as successful",
                self.racers,
                winners.len()
            )),
        }
    }
}

impl Location {
    /// Starts `racers` concurrent creates of one object, each with different bytes, and reads whose bytes are stored.
    ///
    /// # Errors
    /// If every create failed with an error.
    pub async fn race_to_create(&self, name: &str, racers: usize) -> Result<Race, StoreError> {
        let what = format!("creating `{}/{name}`", self.uri);
        let bytes = |racer: usize| Bytes::from(format!("racer {racer}\n"));
        let started = (0..racers).map(|racer| self.put(name, &what, bytes(racer), PutMode::Create));
        let mut race = Race { racers, ..Race::default() };
        let mut fault = None;
        for (racer, ended) in join_all(started).await.into_iter().enumerate() {
            match ended {
                Ok(()) => race.winners.push(racer),
                Err(Refusal::Conflict) => race.refused += 1,
                Err(Refusal::Error(error)) => fault = Some(error),
            }
        }
        if let Some(fault) = fault.filter(|_| race.winners.is_empty() && race.refused == 0) {
            return Err(fault);
        }
        let standing = self.read(name).await?;
        race.standing = (0..racers).find(|racer| standing.as_ref() == Some(&bytes(*racer)));
        Ok(race)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    #[tokio::test]
    async fn on_a_disk_one_of_eight_wins() {
        let root = tempfile::tempdir().unwrap();
        let output = Location::open(root.path().to_str().unwrap(), Role::Output).unwrap();
        let race = output.race_to_create("a/b", 8).await.unwrap();
        assert_eq!((race.winners.len(), race.refused), (1, 7), "{race:?}");
        assert_eq!(race.fault(), None);
        // a later create finds it
        let again = output.race_to_create("a/b", 8).await.unwrap();
        assert_eq!((again.winners.len(), again.refused), (0, 8), "{again:?}");
    }

    #[test]
    fn two_winners_anothers_bytes_and_nothing_at_all_are_faults() {
        let race =
            |winners: &[usize], standing| Race { racers: 8, winners: winners.into(), refused: 0, standing };
        for (race, word) in [
            (race(&[1, 2], Some(2)), "2 were reported"),
            (race(&[1], Some(2)), "bytes of another"),
            (race(&[1], None), "none has its bytes"),
            (race(&[], None), "none has its bytes"),
        ] {
            assert!(race.fault().unwrap().contains(word), "{race:?}");
        }
        for race in [race(&[1], Some(1)), race(&[], Some(3))] {
            assert_eq!(race.fault(), None);
        }
    }
}
