//! The description of a graph: the properties `tresnet.*` of an `.onnx` file.
//!
//! | key | value |
//! |---|---|
//! | `tresnet.format` | `1`: the meaning of these keys |
//! | `tresnet.arch` | name or description of the network |
//! | `tresnet.precision` | `fp32`, `fp16`, `int8` |
//! | `tresnet.input` | `nchw`: how a row of the input is laid out |
//! | `tresnet.image_size` | pixels a side |
//! | `tresnet.crop_pct`, `tresnet.interpolation` | a number, a name; absent when unknown |
//! | `tresnet.crop_mode` | `squash` or `border`; absent for `center` |
//! | `tresnet.resize_side` | pixels, where the resized side is stated in place of the crop share |
//! | `tresnet.mean`, `tresnet.std` | JSON array of three numbers; absent when unknown |
//! | `tresnet.classes` | JSON array of names; absent when unknown |
//! | `tresnet.weights_sha256` | the checkpoint's file, 64 hexadecimal digits |
//! | `tresnet.calibration` | JSON: method and images of the ranges, maps left in fp32; absent where none were measured |
//! | `tresnet.builder` | version of the graph's function |

use std::collections::BTreeMap;
use std::str::FromStr;

use super::architecture::Architecture;
use super::build_options::BuildOptions;
use super::calibration::Calibration;
use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::interface::BUILDER_VERSION;
use super::precision::Precision;
use super::preprocessing::Preprocessing;
use super::shorten::shorten;

const FORMAT: u32 = 1;
const NCHW: &str = "nchw";
const PREFIX: &str = "tresnet.";
/// The crop mode that goes without saying.
const CENTER: &str = "center";

/// Metadata that the builder cannot derive from weights and options, and stores for the graph's readers.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Metadata {
    /// Its `image_size` is overruled by the graph's own.
    pub preprocessing: Preprocessing,
    /// One name a class, in the order of the outputs, where they are known.
    pub classes: Option<Vec<String>>,
}

/// The properties of a graph that this program made.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// Name or description of the network.
    pub arch: String,
    /// Arithmetic of its maps, and element type of its input.
    pub precision: Precision,
    /// `image_size` is always known; the rest as far as the sources define it.
    pub preprocessing: Preprocessing,
    /// One name a class, where they are known.
    pub classes: Option<Vec<String>>,
    /// SHA-256 of the checkpoint.
    pub weights_sha256: String,
    /// How ranges of its maps were measured, where they were.
    pub calibration: Option<Calibration>,
    /// [`BUILDER_VERSION`] of the builder that drew it.
    pub builder: u32,
}

impl ModelCard {
    pub(super) fn of_build(
        checkpoint: &Checkpoint,
        architecture: &Architecture,
        options: &BuildOptions,
        metadata: &Metadata,
    ) -> Result<Self, ModelError> {
        let classes = metadata.classes.clone();
        if let Some(names) = classes.as_ref().filter(|names| names.len() != architecture.classes) {
            return Err(ModelError::ClassCount { names: names.len(), classes: architecture.classes });
        }
        Ok(Self {
            arch: architecture.name(),
            precision: options.precision,
            preprocessing: Preprocessing { image_size: Some(options.image_size), ..Preprocessing::default() }
                .or(metadata.preprocessing.clone()),
            classes,
            weights_sha256: checkpoint.sha256.clone(),
            calibration: None,
            builder: BUILDER_VERSION,
        })
    }

    /// Keys and values, in the order of the table above.
    pub fn to_properties(&self) -> Vec<(String, String)> {
        let Preprocessing { image_size, crop_pct, crop_mode, resize_side, interpolation, mean, std } =
            &self.preprocessing;
        let triple = |numbers: &[f64; 3]| format!("[{:?},{:?},{:?}]", numbers[0], numbers[1], numbers[2]);
        let names = |names: &Vec<String>| serde_json::Value::from(names.clone()).to_string();
        let entries = [
            ("format", Some(FORMAT.to_string())),
            ("arch", Some(self.arch.clone())),
            ("precision", Some(self.precision.to_string())),
            ("input", Some(NCHW.to_owned())),
            ("image_size", image_size.map(|size| size.to_string())),
            ("crop_pct", crop_pct.map(|part| format!("{part:?}"))),
            ("crop_mode", crop_mode.clone().filter(|mode| mode != CENTER)),
            ("resize_side", resize_side.map(|side| side.to_string())),
            ("interpolation", interpolation.clone()),
            ("mean", mean.as_ref().map(triple)),
            ("std", std.as_ref().map(triple)),
            ("classes", self.classes.as_ref().map(names)),
            ("weights_sha256", Some(self.weights_sha256.clone())),
            (
                "calibration",
                self.calibration.as_ref().map(|calibration| serde_json::json!(calibration).to_string()),
            ),
            ("builder", Some(self.builder.to_string())),
        ];
        let known = entries.into_iter().filter_map(|(key, value)| Some((format!("{PREFIX}{key}"), value?)));
        known.collect()
    }

