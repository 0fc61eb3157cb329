//! The committed parts of an output: their listing, and what their footers report.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::ids::PartId;
use crate::regular_file;
use crate::store::{Location, ParquetObject};
use crate::tasks::aside;

use super::{Layout, OutputError};

/// Footers that are read at the same time from a store.
const FOOTERS_AT_ONCE: usize = 192;
/// The same on a local disk, where each takes a thread.
const LOCAL_FOOTERS_AT_ONCE: usize = 16;

/// The number of footers of an output that are read at the same time. Reading 30,000 takes 8 s at 50 ms each.
pub(super) fn footers_at_once(output: &Location) -> usize {
    if output.local_path().is_some() { LOCAL_FOOTERS_AT_ONCE } else { FOOTERS_AT_ONCE }
}

/// Where the parts of a job are, and what all of them must carry.
#[derive(Debug)]
pub(super) struct PartsOf {
    pub output: Location,
    pub layout: Layout,
    pub fingerprint: String,
}

impl PartsOf {
    pub fn new(output: &Location, layout: &Layout, fingerprint: &str) -> Arc<PartsOf> {
        let (output, layout) = (output.clone(), layout.clone());
        Arc::new(PartsOf { output, layout, fingerprint: fingerprint.to_owned() })
    }
}

/// A committed part, by its footer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedPart {
    /// Part id.
    pub id: PartId,
    /// Name below the output.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Rows with status `ok`.
    pub ok: u64,
    /// Inputs that could not be read to their end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: u64,
    /// Items left out on purpose.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Images that are no rows, since a row of the input has a list of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further: u64,
    /// Hash of its rows in the plan.
    pub plan: String,
    /// Provider that computed it.
    pub provider: String,
    /// Names of its devices; empty for parts of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub devices: String,
    /// When it was made; `None` for parts of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<PartTime>,
}

/// When a part was made, in milliseconds since 1970 by the clock of its worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTime {
    /// It was begun; it may have waited for others then.
    pub started: u64,
    /// Its last row was complete.
    pub ended: u64,
}

impl PartTime {
    /// A time that ends now.
    pub fn since(started: u64) -> PartTime {
        PartTime { started, ended: PartTime::now() }
    }

    /// Returns the times in a footer; `None` for parts of earlier versions.
    pub(super) fn of(part: &ParquetObject) -> Option<PartTime> {
        let number = |key: &str| part.value(key)?.parse().ok();
        Some(PartTime { started: number("tresnet.started")?, ended: number("tresnet.ended")? })
    }

    /// This moment.
    pub fn now() -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Part files of one job on its output: id → size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommittedParts {
    /// Sizes by part id.
    pub parts: BTreeMap<PartId, u64>,
}

impl CommittedParts {
    /// Lists the parts.
    ///
    /// # Errors
    /// There is a part file of another job, since two jobs never share a folder; or a repair has begun and not ended.
    pub async fn list(output: &Location, layout: &Layout) -> Result<CommittedParts, OutputError> {
        let mut parts = BTreeMap::new();
        for entry in output.files("").await? {
            match layout.part_id(&entry.key) {
                Some(id) => {
                    parts.insert(id, entry.size);
                }
                None if Layout::looks_like_part(&entry.key) => {
                    return Err(OutputError::Foreign {
                        name: entry.key,
                        why: "belongs to another job".into(),
                    });
                }
                None if entry.key == Layout::REPAIR => {
                    return Err(OutputError::Repairing { uri: output.uri() });
                }
                None => {}
            }
        }
        Ok(CommittedParts { parts })
    }

    /// Removes the part files of a local disk that are not whole, and returns their names. A draft becomes a part
    /// only when all of it is on the disk, so this is damage from elsewhere; the part is done again.
    ///
    /// # Errors
    /// A part file cannot be removed; the task that looks at the files panics.
    pub async fn drop_torn(
        &mut self,
        output: &Location,
        layout: &Layout,
    ) -> Result<Vec<String>, OutputError> {
        let Some(root) = output.local_path().cloned() else { return Ok(Vec::new()) };
        let files: Vec<(PartId, String)> = self.parts.keys().map(|&id| (id, layout.part(id))).collect();
        let look = move || -> Vec<(PartId, String)> {
            let torn = |(_, name): &(PartId, String)| is_torn(&root.join(name)).unwrap_or(false);
            files.into_iter().filter(torn).collect()
        };
        let torn = tokio::task::spawn_blocking(look).await;
        let torn = torn.map_err(|error| OutputError::Encode(format!("looking for torn parts: {error}")))?;
        for (id, name) in &torn {
            output.remove(name).await?;
            self.parts.remove(id);
        }
        Ok(torn.into_iter().map(|(_, name)| name).collect())
    }

    /// Reads every footer and checks it against the fingerprint that all must carry.
    ///
    /// # Errors
    /// A footer cannot be read, or is damaged. It has the fingerprint of another job, or counts that do not add up.
    pub async fn footers(
        &self,
        output: &Location,
        layout: &Layout,
        fingerprint: &str,
    ) -> Result<Vec<CommittedPart>, OutputError> {
        let of = PartsOf::new(output, layout, fingerprint);
        let footers = self.parts.iter().map(|(&id, &size)| {
            let of = of.clone();
            aside(async move { footer(&of, id, size).await.map(|(part, _)| part) })
        });
        futures::stream::iter(footers).buffered(footers_at_once(output)).try_collect().await
    }
}

/// True if a file does not end as Parquet does: its footer's length and the magic.
fn is_torn(path: &Path) -> io::Result<bool> {
    let mut file = regular_file::open(path)?;
    let size = file.metadata()?.len();
    if size < 12 {
        return Ok(true);
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    file.read_exact(&mut head)?;
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    Ok(&head != b"PAR1" || &magic != b"PAR1" || footer + 12 > size)
}

/// Reads the footer of a part and checks it against the fingerprint that all must carry.
pub(super) async fn footer(
    of: &PartsOf,
    id: PartId,
    size: u64,
) -> Result<(CommittedPart, ParquetObject), OutputError> {
    let PartsOf { output, layout, fingerprint } = of;
    let name = layout.part(id);
    let object = ParquetObject::open_short(output, &name, size).await?;
    let value = |key: &str| object.value(&format!("tresnet.{key}")).unwrap_or_default();
    let wrong = |why: String| OutputError::Inconsistent { name: name.clone(), why };
    if value("fingerprint") != *fingerprint {
        return Err(wrong("carries the fingerprint of another job".into()));
    }
    let number = |key: &str| {
        let text = value(key);
        text.parse::<u64>().map_err(|_| wrong(format!("has `tresnet.{key}` = `{text}`")))
    };
    let rare = |key: &str| if value(key).is_empty() { Ok(0) } else { number(key) };
    let (damaged, skipped, further) = (rare("damaged")?, rare("skipped")?, rare("further")?);
    let (rows, ok, errors) = (number("rows")?, number("ok")?, number("errors")?);
    let adds_up = ok.checked_add(errors) == Some(rows);
    if !adds_up || rows != object.rows() || number("part")? != u64::from(id.0) {
        return Err(wrong(format!(
            "reports {rows} rows, {ok} ok and {errors} errors; it has {}",
            object.rows()
        )));
    }
    let [plan, provider, devices] = ["plan", "provider", "devices"].map(|key| value(key).to_owned());
    let time = PartTime::of(&object);
    let part =
        CommittedPart { id, name, size, rows, ok, damaged, skipped, further, plan, provider, devices, time };
    Ok((part, object))
}
