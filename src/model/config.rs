//! A model's `config.json`, timm's or Hugging Face's: preprocessing and class names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::error::ModelError;
use super::preprocessing::Preprocessing;
use super::shorten::shorten;
use super::values::{side, three};

/// The content of a `config.json`, in timm's nested form, a flat one or Hugging Face's. Unknown fields are ignored.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct ModelConfig {
    /// timm's name of the network.
    pub architecture: Option<String>,
    /// Outputs of the classifier.
    pub num_classes: Option<usize>,
    /// As far as it is defined.
    pub preprocessing: Preprocessing,
    /// One name a class, in the order of the outputs.
    pub classes: Option<Vec<String>>,
    /// Whether the names are Hugging Face's `id2label`, which version 0.1.0 did not read.
    pub has_later_names: bool,
    /// Why the image processor beside it is not followed, if it is not.
    pub refused: Option<String>,
}

/// Fields that are at the top or under `pretrained_cfg`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    architecture: Option<String>,
    num_classes: Option<usize>,
    image_size: Option<Value>,
    input_size: Option<Value>,
    crop_pct: Option<f64>,
    crop_mode: Option<String>,
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
    /// Hugging Face's word for the network: its `config.json` has it, timm's has not.
    model_type: Option<Value>,
    id2label: Option<Value>,
}

impl ModelConfig {
    /// Reads a `config.json`; `path` is for messages.
    pub(super) fn of_document(path: &Path, document: Value) -> Result<Self, ModelError> {
        let document: Document = serde_json::from_value(document)
            .map_err(|source| ModelError::ConfigSyntax { path: path.into(), source })?;
        let is_hugging_face = document.model_type.is_some();
        let top = match is_hugging_face {
            // such names are of other things there
            true => Fields {
                crop_pct: None,
                crop_mode: None,
                interpolation: None,
                mean: None,
                std: None,
                ..document.top
            },
            false => document.top,
        };
        let inner = document.pretrained_cfg.unwrap_or_default();
        let wrong = |field, value: String, expected| ModelError::ConfigValue {
            path: path.into(),
            field,
            value: shorten(&value),
            expected,
        };

        let size_field = inner.input_size.or(top.input_size).filter(|value| !value.is_null());
        let image_size =
            match size_field {
                Some(value) => Some(square(&value).ok_or_else(|| {
                    wrong("input_size", value.to_string(), "`[3, n, n]`: three channels and a square")
                })?),
                None => match inner.image_size.or(top.image_size).filter(|value| !value.is_null()) {
                    // of a network whose input is not square, or not images at all
                    Some(value) if is_hugging_face => side(&value),
                    Some(value) => Some(side(&value).ok_or_else(|| {
                        wrong("image_size", value.to_string(), "a number of pixels above 0")
                    })?),
                    None => None,
                },
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
        // as timm reads it: fields at the top are newer, and the inner names may be those of another head
        let inner_names = inner.label_names.filter(|names| top.num_classes.is_none_or(|n| n == names.len()));
        let num_classes = top.num_classes.or(inner.num_classes);
        let classes = match top.label_names.or(inner_names) {
            None => None,
            Some(labels) => Some(labels.in_order().ok_or_else(|| {
                wrong("label_names", "a map with gaps".to_owned(), "a name for each class from 0 on")
            })?),
        };
        let later_names = match (&classes, document.id2label) {
            (None, Some(labels)) => {
                names_of(&labels).map_err(|expected| wrong("id2label", labels.to_string(), expected))?
            }
            _ => None,
        };
        let num_classes = later_names.as_ref().map(Vec::len).or(num_classes);
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
                crop_mode: inner.crop_mode.or(top.crop_mode).map(|name| name.to_lowercase()),
                resize_side: None,
                interpolation: inner.interpolation.or(top.interpolation).map(|name| name.to_lowercase()),
                mean,
                std,
            },
            has_later_names: later_names.is_some(),
            classes: classes.or(later_names),
            refused: None,
        })
    }
}

/// The names of Hugging Face's `id2label`; none where they are those that it gives classes without a name.
fn names_of(labels: &Value) -> Result<Option<Vec<String>>, &'static str> {
    let expected = "a name for each class from 0 on";
    let labels = labels.as_object().ok_or(expected)?;
    let names: Option<Vec<String>> =
        (0..labels.len()).map(|index| labels.get(&index.to_string())?.as_str().map(str::to_owned)).collect();
    let names = names.ok_or(expected)?;
    let is_placeholder = |(index, name): (usize, &String)| *name == format!("LABEL_{index}");
    Ok(Some(names).filter(|names| !names.iter().enumerate().all(is_placeholder)))
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
        [channels, height, width] if channels.as_u64() == Some(3) && height == width => side(height),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ModelConfig, ModelError> {
        let path = Path::new("config.json");
        let document = serde_json::from_str(text)
            .map_err(|source| ModelError::ConfigSyntax { path: path.into(), source })?;
        ModelConfig::of_document(path, document)
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
    fn the_crop_mode_is_read_at_the_top_and_in_timms_form() {
        for text in [r#"{"pretrained_cfg": {"crop_mode": "Squash"}}"#, r#"{"crop_mode": "squash"}"#] {
            assert_eq!(parse(text).unwrap().preprocessing.crop_mode.as_deref(), Some("squash"), "{text}");
        }
    }

    #[test]
    fn names_of_hugging_face_are_read_where_they_are_names() {
        let text = r#"{"model_type": "vit", "image_size": [224, 192], "std": 0.02, "id2label": {"1": "dog", "0": "cat"}}"#;
        let config = parse(text).unwrap();
        assert_eq!(config.classes, Some(vec!["cat".to_owned(), "dog".to_owned()]));
        assert_eq!((config.num_classes, config.has_later_names), (Some(2), true));
        assert_eq!(config.preprocessing, Preprocessing::default());
        let config = parse(r#"{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}"#).unwrap();
        assert_eq!((config.classes, config.num_classes, config.has_later_names), (None, None, false));
        let gap = parse(r#"{"id2label": {"0": "cat", "2": "dog"}}"#).unwrap_err().to_string();
        assert!(gap.contains("id2label"), "{gap}");
    }

    #[test]
    fn values_that_cannot_be_meant_are_named() {
        for (text, part) in [
            (r#"{"input_size": [3, 224, 192]}"#, "`input_size` in `config.json` is `[3,224,192]`"),
            (r#"{"input_size": [1, 224, 224]}"#, "three channels"),
            (r#"{"input_size": [3, 0, 0]}"#, "input_size"),
            (r#"{"image_size": [224, 192]}"#, "image_size"),
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
}
