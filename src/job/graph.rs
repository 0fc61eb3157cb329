//! An ONNX file as a job finds it.

use std::path::Path;
use std::sync::Arc;

use crate::engine::{FreeAxes, GraphNames, Widths};
use crate::failure::{Exit, Failure};
use crate::model::{
    ElementType, Head, ImageModel, ModelConfig, OnnxInfo, Precision, Preprocessing, Roles, WeightFile,
    default_class_names, identity, read_weight_files,
};
use crate::regular_file;

use super::error::JobError;
use super::fingerprint::Components;
use super::frozen::FrozenModel;

/// The component of jobs whose graph ends in a softmax or sigmoid that is not computed. Version 0.1.0 computed it.
pub(super) const HEAD_RULE: &str = "rules.head";
/// The components of the keys that name tensors.
const ROLE_KEYS: [&str; 3] = ["model.input", "model.logits", "model.embedding"];

/// A graph that was read and understood.
pub(super) struct LoadedGraph {
    /// The file, or what became of it.
    pub bytes: Vec<u8>,
    pub info: OnnxInfo,
    pub model: ImageModel,
    files: Vec<WeightFile>,
    /// The typed names that choose another tensor than the default.
    typed: Roles,
}

/// What is known of a graph's preprocessing and classes.
pub(super) struct GraphWords {
    pub preprocessing: Preprocessing,
    pub labels: Option<Vec<String>>,
    /// Whether version 0.1.0 did not read these names.
    pub has_later_names: bool,
    /// Why the image processor beside it is not followed, if it is not.
    pub refused: Option<String>,
}

impl LoadedGraph {
    /// Reads a graph and the files of its weights.
    ///
    /// # Errors
    /// The graph or a file of its weights cannot be read; the file is no ONNX model. A role has no candidate among
    /// the graph's tensors, or several.
    pub fn read(path: &Path, roles: &Roles) -> Result<LoadedGraph, Failure> {
        let bytes = regular_file::read(path)
            .map_err(|error| Failure::caused(Exit::Config, "cannot be read", error))?;
        let mut info = OnnxInfo::parse(&bytes)?;
        let files = read_weight_files(path, &bytes)?;
        if !files.is_empty() {
            info.sha256 = identity(&info.sha256, &files);
        }
        let mut model = ImageModel::find(&info, &bytes, roles)?;
        let typed = match *roles == Roles::default() {
            true => Roles::default(),
            false => differing(roles, ImageModel::find(&info, &bytes, &Roles::default()).ok()),
        };
        let bytes = model.rewritten.take().unwrap_or(bytes);
        Ok(LoadedGraph { bytes, info, model, files, typed })
    }

    /// Its preprocessing and class names: those in the file, else those of its configuration.
    ///
    /// # Errors
    /// `config` cannot be read; a configuration names another number of classes than the graph has.
    pub fn words(&self, path: &Path, config: Option<&Path>) -> Result<GraphWords, Failure> {
        let classes = self.model.classes;
        let (preprocessing, own, refused) = match &self.info.card {
            Some(card) => (card.preprocessing.clone(), card.classes.clone(), None),
            None => {
                let config = beside_graph(path, config, classes)?;
                let fixed = Preprocessing { image_size: self.model.image_size, ..Preprocessing::default() };
                (fixed.or(config.preprocessing), config.classes, config.refused)
            }
        };
        let has_later_names = own.is_some() && self.info.card.is_none();
        let labels = own.or_else(|| default_class_names(classes?));
        Ok(GraphWords { preprocessing, labels, has_later_names, refused })
    }

    /// C, 0 without logits; `None` if a trial has to show it.
    pub fn classes(&self) -> Option<usize> {
        if self.model.logits.is_some() { self.model.classes } else { Some(0) }
    }

    /// D, 0 without an embedding; `None` if a trial has to show it.
    pub fn dim(&self) -> Option<usize> {
        self.model.embedding.as_ref().map_or(Some(0), |(_, dim)| *dim)
    }

    /// Sets the widths that a trial has shown.
    pub fn set_widths(&mut self, widths: Widths) {
        if self.model.logits.is_some() {
            self.model.classes = Some(widths.classes);
        }
        if let Some((_, dim)) = &mut self.model.embedding {
            *dim = Some(widths.dim);
        }
    }

    /// Takes the only output for the logits if an earlier run did: version 0.1.0 knew no embedding alone.
    pub fn keep_roles(&mut self, frozen: &FrozenModel) {
        let is_as_earlier = self.info.outputs.len() == 1 && self.typed == Roles::default();
        if is_as_earlier
            && self.model.logits.is_none()
            && frozen.classes > 0
            && let Some((name, width)) = self.model.embedding.take()
        {
            (self.model.logits, self.model.classes) = (Some(name), width);
        }
    }

    pub fn precision(&self) -> Precision {
        match (&self.info.card, self.model.element) {
            (Some(card), _) => card.precision,
            (None, ElementType::F16) => Precision::Fp16,
            (None, _) => Precision::Fp32,
        }
    }

    pub fn sha256(&self) -> &str {
        self.info.card.as_ref().map_or(&self.info.sha256, |card| &card.weights_sha256)
    }

    /// The head that was taken out.
    pub fn head(&self) -> Option<Head> {
        self.model.head
    }

    /// What identifies the function, beside precision and image size.
    pub fn identity(&self, components: &mut Components) {
        // metadata can be copied onto other weights
        components.insert("model.graph".into(), self.info.sha256.clone().into());
        let Roles { input, logits, embedding } = &self.typed;
        for (key, name) in ROLE_KEYS.into_iter().zip([input, logits, embedding]) {
            if let Some(name) = name {
                components.insert(key.into(), name.clone().into());
            }
        }
    }

    pub fn names(&self) -> GraphNames {
        let ImageModel { input, logits, embedding, side_axes, batch_axis, .. } = &self.model;
        GraphNames {
            input: input.clone(),
            logits: logits.clone(),
            embedding: embedding.as_ref().map(|(name, _)| name.clone()),
            free: FreeAxes {
                side: None,
                side_names: side_axes.clone(),
                batch_name: batch_axis.clone(),
                classes: self.classes(),
                dim: self.dim(),
            },
        }
    }

    pub fn weights(&self) -> Vec<(String, Arc<[u8]>)> {
        self.files.iter().map(|file| (file.location.clone(), file.bytes.clone())).collect()
    }

    /// The error for a role whose width is not known.
    pub fn unknown_width(&self, role: &str) -> JobError {
        JobError::Mismatch(format!(
            "the ONNX graph does not state how wide its {role} are, and no trial was made; export it with fixed widths"
        ))
    }
}

/// The typed names that choose another tensor than is chosen without them.
fn differing(typed: &Roles, plain: Option<ImageModel>) -> Roles {
    let plain = plain.map(|model| model.roles).unwrap_or_default();
    let other = |typed: &Option<String>, plain: Option<String>| {
        typed.clone().filter(|name| Some(name) != plain.as_ref())
    };
    Roles {
        input: other(&typed.input, plain.input),
        logits: other(&typed.logits, plain.logits),
        embedding: other(&typed.embedding, plain.embedding),
    }
}

/// Reads the configuration of a graph that carries none. A file beside it that was not typed may be of something else: one
/// that cannot be read is a reason to ask for the keys.
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
