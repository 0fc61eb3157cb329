//! Compares `_SUCCESS` with what is committed.

use std::collections::BTreeMap;

use crate::ids::PartId;
use crate::output::{CommittedPart, Layout, OutputError, Ranges, Success, Totals};
use crate::store::{Location, StoreError};

use super::defect::{Defects, shown};

/// What `_SUCCESS` claims, part by part.
#[derive(Debug)]
pub(super) struct Claims {
    totals: Totals,
    parts: BTreeMap<PartId, CommittedPart>,
    /// Totals of the parts that it lists.
    sums: Totals,
}

/// Reads `_SUCCESS`. Returns whether it exists, and its claims if it can be read.
pub(super) async fn read(
    output: &Location,
    fingerprint: &str,
    protocol: u32,
    defects: &mut Defects,
) -> Result<(bool, Option<Claims>), StoreError> {
    let success = match Success::read(output).await {
        Ok(None) => return Ok((false, None)),
        Ok(Some(success)) => success,
        Err(OutputError::Store(error)) => return Err(error),
        Err(error) => {
            let what = match error {
                OutputError::Foreign { why, .. } | OutputError::Inconsistent { why, .. } => why,
                error => error.to_string(),
            };
            defects.add(Layout::SUCCESS, what, "totals and parts as this program writes them");
            return Ok((true, None));
        }
    };
    if success.fingerprint != fingerprint {
        let what = format!("carries the fingerprint `{}`", shown(&success.fingerprint));
        defects.add(Layout::SUCCESS, what, format!("`{fingerprint}`, that of the job"));
    }
    if success.protocol != protocol {
        let what = format!("follows protocol {}", success.protocol);
        defects.add(Layout::SUCCESS, what, format!("protocol {protocol}"));
    }
    let mut claims = Claims { totals: success.totals, parts: BTreeMap::new(), sums: Totals::default() };
    for part in success.parts {
        let id = part.id;
        let errors = part.rows.saturating_sub(part.ok);
        let sums = &mut claims.sums;
        for (sum, more) in
            [(&mut sums.planned, part.rows), (&mut sums.ok, part.ok), (&mut sums.error, errors)]
        {
            *sum = sum.saturating_add(more);
        }
        if claims.parts.insert(id, part).is_some() {
            defects.add(Layout::SUCCESS, format!("lists part {id} twice"), "each part once");
        }
    }
    Ok((true, Some(claims)))
}

impl Claims {
    /// Compares the claims about a part with what is committed; `None` if that is not known.
    pub fn part(&mut self, id: PartId, committed: Option<&CommittedPart>, defects: &mut Defects) {
        match (self.parts.remove(&id), committed) {
            (Some(claimed), Some(committed)) if claimed != *committed => {
                let (claims, truth) = differences(&claimed, committed);
                defects.add(
                    Layout::SUCCESS,
                    format!("lists part {id} with {claims}"),
                    format!("{truth}, as committed"),
                );
            }
            (None, Some(committed)) => {
                let what = format!("does not list part {id}, which is committed");
                defects.add(Layout::SUCCESS, what, format!("`{}` in its list", committed.name));
            }
            _ => {}
        }
    }

    /// Checks the rest, after every part was compared: parts of no plan (but not those whose plan is `lost`), and the
    /// totals. `truth` has the totals of what is committed, if all of it could be read.
    pub fn finish(self, truth: Option<Totals>, lost: impl Fn(PartId) -> bool, defects: &mut Defects) {
        let mut unplanned = Ranges::default();
        self.parts.keys().filter(|id| !lost(**id)).for_each(|id| unplanned.push(*id));
        if !unplanned.is_empty() {
            let what = format!("lists parts that no plan has: {unplanned}");
            defects.add(Layout::SUCCESS, what, "only parts of the plan");
        }
        let (wanted, whose) = match truth {
            Some(truth) => (truth, "the rows"),
            None => (self.sums, "its own list of parts"),
        };
        if self.totals != wanted {
            let say = |totals: &Totals| {
                format!("{} planned, {} ok, {} error", totals.planned, totals.ok, totals.error)
            };
            let what = format!("reports {} rows", say(&self.totals));
            defects.add(Layout::SUCCESS, what, format!("{}, by {whose}", say(&wanted)));
        }
    }
}

/// The fields in which two descriptions of a part differ, as each has them.
fn differences(claimed: &CommittedPart, committed: &CommittedPart) -> (String, String) {
    let fields = |part: &CommittedPart| {
        [
            format!("the name `{}`", shown(&part.name)),
            format!("{} bytes", part.size),
            format!("{} rows", part.rows),
            format!("{} ok", part.ok),
            format!("the plan `{}`", shown(&part.plan)),
            format!("the provider `{}`", shown(&part.provider)),
        ]
    };
    let pairs = fields(claimed).into_iter().zip(fields(committed));
    let (claims, truth): (Vec<String>, Vec<String>) = pairs.filter(|(ours, theirs)| ours != theirs).unzip();
    (claims.join(", "), truth.join(", "))
}
