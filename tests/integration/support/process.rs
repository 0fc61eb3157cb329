//! Processes as the system shows them.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Copies a program by another process. A file that this process has open for writing is also open in a child that
/// another test starts at that moment, and a program that is open for writing cannot be run ("Text file busy").
pub fn install(program: &Path, to: &Path) {
    let installed = Command::new("install").args(["-m", "755"]).arg(program).arg(to).status();
    assert!(installed.expect("install starts").success(), "{} is installed", to.display());
}

/// As [`install`], of a script.
pub fn install_script(script: &str, to: &Path) {
    let text = to.with_extension("text");
    fs::write(&text, script).unwrap();
    install(&text, to);
    fs::remove_file(text).unwrap();
}

/// The processes that a process has started and that live, by their ids.
pub fn children(parent: u32) -> Vec<u32> {
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|item| item.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|pid| status(*pid).is_some_and(|(_, of)| of == parent) && is_alive(*pid)).collect()
}

/// Returns false for a process that has ended, whether or not its parent has waited for it.
pub fn is_alive(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| !"ZX".contains(state))
}

/// The variables that a process was started with.
pub fn environment(pid: u32) -> Vec<String> {
    let variables = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let variables = variables.split(|byte| *byte == 0).filter(|variable| !variable.is_empty());
    variables.map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
}

/// The most memory that a process has held at once, in bytes; `None` once it has ended.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// State and parent.
fn status(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name before them may hold anything, but ends with the last parenthesis
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
