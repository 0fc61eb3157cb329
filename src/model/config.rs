//! What stands beside the weights: timm's `config.json`, read for preprocessing and class names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::error::ModelError;
use super::file::read_capped;
use super::shorten::shorten;

/// The names of 21,000 classes fit in it ten times.
const MAX_CONFIG_BYTES: u64 = 16 << 20;
/// timm's name of the file.
const FILE_NAME: &str = "config.json";

/// How an image becomes the network's input, as far as a source says it. Sources are joined with
/// [`or`](Self::or), the most particular one first.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Preprocessing {
    /// Side of the square input in pixels.
    pub image_size: Option<u32>,
    /// Part of the resized shortest side that the crop keeps, above 0 and at most 1.
    pub crop_pct: Option<f64>,
    /// Resampling filter by its lower-case name, such as `bilinear`; whether it is known is the image stage's to
    /// say.
    pub interpolation: Option<String>,
    /// Subtracted from each of R, G and B, after they are scaled to 0..1.
    pub mean: Option<[f64; 3]>,
    /// What each is divided by then; not zero.
    pub std: Option<[f64; 3]>,
}

impl Preprocessing {
    /// What timm and the authors evaluate TResNet with when nothing else is said.
    pub fn tresnet() -> Self {
        Self {
            image_size: Some(224),
            crop_pct: Some(0.875),
            interpolation: Some("bilinear".to_owned()),
            mean: Some([0.0; 3]),
            std: Some([1.0; 3]),
        }
    }

    /// Takes from `other` what is not said here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            image_size: self.image_size.or(other.image_size),
            crop_pct: self.crop_pct.or(other.crop_pct),
            interpolation: self.interpolation.or(other.interpolation),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
        }
    }

    /// Whether everything is said, as a foreign graph needs.
    pub fn is_complete(&self) -> bool {
        self.image_size.is_some()
            && self.crop_pct.is_some()
            && self.interpolation.is_some()
            && self.mean.is_some()
            && self.std.is_some()
    }
}

/// What a `config.json` says, in timm's nested form or a flat one. Unknown fields are passed over.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct ModelConfig {
    /// timm's name of the network.
    pub architecture: Option<String>,
    /// Outputs of the classifier.
    pub num_classes: Option<usize>,
    /// As far as it is said.
    pub preprocessing: Preprocessing,
    /// One name a class, in the order of the outputs.
    pub classes: Option<Vec<String>>,
}

/// Fields that stand at the top or under `pretrained_cfg`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    architecture: Option<String>,
    num_classes: Option<usize>,
    image_size: Option<u32>,
    input_size: Option<Value>,
    crop_pct: Option<f64>,
    interpolation: Option<String>,
    mean: Option<Value>,
    std: Option<Value>,
    #[serde(alias = "labels")]
    label_names: Option<Labels>,
}

/// timm writes a list, or a map from index to name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Document {
    #[serde(flatten)]
    top: Fields,
    pretrained_cfg: Option<Fields>,
}

impl ModelConfig {
    /// Reads the `config.json` in the folder of the weights, if there is one.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), save that a missing file is `None`.
    pub fn beside(weights: &Path) -> Result<Option<Self>, ModelError> {
        match Self::read(&weights.with_file_name(FILE_NAME)) {
            Ok(config) => Ok(Some(config)),
            Err(ModelError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a file of any name.
    ///
    /// # Errors
    ///
    /// Unreadable files, no JSON, and values that cannot be meant, each with the field's name.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, &read_capped(path, MAX_CONFIG_BYTES)?)
    }

    /// Reads a file's bytes; `path` is for messages.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|source| ModelError::ConfigSyntax { path: path.into(), source })?;
        let (top, inner) = (document.top, document.pretrained_cfg.unwrap_or_default());
        let wrong = |field, value: String, expected| ModelError::ConfigValue {
            path: path.into(),
            field,
            value: shorten(&value),
            expected,
        };

        let size_field = inner.input_size.or(top.input_size).filter(|value| !value.is_null());
        let image_size = match size_field {
            Some(value) => Some(square(&value).ok_or_else(|| {
                wrong("input_size", value.to_string(), "`[3, n, n]`: three channels and a square")
            })?),
            None => inner.image_size.or(top.image_size),
        };
        let crop_pct = inner.crop_pct.or(top.crop_pct);
        if let Some(part) = crop_pct.filter(|part| !(*part > 0.0 && *part <= 1.0)) {
            return Err(wrong("crop_pct", part.to_string(), "a number above 0 and at most 1"));
        }
        let colour = |field, value: Option<Value>| match value.filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => match three(&value) {
                Some(numbers) => Ok(Some(numbers)),
                None => Err(wrong(field, value.to_string(), "one finite number, or three: for R, G and B")),
            },
        };
        let mean = colour("mean", inner.mean.or(top.mean))?;
        let std = colour("std", inner.std.or(top.std))?;
        if let Some(std) = std.filter(|std| std.contains(&0.0)) {
            return Err(wrong("std", format!("{std:?}"), "no zeros: it is a divisor"));
        }
        // as timm reads it: what stands at the top is newer, and the inner names may be those of another head
        let inner_names = inner.label_names.filter(|names| top.num_classes.is_none_or(|n| n == names.len()));
        let num_classes = top.num_classes.or(inner.num_classes);
        let classes = match top.label_names.or(inner_names) {
            None => None,
            Some(labels) => Some(labels.in_order().ok_or_else(|| {
                wrong("label_names", "a map with gaps".to_owned(), "a name for each class from 0 on")
            })?),
        };
        if let (Some(number), Some(names)) = (num_classes, &classes)
            && number != names.len()
        {
            return Err(ModelError::ClassCount { names: names.len(), classes: number });
        }
        Ok(Self {
            architecture: top.architecture.or(inner.architecture),
            num_classes,
            preprocessing: Preprocessing {
                image_size,
                crop_pct,
                interpolation: inner.interpolation.or(top.interpolation).map(|name| name.to_lowercase()),
                mean,
                std,
            },
            classes,
        })
    }
}

