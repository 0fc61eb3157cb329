//! Points in production code where a test stops, breaks or kills the program. Without the feature
//! `failpoints` none of them is there.
//!
//! A point is set through the environment, `FAILPOINTS=name=action`, in the language of the crate `fail`:
//! `create.after:_SUCCESS=return(kill)` ends the process by `kill -9` right after that object was written,
//! `2*off->return(kill)` the third time, `return(hold)` stops there. Where `FAILPOINTS_REACHED` names a folder, a point
//! that holds makes a file of its name there (`:` and `/` as `-`) and goes on when that is removed. Points named `mutant.…` switch off one rule of the protocol each, so
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

/// Blocks for as long as the failpoint is set to, until its file is removed for `return(hold)`, or ends the process
/// by `kill -9` for `return(kill)`.
#[cfg(feature = "failpoints")]
pub fn reach(point: &str, object: &str) {
    let name = format!("{point}:{object}");
    let asked = fail::eval(&name, |argument| argument.unwrap_or_default());
    if asked.as_deref() == Some("hold") {
        hold(&name);
    }
    if asked.as_deref() == Some("kill") {
        let this = std::process::id().to_string();
        drop(std::process::Command::new("kill").args(["-9", &this]).status());
    }
}

#[cfg(feature = "failpoints")]
fn hold(name: &str) {
    let Some(folder) = std::env::var_os("FAILPOINTS_REACHED") else { return };
    let file = std::path::Path::new(&folder).join(name.replace([':', '/'], "-"));
    if std::fs::write(&file, "").is_ok() {
        while file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Blocks for as long as the failpoint is set to, or ends the process by `kill -9` for `return(kill)`.
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
