//! What of a resolved job decides its rows: the components of its fingerprint.

use serde_json::{Value, json};

use crate::image;

use super::fingerprint::{Components, hex};
use super::mode::{self, SQUASH_RULES};
use super::model::LoadedModel;
use super::preprocess::RESIZE_SIDE;
use super::resolved::ResolvedJob;

/// Version of the columns' meaning.
const SCHEMA_VERSION: u32 = 1;
/// Version of the pixels that the decoders give.
const DECODER_VERSION: u32 = 1;

impl ResolvedJob {
    /// Every component, by the name of its key.
    pub(super) fn name_components(&self, model: &LoadedModel) -> Components {
        let image = &self.image;
        let mut components: Components = [
            ("schema", json!(SCHEMA_VERSION)),
            ("decoder", json!(DECODER_VERSION)),
            ("input.uri", json!(self.input)),
            ("input.format", json!(self.format.as_str())),
            ("input.extensions", json!(if self.any_extension { "any" } else { "image" })),
            ("input.targets", json!(self.targets.as_str())),
            ("input.limit", json!(self.limit)),
            // the names are in the rows and decide the targets, wherever they come from
            ("input.classes", json!(labels_hash(self.model.labels.as_deref()))),
            ("model.precision", json!(self.precision.as_str())),
            ("preprocess.image_size", json!(image.image_size)),
            ("preprocess.crop_pct", json!(self.crop_pct)),
            ("preprocess.mode", json!(mode::name(image.mode))),
            ("preprocess.interpolation", json!(image.interpolation.as_str())),
            ("preprocess.mean", json!(image.mean)),
            ("preprocess.std", json!(image.std)),
            ("preprocess.exif", json!(if image.exif == image::Exif::Apply { "apply" } else { "ignore" })),
            ("preprocess.decode", json!(decode_name(image.decode))),
            ("limits.max_encoded_bytes", json!(image.limits.max_encoded_bytes)),
            ("limits.max_pixels", json!(image.limits.max_pixels)),
            ("limits.max_scans", json!(image.limits.max_scans)),
            (
                "limits.decoder_warnings",
                json!(if image.limits.decoder_warnings == image::DecoderWarnings::Error {
                    "error"
                } else {
                    "accept"
                }),
            ),
            ("output.top_k", json!(self.rows.top_k)),
            ("output.embedding", json!(self.rows.embedding)),
            ("output.normalize_embedding", json!(self.rows.normalize_embedding)),
            ("output.logits", json!(self.rows.logits)),
            ("output.activation", json!(self.rows.activation)),
            ("output.rows_per_part", json!(self.rows_per_part)),
        ]
        .into_iter()
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .collect();
        if let Some(sets) = self.truth.as_ref().and_then(|truth| truth.sets) {
            components.insert("input.target_sets".into(), json!(sets));
        }
        if self.rows.content_hash {
            components.insert("output.content_hash".into(), json!(true));
        }
        if image.rules == image::Rules::Current {
            components.insert("rules.formats".into(), json!("pillow"));
        }
        if self.squash_is_timms {
            components.insert(SQUASH_RULES.into(), json!("timm"));
        }
        if let Some(side) = image.resize_side {
            components.insert(RESIZE_SIDE.into(), json!(side));
            components.insert("preprocess.crop_offset".into(), json!("floor"));
        }
        model.identity(&mut components);
        components
    }

    /// The preprocessing on one line.
    pub fn preprocess_text(&self) -> String {
        let image = &self.image;
        let crop = match (image.mode, image.resize_side) {
            (image::Mode::Squash, None) if image.crop_pct == 1.0 => "squash to".to_owned(),
            (image::Mode::Crop, None) => format!("crop {} of", image.crop_pct),
            (mode, None) => format!("{}, crop {} of", mode::name(mode), image.crop_pct),
            (mode, Some(side)) => format!("{} of {side}px to", mode::name(mode)),
        };
        format!(
            "{crop} {}px, {}, mean {:?}, std {:?}, exif {}, decode {}",
            image.image_size,
            image.interpolation.as_str(),
            image.mean,
            image.std,
            if image.exif == image::Exif::Apply { "apply" } else { "ignore" },
            decode_name(image.decode),
        )
    }

    /// Which of several sets of weights was taken, if the job file does not choose.
    pub fn weights_doubt(&self, model: &LoadedModel) -> Option<String> {
        let taken = model.chosen().filter(|_| self.assumes_weights)?.text()?;
        Some(format!(
            "`{}` has several sets of weights, and {taken} are used; set `model.weights` in the job file to silence \
             this warning",
            self.model_path.display()
        ))
    }

    /// Returns what the user should check before the images go through this network.
    pub fn preprocess_doubt(&self) -> Option<String> {
        self.assumes_preprocessing.then(|| {
            format!(
                "no whole config.json is beside `{}`, so TResNet's usual preprocessing is taken ({}); if the model was \
                 trained so, set image_size, crop_pct, interpolation, mean and std in [preprocess] to silence this \
                 warning",
                self.model_path.display(),
                self.preprocess_text()
            )
        })
    }
}

fn labels_hash(labels: Option<&[String]>) -> Option<String> {
    use sha2::{Digest, Sha256};
    labels.map(|labels| hex(&Sha256::digest(json!(labels).to_string())))
}

fn decode_name(decode: image::Decode) -> &'static str {
    match decode {
        image::Decode::Exact => "exact",
        image::Decode::Fast => "fast",
    }
}
