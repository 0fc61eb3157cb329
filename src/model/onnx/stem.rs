//! From the image to the first map: the input as the form declares it, its normalisation, and the stem.

use super::form::{Pixels, Stem};
use super::graph::{Graph, Map, element_of};
use super::layer::{Activation, Kernel};
use super::nodes::{integer, integer_list};
use super::proto::element;
use crate::model::error::ModelError;
use crate::model::precision::Precision;

/// Pixels a side that the stem moves into channels.
const BLOCK: usize = 4;

/// The image as it comes in: a square of `size` pixels, a multiple of four.
pub struct Image<'a> {
    /// Name of the input.
    pub name: &'a str,
    /// Pixels a side.
    pub size: usize,
    /// What is subtracted from a channel that lies between 0 and 1; used where the graph normalises.
    pub mean: [f64; 3],
    /// What it is then divided by.
    pub std: [f64; 3],
}

impl Graph {
    /// Declares the image and draws the stem: squares of 4×4 pixels as 48 channels, channel `(4 · y + x) · 3 + c` being
    /// channel `c` of row `y`, column `x` (ONNX's `SpaceToDepth`, and the paper's stem), then a convolution of 3×3.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`] for a weight beyond the graph's precision.
    pub fn stem(
        &mut self,
        scope: &str,
        image: &Image<'_>,
        kernel: &Kernel,
        activation: Activation,
    ) -> Result<Map, ModelError> {
        let pixels = self.image(image)?;
        let side = image.size / BLOCK;
        match self.form.stem {
            Stem::SpaceToDepth => {
                let map = Map { name: pixels, channels: 3, height: image.size, width: image.size };
                let squares = self.space_to_depth("stem", &map);
                self.conv(scope, &squares, kernel, 1, activation)
            }
            Stem::Packed => {
                let order = integer_list("perm", &[0, 3, 1, 2]);
                let name = self.node("Transpose", "stem".to_owned(), &[&pixels], vec![order]);
                let squares = Map { name, channels: 3 * BLOCK * BLOCK, height: side, width: side };
                self.conv(scope, &squares, kernel, 1, activation)
            }
            Stem::Strided => {
                let kernel = unfolded(kernel);
                let kernel = kernel.filled(3, self.form.channel_multiple);
                let attributes = vec![
                    integer_list("kernel_shape", &[kernel.size as i64; 2]),
                    integer_list("strides", &[BLOCK as i64; 2]),
                    integer_list("pads", &[BLOCK as i64; 4]),
                ];
                let name = self.convolution(scope, &pixels, &kernel, attributes)?;
                let name = self.activate(scope, name, activation);
                Ok(Map { name, channels: kernel.outputs, height: side, width: side })
            }
        }
    }

    /// Adds ResNet's stem, for comparison: a convolution of 7×7 and stride 2, then a maximum over 3×3 of stride 2.
    /// Pixels come planar, whatever the form is.
    ///
    /// # Errors
    ///
    /// As [`stem`](Self::stem).
    pub fn stem_of_resnet(
        &mut self,
        scope: &str,
        image: &Image<'_>,
        kernel: &Kernel,
        activation: Activation,
    ) -> Result<Map, ModelError> {
        self.form.stem = Stem::SpaceToDepth;
        let name = self.image(image)?;
        let pixels = Map { name, channels: 3, height: image.size, width: image.size };
        let map = self.conv(scope, &pixels, kernel, 2, activation)?;
        let attributes = vec![
            integer_list("kernel_shape", &[3, 3]),
            integer_list("strides", &[2, 2]),
            integer_list("pads", &[1, 1, 1, 1]),
        ];
        let name = self.node("MaxPool", format!("{scope}.pool"), &[&map.name], attributes);
        Ok(Map { name, height: map.height.div_ceil(2), width: map.width.div_ceil(2), ..map })
    }

    /// `[c, h, w]` to `[16 c, h/4, w/4]`: ONNX's `SpaceToDepth`. Sides must divide by four.
    pub fn space_to_depth(&mut self, scope: &str, map: &Map) -> Map {
        debug_assert!(map.height.is_multiple_of(BLOCK) && map.width.is_multiple_of(BLOCK));
        let block = integer("blocksize", BLOCK as i64);
        Map {
            name: self.node("SpaceToDepth", scope.to_owned(), &[&map.name], vec![block]),
            channels: map.channels * BLOCK * BLOCK,
            height: map.height / BLOCK,
            width: map.width / BLOCK,
        }
    }

    /// Declares the input and gives the name of its normalised pixels.
    pub(super) fn image(&mut self, image: &Image<'_>) -> Result<String, ModelError> {
        let side = image.size / BLOCK;
        let is_packed = self.form.stem == Stem::Packed;
        let axes = if is_packed { [side, side, 3 * BLOCK * BLOCK] } else { [3, image.size, image.size] };
        match self.form.pixels {
            Pixels::Normalised => {
                self.declare(image.name, element_of(self.precision), &axes);
                Ok(image.name.to_owned())
            }
            Pixels::Bytes => {
                self.declare(image.name, element::UINT8, &axes);
                self.normalised(image, is_packed)
            }
        }
    }

    /// `(v / 255 − mean) / std` in f32, then one rounding to the graph's precision: the elements that a worker would
    /// have written.
    fn normalised(&mut self, image: &Image<'_>, is_packed: bool) -> Result<String, ModelError> {
        let mut value = self.cast("pixels".to_owned(), image.name, element::FLOAT);
        let steps: [(&str, &str, [f64; 3], f64); 3] = [
            ("pixels.unit", "Div", [255.0; 3], 1.0),
            ("pixels.centred", "Sub", image.mean, 0.0),
            ("pixels.scaled", "Div", image.std, 1.0),
        ];
        for (name, operator, channels, neutral) in steps {
            if channels == [neutral; 3] {
                continue;
            }
            let (axes, repeats) = if is_packed { (vec![48], 16) } else { (vec![1, 3, 1, 1], 1) };
            let constant =
                self.weights(format!("{name}.by"), &axes, Precision::Fp32, &channels.repeat(repeats))?;
            value = self.node(operator, name.to_owned(), &[&value, &constant], vec![]);
        }
        Ok(match self.precision {
            Precision::Fp32 | Precision::Int8 => value,
            Precision::Fp16 => self.cast("pixels.half".to_owned(), &value, element::FLOAT16),
        })
    }
}

/// The stem's convolution on squares, `[outputs, 48, 3, 3]`, as one on pixels, `[outputs, 3, 12, 12]`.
fn unfolded(kernel: &Kernel) -> Kernel {
    let (channels, size) = (kernel.inputs / (BLOCK * BLOCK), kernel.size * BLOCK);
    let mut weight = vec![0.0; kernel.weight.len()];
    for output in 0..kernel.outputs {
        for channel in 0..channels {
            for row in 0..size {
                for column in 0..size {
                    let input = (row % BLOCK * BLOCK + column % BLOCK) * channels + channel;
                    let from = ((output * kernel.inputs + input) * kernel.size + row / BLOCK) * kernel.size
                        + column / BLOCK;
                    weight[((output * channels + channel) * size + row) * size + column] =
                        kernel.weight[from];
                }
            }
        }
    }
    Kernel { outputs: kernel.outputs, inputs: channels, size, weight, bias: kernel.bias.clone() }
}
