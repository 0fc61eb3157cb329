//! The audit that `audit --attach` left below an output, as the page of a report shows it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::output::Layout;
use crate::report::html::AttachedAudit;
use crate::store::StoreError;

use super::page_link::relative;
use super::report_input::ReportInput;

/// The schema name in the JSON object of an audit.
pub const SCHEMA: &str = "tresnet-batch/audit";

/// Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Bytes of an audit that are read.
const MOST_BYTES: u64 = 64 << 20;

/// Where the page of a report will be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PagePlace<'a> {
    /// Below the output, beside the audit.
    Output,
    /// A file that the user named.
    File(&'a Path),
}

/// The part of an audit's JSON that a report shows.
#[derive(Debug, Deserialize)]
struct AuditFile {
    schema: String,
    schema_version: u32,
    /// A value that JSON cannot express is null.
    metrics: BTreeMap<String, Option<f64>>,
    provenance: Origin,
    #[serde(default)]
    against: Option<Origin>,
    rows: u64,
}

#[derive(Debug, Deserialize)]
struct Origin {
    fingerprint: String,
    created: String,
    output_uri: String,
}

/// Finds the audit of an output. `None` if there is none, or if its store does not answer; one that cannot be used has a
/// note.
pub(super) async fn attached_audit(of: &ReportInput<'_>, place: PagePlace<'_>) -> Option<AttachedAudit> {
    let found = find(of, place).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "the report has no link to an audit: it cannot be looked for");
        None
    })
}

async fn find(of: &ReportInput<'_>, place: PagePlace<'_>) -> Result<Option<AttachedAudit>, StoreError> {
    let name = Layout::audit("json");
    let Some(size) = of.output.size(&name).await? else { return Ok(None) };
    let unusable = |why: &str| {
        let note = format!("There is an audit at `{}/{name}`, but {why}.", of.output.uri());
        Ok(Some(AttachedAudit { note: Some(note), ..AttachedAudit::default() }))
    };
    if size > MOST_BYTES {
        return unusable("it is larger than 64 MiB");
    }
    let Some(bytes) = of.output.read(&name).await? else { return Ok(None) };
    let Ok(audit) = serde_json::from_slice::<AuditFile>(&bytes) else {
        return unusable("it is not an audit of this program");
    };
    if (audit.schema.as_str(), audit.schema_version) != (SCHEMA, SCHEMA_VERSION) {
        return unusable("another version of this program wrote it");
    }
    let rows = of.parts.iter().map(|part| part.rows).sum::<u64>();
    if audit.provenance.fingerprint != of.frozen.fingerprint || audit.rows != rows {
        return unusable("it is an audit of other rows: run `tresnet-batch audit --attach` again");
    }
    let page = Layout::audit("html");
    let is_there = of.output.size(&page).await?.is_some();
    let link = match place {
        PagePlace::Output => page.rsplit('/').next().map(str::to_owned),
        PagePlace::File(path) => local_link(of, path, &page),
    };
    Ok(Some(AttachedAudit {
        made: audit.provenance.created,
        against: audit.against.map(|other| other.output_uri),
        metrics: audit.metrics.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        page: link.filter(|_| is_there),
        address: is_there.then(|| format!("{}/{page}", of.output.uri())),
        note: None,
    }))
}

/// The relative address of a page below an output on local disk, as seen from another page on it.
fn local_link(of: &ReportInput<'_>, from: &Path, page: &str) -> Option<String> {
    let folder = of.output.local_path()?;
    let absolute = |path: &Path| std::path::absolute(path).ok();
    relative(absolute(from)?.parent()?, &absolute(folder)?.join(page))
}
