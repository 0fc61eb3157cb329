//! The few calls of the CUDA driver that the data path needs; each resource has a type that frees it.
//!
//! `cudarc` opens the driver's library at run time and panics where it is missing, so [`Context::open`] looks first;
//! everything else here is made from a context.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use cudarc::driver::{DriverError, result as cuda, sys};

use super::EngineError;

/// Seen by every device of the process: a slot of one engine may be run by another.
const PORTABLE: u32 = sys::CU_MEMHOSTALLOC_PORTABLE;

/// An error of the driver: the call and its code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    call: &'static str,
    code: sys::CUresult,
}

impl Refusal {
    /// Names the call that an error comes from.
    pub fn of(call: &'static str) -> impl Fn(DriverError) -> Refusal {
        move |DriverError(code)| Refusal { call, code }
    }

    pub fn is_out_of_memory(self) -> bool {
        self.code == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error = DriverError(self.code);
        let words = error.error_string().map_or("no words for it".into(), CStr::to_string_lossy);
        write!(out, "{} gave {:?} ({words})", self.call, self.code)
    }
}

type Driven<T> = Result<T, Refusal>;

/// A device's primary context, the one that ONNX Runtime computes in too.
#[derive(Debug)]
pub(super) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
}

// SAFETY: a context may be used from any thread; the driver locks what it must.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// Opens the driver and a device of it.
    ///
    /// # Errors
    /// [`EngineError::NoDevice`] where there is no driver, no device, or none of that number.
    pub fn open(device_id: i32) -> Result<Arc<Context>, EngineError> {
        let none = |why: String| EngineError::NoDevice(why);
        // SAFETY: loading runs the library's constructors; it is the driver that the system's loader finds.
        if !unsafe { sys::is_culib_present() } {
            return Err(none(
                "the driver's library `libcuda.so.1` is not there; install NVIDIA's driver, or run where one is".into(),
            ));
        }
        cuda::init().map_err(Refusal::of("cuInit")).map_err(|refusal| none(refusal.to_string()))?;
        let count = cuda::device::get_count().map_err(Refusal::of("cuDeviceGetCount"));
        let count = count.map_err(|refusal| none(refusal.to_string()))?;
        if !(0..count).contains(&device_id) {
            return Err(none(format!("number {device_id} was asked for, and the driver shows {count}")));
        }
        let device = cuda::device::get(device_id).map_err(Refusal::of("cuDeviceGet"));
        let device = device.map_err(|refusal| none(refusal.to_string()))?;
        // SAFETY: the device is one of the driver's; the matching release is in `drop`.
        let context = unsafe { cuda::primary_ctx::retain(device) };
        let context = context.map_err(Refusal::of("cuDevicePrimaryCtxRetain"));
        let context = context.map_err(|refusal| none(refusal.to_string()))?;
        Ok(Arc::new(Context { device, context }))
    }

    /// Makes it the calling thread's context, for the rest of that thread's life.
    ///
    /// # Errors
    /// The driver refuses the context for this thread.
    pub fn make_current(&self) -> Driven<()> {
        // SAFETY: the context is retained as long as `self` lives.
        unsafe { cuda::ctx::set_current(self.context) }.map_err(Refusal::of("cuCtxSetCurrent"))
    }

    /// Returns the device's compute capability, `(9, 0)` for sm_90.
    ///
    /// # Errors
    /// The driver does not answer.
    pub fn capability(&self) -> Driven<(i32, i32)> {
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        };
        // SAFETY: the device is one of the driver's.
        let of = |attribute| unsafe { cuda::device::get_attribute(self.device, attribute) };
        let of = |attribute| of(attribute).map_err(Refusal::of("cuDeviceGetAttribute"));
        Ok((of(MAJOR)?, of(MINOR)?))
    }

    /// Does something in it and leaves the thread's own context as it was.
    ///
    /// # Errors
    /// The driver refuses the context for this thread.
    pub fn within<T>(&self, act: impl FnOnce() -> T) -> Driven<T> {
        let mut before = std::ptr::null_mut();
        // SAFETY: the context is retained; what is pushed here is popped below.
        unsafe { sys::cuCtxPushCurrent_v2(self.context) }
            .result()
            .map_err(Refusal::of("cuCtxPushCurrent"))?;
        let done = act();
        // SAFETY: as above.
        unsafe { sys::cuCtxPopCurrent_v2(&mut before) }.result().map_err(Refusal::of("cuCtxPopCurrent"))?;
        Ok(done)
    }
}

