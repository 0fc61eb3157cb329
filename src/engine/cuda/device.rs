//! The session with its lanes and streams. Made, used and dropped on one thread.

use std::sync::Arc;

use ort::ep;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{DynTensor, Shape, Tensor, TensorElementType, TensorRefMut};

use crate::engine::session::{FreeAxes, GraphFiles, describe};
use crate::engine::slot::HostMemory;
use crate::engine::{EngineError, EngineSpec, GraphNames, Runtime};
use crate::tensor::Dtype;

use crate::engine::driver::{Address, Context, Event, Refusal, Stream};

use super::memory::{host_memory, refused, too_large};
use super::options::{ConvSearch, CudaOptions, Operators};

/// The name that our graphs give the free axis.
const BATCH: &str = "batch";
/// Floats to which the second output is aligned in its block: 256 bytes, as every allocation of the device is.
const ALIGNED: usize = 64;

/// What a session is made from.
pub(super) struct Setup {
    pub runtime: Runtime,
    pub graph: Vec<u8>,
    pub weights: Vec<(String, Arc<[u8]>)>,
    pub names: GraphNames,
    pub batch: usize,
    pub options: CudaOptions,
    pub context: Arc<Context>,
}

/// What the holder needs to know of a session.
pub(super) struct Ready {
    pub spec: EngineSpec,
    pub results: Vec<Arc<HostMemory>>,
    pub embedding_at: usize,
}

/// The rows of a batch on the host.
pub(super) struct Source {
    pub pointer: *const u8,
    pub bytes: usize,
}

// SAFETY: an address of memory that its sender keeps and leaves alone until the batch has ended.
unsafe impl Send for Source {}

/// What one batch in flight needs.
struct Lane {
    binding: IoBinding,
    options: RunOptions<NoSelectedOutputs>,
    input: Address,
    output: Address,
    output_bytes: usize,
    /// Where the results arrive on the host.
    results: Arc<HostMemory>,
    copied: Event,
    computed: Event,
    done: Event,
    // what the binding points into
    _input: DynTensor,
    _output: Tensor<f32>,
}

struct Streams {
    compute: Stream,
    /// In and out, where they are not the compute stream.
    copies: Option<(Stream, Stream)>,
}

impl Streams {
    fn copy_in(&self) -> &Stream {
        self.copies.as_ref().map_or(&self.compute, |(copy_in, _)| copy_in)
    }

    fn copy_out(&self) -> &Stream {
        self.copies.as_ref().map_or(&self.compute, |(_, copy_out)| copy_out)
    }
}

/// A warm session. The fields are dropped from the first to the last: what is bound, the session, its streams.
pub(super) struct Device {
    lanes: Vec<Lane>,
    session: Session,
    streams: Streams,
    profiled: bool,
    // captured graphs launch their kernels
    _operators: Option<Operators>,
    // ONNX Runtime may read weights where they are
    _weights: Vec<(String, Arc<[u8]>)>,
    context: Arc<Context>,
}

/// The layout of a batch's results in one block, so that one copy transfers them.
struct Block {
    /// Rows.
    batch: usize,
    embedding_at: usize,
    floats: usize,
}

impl Block {
    fn of(spec: &EngineSpec, batch: usize) -> Block {
        let embedding_at = (batch * spec.classes).next_multiple_of(ALIGNED);
        match spec.dim {
            0 => Block { batch, embedding_at, floats: batch * spec.classes },
            dim => Block { batch, embedding_at, floats: embedding_at + batch * dim },
        }
    }

    fn bytes(&self) -> usize {
        self.floats * size_of::<f32>()
    }
}

impl Device {
    /// Makes the session, allocates all that it will ever need, and runs it once a lane.
    ///
    /// # Errors
    /// ONNX Runtime refuses the graph or its provider; the graph has other inputs, outputs or batches than it should.
    /// The driver refuses a stream; a batch does not fit in the device's memory, or the first one fails.
    pub fn open(setup: Setup) -> Result<(Device, Ready), EngineError> {
        let Setup { runtime, graph, weights, names, batch, options, context } = setup;
        let driver = |refusal: Refusal| EngineError::Load(refusal.to_string());
        context.make_current().map_err(driver)?;
        let compute = Stream::new().map_err(driver)?;
        let copies = match options.copy_streams {
            true => Some((Stream::new().map_err(driver)?, Stream::new().map_err(driver)?)),
            false => None,
        };
        let streams = Streams { compute, copies };
        let files = GraphFiles { graph: &graph, weights: &weights };
        let lengths = Lengths { batch, free: &names.free };
        let session = build(&runtime, files, lengths, &options, &streams.compute)?;
        let mut spec = describe(&session, &names)?;
        if let Some(fixed) = spec.fixed_batch.filter(|fixed| *fixed != batch) {
            return Err(EngineError::Model(format!(
                "takes batches of {fixed} only, {batch} were asked for; set `engine.batch_size` to {fixed}"
            )));
        }
        spec.fixed_batch = Some(batch);
        spec.depth = options.lanes;
        let block = Block::of(&spec, batch);
        let mut device = Device {
            lanes: Vec::new(),
            session,
            streams,
            profiled: options.profile.is_some(),
            _operators: options.operators.clone(),
            _weights: weights,
            context,
        };
        for number in 1..=options.lanes {
            let lane = device.lane(number, &spec, &names, &block, &options)?;
            device.lanes.push(lane);
        }
        device.warm_up(&spec, batch)?;
        let results = device.lanes.iter().map(|lane| lane.results.clone()).collect();
        Ok((device, Ready { spec, results, embedding_at: block.embedding_at }))
    }

