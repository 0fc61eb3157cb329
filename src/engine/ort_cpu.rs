//! ONNX Runtime's CPU provider as an [`Engine`].

use std::sync::Arc;

use half::f16;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Shape, Tensor, TensorRefMut};

use crate::tensor::Dtype;

use super::contract::Submission;
use super::session::{GraphFiles, GraphNames, describe};
use super::{Engine, EngineError, EngineSpec, Failed, Outputs, Runtime, Slot};

/// How a CPU session is set up. A run uses the defaults; the switches exist so that a measurement can show the gain of
/// each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrtOptions {
    /// Threads of one operator; 0 leaves it to ONNX Runtime.
    pub threads: usize,
    /// Let threads that wait for work spin: they answer sooner, and take the cores from the decoders meanwhile.
    pub spinning: bool,
    /// Keep freed memory in an arena; default true.
    pub arena: bool,
    /// Plan the memory of a batch as one block once its shape has been seen; default true.
    pub memory_pattern: bool,
    /// Run by ONNX Runtime's I/O binding, which copies the input; default false: the workers' own memory is read.
    pub io_binding: bool,
    /// Let ONNX Runtime fold batch norm into convolutions, where a graph still has it; default true.
    pub fold_batch_norm: bool,
}

impl Default for OrtOptions {
    fn default() -> OrtOptions {
        OrtOptions {
            threads: 0,
            spinning: false,
            arena: true,
            memory_pattern: true,
            io_binding: false,
            fold_batch_norm: true,
        }
    }
}

/// The optimiser's passes that make a batch norm vanish.
const BATCH_NORM_PASSES: &str = "ConvBNFusion";

/// One session on the CPU. Computes in `submit`.
pub struct OrtCpu {
    session: Session,
    spec: EngineSpec,
    names: GraphNames,
    io_binding: bool,
    // ONNX Runtime may read weights where they are
    _weights: Vec<(String, Arc<[u8]>)>,
    done: Option<(Slot, Outputs, Result<(), EngineError>)>,
}

impl OrtCpu {
    /// Loads a graph.
    ///
    /// # Errors
    /// [`EngineError::Model`] where the graph has other inputs or outputs.
    pub fn load<'a>(
        runtime: &Runtime,
        graph: impl Into<GraphFiles<'a>>,
        names: GraphNames,
        options: OrtOptions,
    ) -> Result<OrtCpu, EngineError> {
        let load = |error: ort::Error| EngineError::Load(error.to_string());
        let set = |error: ort::Error<_>| EngineError::Load(error.to_string());
        let cpu = ort::ep::CPU::default().with_arena_allocator(options.arena).build().error_on_failure();
        let mut builder = Session::builder(&runtime.environment)
            .map_err(load)?
            .with_execution_providers([cpu])
            .map_err(set)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(set)?
            .with_intra_op_spinning(options.spinning)
            .map_err(set)?
            .with_intra_threads(options.threads)
            .map_err(set)?
            .with_memory_pattern(options.memory_pattern)
            .map_err(set)?;
        if !options.fold_batch_norm {
            builder = builder.with_disabled_optimizers(BATCH_NORM_PASSES).map_err(set)?;
        }
        for name in &names.free.side_names {
            let Some(side) = names.free.side else { continue };
            builder = builder.with_dimension_override(name, side as i64).map_err(set)?;
        }
        let graph = graph.into();
        let session = graph.commit(builder)?;
        let spec = describe(&session, &names)?;
        let weights = graph.weights.to_vec();
        Ok(OrtCpu { session, spec, names, io_binding: options.io_binding, _weights: weights, done: None })
    }

    fn run(&mut self, slot: &mut Slot, outputs: &mut Outputs, rows: usize) -> Result<(), EngineError> {
        match self.spec.dtype {
            Dtype::F32 => self.run_typed::<f32>(slot, outputs, rows),
            Dtype::F16 => self.run_typed::<f16>(slot, outputs, rows),
            Dtype::U8 => self.run_typed::<u8>(slot, outputs, rows),
        }
    }

    fn run_typed<T>(&mut self, slot: &mut Slot, outputs: &mut Outputs, rows: usize) -> Result<(), EngineError>
    where
        T: ort::value::PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static,
    {
        let failed = |error: ort::Error| EngineError::Run(error.to_string());
        let EngineSpec { classes, dim, .. } = self.spec;
        let shape = Shape::new(self.spec.input_shape(rows));
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
            .map_err(failed)?;
        let data = slot.bytes(rows).as_mut_ptr();
        // SAFETY: the slot holds `rows` rows of this type and shape, initialised, and is borrowed exclusively
        // until the session has run.
        let input = unsafe { TensorRefMut::<T>::from_raw(memory, data.cast(), shape) }.map_err(failed)?;
        let mut binding;
        let results = if self.io_binding {
            binding = self.session.create_binding().map_err(failed)?;
            // what ONNX Runtime does not own would be copied by a session of `ort`'s own, which was seen to hang
            let mut owned =
                Tensor::<T>::new(&Allocator::default(), self.spec.input_shape(rows)).map_err(failed)?;
            owned.extract_tensor_mut().1.clone_from_slice(input.extract_tensor().1);
            binding.bind_input(self.names.input.as_str(), &owned).map_err(failed)?;
            let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
                .map_err(failed)?;
            for name in self.names.outputs() {
                binding.bind_output_to_device(name.as_str(), &host).map_err(failed)?;
            }
            self.session.run_binding(&binding).map_err(failed)?
        } else {
            self.session.run(ort::inputs![self.names.input.as_str() => input]).map_err(failed)?
        };
        let logits = self.names.logits.as_ref().map(|name| (name, classes, &mut outputs.logits));
        let embedding = self.names.embedding.as_ref().map(|name| (name, dim, &mut outputs.embedding));
        for (name, width, target) in logits.into_iter().chain(embedding) {
            let (shape, values) = results[name.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
            if shape[..] != [rows as i64, width as i64] {
                return Err(EngineError::Model(format!(
                    "returns `{name}` as {shape:?} for {rows} images instead of [{rows}, {width}]; export it for any batch, \
                     or name another tensor by `model.logits` or `model.embedding`"
                )));
            }
            target[..values.len()].copy_from_slice(values);
        }
        Ok(())
    }
}

impl Engine for OrtCpu {
    fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    fn repeats(&self) -> bool {
        true
    }

    fn provider(&self) -> &str {
        "cpu"
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        Ok((Slot::on_heap(&self.spec, capacity), Outputs::new(&self.spec, capacity)))
    }

    fn submit(&mut self, mut slot: Slot, mut outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        let computed = self.spec.fixed_batch.unwrap_or(rows);
        let submission = Submission { slot: &slot, outputs: &outputs, rows, computed };
        if let Some(why) = submission.refusal(&self.spec, usize::from(self.done.is_some())) {
            return Err(Box::new(Failed { slot, outputs, error: EngineError::Run(why) }));
        }
        let result = self.run(&mut slot, &mut outputs, computed);
        self.done = Some((slot, outputs, result));
        Ok(())
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        self.done.take()
    }
}
