//! `_SUCCESS`: written last, holds the totals, the metrics that gates can name, and every part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset::LeftOut;
use crate::store::Location;

use super::{CommittedPart, Layout, OutputError};

/// Rows by how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows of the plan.
    pub planned: u64,
    /// Rows with predictions.
    pub ok: u64,
    /// Error rows.
    pub error: u64,
}

/// The contents of `_SUCCESS`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// Version of the commit protocol.
    pub protocol: u32,
    /// Fingerprint of the job.
    pub fingerprint: String,
    /// When it was finished, RFC 3339.
    pub finished: String,
    /// Rows.
    pub totals: Totals,
    /// What the listing left out.
    pub left_out: LeftOut,
    /// Numbers that `[report] require` can name.
    pub metrics: BTreeMap<String, f64>,
    /// Every part.
    pub parts: Vec<CommittedPart>,
}

impl Success {
    /// Reads it; returns `None` if the output is not finished.
    ///
    /// # Errors
    /// The store cannot be read; [`OutputError::Foreign`] if the file is not ours.
    pub async fn read(output: &Location) -> Result<Option<Success>, OutputError> {
        let Some(bytes) = output.read(Layout::SUCCESS).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| OutputError::Foreign {
            name: Layout::SUCCESS.into(),
            why: format!("is not ours: {error}"),
        })
    }

    /// Writes it unless it exists, and returns the one that is committed.
    ///
    /// # Errors
    /// The store refuses the write; those of [`Success::read`]; the file vanished after it was written.
    pub async fn create(&self, output: &Location) -> Result<Success, OutputError> {
        let json = serde_json::to_vec_pretty(self).map_err(|error| OutputError::Encode(error.to_string()))?;
        output.create_once(Layout::SUCCESS, json.into()).await?;
        Success::read(output).await?.ok_or_else(|| OutputError::Inconsistent {
            name: Layout::SUCCESS.into(),
            why: "vanished after it was written".into(),
        })
    }
}
