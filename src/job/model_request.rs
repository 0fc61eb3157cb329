//! Which of the networks in a model's file is requested, and by which of its tensors.

use crate::model::{Roles, WeightSet};

use super::spec;

/// What is asked of a model's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelRequest {
    /// Which weights of a training checkpoint; by default the averaged ones, if the file has them.
    pub weights: Option<WeightSet>,
    /// Names of a graph's tensors.
    pub roles: Roles,
}

impl ModelRequest {
    /// What a job asks.
    pub fn of(spec: &spec::Model) -> ModelRequest {
        let spec::Model { weights, input, logits, embedding, .. } = spec;
        let roles = Roles { input: input.clone(), logits: logits.clone(), embedding: embedding.clone() };
        ModelRequest { weights: weights.map(WeightSet::from), roles }
    }
}
