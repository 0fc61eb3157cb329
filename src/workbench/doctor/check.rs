//! What was checked, and the result.

use serde::{Serialize, Serializer};

use crate::failure::{Exit, Failure};

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A run can rely on it.
    Ok,
    /// A run can begin; the text names what to consider first.
    Warning,
    /// A run fails.
    Failed,
    /// Something that it depends on failed.
    NotChecked,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: &'static str,
    /// How it ended.
    pub state: State,
    /// What was found, and what to do: one line.
    pub text: String,
    /// What a run that meets it ends with.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "code")]
    pub exit: Option<Exit>,
}

fn code<S: Serializer>(exit: &Option<Exit>, serializer: S) -> Result<S::Ok, S::Error> {
    exit.map(Exit::code).serialize(serializer)
}

/// The checks so far, each reported as soon as it is done.
pub(super) struct Findings<'a> {
    pub checks: Vec<Check>,
    tell: &'a mut dyn FnMut(&Check),
}

impl<'a> Findings<'a> {
    pub fn new(tell: &'a mut dyn FnMut(&Check)) -> Self {
        Findings { checks: Vec::new(), tell }
    }

    fn add(&mut self, check: &'static str, state: State, text: String, exit: Option<Exit>) {
        let check = Check { check, state, text, exit };
        (self.tell)(&check);
        self.checks.push(check);
    }

    pub fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, State::Ok, text.into(), None);
    }

    pub fn warn(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, State::Warning, text.into(), None);
    }

    pub fn not_checked(&mut self, check: &'static str, why: impl Into<String>) {
        self.add(check, State::NotChecked, why.into(), None);
    }

    pub fn fail(&mut self, check: &'static str, failure: &Failure) {
        let lines = failure.explain();
        let mut text = lines.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        if let Some(advice) = advice(failure.exit) {
            text.push_str("; ");
            text.push_str(advice);
        }
        self.add(check, State::Failed, text, Some(failure.exit));
    }

    /// Returns the value, or records a failed check.
    pub fn take<T>(&mut self, check: &'static str, result: Result<T, impl Into<Failure>>) -> Option<T> {
        result.map_err(|error| self.fail(check, &error.into())).ok()
    }
}

/// Returns what to do about an error that reports only what happened.
fn advice(exit: Exit) -> Option<&'static str> {
    match exit {
        Exit::NoInput => Some("look at `input.uri`"),
        Exit::Unavailable => Some("look at the endpoint and the network, or try again later"),
        Exit::Io => Some("make room, or look at the disk"),
        Exit::Denied => {
            Some("look at the credentials in the environment, and at what they are allowed to do")
        }
        Exit::CannotCreate => Some("get the right to write there, or take another `output.uri`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_what_to_do_and_its_exit_code() {
        let mut told = Vec::new();
        let mut tell = |check: &Check| told.push(check.text.clone());
        let mut found = Findings::new(&mut tell);
        let failure = Failure::caused(Exit::Denied, "listing `s3://b`", std::io::Error::other("no"));
        assert!(found.take::<()>("input", Err(failure)).is_none());
        found.ok("output", "new");
        let json = serde_json::to_value(&found.checks).unwrap();
        assert_eq!((&json[0]["state"], &json[0]["exit"]), (&"failed".into(), &77.into()));
        assert_eq!((&json[1]["state"], &json[1]["exit"]), (&"ok".into(), &serde_json::Value::Null));
        assert!(told[0].starts_with("listing `s3://b`; caused by: no; look at the credentials"), "{told:?}");
    }
}
