//! The files beside a model that its configuration comes from: timm's `config.json`, or Hugging Face's with its
//! `preprocessor_config.json`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::ModelConfig;
use super::error::ModelError;
use super::file::read_capped;
use super::image_processor;

/// The names of 21,000 classes fit in it ten times.
const MAX_CONFIG_BYTES: u64 = 16 << 20;
/// timm's name of the file, and Hugging Face's.
const FILE_NAME: &str = "config.json";

impl ModelConfig {
    /// Reads the `config.json` and the `preprocessor_config.json` in the folder of the weights, if there is one of them.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), save that missing files are `None`.
    pub fn beside(weights: &Path) -> Result<Option<Self>, ModelError> {
        let config = match missing_is_none(read_json(&weights.with_file_name(FILE_NAME)))? {
            Some((path, document)) => Some(Self::of_document(&path, document)?),
            None => None,
        };
        Self::with_processor(config, weights)
    }

    /// Reads a `config.json` or a `preprocessor_config.json` of any name, and from its folder what it leaves to the other.
    ///
    /// # Errors
    ///
    /// Unreadable files, no JSON, and values that cannot be meant, each with the field's name.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let (_, document) = read_json(path)?;
        if !image_processor::is_one(&document) {
            let config = Self::of_document(path, document)?;
            return Ok(Self::with_processor(Some(config), path)?.unwrap_or_default());
        }
        let config = match missing_is_none(read_json(&path.with_file_name(FILE_NAME)))? {
            Some((path, document)) => Self::of_document(&path, document)?,
            None => Self::default(),
        };
        Ok(config.processed(path, &document))
    }

    /// Adds the image processor in the folder of `path`, unless the configuration has preprocessing itself.
    fn with_processor(config: Option<Self>, path: &Path) -> Result<Option<Self>, ModelError> {
        let said = config.as_ref().map(|config| &config.preprocessing);
        let has_own = said.is_some_and(|said| {
            said.crop_pct.is_some()
                || said.crop_mode.is_some()
                || said.interpolation.is_some()
                || said.mean.is_some()
                || said.std.is_some()
        });
        let file = path.with_file_name(image_processor::FILE_NAME);
        let processor = if has_own { None } else { missing_is_none(read_json(&file))? };
        Ok(match processor {
            Some((path, document)) => Some(config.unwrap_or_default().processed(&path, &document)),
            None => config,
        })
    }

    fn processed(self, path: &Path, document: &Value) -> Self {
        match image_processor::read(document) {
            // the network's own image size may be that of its training
            Ok(said) => Self { preprocessing: said.or(self.preprocessing), ..self },
            Err(reason) => Self { refused: Some(format!("`{}` {reason}", path.display())), ..self },
        }
    }
}

/// Reads a file as JSON; gives its path back.
fn read_json(path: &Path) -> Result<(PathBuf, Value), ModelError> {
    Ok((path.into(), json(path, &read_capped(path, MAX_CONFIG_BYTES)?)?))
}

pub(super) fn json(path: &Path, bytes: &[u8]) -> Result<Value, ModelError> {
    serde_json::from_slice(bytes).map_err(|source| ModelError::ConfigSyntax { path: path.into(), source })
}

fn missing_is_none<T>(read: Result<T, ModelError>) -> Result<Option<T>, ModelError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(ModelError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::preprocessing::Preprocessing;
    use super::*;

    /// A `preprocessor_config.json` for squares of 224 pixels.
    const PROCESSOR: &str = r#"{"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224},
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2}"#;

    /// What is read of files beside the weights.
    fn beside(files: &[(&str, &str)]) -> ModelConfig {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        ModelConfig::beside(&folder.path().join("model.onnx")).unwrap().unwrap()
    }

    #[test]
    fn an_image_processor_is_read_where_the_configuration_has_no_preprocessing() {
        let hugging_face = r#"{"model_type": "vit", "image_size": 384, "id2label": {"0": "cat"}}"#;
        let config = beside(&[("config.json", hugging_face), ("preprocessor_config.json", PROCESSOR)]);
        assert_eq!(config.preprocessing.image_size, Some(224));
        assert_eq!(config.preprocessing.crop_mode.as_deref(), Some("squash"));
        assert_eq!(config.classes, Some(vec!["cat".to_owned()]));
        let alone = beside(&[("preprocessor_config.json", PROCESSOR)]);
        assert_eq!(alone.preprocessing, config.preprocessing);
        let timms = r#"{"pretrained_cfg": {"crop_pct": 0.9}}"#;
        let config = beside(&[("config.json", timms), ("preprocessor_config.json", PROCESSOR)]);
        let expected = Preprocessing { crop_pct: Some(0.9), ..Preprocessing::default() };
        assert_eq!(config.preprocessing, expected);
    }

    #[test]
    fn an_image_processor_that_is_not_followed_is_named_with_its_file() {
        let other = r#"{"image_processor_type": "EfficientNetImageProcessor"}"#;
        let config = beside(&[("preprocessor_config.json", other)]);
        let reason = config.refused.unwrap();
        assert!(reason.contains("preprocessor_config.json") && reason.contains("EfficientNet"), "{reason}");
    }

    #[test]
    fn either_file_of_hugging_face_may_be_typed_as_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let (names, pixels) =
            (folder.path().join("config.json"), folder.path().join("preprocessor_config.json"));
        std::fs::write(&names, r#"{"model_type": "vit", "id2label": {"0": "cat"}}"#).unwrap();
        std::fs::write(&pixels, PROCESSOR).unwrap();
        let config = ModelConfig::read(&names).unwrap();
        assert_eq!(config, ModelConfig::read(&pixels).unwrap());
        assert!(config.preprocessing.is_complete() && config.has_later_names);
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
