//! The model as a job finds it: a checkpoint to build a graph from, or a graph.

use std::path::Path;

use crate::engine::GraphNames;
use crate::failure::{Exit, Failure};
use crate::model::{
    Architecture, BUILDER_VERSION, BuildOptions, Checkpoint, EMBEDDING, ElementType, Form, INPUT, ImageModel,
    LOGITS, Metadata, ModelConfig, ModelError, OnnxInfo, Precision, Preprocessing, build_onnx,
    default_class_names, load, read_class_file,
};
use crate::regular_file;

use super::error::JobError;
use super::fingerprint::Components;

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        Failure::caused(Exit::Config, error.to_string(), error)
    }
}

/// A model's file, read and understood, before anything is decided about it.
pub struct LoadedModel {
    content: Content,
    /// Its own word on preprocessing.
    pub preprocessing: Preprocessing,
    /// True where the weights come without a word on preprocessing, and TResNet's usual one is taken.
    pub assumes_preprocessing: bool,
    /// Its own class names, or ImageNet's where it has 1000 classes.
    pub labels: Option<Vec<String>>,
    /// Whether version 0.1.0 did not read these names.
    pub has_later_names: bool,
    /// Why the image processor beside it is not followed, if it is not.
    pub refused: Option<String>,
}

enum Content {
    Checkpoint { checkpoint: Box<Checkpoint>, architecture: Architecture },
    Graph { bytes: Vec<u8>, info: Box<OnnxInfo>, model: ImageModel },
}

impl LoadedModel {
    /// Reads a model file; `config` is timm's `config.json` or one of Hugging Face's, by default the one beside it.
    pub fn read(path: &Path, config: Option<&Path>) -> Result<LoadedModel, Failure> {
        let read = Self::read_file(path, config);
        read.map_err(|failure| {
            // a job file's paths do not count from where it lies
            let from = match std::env::current_dir() {
                Ok(folder) if path.is_relative() && !path.exists() => {
                    format!(", looked for from `{}`, where this was started", folder.display())
                }
                _ => String::new(),
            };
            failure.within(format!("the model `{}`{from}", path.display()))
        })
    }

    fn read_file(path: &Path, config: Option<&Path>) -> Result<LoadedModel, Failure> {
        if path.extension().is_some_and(|extension| extension == "onnx") {
            return Self::read_graph(path, config);
        }
        let checkpoint = load(path)?;
        let architecture = Architecture::infer(&checkpoint)?;
        let config = match config {
            Some(config) => Some(ModelConfig::read(config)?),
            None => ModelConfig::beside(path)?,
        };
        let config = config.unwrap_or_default();
        if let Some(classes) = config.num_classes.filter(|classes| *classes != architecture.classes) {
            return Err(JobError::Mismatch(format!(
                "the model's configuration says {classes} classes, its weights have {}",
                architecture.classes
            ))
            .into());
        }
        let labels = config.classes.or_else(|| default_class_names(architecture.classes));
        let assumes_preprocessing = !config.preprocessing.is_complete();
        let preprocessing = config.preprocessing.or(Preprocessing::tresnet());
        let content = Content::Checkpoint { checkpoint: Box::new(checkpoint), architecture };
        Ok(LoadedModel {
            content,
            preprocessing,
            assumes_preprocessing,
            labels,
            has_later_names: config.has_later_names,
            refused: config.refused,
        })
    }

    fn read_graph(path: &Path, config: Option<&Path>) -> Result<LoadedModel, Failure> {
        let bytes = regular_file::read(path)
            .map_err(|error| Failure::caused(Exit::Config, "cannot be read", error))?;
        let info = OnnxInfo::parse(&bytes)?;
        let model = info.image_model()?;
        let (preprocessing, own, refused) = match &info.card {
            Some(card) => (card.preprocessing.clone(), card.classes.clone(), None),
            None => {
                let config = beside_graph(path, config, model.classes)?;
                let fixed = Preprocessing { image_size: model.image_size, ..Preprocessing::default() };
                (fixed.or(config.preprocessing), config.classes, config.refused)
            }
        };
        let has_later_names = own.is_some() && info.card.is_none();
        let labels = own.or_else(|| default_class_names(model.classes?));
        Ok(LoadedModel {
            content: Content::Graph { bytes, info: Box::new(info), model },
            preprocessing,
            assumes_preprocessing: false,
            labels,
            has_later_names,
            refused,
        })
    }

    /// Name or description of the network.
    pub fn arch(&self) -> String {
        match &self.content {
            Content::Checkpoint { architecture, .. } => architecture.name(),
            Content::Graph { info, .. } => {
                info.card.as_ref().map_or_else(|| "onnx".into(), |card| card.arch.clone())
            }
        }
    }

