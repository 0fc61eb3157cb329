//! The contract of `engine::Engine`, for every provider. `cuda_path` checks the CUDA engine, on the recording
//! libraries.

use tresnet_batch::engine::{
    Engine, EngineSpec, GraphNames, NoiseEngine, OrtCpu, OrtOptions, Outputs, Runtime, Slot,
};
use tresnet_batch::job::LoadedModel;
use tresnet_batch::model::{Form, Metadata, Precision};

use crate::support::root;

/// A batch that must be refused comes back with its memory, and leaves the engine as it was.
#[track_caller]
fn refuses(engine: &mut dyn Engine, slot: Slot, outputs: Outputs, rows: usize, words: &str) {
    let capacity = slot.capacity();
    let failed = engine.submit(slot, outputs, rows).unwrap_err();
    assert!(failed.error.to_string().contains(words), "{}", failed.error);
    assert_eq!(failed.slot.capacity(), capacity);
}

pub fn keeps_the_contract(engine: &mut dyn Engine) {
    let spec = engine.spec().clone();
    assert!(engine.finish().is_none(), "nothing is in flight");
    let mut batch = |rows| engine.allocate(rows).unwrap();
    let [(small, small_outputs), (third, outputs)] = [batch(2), batch(4)];
    let batches: Vec<(Slot, Outputs)> = (0..spec.depth).map(|_| batch(4)).collect();
    let (again, again_outputs) = batch(4);
    let narrow = Slot::on_heap(&EngineSpec { width: spec.width - 1, ..spec.clone() }, 4);
    refuses(engine, small, small_outputs.clone(), 3, "3 rows of a slot of 2");
    refuses(engine, third, small_outputs.clone(), 4, "no room for the outputs of 4 rows");
    refuses(engine, narrow, outputs, 4, "bytes for an input of");
    let (empty, empty_outputs) = engine.allocate(4).unwrap();
    refuses(engine, empty, empty_outputs, 0, "0 rows");
    assert!(engine.finish().is_none(), "a refused batch is not in flight");
    for (slot, outputs) in batches {
        engine.submit(slot, outputs, 4).unwrap();
    }
    refuses(engine, again, again_outputs, 4, "in flight already");
    for _ in 0..spec.depth {
        let (slot, outputs, result) = engine.finish().unwrap();
        result.unwrap();
        assert_eq!((slot.capacity(), outputs.logits.len()), (4, 4 * spec.classes));
        assert!(outputs.logits.iter().all(|value| value.is_finite()));
    }
    assert!(engine.finish().is_none());
    if engine.repeats() {
        assert_eq!(spec.depth, 1, "what is run again must be all that is in flight");
    }
}

#[test]
fn onnx_runtime_on_a_cpu_keeps_the_contract() {
    let model = LoadedModel::read(&root().join("models/demo/model.safetensors"), None).unwrap();
    let metadata = Metadata::default();
    let graph = model.graph(Precision::Fp32, 64, Form::FOR_CPU, &metadata).unwrap();
    let runtime = Runtime::load(None).unwrap();
    let names: GraphNames = model.names();
    let mut engine = OrtCpu::load(&runtime, &graph, names, OrtOptions::default()).unwrap();
    keeps_the_contract(&mut engine);
}

#[test]
fn the_engine_that_computes_nothing_keeps_the_contract() {
    use tresnet_batch::tensor::{Dtype, Layout};
    let spec = EngineSpec {
        dtype: Dtype::F32,
        layout: Layout::Nchw,
        channels: 3,
        height: 8,
        width: 8,
        classes: 5,
        dim: 3,
        fixed_batch: None,
        depth: 1,
    };
    keeps_the_contract(&mut NoiseEngine::new(spec, 7));
}
