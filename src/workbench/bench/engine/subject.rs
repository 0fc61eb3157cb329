//! What is measured: one graph, one batch size, one way of running it.

use std::sync::Arc;

use crate::engine::{CudaOptions, GraphNames, OrtOptions};
use crate::failure::{Exit, Failure};
use crate::job::LoadedModel;
use crate::model::{
    Architecture, BuildOptions, Checkpoint, Design, EMBEDDING, Form, INPUT, LOGITS, Metadata, Precision,
    build_design,
};

/// Seed of random weights.
pub(super) const SEED: u64 = 1;

/// Where a graph comes from.
#[derive(Clone)]
pub(super) enum Weights<'a> {
    /// Random ones.
    Random { checkpoint: &'a Checkpoint, architecture: Architecture, design: Design },
    /// A model's own.
    Model(&'a LoadedModel),
}

/// One row of a table.
#[derive(Clone)]
pub(super) struct Subject<'a> {
    pub name: String,
    pub weights: Weights<'a>,
    pub precision: Precision,
    pub image_size: u32,
    pub batch_size: usize,
    pub form: Form,
    pub cpu: OrtOptions,
    pub cuda: CudaOptions,
    /// What the paper reports, images a second.
    pub paper: Option<f64>,
    pub note: Option<&'static str>,
}

impl Subject<'_> {
    /// The graph's bytes.
    ///
    /// # Errors
    /// A graph has another fixed size than the subject (78). Weights do not make a graph of its size and precision.
    pub fn graph(&self) -> Result<Vec<u8>, Failure> {
        let metadata = Metadata::default();
        match &self.weights {
            Weights::Random { checkpoint, architecture, design } => {
                let options =
                    BuildOptions { precision: self.precision, image_size: self.image_size, form: self.form };
                Ok(build_design(checkpoint, architecture, &options, &metadata, *design)?)
            }
            Weights::Model(model) => {
                let fixed = model.fixed_image_size().filter(|size| *size != self.image_size);
                if let Some(size) = fixed {
                    return Err(Failure::new(
                        Exit::Config,
                        format!(
                            "{}: the graph takes {size} pixels a side; give `--image-size {size}`",
                            self.name
                        ),
                    ));
                }
                Ok(model.graph(self.precision, self.image_size, self.form, &metadata)?.into_owned())
            }
        }
    }

    pub fn names(&self) -> GraphNames {
        match &self.weights {
            Weights::Random { .. } => {
                let embedding = Some(EMBEDDING.into());
                GraphNames {
                    input: INPUT.into(),
                    logits: Some(LOGITS.into()),
                    embedding,
                    ..GraphNames::default()
                }
            }
            Weights::Model(model) => model.names().at(self.image_size),
        }
    }

    /// The files beside the graph that hold its weights.
    pub fn weights(&self) -> Vec<(String, Arc<[u8]>)> {
        match &self.weights {
            Weights::Random { .. } => Vec::new(),
            Weights::Model(model) => model.weights(),
        }
    }

    /// The model, if its outputs' widths are not known.
    pub fn without_widths(&self) -> Option<&LoadedModel> {
        match &self.weights {
            Weights::Model(model) if model.needs_widths() => Some(model),
            _ => None,
        }
    }

    /// Floating-point operations of an image, two for each multiplication that is added; unknown for graphs of
    /// others.
    pub fn operations(&self) -> Option<f64> {
        let macs = match &self.weights {
            Weights::Random { architecture, design, .. } => {
                architecture.macs_of_design(self.image_size, *design)
            }
            Weights::Model(model) => model.macs(self.image_size)?,
        };
        Some(2.0 * macs as f64)
    }
}