    /// Reads a file's properties; `None` where the graph is not ours. Unknown keys are passed over.
    ///
    /// # Errors
    ///
    /// [`ModelError::OnnxMetadata`] for a property `tresnet.*` with an invalid value, or a later format.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Option<Self>, ModelError> {
        let Some(format) = properties.get("tresnet.format") else {
            return Ok(None);
        };
        if format != &FORMAT.to_string() {
            return Err(unreadable("tresnet.format", format));
        }
        let layout = text(properties, "tresnet.input")?;
        if layout != NCHW {
            return Err(unreadable("tresnet.input", &layout));
        }
        let sha256 = text(properties, "tresnet.weights_sha256")?;
        Ok(Some(Self {
            arch: text(properties, "tresnet.arch")?,
            precision: required(properties, "tresnet.precision")?,
            preprocessing: Preprocessing {
                image_size: Some(required(properties, "tresnet.image_size")?),
                crop_pct: optional(properties, "tresnet.crop_pct", |text| text.parse().ok())?,
                crop_mode: properties.get("tresnet.crop_mode").cloned(),
                resize_side: optional(properties, "tresnet.resize_side", |text| text.parse().ok())?,
                interpolation: properties.get("tresnet.interpolation").cloned(),
                mean: optional(properties, "tresnet.mean", json)?,
                std: optional(properties, "tresnet.std", json)?,
            },
            classes: optional(properties, "tresnet.classes", json)?,
            weights_sha256: sha256,
            calibration: optional(properties, "tresnet.calibration", json)?,
            builder: required(properties, "tresnet.builder")?,
        }))
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn text(properties: &BTreeMap<String, String>, key: &str) -> Result<String, ModelError> {
    properties.get(key).cloned().ok_or_else(|| unreadable(key, ""))
}

fn required<T: FromStr>(properties: &BTreeMap<String, String>, key: &str) -> Result<T, ModelError> {
    let value = text(properties, key)?;
    value.parse().map_err(|_| unreadable(key, &value))
}

fn optional<T>(
    properties: &BTreeMap<String, String>,
    key: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ModelError> {
    match properties.get(key) {
        None => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| unreadable(key, value)),
    }
}

fn unreadable(key: &str, value: &str) -> ModelError {
    ModelError::OnnxMetadata { key: key.to_owned(), value: shorten(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> ModelCard {
        ModelCard {
            arch: "tresnet_m".to_owned(),
            precision: Precision::Fp16,
            preprocessing: Preprocessing {
                image_size: Some(368),
                mean: Some([0.485, 1e-7, 0.0]),
                ..Preprocessing::tresnet()
            },
            classes: Some(vec!["a \"quoted\", name".to_owned(), "größe\n".to_owned()]),
            weights_sha256: "0".repeat(64),
            calibration: Some(Calibration {
                method: "max".to_owned(),
                images: 3,
                fp32_maps: vec!["a.conv".to_owned()],
            }),
            builder: BUILDER_VERSION,
        }
    }

    #[test]
    fn a_card_reads_what_it_wrote() {
        let bare = ModelCard {
            classes: None,
            calibration: None,
            preprocessing: Preprocessing { image_size: Some(224), ..Default::default() },
            ..card()
        };
        let squashed = ModelCard {
            preprocessing: Preprocessing {
                crop_mode: Some("squash".to_owned()),
                resize_side: Some(384),
                ..card().preprocessing
            },
            ..card()
        };
        for card in [card(), bare, squashed] {
            let properties = card.to_properties().into_iter().collect();
            assert_eq!(ModelCard::from_properties(&properties).unwrap(), Some(card));
        }
    }

    #[test]
    fn a_foreign_graph_has_no_card_and_a_spoilt_one_is_named() {
        assert_eq!(ModelCard::from_properties(&BTreeMap::new()).unwrap(), None);
        for (key, value) in [
            ("tresnet.format", "2"),
            ("tresnet.input", "nhwc"),
            ("tresnet.precision", "int4"),
            ("tresnet.calibration", "{}"),
            ("tresnet.image_size", "-1"),
            ("tresnet.resize_side", "half"),
            ("tresnet.mean", "[0, 1]"),
            ("tresnet.classes", "cat"),
            ("tresnet.builder", ""),
        ] {
            let mut properties: BTreeMap<String, String> = card().to_properties().into_iter().collect();
            properties.insert(key.to_owned(), value.to_owned());
            let error = ModelCard::from_properties(&properties).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
