//! Batch norm at inference is a scale and a shift of each channel: it disappears into the convolution before it.
//!
//! With scale `g`, shift `b`, running mean `m` and variance `v`, a channel's weights are multiplied by
//! `g / sqrt(v + eps)` and its bias is `b - m * g / sqrt(v + eps)`. All of it is done in f64, and the graph
//! rounds the result once, to its own precision.

use super::checkpoint::{Checkpoint, Tensor};
use super::error::{ModelError, TensorMismatch};
use super::onnx::{Kernel, Norm};

/// PyTorch's default, which both timm and the authors use.
const EPS: f64 = 1e-5;

/// The convolution at `body.{scope}` with its batch norm folded in.
pub(super) fn folded_conv(checkpoint: &Checkpoint, scope: &str) -> Result<Kernel, ModelError> {
    let (mut kernel, norm) = conv_and_norm(checkpoint, scope)?;
    let per_channel = kernel.weight.len() / kernel.outputs.max(1);
    let statistics = norm.scale.iter().zip(&norm.shift).zip(&norm.mean).zip(&norm.variance);
    for (channel, (((g, b), m), v)) in statistics.enumerate() {
        let factor = g / (v + EPS).sqrt();
        for weight in &mut kernel.weight[channel * per_channel..(channel + 1) * per_channel] {
            *weight *= factor;
        }
        kernel.bias[channel] = b - m * factor;
    }
    Ok(kernel)
}

/// The convolution at `body.{scope}`, whose bias is zero, and its batch norm beside it.
pub(super) fn conv_and_norm(checkpoint: &Checkpoint, scope: &str) -> Result<(Kernel, Norm), ModelError> {
    let vector = |part: &str| {
        let tensor = finite(checkpoint, &format!("body.{scope}.bn.{part}"))?;
        Ok(tensor.values.iter().copied().map(f64::from).collect::<Vec<f64>>())
    };
    let norm = Norm {
        scale: vector("weight")?,
        shift: vector("bias")?,
        mean: vector("running_mean")?,
        variance: vector("running_var")?,
    };
    if let Some(value) = norm.variance.iter().find(|value| **value < 0.0) {
        let tensor = format!("body.{scope}.bn.running_var");
        #[allow(clippy::cast_possible_truncation)]
        return Err(ModelError::Variance { tensor, value: *value as f32 });
    }
    Ok((kernel(finite(checkpoint, &format!("body.{scope}.conv.weight"))?, None), norm))
}

/// Reads a layer that has its own bias (squeeze-and-excitation, classifier), by its full name.
pub(super) fn biased_layer(checkpoint: &Checkpoint, name: &str) -> Result<Kernel, ModelError> {
    let weight = finite(checkpoint, &format!("{name}.weight"))?;
    Ok(kernel(weight, Some(finite(checkpoint, &format!("{name}.bias"))?)))
}

fn kernel(weight: &Tensor, bias: Option<&Tensor>) -> Kernel {
    let axis = |index: usize| weight.shape.get(index).copied().unwrap_or(1);
    let outputs = axis(0);
    Kernel {
        outputs,
        inputs: axis(1),
        size: axis(2),
        weight: weight.values.iter().copied().map(f64::from).collect(),
        bias: bias
            .map_or_else(|| vec![0.0; outputs], |bias| bias.values.iter().copied().map(f64::from).collect()),
    }
}

fn finite<'a>(checkpoint: &'a Checkpoint, name: &str) -> Result<&'a Tensor, ModelError> {
    let Some(tensor) = checkpoint.tensors.get(name) else {
        let missing = vec![name.to_owned()];
        return Err(ModelError::Tensors(Box::new(TensorMismatch { missing, ..TensorMismatch::default() })));
    };
    if tensor.is_finite() { Ok(tensor) } else { Err(ModelError::NonFinite { tensor: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(scale: f32, shift: f32, mean: f32, variance: f32) -> Checkpoint {
        let tensor =
            |shape: &[usize], values: &[f32]| Tensor { shape: shape.to_vec(), values: values.to_vec() };
        let tensors = [
            ("conv.weight", tensor(&[1, 2, 1, 1], &[3.0, -5.0])),
            ("bn.weight", tensor(&[1], &[scale])),
            ("bn.bias", tensor(&[1], &[shift])),
            ("bn.running_mean", tensor(&[1], &[mean])),
            ("bn.running_var", tensor(&[1], &[variance])),
        ];
        let tensors = tensors.into_iter().map(|(name, tensor)| (format!("body.c.{name}"), tensor)).collect();
        Checkpoint { tensors, sha256: String::new() }
    }

    #[test]
    fn scale_and_shift_move_into_the_convolution() {
        let folded = folded_conv(&checkpoint(2.0, 0.5, 7.0, 4.0), "c").unwrap();
        let factor = 2.0 / (4.0f64 + 1e-5).sqrt();
        assert_eq!(folded.weight, [3.0 * factor, -5.0 * factor]);
        assert_eq!(folded.bias, [0.5 - 7.0 * factor]);
        assert_eq!((folded.outputs, folded.inputs, folded.size), (1, 2, 1));
    }

    #[test]
    fn a_dead_channel_stays_finite() {
        let folded = folded_conv(&checkpoint(1.0, 0.0, 0.0, 0.0), "c").unwrap();
        assert!(folded.weight.iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn what_no_training_leaves_behind_is_refused() {
        let negative = folded_conv(&checkpoint(1.0, 0.0, 0.0, -1.0), "c").unwrap_err();
        assert!(matches!(negative, ModelError::Variance { value: -1.0, .. }), "{negative}");
        for (scale, shift) in [(f32::NAN, 0.0), (1.0, f32::INFINITY)] {
            let error = folded_conv(&checkpoint(scale, shift, 0.0, 1.0), "c").unwrap_err();
            assert!(matches!(error, ModelError::NonFinite { .. }), "{error}");
        }
    }
}
