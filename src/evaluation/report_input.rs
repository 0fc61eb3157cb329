//! An output with what is needed to report on it.

use std::collections::BTreeSet;

use crate::job::Frozen;
use crate::output::CommittedPart;
use crate::report::{Classes, Provenance};
use crate::store::{Location, Settings};
use crate::telemetry::clock::now;

use super::target_override::TargetOverride;

/// The output that a report or a comparison reads.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// Where the rows are.
    pub output: &'a Location,
    /// Its job.
    pub frozen: &'a Frozen,
    /// Its parts.
    pub parts: &'a [CommittedPart],
    /// Whether these are all of them.
    pub complete: bool,
    /// How the input's store is used, for the pictures of a page.
    pub storage: Settings,
    /// Targets that replace those the rows were written with.
    pub target_override: Option<&'a TargetOverride>,
}

impl ReportInput<'_> {
    /// The names of the columns that the rows carry from their input.
    pub fn carried(&self) -> Vec<&str> {
        let columns =
            self.frozen.components.get("input.carry_columns").and_then(|columns| columns.as_array());
        columns.into_iter().flatten().filter_map(|column| column.get(0)?.as_str()).collect()
    }

    pub(super) fn component(&self, name: &str) -> String {
        match self.frozen.components.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// The classes of the model that made the rows.
    pub(crate) fn classes(&self) -> Classes {
        match &self.frozen.model.labels {
            Some(labels) => Classes::Named(labels.clone()),
            None => Classes::Count(self.frozen.model.classes),
        }
    }

    /// Where the rows come from.
    pub(crate) fn provenance(&self) -> Provenance {
        let ReportInput { output, frozen, parts, complete, .. } = *self;
        let each = |of: fn(&CommittedPart) -> &String| {
            let named: BTreeSet<&String> = parts.iter().map(of).filter(|name| !name.is_empty()).collect();
            named.into_iter().cloned().collect::<Vec<_>>()
        };
        Provenance {
            job: frozen.name.clone(),
            tool_version: frozen.version.clone(),
            model_arch: frozen.model.arch.clone(),
            model_sha256: frozen.model.sha256.clone(),
            precision: frozen.model.precision.clone(),
            providers: each(|part| &part.provider),
            devices: each(|part| &part.devices),
            preprocess: frozen.preprocess.clone(),
            targets: match self.target_override {
                None => self.component("input.targets"),
                Some(truth) => {
                    format!(
                        "{}, in place of the job's own ({})",
                        truth.described(),
                        self.component("input.targets")
                    )
                }
            },
            input_uri: frozen.input.clone(),
            output_uri: output.uri(),
            created: now(),
            fingerprint: frozen.fingerprint.clone(),
            complete,
        }
    }
}
