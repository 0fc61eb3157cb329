//! The figures of an audit, as JSON and as lines.

use serde::Serialize;

use crate::evaluation::attached_audit::{SCHEMA, SCHEMA_VERSION};
use crate::report::{Provenance, ReportError, Verdict, thousands, to_json};

use super::drift::DriftFigures;
use super::exact::{CopyFigures, ExactFigures};
use super::finding::Example;
use super::label_figures::LabelFigures;
use super::near::{Calibration, LeakFigures, NearFigures};
use super::outliers::OutlierFigures;
use super::section::Section;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Where the rows come from.
    pub provenance: Provenance,
    /// Where the rows of the other output come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Provenance>,
    /// Rows of the output.
    pub rows: u64,
    /// Likely wrong labels.
    pub labels: Section<LabelFigures>,
    /// Images of the output that are the same to the byte.
    pub exact: Section<ExactFigures>,
    /// Images that the other output has to the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Section<CopyFigures>>,
    /// Near duplicates within the output.
    pub near: Section<NearFigures>,
    /// Near duplicates between the two outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leakage: Option<Section<LeakFigures>>,
    /// Images that are unlike the others.
    pub outliers: Section<OutlierFigures>,
    /// What has changed from the other output to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Section<DriftFigures>>,
    /// The most suspicious rows of each kind.
    pub examples: Vec<Example>,
}

impl Audit {
    /// The audit as indented JSON with a line feed at its end.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self, verdicts: &[Verdict]) -> Result<String, ReportError> {
        to_json((SCHEMA, SCHEMA_VERSION), self.metrics(), verdicts, self)
    }

    /// The audit for a person, line by line.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.labels.get() {
            Ok(labels) => lines.extend(label_lines(labels)),
            Err(why) => lines.push(format!("labels: not audited: {why}")),
        }
        match self.exact.get() {
            Ok(exact) => lines.extend(exact_lines(exact)),
            Err(why) => lines.push(format!("duplicates: not audited: {why}")),
        }
        match self.copies.as_ref().map(Section::get) {
            Some(Ok(copies)) => lines.push(format!(
                "other output: {} of {} images are in it to the byte",
                thousands(copies.leaked),
                thousands(copies.images)
            )),
            // without hashes of this output, the reason is that of the duplicates
            Some(Err(why)) if self.exact.get().is_ok() => {
                lines.push(format!("other output: copies are not audited: {why}"));
            }
            Some(Err(_)) | None => {}
        }
        match self.near.get() {
            Ok(near) => lines.extend(near_lines(near)),
            Err(why) => lines.push(format!("near duplicates: not audited: {why}")),
        }
        match self.leakage.as_ref().map(Section::get) {
            Some(Ok(leakage)) => lines.extend(leak_lines(leakage)),
            Some(Err(why)) => lines.push(format!("other output: not audited: {why}")),
            None => {}
        }
        match self.outliers.get() {
            Ok(outliers) => lines.push(format!(
                "outliers: the {} of {} images that are farthest from their neighbours, and from their class, are findings",
                thousands(outliers.named),
                thousands(outliers.images)
            )),
            Err(why) => lines.push(format!("outliers: not audited: {why}")),
        }
        match self.drift.as_ref().map(Section::get) {
            Some(Ok(drift)) => lines.extend(drift_lines(drift)),
            Some(Err(why)) => lines.push(format!("drift: not audited: {why}")),
            None => {}
        }
        lines
    }

    /// Whether there are figures of anything.
    pub fn has_figures(&self) -> bool {
        let has_leakage = self.leakage.as_ref().is_some_and(|leakage| leakage.get().is_ok());
        let has_drift = self.drift.as_ref().and_then(|drift| drift.get().ok()).is_some_and(|drift| {
            drift.classes.is_some() || drift.confidence.is_some() || drift.embeddings.get().is_ok()
        });
        let of_images = self.exact.get().is_ok() || self.near.get().is_ok() || self.outliers.get().is_ok();
        self.labels.get().is_ok() || of_images || has_leakage || has_drift
    }
}

fn threshold(calibration: &Calibration) -> String {
    let how = match calibration.given {
        true => "as given".to_owned(),
        false => {
            format!("calibrated: random pairs have {:.3} ± {:.3}", calibration.median, calibration.spread)
        }
    };
    format!("a cosine of {:.3} or more ({how})", calibration.threshold)
}

