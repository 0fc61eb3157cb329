//! Which requests meet which faults.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::faults::{Break, Fault, Gate, Paging, Reply, Tag};
use super::request::{Kind, Seen};

/// How often a rule fires at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Whenever it matches.
    Always,
    /// This number of times in all.
    InAll(u64),
    /// This number of times for each key.
    PerKey(u64),
}

/// A rule with a chance spares a key after this number of faults in a row: with independent chances of 60 % and a
/// thousand requests, one in some thirty runs would meet more faults than a request has tries.
const MOST_IN_A_ROW: u32 = 5;

type So = Box<dyn Fn(&Seen) -> bool + Send>;

/// A fault, and the requests that meet it: those that every part of the rule agrees to.
pub struct Rule {
    kind: Option<Kind>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
    conditional: Option<bool>,
    ranged: Option<bool>,
    so: Option<So>,
    chance: f64,
    skipped: u64,
    times: Times,
    fault: Fault,
}

/// Names a rule of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(u64);

impl Rule {
    /// For every request, always.
    pub fn any(fault: Fault) -> Rule {
        Rule {
            kind: None,
            prefix: None,
            suffix: None,
            contains: None,
            conditional: None,
            ranged: None,
            so: None,
            chance: 1.0,
            skipped: 0,
            times: Times::Always,
            fault,
        }
    }

    /// For every request of a kind, always.
    pub fn on(kind: Kind, fault: Fault) -> Rule {
        Rule { kind: Some(kind), ..Rule::any(fault) }
    }

    /// Where the key (of a listing: its prefix) begins so.
    pub fn prefix(self, prefix: &str) -> Rule {
        Rule { prefix: Some(prefix.to_owned()), ..self }
    }

    /// Where the key ends so.
    pub fn suffix(self, suffix: &str) -> Rule {
        Rule { suffix: Some(suffix.to_owned()), ..self }
    }

    /// Where the key holds this.
    pub fn contains(self, part: &str) -> Rule {
        Rule { contains: Some(part.to_owned()), ..self }
    }

    /// Where there is an `If-None-Match` or `If-Match`, or where there is none.
    pub fn conditional(self, conditional: bool) -> Rule {
        Rule { conditional: Some(conditional), ..self }
    }

    /// Where there is a `Range`, or where there is none.
    pub fn ranged(self, ranged: bool) -> Rule {
        Rule { ranged: Some(ranged), ..self }
    }

    /// Where this returns true. It must not call the server.
    pub fn when(self, so: impl Fn(&Seen) -> bool + Send + 'static) -> Rule {
        Rule { so: Some(Box::new(so)), ..self }
    }

    /// With this probability, 0.0 to 1.0, but no more than five times in a row for one key.
    pub fn chance(self, chance: f64) -> Rule {
        Rule { chance, ..self }
    }

    /// Only after this number of requests for which it would have fired.
    pub fn after(self, requests: u64) -> Rule {
        Rule { skipped: requests, ..self }
    }

    /// At most this number of times in all.
    pub fn times(self, times: u64) -> Rule {
        Rule { times: Times::InAll(times), ..self }
    }

    /// At most this number of times for each key.
    pub fn times_per_key(self, times: u64) -> Rule {
        Rule { times: Times::PerKey(times), ..self }
    }

    fn matches(&self, seen: &Seen) -> bool {
        let key = seen.key.as_str();
        self.kind.is_none_or(|kind| kind == seen.kind)
            && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
            && self.suffix.as_ref().is_none_or(|suffix| key.ends_with(suffix.as_str()))
            && self.contains.as_ref().is_none_or(|part| key.contains(part.as_str()))
            && self.conditional.is_none_or(|conditional| conditional == seen.conditional)
            && self.ranged.is_none_or(|ranged| ranged == seen.range.is_some())
            && self.so.as_ref().is_none_or(|so| so(seen))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rule")
            .field("kind", &self.kind)
            .field("prefix", &self.prefix)
            .field("suffix", &self.suffix)
            .field("contains", &self.contains)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// When a request is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Never,
    AtOnce,
    After(Duration),
}

/// What all rules together decided for one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub latency: Duration,
    pub gate: Option<Gate>,
    pub instead: Option<(Effect, Reply)>,
    pub held: Duration,
    pub tag: Option<Tag>,
    pub body: Option<Break>,
    pub paging: Vec<Paging>,
    pub ignore_conditions: bool,
}

impl Plan {
    fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Latency(time) => self.latency += time,
            Fault::Gated(gate) => self.gate = Some(gate),
            Fault::Instead(reply) => self.instead = Some((Effect::Never, reply)),
            Fault::Applied(reply) => self.instead = Some((Effect::AtOnce, reply)),
            Fault::AppliedLater(time, reply) => self.instead = Some((Effect::After(time), reply)),
            Fault::Held(time) => self.held += time,
            Fault::Body(way) => self.body = Some(way),
            Fault::Tag(tag) => self.tag = Some(tag),
            Fault::Listing(paging) => self.paging.push(paging),
            Fault::IgnoreConditions => self.ignore_conditions = true,
        }
    }
}

struct Standing {
    rule: Rule,
    matched: u64,
    by_key: HashMap<String, u64>,
    in_a_row: HashMap<String, u32>,
}

impl Standing {
    /// Throws the dice of [`Rule::chance`].
    fn comes_up(&mut self, key: &str, random: &mut u64) -> bool {
        if self.rule.chance >= 1.0 {
            return true;
        }
        let in_a_row = self.in_a_row.entry(key.to_owned()).or_default();
        let comes_up = fraction(random) < self.rule.chance && *in_a_row < MOST_IN_A_ROW;
        *in_a_row = if comes_up { *in_a_row + 1 } else { 0 };
        comes_up
    }
}

/// The rules in their order, and how often each has fired.
#[derive(Default)]
pub(super) struct Rules {
    standing: BTreeMap<RuleId, Standing>,
    fired: HashMap<RuleId, u64>,
    next: u64,
    random: u64,
}

impl Rules {
    pub fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.standing
            .insert(id, Standing { rule, matched: 0, by_key: HashMap::new(), in_a_row: HashMap::new() });
        id
    }

    pub fn remove(&mut self, id: RuleId) {
        self.standing.remove(&id);
    }

    pub fn clear(&mut self) {
        self.standing.clear();
    }

    pub fn fired(&self, id: RuleId) -> u64 {
        self.fired.get(&id).copied().unwrap_or(0)
    }

    pub fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// Asks every rule in turn.
    pub fn fire(&mut self, seen: &Seen) -> Plan {
        let mut plan = Plan::default();
        for (id, standing) in &mut self.standing {
            if !standing.rule.matches(seen) || !standing.comes_up(&seen.key, &mut self.random) {
                continue;
            }
            let rule = &standing.rule;
            standing.matched += 1;
            let fired = self.fired.entry(*id).or_default();
            let left = match rule.times {
                Times::Always => true,
                Times::InAll(times) => *fired < times,
                Times::PerKey(times) => standing.by_key.get(&seen.key).is_none_or(|fired| *fired < times),
            };
            if standing.matched <= rule.skipped || !left {
                continue;
            }
            *fired += 1;
            if matches!(rule.times, Times::PerKey(_)) {
                *standing.by_key.entry(seen.key.clone()).or_default() += 1;
            }
            plan.add(rule.fault.clone());
            if plan.instead.is_some() {
                break;
            }
        }
        plan
    }
}

/// A number of [0, 1) by SplitMix64.
fn fraction(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
