//! The operators of the network, each drawn in one place. `scope` names what an operator gives; it must be new.

use super::graph::{Features, Graph, Map, Precision, float, integer, integer_list, text};
use super::proto::element;
use crate::model::error::ModelError;

/// Pixels a side that the stem moves into channels.
const STEM_BLOCK: usize = 4;

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

impl Graph {
    /// `[c, h, w]` to `[16 c, h/4, w/4]`, where channel `(4 · y + x) · c + k` holds channel `k` of row `y`, column
    /// `x` of each 4×4 square: ONNX's `SpaceToDepth`, and the paper's stem. Sides must divide by four.
    pub fn space_to_depth(&mut self, scope: &str, map: &Map) -> Map {
        debug_assert!(map.height.is_multiple_of(STEM_BLOCK) && map.width.is_multiple_of(STEM_BLOCK));
        let block = integer("blocksize", STEM_BLOCK as i64);
        Map {
            name: self.node("SpaceToDepth", scope.to_owned(), &[&map.name], vec![block]),
            channels: map.channels * STEM_BLOCK * STEM_BLOCK,
            height: map.height / STEM_BLOCK,
            width: map.width / STEM_BLOCK,
        }
    }

    /// A convolution of stride 1 that keeps the map's size (zeros beyond its edges), with bias and activation.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a weight beyond the graph's precision.
    pub fn conv(
        &mut self,
        scope: &str,
        map: &Map,
        kernel: &Kernel,
        activation: Activation,
    ) -> Result<Map, ModelError> {
        debug_assert_eq!(kernel.inputs, map.channels, "channels into {scope}");
        let precision = self.precision;
        let axes = [kernel.outputs, kernel.inputs, kernel.size, kernel.size];
        let weight = self.weights(format!("{scope}.weight"), &axes, precision, &kernel.weight)?;
        let bias = self.weights(format!("{scope}.bias"), &[kernel.outputs], precision, &kernel.bias)?;
        let size = kernel.size as i64;
        let mut attributes = vec![integer_list("kernel_shape", &[size; 2])];
        if size > 1 {
            attributes.push(integer_list("pads", &[size / 2; 4]));
        }
        let name = self.node("Conv", format!("{scope}.conv"), &[&map.name, &weight, &bias], attributes);
        let name = match activation {
            Activation::Identity => name,
            Activation::Relu => self.node("Relu", format!("{scope}.relu"), &[&name], vec![]),
            Activation::LeakyRelu(slope) => {
                self.node("LeakyRelu", format!("{scope}.leaky"), &[&name], vec![float("alpha", slope)])
            }
            Activation::Sigmoid => self.node("Sigmoid", format!("{scope}.sigmoid"), &[&name], vec![]),
        };
        Ok(Map { name, channels: kernel.outputs, ..map.clone() })
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
        let (bottom, right) = (map.height % 2, map.width % 2);
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
        let hidden = self.conv(&format!("{scope}.fc1"), &mean, reduce, Activation::Relu)?;
        let gate = self.conv(&format!("{scope}.fc2"), &hidden, expand, Activation::Sigmoid)?;
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
        let name = self.node("GlobalAveragePool", scope.to_owned(), &[&map.name], vec![]);
        Map { name, channels: map.channels, height: 1, width: 1 }
    }

    /// Mean over space as vectors in f32, called `name`.
    pub fn pooled(&mut self, name: &str, map: &Map) -> Features {
        let mean = self.global_mean(&format!("{name}.mean"), map);
        let axis = vec![integer("axis", 1)];
        match self.precision {
            Precision::Fp32 | Precision::Int8 => self.node("Flatten", name.to_owned(), &[&mean.name], axis),
            Precision::Fp16 => {
                let flat = self.node("Flatten", format!("{name}.flat"), &[&mean.name], axis);
                let to_single = vec![integer("to", i64::from(element::FLOAT))];
                self.node("Cast", name.to_owned(), &[&flat], to_single)
            }
        };
        Features { name: name.to_owned(), len: map.channels }
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
        let axes = [kernel.outputs, kernel.inputs];
        let weight = self.weights(format!("{name}.weight"), &axes, Precision::Fp32, &kernel.weight)?;
        let bias = self.weights(format!("{name}.bias"), &axes[..1], Precision::Fp32, &kernel.bias)?;
        let inputs = [features.name.as_str(), &weight, &bias];
        self.node("Gemm", name.to_owned(), &inputs, vec![integer("transB", 1)]);
        Ok(Features { name: name.to_owned(), len: kernel.outputs })
    }
}

fn halved(name: String, map: &Map) -> Map {
    Map { name, channels: map.channels, height: map.height.div_ceil(2), width: map.width.div_ceil(2) }
}
