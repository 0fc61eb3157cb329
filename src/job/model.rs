//! The model as a job finds it: a checkpoint to build a graph from, or a graph.

use std::path::Path;
use std::sync::Arc;

use crate::engine::{GraphNames, Widths};
use crate::failure::{Exit, Failure};
use crate::model::{
    Architecture, BUILDER_VERSION, BuildOptions, Checkpoint, ChosenCheckpoint, EMBEDDING, Form, Head, INPUT,
    LOGITS, Metadata, ModelConfig, ModelError, Precision, Preprocessing, Roles, TakenSet, build_onnx,
    default_class_names, load_set, published_in, read_class_file,
};

use super::error::JobError;
use super::fingerprint::Components;
use super::frozen::Frozen;
use super::graph::{GraphWords, LoadedGraph};
use super::model_request::ModelRequest;
use super::origin::{HubOrigin, refuse_address};
use super::spec;

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        Failure::caused(Exit::Config, error.to_string(), error)
    }
}

/// A model's file, read and understood, before anything is decided about it.
pub struct LoadedModel {
    content: Content,
    /// The preprocessing that its configuration names.
    pub preprocessing: Preprocessing,
    /// True if the weights come without preprocessing, and TResNet's usual one is used.
    pub assumes_preprocessing: bool,
    /// Its own class names, or ImageNet's if it has 1000 classes.
    pub labels: Option<Vec<String>>,
    /// The commit of a hub that it is from, if it is of one.
    pub origin: Option<HubOrigin>,
    /// Whether version 0.1.0 did not read these names.
    pub has_later_names: bool,
    /// Why the image processor beside it is not followed, if it is not.
    pub refused: Option<String>,
}

enum Content {
    Checkpoint { checkpoint: Box<Checkpoint>, architecture: Architecture, taken: Option<TakenSet> },
    Graph(Box<LoadedGraph>),
}

impl LoadedModel {
    /// Reads a job's model.
    ///
    /// # Errors
    /// Those of [`LoadedModel::read_as`].
    pub fn of_job(spec: &spec::Model) -> Result<LoadedModel, Failure> {
        let config = spec.config.as_deref().map(Path::new);
        Self::read_as(Path::new(&spec.path), config, &ModelRequest::of(spec))
    }

    /// Reads a model file, or the published one in a folder; `config` is timm's `config.json` or one of Hugging Face's,
    /// by default the one beside it.
    ///
    /// # Errors
    /// `path` is an address, cannot be read, or holds neither weights of a TResNet nor an ONNX graph of images. The
    /// configuration cannot be read, or has another number of classes.
    pub fn read(path: &Path, config: Option<&Path>) -> Result<LoadedModel, Failure> {
        Self::read_as(path, config, &ModelRequest::default())
    }

    /// Reads a model file as [`read`](Self::read) does, as it is asked.
    ///
    /// # Errors
    /// Those of [`read`](Self::read). `asked` names a set of weights of a graph, or tensors of a checkpoint.
    pub fn read_as(path: &Path, config: Option<&Path>, asked: &ModelRequest) -> Result<LoadedModel, Failure> {
        refuse_address(path)?;
        let published = published_in(path);
        let read = Self::read_file(published.as_deref().unwrap_or(path), config, asked);
        read.map_err(|failure| {
            // a job file's paths are not relative to its own folder
            let from = match std::env::current_dir() {
                Ok(folder) if path.is_relative() && !path.exists() => {
                    format!(", looked for from `{}`, where this was started", folder.display())
                }
                _ => String::new(),
            };
            failure.within(format!("the model `{}`{from}", path.display()))
        })
    }

