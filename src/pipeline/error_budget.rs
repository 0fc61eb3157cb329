//! When a run has seen enough errors to know that it will be refused.

use std::collections::BTreeMap;

use crate::failure::{Exit, Failure};
use crate::sample::ErrorKind;

use super::failed_images::{FailedImage, named};
use super::progress::Snapshot;

/// The first judgement on a share of all rows, before the plan's length is known.
const FIRST_ROWS: u64 = 200;

/// Fails where errors exceed the budget of the whole plan, or are most of the first rows. Archived objects do not count
/// among the first: they are often the oldest, which come first.
pub(super) fn judge(now: &Snapshot, max_error_fraction: f64) -> Result<(), Failure> {
    if now.plan_is_whole && now.errors as f64 > max_error_fraction * now.plan_rows as f64 {
        return Err(over_budget(now, max_error_fraction));
    }
    if now.plan_is_whole || now.resumed > 0 {
        return Ok(());
    }
    let most = max_error_fraction.max(0.5);
    let archived = now.by_kind.get(ErrorKind::Archived.as_str()).copied().unwrap_or_default();
    let (rows, errors) = (now.rows.saturating_sub(archived), now.errors.saturating_sub(archived));
    if rows >= FIRST_ROWS && errors as f64 >= most * rows as f64 && max_error_fraction < 1.0 {
        let kinds = kinds(&now.by_kind);
        return Err(Failure::new(
            Exit::Rejected,
            format!(
                "{errors} of the first {rows} rows are errors ({kinds}); the run stops before it wastes more. Look at \
                 the input, or accept them with a higher `limits.max_error_fraction` than {max_error_fraction}"
            ),
        ));
    }
    Ok(())
}

/// The failure of a run over too many inputs that could not be read to their end.
pub(crate) fn too_damaged(damaged: u64, most: u64) -> Failure {
    Failure::new(
        Exit::Rejected,
        format!(
            "{damaged} inputs could not be read to their end, more than `limits.max_damaged_inputs` = {most} allows; each \
             left an error row with the reason (`error_kind`, `error_message`, its key begins with the input's name): \
             replace them and run into another `output.uri`, or accept them with a higher limit"
        ),
    )
}

/// The failure of a run that cannot be accepted any more, in its middle.
fn over_budget(now: &Snapshot, most: f64) -> Failure {
    // the limit that is suggested is the share of errors among the rows done so far
    let share = now.errors as f64 / now.rows.clamp(1, now.plan_rows.max(1)) as f64;
    rejected(now.errors, now.plan_rows, most, (&now.by_kind, &now.failed), (100.0 * share).ceil() / 100.0)
}

/// The failure of a job whose rows are all committed, too many of them errors.
pub(crate) fn refused(
    errors: u64,
    planned: u64,
    most: f64,
    by_kind: &BTreeMap<String, u64>,
    failed: &[FailedImage],
) -> Failure {
    let enough = (1000.0 * errors as f64 / planned.max(1) as f64).ceil() / 1000.0;
    rejected(errors, planned, most, (by_kind, failed), enough)
}

fn rejected(
    errors: u64,
    planned: u64,
    most: f64,
    (by_kind, failed): (&BTreeMap<String, u64>, &[FailedImage]),
    enough: f64,
) -> Failure {
    Failure::new(
        Exit::Rejected,
        format!(
            "{errors} of {planned} rows are errors ({}), more than `limits.max_error_fraction` = {most} allows. {}. To \
             accept them, run again with a higher limit, such as `--set limits.max_error_fraction={enough}`; committed \
             rows are not made again",
            kinds(by_kind),
            named(failed, errors)
        ),
    )
}

fn kinds(by_kind: &BTreeMap<String, u64>) -> String {
    let kinds: Vec<String> = by_kind.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    kinds.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::progress::Progress;

    fn after(rows: u64, errors: u64, planned: Option<u64>, fraction: f64) -> bool {
        let progress = Progress::default();
        progress.batch(rows, &BTreeMap::from([("corrupt".to_owned(), errors)]));
        if let Some(planned) = planned {
            progress.plan(planned, planned);
            progress.plan_ends();
        }
        judge(&progress.snapshot(), fraction).is_err()
    }

    #[test]
    fn a_run_stops_once_the_whole_plans_budget_is_spent_and_not_before() {
        assert!(!after(50, 10, Some(1000), 0.01));
        assert!(after(50, 11, Some(1000), 0.01));
        assert!(!after(50, 11, None, 0.01));
    }

    #[test]
    fn once_the_plan_is_whole_or_rows_stood_before_only_the_whole_plans_budget_counts() {
        assert!(!after(200, 200, Some(1000), 0.3));
        let progress = Progress::default();
        progress.resume(600);
        progress.batch(200, &BTreeMap::from([("corrupt".to_owned(), 200)]));
        assert!(judge(&progress.snapshot(), 0.3).is_ok());
    }

    #[test]
    fn archived_objects_at_the_beginning_stop_no_run_before_the_plan_is_whole() {
        let progress = Progress::default();
        progress.batch(1000, &BTreeMap::from([("archived".to_owned(), 900), ("corrupt".to_owned(), 40)]));
        assert!(judge(&progress.snapshot(), 0.01).is_ok());
        progress.batch(100, &BTreeMap::from([("corrupt".to_owned(), 90)]));
        assert!(judge(&progress.snapshot(), 0.01).is_err());
        let progress = Progress::default();
        progress.batch(1000, &BTreeMap::from([("archived".to_owned(), 900)]));
        progress.plan(2000, 2000);
        progress.plan_ends();
        assert!(judge(&progress.snapshot(), 0.1).is_err());
    }

    #[test]
    fn a_run_stops_when_half_of_the_first_rows_are_errors_unless_that_is_allowed() {
        assert!(!after(199, 150, None, 0.01));
        assert!(after(200, 100, None, 0.01));
        assert!(!after(200, 99, None, 0.01));
        assert!(!after(200, 150, None, 0.9));
        assert!(after(200, 190, None, 0.9));
        assert!(!after(200, 200, None, 1.0));
    }
}