impl Labels {
    fn len(&self) -> usize {
        match self {
            Labels::List(names) => names.len(),
            Labels::Map(names) => names.len(),
        }
    }

    fn in_order(self) -> Option<Vec<String>> {
        match self {
            Labels::List(names) => Some(names),
            Labels::Map(mut names) => {
                (0..names.len()).map(|index| names.remove(&index.to_string())).collect()
            }
        }
    }
}

fn square(value: &Value) -> Option<u32> {
    match value.as_array()?.as_slice() {
        [channels, height, width] if channels.as_u64() == Some(3) && height == width => {
            height.as_u64()?.try_into().ok().filter(|size| *size > 0)
        }
        _ => None,
    }
}

fn three(value: &Value) -> Option<[f64; 3]> {
    let one = |value: &Value| value.as_f64().filter(|number| number.is_finite());
    match value {
        Value::Array(numbers) => match numbers.as_slice() {
            [r, g, b] => Some([one(r)?, one(g)?, one(b)?]),
            _ => None,
        },
        number => one(number).map(|number| [number; 3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ModelConfig, ModelError> {
        ModelConfig::parse(Path::new("config.json"), text.as_bytes())
    }

    #[test]
    fn timms_form_and_a_flat_one_say_the_same() {
        let fields = r#""input_size": [3, 448, 448], "crop_pct": 0.875, "interpolation": "bilinear",
            "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "num_classes": 2, "label_names": ["a", "b"]"#;
        let nested = format!(
            r#"{{"architecture": "tresnet_m", "num_classes": 2, "num_features": 2048, "global_pool": "fast",
                "pretrained_cfg": {{"tag": "miil_in1k_448", "fixed_input_size": false, {fields}}}}}"#
        );
        let flat = format!(r#"{{"architecture": "tresnet_m", {fields}}}"#);
        for text in [nested, flat] {
            let config = parse(&text).unwrap();
            assert_eq!(config.architecture.as_deref(), Some("tresnet_m"));
            assert_eq!(config.num_classes, Some(2));
            assert_eq!(config.classes, Some(vec!["a".to_owned(), "b".to_owned()]));
            let expected = Preprocessing { image_size: Some(448), ..Preprocessing::tresnet() };
            assert_eq!(config.preprocessing, expected);
            assert!(config.preprocessing.is_complete());
        }
    }

    #[test]
    fn what_is_not_said_stays_open() {
        let config = parse(r#"{"pretrained_cfg": {"mean": null, "input_size": null, "std": 0.5}}"#).unwrap();
        assert_eq!(config.preprocessing.std, Some([0.5; 3]));
        assert_eq!(Preprocessing { std: None, ..config.preprocessing.clone() }, Preprocessing::default());
        let joined = config.preprocessing.or(Preprocessing::tresnet());
        assert_eq!(joined, Preprocessing { std: Some([0.5; 3]), ..Preprocessing::tresnet() });
        assert_eq!(parse("{}").unwrap(), ModelConfig::default());
    }

    #[test]
    fn names_follow_the_head_that_the_top_describes() {
        let stale = r#"{"num_classes": 3, "pretrained_cfg": {"num_classes": 2, "label_names": ["a", "b"]}}"#;
        let config = parse(stale).unwrap();
        assert_eq!((config.num_classes, config.classes), (Some(3), None));
        for text in [
            r#"{"num_classes": 2, "label_names": {"1": "b", "0": "a"}, "pretrained_cfg": {"label_names": ["x"]}}"#,
            r#"{"num_classes": 2, "pretrained_cfg": {"labels": ["a", "b"]}}"#,
        ] {
            assert_eq!(parse(text).unwrap().classes, Some(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        }
        let gap = parse(r#"{"label_names": {"0": "a", "2": "c"}}"#).unwrap_err().to_string();
        assert!(gap.contains("a map with gaps"), "{gap}");
    }

    #[test]
    fn values_that_cannot_be_meant_are_named() {
        for (text, part) in [
            (r#"{"input_size": [3, 224, 192]}"#, "`input_size` in `config.json` is `[3,224,192]`"),
            (r#"{"input_size": [1, 224, 224]}"#, "three channels"),
            (r#"{"input_size": [3, 0, 0]}"#, "input_size"),
            (r#"{"crop_pct": 0}"#, "crop_pct"),
            (r#"{"crop_pct": 1.5}"#, "at most 1"),
            (r#"{"mean": [0, 0]}"#, "mean"),
            (r#"{"std": [1, 0, 1]}"#, "divisor"),
            (r#"{"num_classes": 3, "label_names": ["a"]}"#, "1 class names for 3 classes"),
            ("[1]", "as timm writes it"),
            ("{", "as timm writes it"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_lacking_file_beside_the_weights_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        assert_eq!(ModelConfig::beside(&weights).unwrap(), None);
        std::fs::write(folder.path().join("config.json"), r#"{"architecture": "tresnet_l"}"#).unwrap();
        let config = ModelConfig::beside(&weights).unwrap().unwrap();
        assert_eq!(config.architecture.as_deref(), Some("tresnet_l"));
    }
}
