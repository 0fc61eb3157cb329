//! A layer as its numbers: weights, batch norm, and the activation that follows.

use std::borrow::Cow;

/// Weights of a layer: `weight` is `[outputs, inputs, size, size]` (`[outputs, inputs]` where it is linear),
/// row-major and not yet rounded; `bias` has one value an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Channels that it gives.
    pub outputs: usize,
    /// Channels that it reads.
    pub inputs: usize,
    /// Side of the square that it looks at; 1 for a linear layer.
    pub size: usize,
    /// The factors.
    pub weight: Vec<f64>,
    /// What is added.
    pub bias: Vec<f64>,
}

impl Kernel {
    /// The same layer for `inputs` channels, of which its own come first, and with outputs that are zero up to a
    /// multiple of `multiple`.
    pub(super) fn filled(&self, inputs: usize, multiple: usize) -> Cow<'_, Kernel> {
        debug_assert!(self.inputs <= inputs, "channels into a layer");
        let outputs = self.outputs.next_multiple_of(multiple.max(1));
        if (inputs, outputs) == (self.inputs, self.outputs) {
            return Cow::Borrowed(self);
        }
        let area = self.size * self.size;
        let mut weight = vec![0.0; outputs * inputs * area];
        let theirs = self.weight.chunks_exact(self.inputs * area);
        for (to, from) in weight.chunks_exact_mut(inputs * area).zip(theirs) {
            to[..from.len()].copy_from_slice(from);
        }
        let mut bias = self.bias.clone();
        bias.resize(outputs, 0.0);
        Cow::Owned(Kernel { outputs, inputs, size: self.size, weight, bias })
    }
}

/// Batch norm as a checkpoint stores it, one value a channel.
pub(in crate::model) struct Norm {
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}

/// What follows a convolution. ONNX Runtime's CPU provider fuses all of them into it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere.
    LeakyRelu(f32),
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}