    /// Its parameters; a graph does not say how many of its numbers are some.
    pub fn parameters(&self) -> Option<u64> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Some(architecture.parameters()),
            Content::Graph { .. } => None,
        }
    }

    /// Multiply-accumulates of one image; known where the network is.
    pub fn macs(&self, image_size: u32) -> Option<u64> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Some(architecture.macs(image_size)),
            Content::Graph { model, .. } => {
                Some(Architecture::named(&self.arch(), model.classes?)?.macs(image_size))
            }
        }
    }

    /// C.
    pub fn classes(&self) -> Result<usize, JobError> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Ok(architecture.classes),
            Content::Graph { model, .. } => model.classes.ok_or_else(|| {
                JobError::Mismatch(
                    "the ONNX graph does not say how many classes it has; export it with a fixed width"
                        .into(),
                )
            }),
        }
    }

    /// D; 0 where the graph gives no embedding.
    pub fn dim(&self) -> Result<usize, JobError> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Ok(architecture.embedding_dim()),
            Content::Graph { model, .. } => match &model.embedding {
                None => Ok(0),
                Some((_, Some(dim))) => Ok(*dim),
                Some((name, None)) => Err(JobError::Mismatch(format!(
                    "the ONNX graph does not say how wide its output `{name}` is"
                ))),
            },
        }
    }

    /// SHA-256 of the weights' file.
    pub fn sha256(&self) -> &str {
        match &self.content {
            Content::Checkpoint { checkpoint, .. } => &checkpoint.sha256,
            Content::Graph { info, .. } => {
                info.card.as_ref().map_or(&info.sha256, |card| &card.weights_sha256)
            }
        }
    }

    /// The precision that cannot be chosen any more, because the graph is drawn.
    pub fn fixed_precision(&self) -> Option<Precision> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph { model, info, .. } => Some(match (&info.card, model.element) {
                (Some(card), _) => card.precision,
                (None, ElementType::F16) => Precision::Fp16,
                (None, _) => Precision::Fp32,
            }),
        }
    }

    /// The image size that cannot be chosen any more.
    pub fn fixed_image_size(&self) -> Option<u32> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph { model, .. } => model.image_size,
        }
    }

    /// The batch that cannot be chosen any more.
    pub fn fixed_batch(&self) -> Option<usize> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph { model, .. } => model.fixed_batch,
        }
    }

    /// What identifies the function that is computed, beside precision and image size.
    pub(super) fn identity(&self, components: &mut Components) {
        components.insert("model.sha256".into(), self.sha256().into());
        let builder = match &self.content {
            Content::Checkpoint { .. } => Some(BUILDER_VERSION),
            Content::Graph { info, .. } => info.card.as_ref().map(|card| card.builder),
        };
        components.insert("model.builder".into(), builder.into());
        if let Content::Graph { info, .. } = &self.content {
            // metadata can be copied onto other weights
            components.insert("model.graph".into(), info.sha256.clone().into());
        }
    }

    /// Names of the graph's input and outputs.
    pub fn names(&self) -> GraphNames {
        match &self.content {
            Content::Checkpoint { .. } => {
                GraphNames { input: INPUT.into(), logits: LOGITS.into(), embedding: Some(EMBEDDING.into()) }
            }
            Content::Graph { model, .. } => GraphNames {
                input: model.input.clone(),
                logits: model.logits.clone(),
                embedding: model.embedding.as_ref().map(|(name, _)| name.clone()),
            },
        }
    }

    /// The graph's bytes: built here from a checkpoint, or as they were read.
    pub fn graph(
        &self,
        precision: Precision,
        image_size: u32,
        form: Form,
        metadata: &Metadata,
    ) -> Result<std::borrow::Cow<'_, [u8]>, Failure> {
        match &self.content {
            Content::Graph { bytes, .. } => Ok(bytes.into()),
            Content::Checkpoint { checkpoint, architecture } => {
                let options = BuildOptions { precision, image_size, form };
                Ok(build_onnx(checkpoint, architecture, &options, metadata)?.into())
            }
        }
    }
}

/// What a configuration says of a graph that says nothing itself. A file beside it that was not typed may be of something
/// else: one that cannot be read is a reason to ask for the keys.
fn beside_graph(path: &Path, typed: Option<&Path>, classes: Option<usize>) -> Result<ModelConfig, Failure> {
    let config = match typed {
        Some(typed) => ModelConfig::read(typed)?,
        None => ModelConfig::beside(path)
            .unwrap_or_else(|error| {
                Some(ModelConfig { refused: Some(error.to_string()), ..ModelConfig::default() })
            })
            .unwrap_or_default(),
    };
    let named = config.classes.as_ref().map(Vec::len);
    if let (Some(named), Some(classes)) = (named, classes)
        && named != classes
    {
        return Err(JobError::Mismatch(format!(
            "the model's configuration names {named} classes, the graph has {classes}; let `model.config` name its own"
        ))
        .into());
    }
    Ok(config)
}

/// Class names as a person gives them: `imagenet-1k`, or a file with one name a line.
pub fn read_labels(typed: &str, classes: usize) -> Result<Vec<String>, Failure> {
    let labels = match typed {
        "imagenet-1k" => default_class_names(1000).unwrap_or_default(),
        path => read_class_file(Path::new(path))?,
    };
    if labels.len() != classes {
        return Err(JobError::Mismatch(format!(
            "`{typed}` names {} classes, the model has {classes}; give one name for each class",
            labels.len()
        ))
        .into());
    }
    Ok(labels)
}