/// Bytes of a device that are taken, by this process or any other; `None` where no device of that number answers.
pub fn device_memory_in_use(device_id: i32) -> Option<u64> {
    let context = Context::open(device_id).ok()?;
    let (free, all) = context.within(cuda::mem_get_info).ok()?.ok()?;
    Some(all.saturating_sub(free) as u64)
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`, released once.
        let released = unsafe { cuda::primary_ctx::release(self.device) };
        if let Err(refusal) = released.map_err(Refusal::of("cuDevicePrimaryCtxRelease")) {
            tracing::warn!("a device's context was not released: {refusal}");
        }
    }
}

/// Host memory that the system leaves in place. Outlives the session that it was made for, and may be freed by any
/// thread.
#[derive(Debug)]
pub(super) struct Pinned {
    pointer: NonNull<u8>,
    bytes: usize,
    context: Arc<Context>,
}

// SAFETY: plain owned bytes; see `Heap` in `slot.rs` for who may touch which.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Zeroed memory. The driver gives whole pages, so any alignment that a row needs holds.
    pub(super) fn zeroed(context: &Arc<Context>, bytes: usize) -> Driven<Pinned> {
        let bytes = bytes.max(1);
        // SAFETY: any size and these flags are valid; the memory is freed in `drop`.
        let memory = context.within(|| unsafe { cuda::malloc_host(bytes, PORTABLE) })?;
        let memory = memory.map_err(Refusal::of("cuMemHostAlloc"))?;
        let out_of_memory = Refusal { call: "cuMemHostAlloc", code: sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY };
        let pointer = NonNull::new(memory.cast::<u8>()).ok_or(out_of_memory)?;
        // SAFETY: the allocation is that long and not shared yet.
        unsafe { pointer.write_bytes(0, bytes) };
        Ok(Pinned { pointer, bytes, context: context.clone() })
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed`, freed once; the engine that copies from or to it waits for its copies before
        // it gives the memory up.
        let freed = self.context.within(|| unsafe { cuda::free_host(self.pointer.as_ptr().cast()) });
        let freed = freed.and_then(|freed| freed.map_err(Refusal::of("cuMemFreeHost")));
        if let Err(refusal) = freed {
            tracing::warn!("pinned memory was not freed: {refusal}");
        }
    }
}

/// A queue of work on the device. Used and dropped on a thread whose context it belongs to.
#[derive(Debug)]
pub(super) struct Stream(sys::CUstream);

impl Stream {
    /// One that does not wait for the legacy default stream.
    ///
    /// # Errors
    /// The thread has no current context, or the driver has no resources for a stream.
    pub fn new() -> Driven<Stream> {
        let stream = cuda::stream::create(cuda::stream::StreamKind::NonBlocking);
        stream.map(Stream).map_err(Refusal::of("cuStreamCreate"))
    }

    /// For ONNX Runtime, which gets it as an untyped pointer.
    pub fn as_ptr(&self) -> *mut () {
        self.0.cast()
    }

    /// What comes later on this stream waits for the event, on the device.
    ///
    /// # Errors
    /// Stream and event are of different contexts, or earlier work on the device failed.
    pub fn wait_for(&self, event: &Event) -> Driven<()> {
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: stream and event live.
        unsafe { cuda::stream::wait_event(self.0, event.0, flags) }.map_err(Refusal::of("cuStreamWaitEvent"))
    }

    /// The calling thread waits for all of its work.
    ///
    /// # Errors
    /// Work that was queued before failed on the device.
    pub fn synchronize(&self) -> Driven<()> {
        // SAFETY: the stream lives.
        unsafe { cuda::stream::synchronize(self.0) }.map_err(Refusal::of("cuStreamSynchronize"))
    }

