//! The report for machines.
//!
//! One object; a reader checks `schema` and `schema_version` first. Within a version, fields are only added.
//!
//! | field | content |
//! |---|---|
//! | `schema`, `schema_version` | [`SCHEMA`], [`SCHEMA_VERSION`] |
//! | `metrics` | flat, name to number: what gates see ([`METRICS`](super::METRICS)); a metric without value is left out |
//! | `gates` | list of `{gate, metric, value?, passed, text}` in the order they were asked |
//! | `provenance` | the fields of [`Provenance`](super::Provenance) |
//! | `counts` | the fields of [`Counts`](super::Counts) |
//! | `top1`, `top5`, `top1_all`, `top5_all` | `{percent, low, high, hits, of}`, or null |
//! | `macro`, `macro_all`, `f1_macro` | percent, or null |
//! | `macro_interval`, `macro_all_interval` | `{low, high}` in percent, or null |
//! | `macro_classes`, `macro_all_classes` | `{classes, single_image}`: how many classes have rows, and one row only |
//! | `target_prob`, `top1_prob` | `{mean?, rows}` |
//! | `calibration` | the fields of [`Calibration`](super::Calibration) |
//! | `confidence` | the fields of [`Confidence`](super::Confidence) |
//! | `confusion` | the fields of [`Confusion`](super::Confusion) |
//! | `slices` | one [`Slices`](super::Slices) a column that was asked for |
//! | `masked` | the fields of [`Masked`](super::Masked), if rows are scored among some classes alone |
//! | `target_sets` | true if targets are sets, else left out |
//! | `multi_label` | the fields of [`MultiLabel`](super::MultiLabel), if an image has several classes |
//! | `throughput` | the fields of [`Throughput`](super::Throughput), or null |
//! | `classes` | one [`ClassFigures`](super::ClassFigures) a class of the model, in the order of their indices |
//! | `inputs` | the fields of [`Inputs`](super::Inputs) |
//!
//! Numbers are in full precision: reading them back gives the same f64.

use super::envelope;
use super::error::ReportError;
use super::figures::Report;
use super::gate::Verdict;

/// What the object is.
pub const SCHEMA: &str = "tresnet-batch/report";

/// Raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

impl Report {
    /// The report as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self, verdicts: &[Verdict]) -> Result<String, ReportError> {
        envelope::to_json((SCHEMA, SCHEMA_VERSION), self.metrics(), verdicts, self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Extras, Gate, Provenance, SliceBy, Throughput};
    use super::*;
    use crate::output::CommittedPart;

