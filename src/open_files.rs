//! Open files: how many the process may have, and whether those of a run are among them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::{Exit, Failure};

/// Open files beside the requests for images: footers and pages that are read at the same time, libraries, logs.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, which is what a service manager or an administrator decides on.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            // the limit is unchanged; a run that needs more fails in `check`
            tracing::debug!(%error, "the limit of open files cannot be raised");
        }
    }
}

/// How many requests may be open at the same time.
pub fn most_requests() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

/// Checks that `requests` requests may be open at the same time.
///
/// # Errors
/// If they may not: [`Exit::Config`] with the limit and what to set.
pub fn check_requests(requests: usize) -> Result<(), Failure> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) => check(requests as u64, limit),
        None => Ok(()),
    }
}

fn check(requests: u64, limit: u64) -> Result<(), Failure> {
    let needed = requests.saturating_add(OTHERS);
    if needed <= limit {
        return Ok(());
    }
    let fewer = match limit.saturating_sub(OTHERS) {
        0 => String::new(),
        most => format!(", or set `limits.requests` to {most} or less"),
    };
    Err(Failure::new(
        Exit::Config,
        format!(
            "`limits.requests` = {requests} needs {needed} open files and the system allows {limit}; raise the hard \
             limit (`ulimit -Hn`, `LimitNOFILE` of systemd){fewer}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_fit_are_allowed_and_others_name_what_to_set() {
        assert!(check(768, 1024).is_ok());
        let failure = check(769, 1024).unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        for words in ["`limits.requests` = 769", "1025 open files", "allows 1024", "768 or less"] {
            assert!(failure.explain().contains(words), "{}", failure.explain());
        }
        assert!(!check(1, 100).unwrap_err().explain().contains("or less"));
    }
}
