//! Many creators of one object at once: what a store makes of them, seen on an object that means nothing.

use bytes::Bytes;
use futures::future::join_all;
use object_store::PutMode;

use super::create::Refusal;
use super::{Location, StoreError};

/// How a race to create one object ended.
#[derive(Debug, Default)]
pub struct Race {
    /// Those who took part.
    pub racers: usize,
    /// Those who were told that they had created it.
    pub winners: Vec<usize>,
    /// Those who were told that it exists, or that somebody else is writing it.
    pub refused: usize,
    /// Whose bytes stand.
    pub standing: Option<usize>,
}

impl Race {
    /// What is wrong with it. That nobody knows of winning is no fault where one's bytes stand: its reply was lost.
    pub fn fault(&self) -> Option<String> {
        match (self.winners.as_slice(), self.standing) {
            ([], Some(_)) => None,
            ([winner], Some(standing)) if *winner == standing => None,
            (_, None) => {
                Some(format!("of {} who created one object at once, nobody's bytes stand", self.racers))
            }
            ([_], Some(_)) => Some(format!(
                "of {} who created one object at once, one was told that it had, and another's bytes stand",
                self.racers
            )),
            (winners, _) => Some(format!(
                "of {} who created one object at once, {} were told that they had",
                self.racers,
                winners.len()
            )),
        }
    }
}

impl Location {
    /// Has `racers` create one object at the same time, each with bytes of its own, and looks whose stand then.
    ///
    /// # Errors
    /// Where nobody was told anything but errors.
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
        // who comes later finds it there
        let again = output.race_to_create("a/b", 8).await.unwrap();
        assert_eq!((again.winners.len(), again.refused), (0, 8), "{again:?}");
    }

    #[test]
    fn two_winners_anothers_bytes_and_nothing_at_all_are_faults() {
        let race =
            |winners: &[usize], standing| Race { racers: 8, winners: winners.into(), refused: 0, standing };
        for (race, word) in [
            (race(&[1, 2], Some(2)), "2 were told"),
            (race(&[1], Some(2)), "another's bytes"),
            (race(&[1], None), "nobody's bytes"),
            (race(&[], None), "nobody's bytes"),
        ] {
            assert!(race.fault().unwrap().contains(word), "{race:?}");
        }
        for race in [race(&[1], Some(1)), race(&[], Some(3))] {
            assert_eq!(race.fault(), None);
        }
    }
}
