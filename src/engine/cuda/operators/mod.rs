//! Operators of the domain `tresnet` on CUDA: maps are `[n, h, w, c]` in half precision, the kernels are in `kernels`.

mod launch;
mod module;

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynTensorValueType, Shape, TensorElementType, ValueType};

use crate::engine::EngineError;
use crate::engine::driver::{Context, Refusal};

use super::options::Operators;
use launch::Axes;
use module::{Function, Module};

const DOMAIN: &str = "tresnet";

/// Whether a device has operators of our own.
#[derive(Debug, Clone)]
pub enum OwnOperators {
    /// They are loaded.
    Ready(Operators),
    /// There are no kernels for the device; stock operators compute the network there.
    NoKernels {
        /// The device's architecture, `sm_75` for example.
        architecture: String,
    },
}

/// Loads the kernels for a device. The operators keep them until the session and the returned value are dropped.
///
/// # Errors
/// [`EngineError::NoDevice`] if no device of that number answers, [`EngineError::Load`] if the driver refuses the kernels.
pub fn own_operators(device_id: i32) -> Result<OwnOperators, EngineError> {
    let load = |refusal: Refusal| EngineError::Load(format!("our kernels were not loaded: {refusal}"));
    let context = Context::open(device_id)?;
    let Some(module) = Module::load(&context).map_err(load)? else {
        let (major, minor) = context.capability().map_err(load)?;
        return Ok(OwnOperators::NoKernels { architecture: format!("sm_{major}{minor}") });
    };
    Ok(OwnOperators::Ready(Operators::new(move || domain(&module))))
}

fn domain(module: &Arc<Module>) -> ort::Result<OperatorDomain> {
    Kind::ALL.into_iter().try_fold(OperatorDomain::new(DOMAIN)?, |domain, kind| {
        domain.add(Own { kind, module: module.clone() })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LeakyBlur,
    ActivatedMean,
    SqueezeExcite,
    Gate,
    GateAddRelu,
}

impl Kind {
    const ALL: [Kind; 5] =
        [Kind::LeakyBlur, Kind::ActivatedMean, Kind::SqueezeExcite, Kind::Gate, Kind::GateAddRelu];

    fn name(self) -> &'static str {
        match self {
            Kind::LeakyBlur => "LeakyBlur",
            Kind::ActivatedMean => "ActivatedMean",
            Kind::SqueezeExcite => "SqueezeExcite",
            Kind::Gate => "Gate",
            Kind::GateAddRelu => "GateAddRelu",
        }
    }

    fn kernel(self) -> &'static CStr {
        match self {
            Kind::LeakyBlur => c"leaky_blur",
            Kind::ActivatedMean => c"activated_mean",
            Kind::SqueezeExcite => c"squeeze_excite",
            Kind::Gate => c"gate",
            Kind::GateAddRelu => c"gate_add_relu",
        }
    }

    fn output(self) -> TensorElementType {
        match self {
            Kind::ActivatedMean | Kind::SqueezeExcite => TensorElementType::Float32,
            _ => TensorElementType::Float16,
        }
    }

    /// Returns the axes of the output for those of the first input; axes that are not known stay so.
    fn output_axes(self, [images, height, width, channels]: [i64; 4]) -> [i64; 4] {
        let half = |side: i64| if side < 0 { side } else { (side + 1) / 2 };
        match self {
            Kind::LeakyBlur => [images, half(height), half(width), channels],
            Kind::ActivatedMean | Kind::SqueezeExcite => [images, 1, 1, channels],
            Kind::Gate | Kind::GateAddRelu => [images, height, width, channels],
        }
    }
}

struct Own {
    kind: Kind,
    module: Arc<Module>,
}

impl Operator for Own {
    type Kernel<'attr> = OwnKernel;

    fn name(&self) -> &str {
        self.kind.name()
    }

    fn execution_provider_type(&self) -> Option<&str> {
        Some("CUDAExecutionProvider")
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let map = || OperatorInput::required(TensorElementType::Float16);
        let single = || OperatorInput::required(TensorElementType::Float32);
        match self.kind {
            Kind::LeakyBlur | Kind::ActivatedMean => vec![map()],
            Kind::SqueezeExcite => vec![single(), map(), map(), map(), map()],
            Kind::Gate => vec![map(), single()],
            Kind::GateAddRelu => vec![map(), single(), map()],
        }
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(self.kind.output())]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<OwnKernel> {
        let function = self.module.function(self.kind.kernel());
        let function = function.map_err(|refusal| failed(self.kind, &refusal.to_string()))?;
        let slope = context.get::<f32>("slope").unwrap_or(1.0);
        Ok(OwnKernel { kind: self.kind, function, slope })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = context.inputs();
        let Some(ValueType::Tensor { shape, dimension_symbols, .. }) = inputs.first() else {
            return Err(failed(self.kind, "its first input is no tensor"));
        };
        let Ok(axes) = <[i64; 4]>::try_from(&shape[..]) else {
            return Err(failed(self.kind, &format!("its first input has axes {shape:?}, not [n, h, w, c]")));
        };
        let output = ValueType::Tensor {
            ty: self.kind.output(),
            shape: Shape::new(self.kind.output_axes(axes)),
            dimension_symbols: dimension_symbols.clone(),
        };
        context.set_output(0, &output)
    }
}

