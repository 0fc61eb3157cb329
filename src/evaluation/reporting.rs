//! The rows of an output made into a report, and the report into files.

use crate::failure::Failure;
use crate::job::ReportFormat;
use crate::output::{Activation, Layout, read_rows};
use crate::report::html::Gallery;
use crate::report::{Accumulator, Extras, Report, SliceBy, Throughput, TimmRow, Verdict};

use super::attached_audit::PagePlace;
use super::gallery::gallery;
use super::multi_label::multi_label;
use super::report_input::ReportInput;
use super::row_view::RowView;
use super::target_override::logits;

impl ReportInput<'_> {
    /// Reads the rows into a report. Logits are read if they are kept and are those of a softmax.
    ///
    /// # Errors
    /// The rows cannot be read, or break the output's contract; other targets are given, and have none of the rows'
    /// keys.
    pub async fn report(&self, slices: &[SliceBy]) -> Result<Report, Failure> {
        let ReportInput { output, frozen, parts, .. } = *self;
        let mut view = RowView::of(*self);
        let softmax = logits(frozen) == Some(Activation::Softmax);
        let extras = Extras { slices: slices.to_vec(), logits: softmax && view.scoring().has_one_target() };
        let mut accumulator = Accumulator::with(self.classes(), extras);
        let columns: Vec<String> = accumulator.columns().into_iter().map(str::to_owned).collect();
        let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        columns.extend(view.columns());
        read_rows(output, parts, &columns, |batch| Ok(accumulator.push(&view.apply(batch)?)?)).await?;
        view.check(*self)?;
        let mut report = accumulator.finish(self.provenance());
        report.throughput = Throughput::of(parts);
        report.multi_label = multi_label(*self).await?;
        Ok(view.finish(report))
    }

    /// Returns the text of one file of the report, which will be at `place`. A page reads pictures from the input; if
    /// it cannot, it has a note.
    ///
    /// # Errors
    /// For a page, the output cannot be read again. The other formats have no known error.
    pub async fn render(
        &self,
        report: &Report,
        verdicts: &[Verdict],
        format: ReportFormat,
        place: PagePlace<'_>,
    ) -> Result<String, Failure> {
        Ok(match format {
            ReportFormat::Json => report.to_json(verdicts)?,
            ReportFormat::Markdown => report.to_markdown(verdicts),
            ReportFormat::Csv => self.timm_row().to_csv(report),
            ReportFormat::Html => {
                let gallery: Gallery = gallery(self, report, place).await?;
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

    /// Writes the report's files below `_report/`, and returns their names.
    ///
    /// # Errors
    /// Those of [`ReportInput::render`]; the store refuses the write of a file.
    pub async fn write(
        &self,
        report: &Report,
        verdicts: &[Verdict],
        formats: &[ReportFormat],
    ) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for format in formats {
            let text = self.render(report, verdicts, *format, PagePlace::Output).await?;
            let name = Layout::report(format.extension());
            self.output.overwrite(&name, text.into()).await?;
            names.push(name);
        }
        Ok(names)
    }
}