    fn read_file(path: &Path, config: Option<&Path>, asked: &ModelRequest) -> Result<LoadedModel, Failure> {
        if path.extension().is_some_and(|extension| extension == "onnx") {
            if asked.weights.is_some() {
                let why = "`model.weights` chooses among those of a checkpoint, and the model is a graph; leave it out";
                return Err(JobError::Mismatch(why.into()).into());
            }
            return Self::read_graph(path, config, &asked.roles);
        }
        if asked.roles != Roles::default() {
            return Err(JobError::Mismatch(
                "`model.input`, `model.logits` and `model.embedding` name tensors of an ONNX graph, and these are weights; \
                 leave the keys out"
                    .into(),
            )
            .into());
        }
        let ChosenCheckpoint { checkpoint, taken } = load_set(path, asked.weights)?;
        let architecture = Architecture::infer(&checkpoint)?;
        let config = match config {
            Some(config) => Some(ModelConfig::read(config)?),
            None => ModelConfig::beside(path)?,
        };
        let config = config.unwrap_or_default();
        if let Some(classes) = config.num_classes.filter(|classes| *classes != architecture.classes) {
            return Err(JobError::Mismatch(format!(
                "the model's configuration has {classes} classes, its weights have {}",
                architecture.classes
            ))
            .into());
        }
        let labels = config.classes.or_else(|| default_class_names(architecture.classes));
        let assumes_preprocessing = !config.preprocessing.is_complete();
        let preprocessing = config.preprocessing.or(Preprocessing::tresnet());
        let content = Content::Checkpoint { checkpoint: Box::new(checkpoint), architecture, taken };
        Ok(LoadedModel {
            content,
            preprocessing,
            assumes_preprocessing,
            labels,
            origin: None,
            has_later_names: config.has_later_names,
            refused: config.refused,
        })
    }

    fn read_graph(path: &Path, config: Option<&Path>, roles: &Roles) -> Result<LoadedModel, Failure> {
        let graph = LoadedGraph::read(path, roles)?;
        let GraphWords { preprocessing, labels, has_later_names, refused } = graph.words(path, config)?;
        let content = Content::Graph(Box::new(graph));
        Ok(LoadedModel {
            content,
            preprocessing,
            assumes_preprocessing: false,
            labels,
            origin: None,
            has_later_names,
            refused,
        })
    }

    /// Name or description of the network.
    pub fn arch(&self) -> String {
        match &self.content {
            Content::Checkpoint { architecture, .. } => architecture.name(),
            Content::Graph(graph) => {
                graph.info.card.as_ref().map_or_else(|| "onnx".into(), |card| card.arch.clone())
            }
        }
    }

