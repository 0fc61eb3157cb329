//! The operators of the network, each drawn in one place. `scope` names the output of an operator; it must be new.

use super::form::{Blur, Classifier, Mean, Operators};
use super::graph::{Features, Graph, Map};
use super::layer::{Activation, Kernel, Norm};
use super::nodes::{float, integer, integer_list, text};
use super::proto::{Attribute, element};
use crate::model::error::ModelError;
use crate::model::precision::Precision;

impl Graph {
    /// A convolution with bias and activation. Beyond the map's edges lie zeros, so that a stride of 1 keeps its size,
    /// and one of 2 halves it, rounding up.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a weight beyond the graph's precision.
    pub fn conv(
        &mut self,
        scope: &str,
        map: &Map,
        kernel: &Kernel,
        stride: usize,
        activation: Activation,
    ) -> Result<Map, ModelError> {
        let kernel = &kernel.filled(map.channels, self.form.channel_multiple);
        let size = kernel.size as i64;
        let mut attributes = vec![integer_list("kernel_shape", &[size; 2])];
        if size > 1 {
            attributes.push(integer_list("pads", &[size / 2; 4]));
        }
        if stride > 1 {
            attributes.push(integer_list("strides", &[stride as i64; 2]));
        }
        let name = self.convolution(scope, &map.name, kernel, attributes)?;
        let name = self.activate(scope, name, activation);
        let (height, width) = (map.height.div_ceil(stride), map.width.div_ceil(stride));
        Ok(Map { name, channels: kernel.outputs, height, width })
    }

