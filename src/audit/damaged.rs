//! The failure of an output whose rows are not what a run writes.

use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};

/// The failure of `of`; `why` is what is wrong with its rows, as the rest of a sentence.
pub(super) fn damaged(of: ReportInput<'_>, why: &str) -> Failure {
    let uri = of.output.uri();
    let what =
        format!("the output `{uri}` {why}; `tresnet-batch verify {uri}` names the parts that are damaged");
    Failure::new(Exit::Rejected, what)
}
