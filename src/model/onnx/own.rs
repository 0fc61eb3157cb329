//! Our own operators (domain `tresnet`), on maps of `[batch, height, width, channels]`, and ONNX's on the same maps.
//! `scope` names the output of an operator; it must be new.

use super::graph::{Graph, Map};
use super::layer::{Activation, Kernel};
use super::nodes::{float, integer, integer_list, text};
use super::proto::Attribute;
use super::stem::Image;
use crate::model::error::ModelError;

/// What follows a convolution of ours.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Epilogue<'a> {
    /// What is added before the bias.
    pub sum: Option<&'a Map>,
    /// None, ReLU or LeakyReLU.
    pub activation: Activation,
}

impl Graph {
    /// Declares an image that comes packed: squares of 4×4 pixels as 48 channels.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a deviation beyond f32.
    pub(in crate::model) fn packed_image(&mut self, image: &Image<'_>) -> Result<Map, ModelError> {
        let name = self.image(image)?;
        let side = image.size / 4;
        Ok(Map { name, channels: 48, height: side, width: side })
    }

    /// `activation(convolution + sum + bias)`, in one operator.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a weight beyond the graph's precision.
    pub(in crate::model) fn own_conv(
        &mut self,
        scope: &str,
        map: &Map,
        kernel: &Kernel,
        epilogue: Epilogue<'_>,
    ) -> Result<Map, ModelError> {
        let kernel = &kernel.filled(map.channels, self.form.channel_multiple);
        let axes = [kernel.outputs, kernel.size, kernel.size, kernel.inputs];
        let weight =
            self.weights(format!("{scope}.weight"), &axes, self.precision, &channels_last(kernel))?;
        let bias = self.weights(format!("{scope}.bias"), &axes[..1], self.precision, &kernel.bias)?;
        let mut inputs = vec![map.name.as_str(), &weight, &bias];
        inputs.extend(epilogue.sum.map(|sum| sum.name.as_str()));
        let (activation, slope) = match epilogue.activation {
            Activation::LeakyRelu(slope) => ("leaky", slope),
            Activation::Relu => ("relu", 0.0),
            Activation::Identity | Activation::Sigmoid => ("none", 1.0),
        };
        debug_assert_ne!(epilogue.activation, Activation::Sigmoid, "{scope} has no such epilogue");
        let attributes = vec![integer("stride", 1), text("activation", activation), slope_of(slope)];
        let name = self.own_node("Conv", format!("{scope}.conv"), &inputs, attributes);
        Ok(Map { name, channels: kernel.outputs, ..map.clone() })
    }

    /// The activation of a map, where no operator before or after it includes it.
    pub(in crate::model) fn activated(&mut self, scope: &str, map: Map, activation: Activation) -> Map {
        Map { name: self.activate(scope, map.name, activation), ..map }
    }

    /// LeakyReLU and the anti-alias filter, in one operator; a slope of 1 is no activation.
    pub(in crate::model) fn leaky_blur(&mut self, scope: &str, map: &Map, slope: f32) -> Map {
        debug_assert!(map.height > 1 && map.width > 1, "nothing to reflect in {scope}");
        let name = self.own_node("LeakyBlur", scope.to_owned(), &[&map.name], vec![slope_of(slope)]);
        Map { name, height: map.height.div_ceil(2), width: map.width.div_ceil(2), ..map.clone() }
    }

