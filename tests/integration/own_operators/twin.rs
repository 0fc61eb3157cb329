//! The operators of the domain `tresnet` on the CPU, and, for CUDA, operators that compute nothing but have the shapes.

use std::io::Write;

use half::f16;
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynTensorValueType, Shape, TensorElementType, ValueType};

use super::arithmetic::{Axes, Convolution, activated_mean, gated, leaky, leaky_blur, squeeze_excite};

/// Where an operator runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Cpu,
    /// Nothing is computed; values are whatever was in memory.
    NothingOnCuda,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Conv,
    LeakyBlur,
    ActivatedMean,
    SqueezeExcite,
    Gate,
    GateAddRelu,
}

/// Adds a line to the recording libraries' trace.
fn record(kind: Kind) -> ort::Result<()> {
    let Some(file) = std::env::var_os("CUDA_TRACE_FILE") else { return Ok(()) };
    let line = format!("0 own operator={kind:?}\n");
    let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| ort::Error::new(error.to_string()))
}

/// All operators for maps of `element`.
pub fn domain(element: TensorElementType, place: Place) -> ort::Result<OperatorDomain> {
    let kinds = [
        Kind::Conv,
        Kind::LeakyBlur,
        Kind::ActivatedMean,
        Kind::SqueezeExcite,
        Kind::Gate,
        Kind::GateAddRelu,
    ];
    kinds.into_iter().try_fold(OperatorDomain::new("tresnet")?, |domain, kind| {
        domain.add(Twin { name: format!("{kind:?}"), kind, element, place })
    })
}

struct Twin {
    name: String,
    kind: Kind,
    element: TensorElementType,
    place: Place,
}

struct TwinKernel {
    kind: Kind,
    element: TensorElementType,
    place: Place,
    stride: usize,
    activation: String,
    slope: f32,
}

impl Operator for Twin {
    type Kernel<'attr> = TwinKernel;

    fn name(&self) -> &str {
        &self.name
    }

    fn execution_provider_type(&self) -> Option<&str> {
        match self.place {
            Place::Cpu => None,
            Place::NothingOnCuda => Some("CUDAExecutionProvider"),
        }
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let map = || OperatorInput::required(self.element);
        let single = || OperatorInput::required(TensorElementType::Float32);
        match self.kind {
            Kind::Conv => vec![map(), map(), map(), OperatorInput::optional(self.element)],
            Kind::LeakyBlur | Kind::ActivatedMean => vec![map()],
            Kind::SqueezeExcite => vec![single(), map(), map(), map(), map()],
            Kind::Gate => vec![map(), single()],
            Kind::GateAddRelu => vec![map(), single(), map()],
        }
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(output_element(self.kind, self.element))]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        Ok(TwinKernel {
            kind: self.kind,
            element: self.element,
            place: self.place,
            stride: context.get::<i64>("stride").map_or(1, |stride| stride as usize),
            activation: context.get::<String>("activation").unwrap_or_default(),
            slope: context.get::<f32>("slope").unwrap_or(1.0),
        })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = context.inputs();
        let ValueType::Tensor { shape, dimension_symbols, .. } = &inputs[0] else {
            return Err(ort::Error::new("the first input is no tensor"));
        };
        let filters = match inputs.get(1) {
            Some(ValueType::Tensor { shape, .. }) if self.kind == Kind::Conv => shape[0],
            _ => shape[3],
        };
        let stride = match self.kind {
            Kind::Conv => context.attr::<i64>("stride")?,
            _ => 1,
        };
        let half = |side: i64| (side + 1) / 2;
        let axes = match self.kind {
            Kind::Conv => {
                [shape[0], (shape[1] + stride - 1) / stride, (shape[2] + stride - 1) / stride, filters]
            }
            Kind::LeakyBlur => [shape[0], half(shape[1]), half(shape[2]), shape[3]],
            Kind::ActivatedMean | Kind::SqueezeExcite => [shape[0], 1, 1, shape[3]],
            Kind::Gate | Kind::GateAddRelu => [shape[0], shape[1], shape[2], shape[3]],
        };
        let ty = output_element(self.kind, self.element);
        let dimension_symbols = dimension_symbols.clone();
        context.set_output(0, &ValueType::Tensor { ty, shape: Shape::new(axes), dimension_symbols })
    }
}