struct OwnKernel {
    kind: Kind,
    function: Function,
    slope: f32,
}

impl Kernel for OwnKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        // a panic must not unwind into ONNX Runtime
        catch_unwind(AssertUnwindSafe(|| self.launch(context)))
            .unwrap_or_else(|_| Err(failed(self.kind, "it panicked; please report this")))
    }
}

/// An input on the device.
struct Input {
    shape: Vec<i64>,
    address: u64,
}

impl OwnKernel {
    fn input(&self, context: &ComputeContext, at: usize) -> ort::Result<Input> {
        let value = context.input(at)?.ok_or_else(|| failed(self.kind, &format!("input {at} is missing")))?;
        let value = value.downcast::<DynTensorValueType>()?;
        Ok(Input { shape: value.shape().to_vec(), address: value.data_ptr() as u64 })
    }

    /// Reads an input that must have these axes.
    fn input_of(&self, context: &ComputeContext, at: usize, shape: &[i64]) -> ort::Result<u64> {
        let input = self.input(context, at)?;
        if input.shape != shape {
            let found = &input.shape;
            return Err(failed(self.kind, &format!("input {at} is {found:?}, and {shape:?} is expected")));
        }
        Ok(input.address)
    }

    /// Queues the kernel on ONNX Runtime's stream: nothing here allocates on the device or waits for it.
    fn launch(&self, context: &ComputeContext) -> ort::Result<()> {
        let wrong = |why: String| failed(self.kind, &why);
        let x = self.input(context, 0)?;
        let axes = Axes::of(&x.shape).map_err(wrong)?;
        let squeezed = axes.squeezed().to_shape();
        let output = match self.kind {
            Kind::LeakyBlur => axes.halved().to_shape(),
            Kind::ActivatedMean | Kind::SqueezeExcite => squeezed,
            Kind::Gate | Kind::GateAddRelu => axes.to_shape(),
        };
        let y = context.output(0, output.to_vec())?.ok_or_else(|| wrong("no output".into()))?;
        let y = y.downcast::<DynTensorValueType>()?.data_ptr() as u64;
        let slope = u64::from(self.slope.to_bits());
        let number = |value: i64| value as u64;
        let (images, octets) = (number(axes.images), number(axes.octets()));
        let (grid, mut arguments) = match self.kind {
            Kind::LeakyBlur => {
                let (height, width) = (number(axes.height), number(axes.width));
                (axes.blur(), vec![x.address, y, images, height, width, octets, slope])
            }
            Kind::ActivatedMean => {
                let pixels = number(axes.height * axes.width);
                (axes.mean(), vec![x.address, y, images, pixels, octets, slope])
            }
            Kind::SqueezeExcite => {
                let w1 = self.input(context, 1)?;
                let hidden = w1.shape.first().copied().unwrap_or_default();
                let grid = axes.excite(hidden).map_err(wrong)?;
                self.input_of(context, 0, &squeezed)?;
                let w1 = self.input_of(context, 1, &[hidden, axes.channels])?;
                let b1 = self.input_of(context, 2, &[hidden])?;
                let w2 = self.input_of(context, 3, &[axes.channels, hidden])?;
                let b2 = self.input_of(context, 4, &[axes.channels])?;
                let (channels, hidden) = (number(axes.channels), number(hidden));
                (grid, vec![x.address, w1, b1, w2, b2, y, images, channels, hidden])
            }
            Kind::Gate => {
                let gates = self.input_of(context, 1, &squeezed)?;
                (axes.gate(), vec![x.address, gates, y, images, number(axes.area()), octets, slope])
            }
            Kind::GateAddRelu => {
                let gates = self.input_of(context, 1, &squeezed)?;
                let z = self.input_of(context, 2, &axes.to_shape())?;
                (axes.gate(), vec![x.address, gates, z, y, images, number(axes.area()), octets])
            }
        };
        let stream =
            context.stream()?.map_or(std::ptr::null_mut(), |stream| stream.as_ptr().cast::<c_void>());
        // SAFETY: the arguments are in the kernel's order, and their shapes were checked; ONNX Runtime keeps inputs and
        // output until the work that is queued on its stream has ended.
        let launched = unsafe { self.function.launch(grid, stream, &mut arguments) };
        launched.map_err(|refusal| wrong(refusal.to_string()))
    }
}

fn failed(kind: Kind, why: &str) -> ort::Error {
    ort::Error::new(format!("the operator `{DOMAIN}.{}` failed: {why}", kind.name()))
}