    /// Begins to copy from the host to the device.
    ///
    /// # Errors
    /// The driver refuses a range, or earlier work on the device failed.
    ///
    /// # Safety
    /// Both ranges hold `bytes` bytes; the source is not written and the target is not used until the copy has ended.
    pub unsafe fn copy_in(&self, target: Address, source: *const u8, bytes: usize) -> Driven<()> {
        // SAFETY: the caller vouches for the ranges.
        unsafe { sys::cuMemcpyHtoDAsync_v2(target.0, source.cast(), bytes, self.0) }
            .result()
            .map_err(Refusal::of("cuMemcpyHtoDAsync"))
    }

    /// Begins to copy from the device to the host.
    ///
    /// # Errors
    /// As of [`Stream::copy_in`].
    ///
    /// # Safety
    /// As [`Stream::copy_in`], the other way round.
    pub unsafe fn copy_out(&self, target: *mut u8, source: Address, bytes: usize) -> Driven<()> {
        // SAFETY: the caller vouches for the ranges.
        unsafe { sys::cuMemcpyDtoHAsync_v2(target.cast(), source.0, bytes, self.0) }
            .result()
            .map_err(Refusal::of("cuMemcpyDtoHAsync"))
    }

    /// Begins to zero memory of the device.
    ///
    /// # Errors
    /// As of [`Stream::copy_in`].
    ///
    /// # Safety
    /// The range holds `bytes` bytes and is not used otherwise until this has ended.
    pub unsafe fn zero(&self, target: Address, bytes: usize) -> Driven<()> {
        // SAFETY: the caller vouches for the range.
        unsafe { cuda::memset_d8_async(target.0, 0, bytes, self.0) }.map_err(Refusal::of("cuMemsetD8Async"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once; the driver ends what is queued first.
        if let Err(refusal) = unsafe { cuda::stream::destroy(self.0) }.map_err(Refusal::of("cuStreamDestroy"))
        {
            tracing::warn!("a stream was not destroyed: {refusal}");
        }
    }
}

/// A point in a stream's work. Used and dropped on a thread whose context it belongs to.
#[derive(Debug)]
pub(super) struct Event(sys::CUevent);

impl Event {
    /// One that only streams wait for.
    ///
    /// # Errors
    /// The thread has no current context, or the driver has no resources for an event.
    pub fn new() -> Driven<Event> {
        Event::with(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32)
    }

    /// One that a thread waits for asleep: the cores are the decoders'.
    ///
    /// # Errors
    /// As of [`Event::new`].
    pub fn awaited() -> Driven<Event> {
        let flags = [sys::CUevent_flags::CU_EVENT_DISABLE_TIMING, sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC];
        Event::with(flags.into_iter().fold(0, |all, flag| all | flag as u32))
    }

    fn with(flags: u32) -> Driven<Event> {
        let mut event = std::ptr::null_mut();
        // SAFETY: the call writes the event on success only.
        unsafe { sys::cuEventCreate(&mut event, flags) }.result().map_err(Refusal::of("cuEventCreate"))?;
        Ok(Event(event))
    }

    /// Marks what the stream has been given so far.
    ///
    /// # Errors
    /// Stream and event are of different contexts, or earlier work on the device failed.
    pub fn record(&self, stream: &Stream) -> Driven<()> {
        // SAFETY: both live.
        unsafe { cuda::event::record(self.0, stream.0) }.map_err(Refusal::of("cuEventRecord"))
    }

    /// The calling thread waits until the device has come to it.
    ///
    /// # Errors
    /// Work that was queued before failed on the device.
    pub fn synchronize(&self) -> Driven<()> {
        // SAFETY: the event lives.
        unsafe { cuda::event::synchronize(self.0) }.map_err(Refusal::of("cuEventSynchronize"))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created in `with`, destroyed once.
        if let Err(refusal) = unsafe { cuda::event::destroy(self.0) }.map_err(Refusal::of("cuEventDestroy")) {
            tracing::warn!("an event was not destroyed: {refusal}");
        }
    }
}

/// An address in a device's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(sys::CUdeviceptr);

impl Address {
    /// Where a tensor on the device begins.
    pub fn of(pointer: *const std::ffi::c_void) -> Address {
        Address(pointer as usize as sys::CUdeviceptr)
    }

    /// Returns the address `bytes` bytes after this one.
    pub fn offset(self, bytes: usize) -> *mut std::ffi::c_void {
        (self.0 as usize + bytes) as *mut std::ffi::c_void
    }
}