    /// Adds batch norm as a separate node, and an activation. Padding channels pass through as zeros.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a value beyond the graph's precision.
    pub(in crate::model) fn batch_norm(
        &mut self,
        scope: &str,
        map: &Map,
        norm: &Norm,
        activation: Activation,
    ) -> Result<Map, ModelError> {
        let mut inputs = vec![map.name.clone()];
        let parts = [
            ("scale", &norm.scale, 1.0),
            ("shift", &norm.shift, 0.0),
            ("mean", &norm.mean, 0.0),
            ("variance", &norm.variance, 1.0),
        ];
        for (part, values, neutral) in parts {
            let mut values = values.clone();
            values.resize(map.channels, neutral);
            let name = format!("{scope}.norm.{part}");
            inputs.push(self.weights(name, &[map.channels], self.precision, &values)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = self.node("BatchNormalization", format!("{scope}.norm"), &inputs, vec![]);
        Ok(Map { name: self.activate(scope, name, activation), ..map.clone() })
    }

    /// A convolution with its weights and bias, as they are.
    pub(super) fn convolution(
        &mut self,
        scope: &str,
        input: &str,
        kernel: &Kernel,
        attributes: Vec<Attribute>,
    ) -> Result<String, ModelError> {
        let precision = self.precision;
        let axes = [kernel.outputs, kernel.inputs, kernel.size, kernel.size];
        let weight = self.weights(format!("{scope}.weight"), &axes, precision, &kernel.weight)?;
        let bias = self.weights(format!("{scope}.bias"), &[kernel.outputs], precision, &kernel.bias)?;
        Ok(self.node("Conv", format!("{scope}.conv"), &[input, &weight, &bias], attributes))
    }

    pub(super) fn activate(&mut self, scope: &str, name: String, activation: Activation) -> String {
        match activation {
            Activation::Identity => name,
            Activation::Relu => self.node("Relu", format!("{scope}.relu"), &[&name], vec![]),
            Activation::LeakyRelu(slope) => {
                self.node("LeakyRelu", format!("{scope}.leaky"), &[&name], vec![float("alpha", slope)])
            }
            Activation::Sigmoid => self.node("Sigmoid", format!("{scope}.sigmoid"), &[&name], vec![]),
        }
    }

    /// The anti-alias filter: each channel is weighted with `[1, 2, 1] ⊗ [1, 2, 1] / 16` and every second row and
    /// column is kept, so a side of `n` becomes `⌈n / 2⌉`. Beyond an edge the map is reflected. Row 2·i is the
    /// centre of output row `i`; so the top is always read beyond, the bottom only where `n` is odd.
    ///
    /// # Errors
    ///
    /// None that this filter's weights can cause.
    pub fn blur(&mut self, scope: &str, map: &Map) -> Result<Map, ModelError> {
        debug_assert!(map.height > 1 && map.width > 1, "nothing to reflect in {scope}");
        let (mut bottom, mut right) = (map.height % 2, map.width % 2);
        match self.form.blur {
            Blur::Convolution => {}
            Blur::PaddedAround => (bottom, right) = (1, 1),
            Blur::Pools => return Ok(self.blur_pools(scope, map, [bottom as i64, right as i64])),
            // where a side is even, the last window ends before the padding
            Blur::PoolsPaddedAround => return Ok(self.blur_pools(scope, map, [1, 1])),
        }
        let pads = self
            .integers(format!("blur.pads.{bottom}{right}"), &[0, 0, 1, 1, 0, 0, bottom as i64, right as i64]);
        let padded =
            self.node("Pad", format!("{scope}.pad"), &[&map.name, &pads], vec![text("mode", "reflect")]);
        let mut weight = format!("blur.weight.{}", map.channels);
        if !self.has(&weight) {
            let filter = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|factor: f64| factor / 16.0);
            let axes = [map.channels, 1, 3, 3];
            weight = self.weights(weight, &axes, self.precision, &filter.repeat(map.channels))?;
        }
        let attributes = vec![
            integer_list("kernel_shape", &[3, 3]),
            integer_list("strides", &[2, 2]),
            integer("group", i64::try_from(map.channels).unwrap_or(i64::MAX)),
        ];
        let name = self.node("Conv", format!("{scope}.conv"), &[&padded, &weight], attributes);
        Ok(halved(name, map))
    }

    fn blur_pools(&mut self, scope: &str, map: &Map, [bottom, right]: [i64; 2]) -> Map {
        let attributes = vec![integer_list("kernel_shape", &[2, 2])];
        let pairs = self.node("AveragePool", format!("{scope}.pairs"), &[&map.name], attributes);
        let attributes = vec![
            integer_list("kernel_shape", &[2, 2]),
            integer_list("strides", &[2, 2]),
            integer_list("pads", &[1, 1, bottom, right]),
            integer("count_include_pad", 0),
        ];
        halved(self.node("AveragePool", format!("{scope}.every_second"), &[&pairs], attributes), map)
    }

    /// Mean of each 2×2 square, with stride 2; what lies beyond an odd edge does not count.
    pub fn halve(&mut self, scope: &str, map: &Map) -> Map {
        let mut attributes = vec![
            integer_list("kernel_shape", &[2, 2]),
            integer_list("strides", &[2, 2]),
            integer("count_include_pad", 0),
        ];
        if map.height % 2 == 1 || map.width % 2 == 1 {
            attributes.push(integer("ceil_mode", 1));
        }
        let name = self.node("AveragePool", scope.to_owned(), &[&map.name], attributes);
        halved(name, map)
    }

    /// Squeeze-and-excitation: scales each channel by what two 1×1 layers make of all channels' means.
    ///
    /// # Errors
    ///
    /// As [`conv`](Self::conv).
    pub fn squeeze_excite(
        &mut self,
        scope: &str,
        map: &Map,
        reduce: &Kernel,
        expand: &Kernel,
    ) -> Result<Map, ModelError> {
        let mean = self.global_mean(&format!("{scope}.mean"), map);
        let hidden = self.conv(&format!("{scope}.fc1"), &mean, reduce, 1, Activation::Relu)?;
        let gate = self.conv(&format!("{scope}.fc2"), &hidden, expand, 1, Activation::Sigmoid)?;
        let name = self.node("Mul", format!("{scope}.scale"), &[&map.name, &gate.name], vec![]);
        Ok(Map { name, ..map.clone() })
    }

    /// The end of a residual block: `max(branch + shortcut, 0)`.
    pub fn add_relu(&mut self, scope: &str, branch: &Map, shortcut: &Map) -> Map {
        debug_assert_eq!((branch.channels, branch.height), (shortcut.channels, shortcut.height), "{scope}");
        let sum = self.node("Add", format!("{scope}.add"), &[&branch.name, &shortcut.name], vec![]);
        let name = self.node("Relu", format!("{scope}.relu"), &[&sum], vec![]);
        Map { name, ..branch.clone() }
    }

    /// Mean over space; the map keeps its rank, with sides of 1.
    pub fn global_mean(&mut self, scope: &str, map: &Map) -> Map {
        let scope = scope.to_owned();
        let name = match self.form.mean {
            _ if self.form.operators != Operators::Stock => {
                self.node("ReduceMean", scope, &[&map.name], vec![integer_list("axes", &[1, 2])])
            }
            Mean::GlobalPool => self.node("GlobalAveragePool", scope, &[&map.name], vec![]),
            Mean::Reduce => self.node("ReduceMean", scope, &[&map.name], vec![integer_list("axes", &[2, 3])]),
            Mean::Window => {
                let window = integer_list("kernel_shape", &[map.height as i64, map.width as i64]);
                self.node("AveragePool", scope, &[&map.name], vec![window])
            }
        };
        Map { name, channels: map.channels, height: 1, width: 1 }
    }

    /// Mean over space of the first `len` channels as vectors in f32, called `name`.
    pub fn pooled(&mut self, name: &str, map: &Map, len: usize) -> Features {
        let mut mean = self.global_mean(&format!("{name}.mean"), map).name;
        if len < map.channels {
            let axis = if self.form.operators == Operators::Stock { 1 } else { 3 };
            let bounds = [("start", 0), ("end", len as i64), ("axis", axis)]
                .map(|(what, value)| self.integers(format!("{name}.{what}"), &[value]));
            let inputs = [&mean, &bounds[0], &bounds[1], &bounds[2]].map(String::as_str);
            mean = self.node("Slice", format!("{name}.without_filling"), &inputs, vec![]);
        }
        let axis = vec![integer("axis", 1)];
        match self.precision {
            Precision::Fp32 | Precision::Int8 => self.node("Flatten", name.to_owned(), &[&mean], axis),
            Precision::Fp16 => {
                let flat = self.node("Flatten", format!("{name}.flat"), &[&mean], axis);
                self.cast(name.to_owned(), &flat, element::FLOAT)
            }
        };
        Features { name: name.to_owned(), len }
    }

    pub(super) fn cast(&mut self, name: String, input: &str, element: i32) -> String {
        self.node("Cast", name, &[input], vec![integer("to", i64::from(element))])
    }

    /// A linear layer on vectors, in f32, giving vectors called `name`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a weight beyond f32.
    pub fn linear(
        &mut self,
        name: &str,
        features: &Features,
        kernel: &Kernel,
    ) -> Result<Features, ModelError> {
        debug_assert_eq!(kernel.inputs, features.len, "features into {name}");
        if self.form.classifier == Classifier::Split && self.precision == Precision::Fp16 {
            return self.split_linear(name, features, kernel);
        }
        let axes = [kernel.outputs, kernel.inputs];
        let weight = self.weights(format!("{name}.weight"), &axes, Precision::Fp32, &kernel.weight)?;
        let bias = self.weights(format!("{name}.bias"), &axes[..1], Precision::Fp32, &kernel.bias)?;
        let inputs = [features.name.as_str(), &weight, &bias];
        self.node("Gemm", name.to_owned(), &inputs, vec![integer("transB", 1)]);
        Ok(Features { name: name.to_owned(), len: kernel.outputs })
    }

    /// The layer as two `Gemm`s whose weights add up to its own: the one with the high bits is added to the one with
    /// the low bits.
    fn split_linear(
        &mut self,
        name: &str,
        features: &Features,
        kernel: &Kernel,
    ) -> Result<Features, ModelError> {
        let axes = [kernel.outputs, kernel.inputs];
        let high: Vec<f64> = kernel.weight.iter().copied().map(eleven_bits).collect();
        let low: Vec<f64> =
            kernel.weight.iter().zip(&high).map(|(weight, high)| eleven_bits(weight - high)).collect();
        let mut sum = self.weights(format!("{name}.bias"), &axes[..1], Precision::Fp32, &kernel.bias)?;
        for (part, output, values) in [("low", format!("{name}.low"), low), ("high", name.to_owned(), high)] {
            let weight = self.weights(format!("{name}.weight.{part}"), &axes, Precision::Fp32, &values)?;
            let inputs = [features.name.as_str(), &weight, &sum];
            sum = self.node("Gemm", output, &inputs, vec![integer("transB", 1)]);
        }
        Ok(Features { name: name.to_owned(), len: kernel.outputs })
    }
}

/// The nearest number of 11 significant bits, as a half and TF32 have them; ties to even.
fn eleven_bits(value: f64) -> f64 {
    const DROPPED: u32 = f64::MANTISSA_DIGITS - 11;
    let bits = value.to_bits();
    let half = (1 << (DROPPED - 1)) - 1 + ((bits >> DROPPED) & 1);
    f64::from_bits((bits + half) >> DROPPED << DROPPED)
}

fn halved(name: String, map: &Map) -> Map {
    Map { name, channels: map.channels, height: map.height.div_ceil(2), width: map.width.div_ceil(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pieces_of_eleven_bits_hold_a_single_but_for_its_last_bit() {
        let ulp = f64::from(f32::EPSILON);
        for (value, high) in [
            (1.0 + 2.0f64.powi(-11), 1.0),
            (1.0 + 3.0 * 2.0f64.powi(-11), 1.0 + 2.0 * 2.0f64.powi(-10)),
            (-1.0 - 2.0f64.powi(-10), -1.0 - 2.0f64.powi(-10)),
            (2.0 - ulp, 2.0),
            (0.0, 0.0),
        ] {
            assert_eq!(eleven_bits(value), high, "{value:e}");
        }
        for step in 0..2000u32 {
            #[allow(clippy::cast_possible_truncation)]
            let value = f64::from((f64::from(step).mul_add(0.7311, 0.37).sin() / 37.0) as f32);
            let high = eleven_bits(value);
            let left = value - high - eleven_bits(value - high);
            assert!(left.abs() <= value.abs() * ulp, "{value:e} leaves {left:e}");
            for piece in [high, value - high] {
                let significand = eleven_bits(piece).to_bits() & ((1 << 52) - 1);
                assert_eq!(significand.trailing_zeros().min(42), 42, "{piece:e}");
            }
        }
    }
}
