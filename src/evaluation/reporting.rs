//! The rows of an output made into a report, and the report into files.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::job::{Frozen, ReportFormat};
use crate::output::{Activation, CommittedPart, Layout, read_rows};
use crate::report::html::Gallery;
use crate::report::{
    Accumulator, Classes, Extras, Provenance, Report, SliceBy, Throughput, TimmRow, Verdict,
};
use crate::store::{Location, Settings};

use super::gallery::gallery;
use super::scoring::{Look, multi_label};
use super::target_override::{OtherTruth, logits};
use crate::telemetry::clock::now;

/// An output that is reported on.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
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
    /// Another truth that the rows are held against, in place of the one they were written with.
    pub truth: Option<&'a OtherTruth>,
}

impl Reported<'_> {
    /// The names of the columns that the rows carry from their input.
    pub fn carried(&self) -> Vec<&str> {
        let columns =
            self.frozen.components.get("input.carry_columns").and_then(|columns| columns.as_array());
        columns.into_iter().flatten().filter_map(|column| column.get(0)?.as_str()).collect()
    }

    fn component(&self, name: &str) -> String {
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
        let Reported { output, frozen, parts, complete, .. } = *self;
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
            targets: match self.truth {
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

    /// Reads the rows into a report. Logits are read where they are kept and are those of a softmax.
    pub async fn report(&self, slices: &[SliceBy]) -> Result<Report, Failure> {
        let Reported { output, frozen, parts, .. } = *self;
        let mut look = Look::at(*self);
        let softmax = logits(frozen) == Some(Activation::Softmax);
        let extras = Extras { slices: slices.to_vec(), logits: softmax && look.view().has_one_target() };
        let mut accumulator = Accumulator::with(self.classes(), extras);
        let columns: Vec<String> = accumulator.columns().into_iter().map(str::to_owned).collect();
        let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        columns.extend(look.columns());
        read_rows(output, parts, &columns, |batch| Ok(accumulator.push(&look.of(batch)?)?)).await?;
        look.check(*self)?;
        let mut report = accumulator.finish(self.provenance());
        report.throughput = Throughput::of(parts);
        report.multi_label = multi_label(*self).await?;
        Ok(look.finish(report))
    }

    /// The bytes of one file of the report. A page asks the input for pictures; what it cannot have it says.
    pub async fn render(
        &self,
        report: &Report,
        verdicts: &[Verdict],
        format: ReportFormat,
    ) -> Result<String, Failure> {
        Ok(match format {
            ReportFormat::Json => report.to_json(verdicts)?,
            ReportFormat::Markdown => report.to_markdown(verdicts),
            ReportFormat::Csv => self.timm_row().to_csv(report),
            ReportFormat::Html => {
                let gallery: Gallery = gallery(self, &report.worst).await?;
                report.to_html(verdicts, &gallery)?
            }
        })
    }

    fn timm_row(&self) -> TimmRow {
        TimmRow {
            model: self.frozen.model.arch.clone(),
            param_count: self.frozen.model.parameters,
            img_size: self.component("preprocess.image_size"),
            crop_pct: self.component("preprocess.crop_pct"),
            interpolation: self.component("preprocess.interpolation"),
        }
    }

    /// Writes the report's files below `_report/`, and gives their names.
    pub async fn write(
        &self,
        report: &Report,
        verdicts: &[Verdict],
        formats: &[ReportFormat],
    ) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for format in formats {
            let text = self.render(report, verdicts, *format).await?;
            let name = Layout::report(format.extension());
            self.output.overwrite(&name, text.into()).await?;
            names.push(name);
        }
        Ok(names)
    }
}