fn output_element(kind: Kind, element: TensorElementType) -> TensorElementType {
    match kind {
        Kind::ActivatedMean | Kind::SqueezeExcite => TensorElementType::Float32,
        _ => element,
    }
}

impl Kernel for TwinKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let axes = axes_of(context, 0)?;
        if self.place == Place::NothingOnCuda {
            let to = match self.kind {
                Kind::Conv => Axes { c: axes_of(context, 1)?.n, ..strided(axes, self.stride) },
                Kind::LeakyBlur => strided(axes, 2),
                Kind::ActivatedMean | Kind::SqueezeExcite => Axes { h: 1, w: 1, ..axes },
                Kind::Gate | Kind::GateAddRelu => axes,
            };
            record(self.kind)?;
            return context.output(0, shape(to)).map(drop);
        }
        let (values, to) = self.values(context, axes)?;
        let mut output = context.output(0, shape(to))?.ok_or_else(|| ort::Error::new("no output"))?;
        match output_element(self.kind, self.element) {
            TensorElementType::Float16 => {
                let (_, places) = output.try_extract_tensor_mut::<f16>()?;
                for (place, value) in places.iter_mut().zip(values) {
                    *place = f16::from_f32(value);
                }
            }
            _ => output.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(&values),
        }
        Ok(())
    }
}

impl TwinKernel {
    fn values(&self, context: &ComputeContext, axes: Axes) -> ort::Result<(Vec<f32>, Axes)> {
        let read = |at: usize| read(context, at);
        let x = read(0)?;
        Ok(match self.kind {
            Kind::Conv => {
                let (weight, bias) = (read(1)?, read(2)?);
                let has_sum = context.num_inputs()? > 3 && context.input(3)?.is_some();
                let sum = if has_sum { Some(read(3)?) } else { None };
                let convolution = Convolution {
                    weight: &weight,
                    bias: &bias,
                    sum: sum.as_deref(),
                    size: axes_of(context, 1)?.h,
                    stride: self.stride,
                    activation: &self.activation,
                    slope: self.slope,
                };
                convolution.of(&x, axes)
            }
            Kind::LeakyBlur => leaky_blur(&x, axes, self.slope),
            Kind::ActivatedMean => (activated_mean(&x, axes, self.slope), Axes { h: 1, w: 1, ..axes }),
            Kind::SqueezeExcite => {
                let (w1, b1, w2, b2) = (read(1)?, read(2)?, read(3)?, read(4)?);
                (squeeze_excite(&x, [(&w1, &b1), (&w2, &b2)], axes.c), axes)
            }
            Kind::Gate => {
                (gated(&x, axes, &read(1)?, |_, value, gate| leaky(value, self.slope) * gate), axes)
            }
            Kind::GateAddRelu => {
                let z = read(2)?;
                (gated(&x, axes, &read(1)?, |at, value, gate| (value * gate + z[at]).max(0.0)), axes)
            }
        })
    }
}

fn strided(axes: Axes, stride: usize) -> Axes {
    Axes { h: axes.h.div_ceil(stride), w: axes.w.div_ceil(stride), ..axes }
}

fn shape(axes: Axes) -> Shape {
    Shape::new([axes.n, axes.h, axes.w, axes.c].map(|axis| axis as i64))
}

fn axes_of(context: &ComputeContext, at: usize) -> ort::Result<Axes> {
    let value = context.input(at)?.ok_or_else(|| ort::Error::new(format!("no input {at}")))?;
    let value = value.downcast::<DynTensorValueType>()?;
    let [n, h, w, c] = value.shape()[..] else {
        return Err(ort::Error::new(format!("input {at} is {:?}", value.shape())));
    };
    let [n, h, w, c] = [n, h, w, c].map(|axis| axis as usize);
    Ok(Axes { n, h, w, c })
}

/// An input in single precision.
fn read(context: &ComputeContext, at: usize) -> ort::Result<Vec<f32>> {
    let value = context.input(at)?.ok_or_else(|| ort::Error::new(format!("no input {at}")))?;
    match value.try_extract_tensor::<f32>() {
        Ok((_, values)) => Ok(values.to_vec()),
        Err(_) => {
            let (_, values) = value.try_extract_tensor::<f16>()?;
            Ok(values.iter().map(|value| value.to_f32()).collect())
        }
    }
}