    /// Returns the number of parameters; `None` for a graph, which does not mark which of its numbers are parameters.
    pub fn parameters(&self) -> Option<u64> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Some(architecture.parameters()),
            Content::Graph(_) => None,
        }
    }

    /// Multiply-accumulates of one image; known if the network is.
    pub fn macs(&self, image_size: u32) -> Option<u64> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Some(architecture.macs(image_size)),
            Content::Graph(graph) => {
                Some(Architecture::named(&self.arch(), graph.model.classes?)?.macs(image_size))
            }
        }
    }

    /// C; 0 if the graph gives no logits.
    ///
    /// # Errors
    /// The graph does not state how wide its logits are, and no trial was made.
    pub fn classes(&self) -> Result<usize, JobError> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Ok(architecture.classes),
            Content::Graph(graph) => graph.classes().ok_or_else(|| graph.unknown_width("logits")),
        }
    }

    /// D; 0 if the graph gives no embedding.
    ///
    /// # Errors
    /// The graph does not state how wide its embeddings are, and no trial was made.
    pub fn dim(&self) -> Result<usize, JobError> {
        match &self.content {
            Content::Checkpoint { architecture, .. } => Ok(architecture.embedding_dim()),
            Content::Graph(graph) => graph.dim().ok_or_else(|| graph.unknown_width("embeddings")),
        }
    }

    /// Whether the graph leaves open how wide its outputs are.
    pub fn needs_widths(&self) -> bool {
        self.classes().is_err() || self.dim().is_err()
    }

    /// Keeps the roles of the graph's outputs that an earlier run froze.
    pub fn keep_roles(&mut self, frozen: &Frozen) {
        if let Content::Graph(graph) = &mut self.content {
            graph.keep_roles(&frozen.model);
            if self.labels.is_none() && graph.info.card.is_none() {
                self.labels = graph.classes().and_then(default_class_names);
            }
        }
    }

    /// The widths that an earlier run froze, if that was of this graph.
    pub fn widths_in(&self, frozen: &Frozen) -> Option<Widths> {
        let mut components = Components::new();
        self.identity(&mut components);
        let is_same = |name: &str| frozen.components.get(name) == components.get(name);
        let is_ours =
            ["model.graph", "model.input", "model.logits", "model.embedding"].into_iter().all(is_same);
        is_ours.then_some(Widths { classes: frozen.model.classes, dim: frozen.model.dim })
    }

    /// Takes the widths that a trial has shown, or an earlier run.
    pub fn set_widths(&mut self, widths: Widths) {
        if let Content::Graph(graph) = &mut self.content {
            graph.set_widths(widths);
            if self.labels.is_none() && graph.info.card.is_none() {
                self.labels = default_class_names(widths.classes);
            }
        }
    }

    /// The last node of the graph, which made probabilities of logits and is not computed.
    pub fn head(&self) -> Option<Head> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph(graph) => graph.head(),
        }
    }

    /// The files beside the graph that hold its weights, by their paths in it.
    pub fn weights(&self) -> Vec<(String, Arc<[u8]>)> {
        match &self.content {
            Content::Checkpoint { .. } => Vec::new(),
            Content::Graph(graph) => graph.weights(),
        }
    }

    /// SHA-256 of the weights' file.
    pub fn sha256(&self) -> &str {
        match &self.content {
            Content::Checkpoint { checkpoint, .. } => &checkpoint.sha256,
            Content::Graph(graph) => graph.sha256(),
        }
    }

    /// What was taken of a training checkpoint that has averaged weights and those that the training changes.
    pub fn chosen(&self) -> Option<&TakenSet> {
        match &self.content {
            Content::Checkpoint { taken, .. } => taken.as_ref().filter(|taken| taken.other.is_some()),
            Content::Graph { .. } => None,
        }
    }

    /// The precision that cannot be chosen any more, because the graph is drawn.
    pub fn fixed_precision(&self) -> Option<Precision> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph(graph) => Some(graph.precision()),
        }
    }

    /// The image size that cannot be chosen any more.
    pub fn fixed_image_size(&self) -> Option<u32> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph(graph) => graph.model.image_size,
        }
    }

    /// The batch that cannot be chosen any more.
    pub fn fixed_batch(&self) -> Option<usize> {
        match &self.content {
            Content::Checkpoint { .. } => None,
            Content::Graph(graph) => graph.model.fixed_batch,
        }
    }

    /// What identifies the function that is computed, beside precision and image size.
    pub(super) fn identity(&self, components: &mut Components) {
        components.insert("model.sha256".into(), self.sha256().into());
        let builder = match &self.content {
            Content::Checkpoint { .. } => Some(BUILDER_VERSION),
            Content::Graph(graph) => graph.info.card.as_ref().map(|card| card.builder),
        };
        components.insert("model.builder".into(), builder.into());
        if let Some(component) = self.chosen().and_then(TakenSet::component) {
            components.insert("model.weights".into(), component.into());
        }
        if let Content::Graph(graph) = &self.content {
            graph.identity(components);
        }
    }

    /// Names of the graph's input and outputs.
    pub fn names(&self) -> GraphNames {
        match &self.content {
            Content::Checkpoint { .. } => GraphNames {
                input: INPUT.into(),
                logits: Some(LOGITS.into()),
                embedding: Some(EMBEDDING.into()),
                ..GraphNames::default()
            },
            Content::Graph(graph) => graph.names(),
        }
    }

    /// The graph's bytes: built here from a checkpoint, or as they were read.
    ///
    /// # Errors
    /// Those of [`build_onnx`], for a checkpoint.
    pub fn graph(
        &self,
        precision: Precision,
        image_size: u32,
        form: Form,
        metadata: &Metadata,
    ) -> Result<std::borrow::Cow<'_, [u8]>, Failure> {
        match &self.content {
            Content::Graph(graph) => Ok(graph.bytes.as_slice().into()),
            Content::Checkpoint { checkpoint, architecture, .. } => {
                let options = BuildOptions { precision, image_size, form };
                Ok(build_onnx(checkpoint, architecture, &options, metadata)?.into())
            }
        }
    }
}

/// Class names as a person gives them: `imagenet-1k`, or a file with one name a line.
///
/// # Errors
/// The file cannot be read, or a line of it is empty; there are other than `classes` names.
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