    fn lane(
        &self,
        number: usize,
        spec: &EngineSpec,
        names: &GraphNames,
        block: &Block,
        options: &CudaOptions,
    ) -> Result<Lane, EngineError> {
        let batch = block.batch;
        let refused = |error: ort::Error| refused(&error, batch);
        let too_large = |refusal: Refusal| too_large(refusal, batch);
        let on_device = || {
            MemoryInfo::new(
                AllocationDevice::CUDA,
                options.device_id,
                AllocatorType::Device,
                MemoryType::Default,
            )
        };
        let allocator = Allocator::new(&self.session, on_device().map_err(refused)?).map_err(refused)?;
        let element = match spec.dtype {
            Dtype::F32 => TensorElementType::Float32,
            Dtype::F16 => TensorElementType::Float16,
            Dtype::U8 => TensorElementType::Uint8,
        };
        let input =
            DynTensor::new(&allocator, element, Shape::new(spec.input_shape(batch))).map_err(refused)?;
        let output = Tensor::<f32>::new(&allocator, [block.floats]).map_err(refused)?;
        let results = host_memory(&self.context, block.bytes(), options.pinned).map_err(too_large)?;

        let mut binding = self.session.create_binding().map_err(refused)?;
        binding.bind_input(&names.input, &input).map_err(refused)?;
        let start = Address::of(output.data_ptr());
        let logits = names.logits.as_ref().map(|name| (name, 0, spec.classes));
        let embedding = names.embedding.as_ref().map(|name| (name, block.embedding_at, spec.dim));
        for (name, at, width) in logits.into_iter().chain(embedding) {
            let shape = Shape::new([batch as i64, width as i64]);
            let data = start.offset(at * size_of::<f32>());
            // SAFETY: the range is in `output`, on this device, and the lane keeps that as long as the binding.
            let part = unsafe { TensorRefMut::<f32>::from_raw(on_device().map_err(refused)?, data, shape) };
            binding.bind_output(name, part.map_err(refused)?).map_err(refused)?;
        }
        let mut run = RunOptions::new().map_err(refused)?;
        run.disable_device_sync().map_err(refused)?;
        if options.cuda_graph {
            // one captured graph a lane
            run.set("gpu_graph_id", number.to_string()).map_err(refused)?;
        }
        Ok(Lane {
            binding,
            options: run,
            input: Address::of(input.data_ptr()),
            output: start,
            output_bytes: block.bytes(),
            results: Arc::new(results),
            copied: Event::new().map_err(too_large)?,
            computed: Event::new().map_err(too_large)?,
            done: Event::awaited().map_err(too_large)?,
            _input: input,
            _output: output,
        })
    }

    /// Takes memory, chooses algorithms, captures graphs: all that only a first run does.
    fn warm_up(&mut self, spec: &EngineSpec, batch: usize) -> Result<(), EngineError> {
        let Device { lanes, session, streams, .. } = self;
        for lane in lanes {
            for (memory, bytes) in [(lane.input, batch * spec.row_bytes()), (lane.output, lane.output_bytes)]
            {
                // what other work left there would be computed with, and copied to the host between two outputs
                // SAFETY: the range is a tensor of the lane's, which nothing uses yet.
                unsafe { streams.compute.zero(memory, bytes) }
                    .map_err(|refusal| too_large(refusal, batch))?;
            }
            session
                .run_binding_with_options(&lane.binding, &lane.options)
                .map_err(|error| refused(&error, batch))?;
            streams.compute.synchronize().map_err(|refusal| too_large(refusal, batch))?;
        }
        Ok(())
    }

    /// Queues a batch: nothing here waits for the device.
    ///
    /// # Errors
    /// [`EngineError::Run`] if the driver refuses a copy, or ONNX Runtime the batch.
    pub fn submit(&mut self, lane: usize, source: &Source) -> Result<(), EngineError> {
        let started = self.enqueue(lane, source);
        if started.is_err() {
            // part of it may be in progress, and the slot goes back to be filled again
            self.settle();
        }
        started
    }

