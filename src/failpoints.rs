//! Points in production code where a test stops, breaks or kills the program. Without the feature
//! `failpoints` none of them is there.
//!
//! A point is set through the environment, `FAILPOINTS=name=action`, in the language of the crate `fail`:
//! `create.after:_SUCCESS=return(kill)` ends the process by `kill -9` right after that object was written,
//! `2*off->return(kill)` the third time. Points named `mutant.…` switch off one rule of the protocol each, so
//! that the model check can show that it would notice.

/// True where the point is set to `return`.
#[cfg(feature = "failpoints")]
pub fn on(point: &str) -> bool {
    fail::eval(point, |_| ()).is_some()
}

/// True where the point is set to `return`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn on(_point: &str) -> bool {
    false
}

/// Panics here where the point is set to `panic`.
#[cfg(feature = "failpoints")]
pub fn pass(point: &str) {
    fail::eval(point, |_| ());
}

/// Panics here where the point is set to `panic`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_point: &str) {}

/// Stops here for as long as the point says, or ends the process by `kill -9` for `return(kill)`.
#[cfg(feature = "failpoints")]
pub fn reach(point: &str, object: &str) {
    let asked = fail::eval(&format!("{point}:{object}"), |argument| argument.unwrap_or_default());
    if asked.as_deref() == Some("kill") {
        let this = std::process::id().to_string();
        drop(std::process::Command::new("kill").args(["-9", &this]).status());
    }
}

/// Stops here for as long as the point says, or ends the process by `kill -9` for `return(kill)`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn reach(_point: &str, _object: &str) {}

/// Sets the points that the environment names. What it returns keeps them set.
#[cfg(feature = "failpoints")]
pub fn from_environment() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Sets the points that the environment names, and there are none.
#[cfg(not(feature = "failpoints"))]
pub const fn from_environment() -> NoPoints {
    NoPoints
}

/// What keeps no points set.
#[cfg(not(feature = "failpoints"))]
#[derive(Debug)]
pub struct NoPoints;
