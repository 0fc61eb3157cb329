//! The tensors that a network needs, under timm's names.

use super::architecture::Architecture;
use super::blocks::{ConvShape, blocks, stem};

/// One tensor of a network.
pub(super) struct ExpectedTensor {
    /// timm's name.
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
}

impl ExpectedTensor {
    /// How many values it holds.
    fn count(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, axis| product.saturating_mul(*axis as u64))
    }

    /// Whether training moves it by gradients; batch norm's running statistics it does not.
    fn is_trained(&self) -> bool {
        !self.name.contains(".running_")
    }
}

impl Architecture {
    /// Names and shapes of all tensors of its checkpoint, in timm's layout.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        expected_tensors(self).into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
    }

    /// Trained values: weights, biases, and batch norm's scale and shift, without its running statistics.
    pub fn parameters(&self) -> u64 {
        expected_tensors(self).iter().filter(|tensor| tensor.is_trained()).map(ExpectedTensor::count).sum()
    }
}

/// All tensors of a network, in its order.
pub(super) fn expected_tensors(architecture: &Architecture) -> Vec<ExpectedTensor> {
    let mut list = Vec::new();
    push_conv(&mut list, &stem(architecture));
    for block in blocks(architecture) {
        for conv in block.convs().iter().chain(block.shortcut_conv().as_ref()) {
            push_conv(&mut list, conv);
        }
        if let Some(hidden) = block.se_hidden {
            let channels = block.se_channels();
            for (layer, inputs, outputs) in [("fc1", channels, hidden), ("fc2", hidden, channels)] {
                let name = format!("body.{}.se.{layer}", block.scope);
                push(&mut list, format!("{name}.weight"), &[outputs, inputs, 1, 1]);
                push(&mut list, format!("{name}.bias"), &[outputs]);
            }
        }
    }
    push(&mut list, "head.fc.weight".to_owned(), &[architecture.classes, architecture.embedding_dim()]);
    push(&mut list, "head.fc.bias".to_owned(), &[architecture.classes]);
    list
}

fn push(list: &mut Vec<ExpectedTensor>, name: String, shape: &[usize]) {
    list.push(ExpectedTensor { name, shape: shape.to_vec() });
}

fn push_conv(list: &mut Vec<ExpectedTensor>, conv: &ConvShape) {
    let shape = [conv.outputs, conv.inputs, conv.kernel, conv.kernel];
    push(list, format!("body.{}.conv.weight", conv.scope), &shape);
    for part in ["weight", "bias", "running_mean", "running_var"] {
        push(list, format!("body.{}.bn.{part}", conv.scope), &[conv.outputs]);
    }
}
