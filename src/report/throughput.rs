//! How long the rows took, by the times that their parts record.

use std::collections::BTreeMap;

use serde::Serialize;

use super::thousands::thousands;
use crate::output::{CommittedPart, PartTime, Ranges};

/// Images by the time in which any part was in progress. Pauses between runs do not count, and several workers at the
/// same time count once, as far as their clocks agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughput {
    /// Rows of the parts that record when they were made.
    pub rows: u64,
    /// Seconds in which at least one of these parts was in progress.
    pub seconds: f64,
    /// `rows / seconds`; `None` if no time passed.
    pub rows_per_second: Option<f64>,
    /// Parts that do not record when they were made: an earlier version wrote them.
    pub untimed_parts: u64,
    /// Who made which parts, by the provider that really ran.
    pub providers: Vec<ProviderShare>,
}

/// The parts that one provider made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderShare {
    /// As its parts spell it.
    pub provider: String,
    /// Their ids, as ranges.
    pub parts: String,
    /// How many they are.
    pub part_count: u64,
    /// Rows of all of them.
    pub rows: u64,
    /// Seconds in which one of the parts that record their time was in progress.
    pub seconds: f64,
    /// Rows of those parts by `seconds`; `None` if no time passed.
    pub rows_per_second: Option<f64>,
}

impl ProviderShare {
    /// The parts in words, such as `1 part: number 0`.
    pub fn parts_in_words(&self) -> String {
        match self.part_count {
            1 => format!("1 part: number {}", self.parts),
            count => format!("{} parts: numbers {}", thousands(count), self.parts),
        }
    }
}

impl Throughput {
    /// `None` without parts. `parts` are in the order of their ids.
    pub fn of(parts: &[CommittedPart]) -> Option<Self> {
        if parts.is_empty() {
            return None;
        }
        let mut by_provider: BTreeMap<&str, Vec<&CommittedPart>> = BTreeMap::new();
        for part in parts {
            by_provider.entry(&part.provider).or_default().push(part);
        }
        let providers = by_provider.into_iter().map(|(provider, parts)| {
            let (rows, seconds) = rate(parts.iter().copied());
            let mut ids = Ranges::default();
            parts.iter().for_each(|part| ids.push(part.id));
            ProviderShare {
                provider: provider.to_owned(),
                parts: ids.to_string(),
                part_count: parts.len() as u64,
                rows: parts.iter().map(|part| part.rows).sum(),
                seconds,
                rows_per_second: per_second(rows, seconds),
            }
        });
        let providers = providers.collect();
        let (rows, seconds) = rate(parts.iter());
        let untimed_parts = parts.iter().filter(|part| part.time.is_none()).count() as u64;
        let rows_per_second = per_second(rows, seconds);
        Some(Self { rows, seconds, rows_per_second, untimed_parts, providers })
    }
}

fn per_second(rows: u64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| rows as f64 / seconds)
}

/// Returns the rows of the parts that record their time, and the length of the union of their times.
fn rate<'a>(parts: impl Iterator<Item = &'a CommittedPart>) -> (u64, f64) {
    let timed: Vec<(PartTime, u64)> = parts.filter_map(|part| Some((part.time?, part.rows))).collect();
    let mut times: Vec<PartTime> = timed.iter().map(|(time, _)| *time).collect();
    times.sort_unstable_by_key(|time| time.started);
    let (mut milliseconds, mut until) = (0, 0);
    for time in times {
        milliseconds += time.ended.saturating_sub(time.started.max(until));
        until = until.max(time.ended);
    }
    (timed.iter().map(|(_, rows)| rows).sum(), milliseconds as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PartId;

    fn part(id: u32, provider: &str, time: Option<(u64, u64)>) -> CommittedPart {
        CommittedPart {
            id: PartId(id),
            name: format!("part-{id}"),
            size: 1,
            rows: 100,
            ok: 100,
            damaged: 0,
            skipped: 0,
            further: 0,
            plan: String::new(),
            provider: provider.to_owned(),
            devices: String::new(),
            time: time.map(|(started, ended)| PartTime { started, ended }),
        }
    }

    #[test]
    fn parts_at_the_same_time_count_once_and_pauses_not_at_all() {
        let parts = [
            part(0, "cpu", Some((1_000, 3_000))),
            part(1, "cuda", Some((2_000, 4_000))),
            part(2, "cpu", Some((60_000, 61_000))),
            part(3, "cpu", None),
        ];
        let told = Throughput::of(&parts).unwrap();
        assert_eq!((told.rows, told.seconds, told.rows_per_second), (300, 4.0, Some(75.0)));
        assert_eq!(told.untimed_parts, 1);
        let cpu = &told.providers[0];
        assert_eq!((cpu.provider.as_str(), cpu.parts.as_str(), cpu.rows), ("cpu", "0, 2-3", 300));
        assert_eq!(cpu.part_count, 3);
        assert_eq!((cpu.seconds, cpu.rows_per_second), (3.0, Some(200.0 / 3.0)));
    }

    #[test]
    fn a_single_part_reads_as_one_and_not_as_none() {
        let words = |parts: &[CommittedPart]| Throughput::of(parts).unwrap().providers[0].parts_in_words();
        assert_eq!(words(&[part(0, "cpu", None)]), "1 part: number 0");
        assert_eq!(words(&[part(0, "cpu", None), part(2, "cpu", None)]), "2 parts: numbers 0, 2");
    }

    #[test]
    fn parts_that_say_no_time_have_no_rate() {
        let told = Throughput::of(&[part(0, "cpu", None)]).unwrap();
        assert_eq!((told.seconds, told.rows_per_second, told.untimed_parts), (0.0, None, 1));
        assert_eq!(Throughput::of(&[]), None);
    }
}
