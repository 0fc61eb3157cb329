//! The commit alone: files like parts, written like parts, in a folder where no reader takes them for parts.

use std::time::Instant;

use crate::failure::Failure;
use crate::output::Layout;
use crate::store::Location;

use super::report::Committed;

/// A file to be written, and its rows.
pub(super) struct File {
    pub bytes: bytes::Bytes,
    pub rows: u64,
}

/// Writes the files one after another below a folder of control data, and deletes them. An output that cannot be
/// written is reported and is no failure: no other stage needs it.
pub(super) async fn commit(
    output: &Location,
    run: &str,
    files: Vec<File>,
    runs: &mut Vec<Result<Committed, String>>,
) -> Result<(), Failure> {
    if files.is_empty() {
        runs.push(Err("no part was done in the time".into()));
        return Ok(());
    }
    let folder = Layout::scratch(run);
    let scratch = output.scratch(&folder);
    let mut names = Vec::new();
    let mut measured = Committed { parts: 0, rows: 0, bytes: 0, seconds: 0.0 };
    let mut refused = None;
    for (index, file) in files.into_iter().enumerate() {
        let name = format!("{folder}/{index:06}");
        let (began, bytes) = (Instant::now(), file.bytes.len() as u64);
        // also if the write is refused: the file may exist all the same
        names.push(name.clone());
        if let Err(error) = output.create_once(&name, file.bytes).await {
            refused = Some(error.to_string());
            break;
        }
        measured.seconds += began.elapsed().as_secs_f64();
        measured.parts += 1;
        measured.rows += file.rows;
        measured.bytes += bytes;
    }
    if let Err(error) = scratch.remove(&names).await {
        tracing::warn!("`{}/{folder}` could not be deleted and does no harm: {error}", output.uri());
    }
    runs.push(match refused {
        Some(why) => Err(why),
        None => Ok(measured),
    });
    Ok(())
}