    /// What squeeze-and-excitation scales the channels of a map by, `[batch, 1, 1, channels]` in f32; a LeakyReLU comes
    /// before its mean. Returns its name.
    ///
    /// # Errors
    ///
    /// As [`own_conv`](Self::own_conv).
    pub(in crate::model) fn own_gate(
        &mut self,
        scope: &str,
        map: &Map,
        layers: [&Kernel; 2],
        slope: f32,
    ) -> Result<String, ModelError> {
        let mean =
            self.own_node("ActivatedMean", format!("{scope}.mean"), &[&map.name], vec![slope_of(slope)]);
        let mut inputs = vec![mean];
        let mut channels = map.channels;
        for (layer, kernel) in ["fc1", "fc2"].into_iter().zip(layers) {
            let kernel = &kernel.filled(channels, self.form.channel_multiple);
            let axes = [kernel.outputs, kernel.inputs];
            let precision = self.precision;
            let name = format!("{scope}.{layer}");
            inputs.push(self.weights(format!("{name}.weight"), &axes, precision, &kernel.weight)?);
            inputs.push(self.weights(format!("{name}.bias"), &axes[..1], precision, &kernel.bias)?);
            channels = kernel.outputs;
        }
        debug_assert_eq!(channels, map.channels, "channels of {scope}");
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.own_node("SqueezeExcite", format!("{scope}.gate"), &inputs, vec![]))
    }

    /// LeakyReLU of a map, scaled by a gate.
    pub(in crate::model) fn gated(&mut self, scope: &str, map: &Map, gate: &str, slope: f32) -> Map {
        let name = self.own_node("Gate", format!("{scope}.scale"), &[&map.name, gate], vec![slope_of(slope)]);
        Map { name, ..map.clone() }
    }

    /// `max(map · gate + shortcut, 0)`.
    pub(in crate::model) fn gate_add_relu(
        &mut self,
        scope: &str,
        map: &Map,
        gate: &str,
        shortcut: &Map,
    ) -> Map {
        debug_assert_eq!((map.channels, map.height), (shortcut.channels, shortcut.height), "{scope}");
        let inputs = [&map.name, gate, &shortcut.name];
        let name = self.own_node("GateAddRelu", format!("{scope}.relu"), &inputs, vec![]);
        Map { name, ..map.clone() }
    }

    /// Squeeze-and-excitation by ONNX's operators.
    ///
    /// # Errors
    ///
    /// As [`conv`](Self::conv).
    pub(in crate::model) fn interleaved_squeeze_excite(
        &mut self,
        scope: &str,
        map: &Map,
        [reduce, expand]: [&Kernel; 2],
    ) -> Result<Map, ModelError> {
        let mean = self.global_mean(&format!("{scope}.mean"), map);
        let gate = self.in_planes(scope, &mean, |graph, mean| {
            let hidden = graph.conv(&format!("{scope}.fc1"), mean, reduce, 1, Activation::Relu)?;
            graph.conv(&format!("{scope}.fc2"), &hidden, expand, 1, Activation::Sigmoid)
        })?;
        let name = self.node("Mul", format!("{scope}.scale"), &[&map.name, &gate.name], vec![]);
        Ok(Map { name, ..map.clone() })
    }

    /// Draws what takes maps of `[batch, channels, height, width]`, between two transpositions.
    ///
    /// # Errors
    ///
    /// Those of `draw`.
    pub(in crate::model) fn in_planes(
        &mut self,
        scope: &str,
        map: &Map,
        draw: impl FnOnce(&mut Graph, &Map) -> Result<Map, ModelError>,
    ) -> Result<Map, ModelError> {
        let planes = integer_list("perm", &[0, 3, 1, 2]);
        let name = self.node("Transpose", format!("{scope}.planes"), &[&map.name], vec![planes]);
        let drawn = draw(self, &Map { name, ..map.clone() })?;
        let interleaved = integer_list("perm", &[0, 2, 3, 1]);
        let name = self.node("Transpose", format!("{scope}.interleaved"), &[&drawn.name], vec![interleaved]);
        Ok(Map { name, ..drawn })
    }
}

fn slope_of(slope: f32) -> Attribute {
    float("slope", slope)
}

/// Weights as `[outputs, size, size, inputs]`.
fn channels_last(kernel: &Kernel) -> Vec<f64> {
    let area = kernel.size * kernel.size;
    let mut weight = Vec::with_capacity(kernel.weight.len());
    for filter in kernel.weight.chunks_exact(kernel.inputs * area) {
        for at in 0..area {
            weight.extend(filter.iter().skip(at).step_by(area));
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_weight_become_its_last_axis() {
        let weight = (0..24).map(f64::from).collect();
        let kernel = Kernel { outputs: 2, inputs: 3, size: 2, weight, bias: vec![0.0; 2] };
        let expected = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(f64::from);
        let moved = channels_last(&kernel);
        assert_eq!(moved[..12], expected);
        assert_eq!(moved[12..], expected.map(|value| value + 12.0));
    }
}