    fn enqueue(&mut self, lane: usize, source: &Source) -> Result<(), EngineError> {
        let failed = |refusal: Refusal| EngineError::Run(refusal.to_string());
        let Device { lanes, session, streams, .. } = self;
        let lane = &lanes[lane];
        let (copy_in, copy_out) = (streams.copy_in(), streams.copy_out());
        // a batch of fewer rows leaves rows of an earlier batch after its own; their results are ignored
        // SAFETY: the sender keeps the rows; the input has room for a whole batch, and its last use has been waited
        // for in `finish`.
        unsafe { copy_in.copy_in(lane.input, source.pointer, source.bytes) }.map_err(failed)?;
        if streams.copies.is_some() {
            lane.copied.record(copy_in).map_err(failed)?;
            streams.compute.wait_for(&lane.copied).map_err(failed)?;
        }
        session
            .run_binding_with_options(&lane.binding, &lane.options)
            .map_err(|error| EngineError::Run(error.to_string()))?;
        if streams.copies.is_some() {
            lane.computed.record(&streams.compute).map_err(failed)?;
            copy_out.wait_for(&lane.computed).map_err(failed)?;
        }
        let results = &lane.results;
        // SAFETY: block and results are equally long, and the holder has read what the last batch left in them.
        unsafe { copy_out.copy_out(results.as_ptr(), lane.output, lane.output_bytes) }.map_err(failed)?;
        lane.done.record(copy_out).map_err(failed)
    }

    /// Waits for a lane's batch: the one place where a run waits for the device.
    ///
    /// # Errors
    /// [`EngineError::Run`] if the batch failed on the device.
    pub fn finish(&self, lane: usize) -> Result<(), EngineError> {
        let ended = self.lanes[lane].done.synchronize();
        if ended.is_err() {
            self.settle();
        }
        ended.map_err(|refusal| EngineError::Run(refusal.to_string()))
    }

    /// Waits until nothing is copied or computed any more, whatever has failed.
    fn settle(&self) {
        let Streams { compute, copies } = &self.streams;
        let copies = copies.iter().flat_map(|(copy_in, copy_out)| [copy_in, copy_out]);
        for stream in copies.chain([compute]) {
            if let Err(refusal) = stream.synchronize() {
                tracing::warn!("the device did not end its work: {refusal}");
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.settle();
        if self.profiled
            && let Err(error) = self.session.end_profiling()
        {
            tracing::warn!("ONNX Runtime wrote no profile: {error}");
        }
    }
}

/// Lengths of a graph's free axes: what is fixed is computed before the first batch, and captured.
struct Lengths<'a> {
    batch: usize,
    free: &'a FreeAxes,
}

fn build(
    runtime: &crate::engine::Runtime,
    graph: GraphFiles<'_>,
    lengths: Lengths<'_>,
    options: &CudaOptions,
    compute: &Stream,
) -> Result<Session, EngineError> {
    let load = |error: ort::Error| EngineError::Load(error.to_string());
    macro_rules! set {
        ($builder:expr) => {
            $builder.map_err(|error| EngineError::Load(error.to_string()))?
        };
    }
    let search = match options.conv_search {
        ConvSearch::Exhaustive => ep::cuda::ConvAlgorithmSearch::Exhaustive,
        ConvSearch::Heuristic => ep::cuda::ConvAlgorithmSearch::Heuristic,
        ConvSearch::Default => ep::cuda::ConvAlgorithmSearch::Default,
    };
    let mut cuda = ep::CUDA::default()
        .with_device_id(options.device_id)
        .with_prefer_nhwc(options.prefer_nhwc)
        .with_tf32(options.tf32)
        .with_conv_algorithm_search(search)
        .with_fuse_conv_bias(options.fuse_conv_bias)
        .with_cuda_graph(options.cuda_graph);
    if let Some(bytes) = options.memory_limit {
        cuda = cuda.with_memory_limit(bytes);
    }
    // SAFETY: `Device` drops the session before the stream.
    let cuda = unsafe { cuda.with_compute_stream(compute.as_ptr()) };
    let mut builder = Session::builder(&runtime.environment).map_err(load)?;
    if let Some(operators) = &options.operators {
        builder = set!(builder.with_operators(operators.domain().map_err(load)?));
    }
    // every node runs on the device, so the session's own threads would idle
    builder = set!(builder.with_intra_threads(1));
    builder = set!(builder.with_intra_op_spinning(false));
    builder = set!(builder.with_optimization_level(GraphOptimizationLevel::All));
    builder = set!(builder.with_memory_pattern(options.memory_pattern));
    let Lengths { batch, free } = lengths;
    let batch_name = free.batch_name.as_deref().unwrap_or(BATCH);
    builder = set!(builder.with_dimension_override(batch_name, batch as i64));
    for name in &free.side_names {
        let Some(side) = free.side else { continue };
        builder = set!(builder.with_dimension_override(name, side as i64));
    }
    builder = set!(builder.with_disable_cpu_fallback());
    if let Some(path) = &options.profile {
        builder = set!(builder.with_profiling(path));
    }
    let builder = builder.with_execution_providers([cuda.build().error_on_failure()]).map_err(|error| {
        EngineError::Provider {
            provider: "cuda",
            why: format!(
                "it does not register ({error}); `make setup-cuda` in the project installs its libraries"
            ),
        }
    })?;
    graph.commit(builder)
}
