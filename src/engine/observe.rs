//! A session that shows what its maps hold, for measuring ranges. Slower than an engine, and never one.

use half::f16;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::{Shape, TensorRefMut};

use crate::tensor::Dtype;

use super::{EngineError, EngineSpec, Runtime, Slot};

/// A graph whose maps are outputs.
pub struct Observer {
    session: Session,
    input: String,
    names: Vec<String>,
}

impl Observer {
    /// Loads a graph; `names` are the f32 outputs that are looked at.
    ///
    /// # Errors
    /// [`EngineError::Load`] where ONNX Runtime does not take the graph.
    pub fn load(
        runtime: &Runtime,
        graph: &[u8],
        input: String,
        names: Vec<String>,
        threads: usize,
    ) -> Result<Observer, EngineError> {
        let load = |error: &dyn std::fmt::Display| EngineError::Load(error.to_string());
        let mut builder = Session::builder(&runtime.environment)
            .map_err(|error| load(&error))?
            .with_intra_op_spinning(false)
            .map_err(|error| load(&error))?
            .with_intra_threads(threads)
            .map_err(|error| load(&error))?;
        let session = builder.commit_from_memory(graph).map_err(|error| load(&error))?;
        Ok(Observer { session, input, names })
    }

    /// Runs the first `rows` rows of a slot of an engine with this spec, and shows each output's name and numbers, rows
    /// first.
    ///
    /// # Errors
    /// [`EngineError::Run`].
    pub fn run(
        &mut self,
        spec: &EngineSpec,
        slot: &mut Slot,
        rows: usize,
        show: &mut dyn FnMut(&str, &[f32]),
    ) -> Result<(), EngineError> {
        match spec.dtype {
            Dtype::F32 => self.run_typed::<f32>(spec, slot, rows, show),
            Dtype::F16 => self.run_typed::<f16>(spec, slot, rows, show),
            Dtype::U8 => self.run_typed::<u8>(spec, slot, rows, show),
        }
    }

    fn run_typed<T>(
        &mut self,
        spec: &EngineSpec,
        slot: &mut Slot,
        rows: usize,
        show: &mut dyn FnMut(&str, &[f32]),
    ) -> Result<(), EngineError>
    where
        T: ort::value::PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static,
    {
        let failed = |error: ort::Error| EngineError::Run(error.to_string());
        let shape = Shape::new(spec.input_shape(rows));
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
            .map_err(failed)?;
        let bytes = slot.bytes(rows);
        if bytes.len() != rows * spec.row_bytes() {
            return Err(EngineError::Run(format!(
                "the slot has no {rows} rows of {} bytes",
                spec.row_bytes()
            )));
        }
        // SAFETY: the bytes are `rows` rows of this type and shape (their length was just checked, and a slot is
        // aligned for any of its types), initialised, and borrowed exclusively until the session has run.
        let input = unsafe { TensorRefMut::<T>::from_raw(memory, bytes.as_mut_ptr().cast(), shape) };
        let input = input.map_err(failed)?;
        let results = self.session.run(ort::inputs![self.input.as_str() => input]).map_err(failed)?;
        for name in &self.names {
            let Some(result) = results.get(name.as_str()) else {
                return Err(EngineError::Model(format!("gives no `{name}`")));
            };
            let (_, values) = result.try_extract_tensor::<f32>().map_err(failed)?;
            show(name, values);
        }
        Ok(())
    }
}