    /// Every path of an object, without the numbers of lists and the names of maps that data makes.
    fn paths(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) if !at.ends_with("_by_kind") && !at.ends_with("formats") => {
                fields.iter().for_each(|(name, value)| paths(value, &format!("{at}.{name}"), found));
            }
            serde_json::Value::Array(items) if !items.is_empty() => {
                paths(&items[0], &format!("{at}[]"), found)
            }
            _ => found.push(at.trim_start_matches('.').to_owned()),
        }
    }

    #[test]
    fn the_schema_is_the_documented_one() {
        let extras = Extras { slices: vec![SliceBy::Format], logits: false };
        let names = vec!["cat \"<|\n".to_owned(), "dog".to_owned()];
        let mut accumulator = Accumulator::with(Classes::Named(names), extras);
        let row = TestRow::ok(0, &[0, 1]).rank(1).probs(&[0.9, 0.1]).target_prob(0.9).image("jpeg", 640, 480);
        accumulator.push(&batch(&[row, TestRow::ok(1, &[0, 1]), TestRow::error("limit")])).unwrap();
        let mut report = accumulator.finish(Provenance::default());
        report.throughput = Throughput::of(&[CommittedPart { rows: 3, ..CommittedPart::default() }]);
        let verdicts = [Gate::parse("top1 >= 50").unwrap().check(&report.metrics())];
        let text = report.to_json(&verdicts).unwrap();
        assert!(text.ends_with("}\n"));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["schema"], &json["schema_version"]), (&SCHEMA.into(), &1.into()));
        assert_eq!(json["classes"][0]["name"], "cat \"<|\n");
        assert_eq!(json["metrics"]["top1"], json["top1"]["percent"]);
        assert_eq!(json["gates"][0]["passed"], true);

        let mut found = Vec::new();
        paths(&json, "", &mut found);
        found.retain(|path| !path.starts_with("metrics."));
        found.sort_unstable();
        // A change here is a change of SCHEMA_VERSION, unless it only adds.
        let expected = "calibration.bins[].accuracy calibration.bins[].confidence calibration.bins[].from \
             calibration.bins[].to calibration.brier.mean calibration.brier.rows calibration.ece \
             calibration.nll.mean calibration.nll.rows calibration.nll_clipped classes[].correct \
             classes[].errors classes[].f1 classes[].index classes[].name classes[].precision \
             classes[].predicted classes[].recall classes[].support confidence.bins[].right \
             confidence.bins[].unknown confidence.bins[].wrong confidence.coverage.points[].accuracy.high \
             confidence.coverage.points[].accuracy.hits confidence.coverage.points[].accuracy.low \
             confidence.coverage.points[].accuracy.of confidence.coverage.points[].accuracy.percent \
             confidence.coverage.points[].coverage confidence.coverage.points[].threshold \
             confidence.coverage.resolution confusion.matrix.classes[] confusion.matrix.elsewhere[] \
             confusion.matrix.rows[][] confusion.matrix.whole confusion.pairs[].of \
             confusion.pairs[].predicted confusion.pairs[].rows confusion.pairs[].target \
             confusion.uncertain_by counts.errors counts.errors_by_kind counts.ok counts.rank_conflicts \
             counts.rows counts.scored counts.top5_unknown counts.unknown_target counts.with_target \
             f1_macro gates[].gate gates[].metric gates[].passed gates[].text gates[].value \
             inputs.formats inputs.height.max inputs.height.mean inputs.height.min inputs.height.rows \
             inputs.unknown_format inputs.width.max inputs.width.mean inputs.width.min inputs.width.rows \
             macro macro_all macro_all_classes.classes macro_all_classes.single_image macro_all_interval.high \
             macro_all_interval.low macro_classes.classes macro_classes.single_image macro_interval.high \
             macro_interval.low provenance.complete provenance.created provenance.fingerprint \
             provenance.input_uri provenance.job provenance.model_arch provenance.model_sha256 provenance.output_uri \
             provenance.precision provenance.preprocess provenance.providers provenance.targets provenance.tool_version \
             schema schema_version slices[].by slices[].other slices[].values[].errors \
             slices[].values[].rows slices[].values[].top1.high slices[].values[].top1.hits \
             slices[].values[].top1.low slices[].values[].top1.of slices[].values[].top1.percent \
             slices[].values[].top1_all.high slices[].values[].top1_all.hits \
             slices[].values[].top1_all.low slices[].values[].top1_all.of \
             slices[].values[].top1_all.percent slices[].values[].top5.high slices[].values[].top5.hits \
             slices[].values[].top5.low slices[].values[].top5.of slices[].values[].top5.percent \
             slices[].values[].value target_prob.mean target_prob.rows throughput.providers[].part_count \
             throughput.providers[].parts throughput.providers[].provider throughput.providers[].rows \
             throughput.providers[].rows_per_second throughput.providers[].seconds throughput.rows \
             throughput.rows_per_second throughput.seconds throughput.untimed_parts top1.high top1.hits \
             top1.low top1.of top1.percent top1_all.high top1_all.hits top1_all.low top1_all.of \
             top1_all.percent top1_prob.mean top1_prob.rows top5.high top5.hits top5.low top5.of \
             top5.percent top5_all.high top5_all.hits top5_all.low top5_all.of top5_all.percent";
        assert_eq!(found.join(" "), expected);
    }
}