fn exact_lines(exact: &ExactFigures) -> Vec<String> {
    let mut lines = vec![format!(
        "duplicates: {} of {} images have the bytes of an earlier one, in {} groups",
        thousands(exact.duplicates),
        thousands(exact.images),
        thousands(exact.groups)
    )];
    if exact.label_conflicts > 0 {
        let conflicts = thousands(exact.label_conflicts);
        lines.push(format!(
            "duplicates: {conflicts} have another label than the first image with their bytes"
        ));
    }
    lines
}

fn near_lines(near: &NearFigures) -> Vec<String> {
    let mut lines = vec![format!(
        "near duplicates: {} of {} images, in {} groups, at {}",
        thousands(near.duplicates),
        thousands(near.images),
        thousands(near.groups),
        threshold(&near.calibration),
    )];
    if near.label_conflicts > 0 {
        let conflicts = thousands(near.label_conflicts);
        lines
            .push(format!("near duplicates: {conflicts} have another label than the image that they repeat"));
    }
    if near.candidates_left_out > 0 {
        let left_out = thousands(near.candidates_left_out);
        lines.push(format!(
            "near duplicates: {left_out} more candidates were not looked at, so groups may be split"
        ));
    }
    if near.without_embedding > 0 {
        lines
            .push(format!("near duplicates: {} images have no embedding", thousands(near.without_embedding)));
    }
    lines
}

fn leak_lines(leakage: &LeakFigures) -> Vec<String> {
    vec![format!(
        "other output: {} of {} images are nearly one of its {}, at {}",
        thousands(leakage.leaked),
        thousands(leakage.images),
        thousands(leakage.others),
        threshold(&leakage.calibration),
    )]
}

fn label_lines(labels: &LabelFigures) -> Vec<String> {
    let noise = labels.noise.map_or("not known".to_owned(), |noise| {
        format!("{:.2} % (95 % interval {:.2} to {:.2})", noise.percent, noise.low, noise.high)
    });
    let mut lines = vec![format!(
        "labels: {} of {} are likely wrong; estimated share of wrong labels {noise}",
        thousands(labels.suspects),
        thousands(labels.labelled),
    )];
    if labels.undecided > 0 {
        lines.push(format!(
            "labels: {} rows are not judged, since another class than the kept ones may be confident: keep \
             `output.logits = true`, or more of `output.top_k`",
            thousands(labels.undecided)
        ));
    }
    lines.push(match labels.in_sample {
        true => {
            "labels: the model was trained on these images, so it agrees with wrong labels, too".to_owned()
        }
        false => "labels: this holds if the model was not trained on these images; else give --in-sample"
            .to_owned(),
    });
    lines
}

fn drift_lines(drift: &DriftFigures) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(classes) = &drift.classes {
        let how = if classes.permuted { "permuted" } else { "chi-squared" };
        lines.push(format!(
            "drift: classes PSI {:.4} ({} without chance), p {:.4} ({how})",
            classes.psi,
            classes.interval(),
            classes.p
        ));
    }
    if let Some(confidence) = &drift.confidence {
        lines.push(format!(
            "drift: confidence {:.4} from {:.4} (change {:.4} to {:.4}), p {:.4}",
            confidence.mean,
            confidence.other_mean,
            confidence.change_low,
            confidence.change_high,
            confidence.p
        ));
    }
    match drift.embeddings.get() {
        Ok(embeddings) => lines.push(format!(
            "drift: embeddings are classified right in {:.2} % (50 by chance), p {:.4}; Fréchet {:.5}, by chance {:.5}",
            embeddings.accuracy, embeddings.p, embeddings.frechet, embeddings.frechet_floor
        )),
        Err(why) => lines.push(format!("drift: embeddings: not audited: {why}")),
    }
    lines
}

#[cfg(test)]
impl Audit {
    /// An audit of an output that has nothing to audit.
    pub(super) fn without_figures() -> Audit {
        Audit {
            provenance: Provenance::default(),
            against: None,
            rows: 1,
            labels: Section::skipped("no labels"),
            exact: Section::skipped("no hashes"),
            copies: None,
            near: Section::skipped("no embeddings"),
            leakage: None,
            outliers: Section::skipped("no embeddings"),
            drift: None,
            examples: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_without_figures_says_why() {
        let audit = Audit::without_figures();
        assert!(!audit.has_figures());
        let lines = audit.summary();
        for why in ["no labels", "no hashes", "no embeddings"] {
            assert!(lines.iter().any(|line| line.contains(why)), "{lines:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&audit.to_json(&[]).unwrap()).unwrap();
        assert_eq!((&json["schema"], &json["labels"]["skipped"]), (&SCHEMA.into(), &"no labels".into()));
        assert!(json.get("leakage").is_none());
    }
}
