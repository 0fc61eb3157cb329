//! The memory of one batch, and the numbers that come back for it.

use std::alloc::{Layout as Memory, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

use half::f16;

use crate::tensor::{Dtype, RowMut};

use super::driver::Pinned;
use super::spec::EngineSpec;

/// Vector loads and page-friendly copies like 64 bytes.
const ALIGNMENT: usize = 64;

/// Host memory for the rows of one batch, contiguous, row 0 first.
pub struct Slot {
    memory: HostMemory,
    row_bytes: usize,
    capacity: usize,
    dtype: Dtype,
}

impl Slot {
    /// Zeroed memory on the heap for `capacity` rows of the engine's input.
    pub fn on_heap(spec: &EngineSpec, capacity: usize) -> Slot {
        Slot::over(HostMemory::heap(spec.row_bytes() * capacity), spec, capacity)
    }

    /// The same over memory of any kind, zeroed and large enough.
    pub(super) fn over(memory: HostMemory, spec: &EngineSpec, capacity: usize) -> Slot {
        let row_bytes = spec.row_bytes();
        assert!(memory.len() >= row_bytes * capacity, "a slot's memory is too small for its rows");
        Slot { memory, row_bytes, capacity, dtype: spec.dtype }
    }

    /// Rows that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Where row 0 begins.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.memory.as_ptr()
    }

    /// A typed view of one row.
    ///
    /// # Safety
    /// No other code may read or write row `index` while the view lives. Rows are disjoint, so different indices
    /// never overlap.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn row(&self, index: usize) -> RowMut<'_> {
        assert!(index < self.capacity, "row {index} of a slot of {}", self.capacity);
        // SAFETY: index < capacity, so the row lies inside the allocation; it begins at a multiple of the
        // element size because every kind of memory is 64-byte aligned and `row_bytes` is whole elements; the memory
        // was zeroed, and every bit pattern is a value of f16, f32 and u8; the caller vouches for exclusivity.
        unsafe {
            let start = self.as_ptr().add(index * self.row_bytes);
            let elements = self.row_bytes / self.dtype.size();
            match self.dtype {
                Dtype::F16 => RowMut::F16(std::slice::from_raw_parts_mut(start.cast::<f16>(), elements)),
                Dtype::F32 => RowMut::F32(std::slice::from_raw_parts_mut(start.cast::<f32>(), elements)),
                Dtype::U8 => RowMut::U8(std::slice::from_raw_parts_mut(start, elements)),
            }
        }
    }

    /// The bytes of the first `rows` rows.
    pub fn bytes(&mut self, rows: usize) -> &mut [u8] {
        let length = rows.min(self.capacity) * self.row_bytes;
        // SAFETY: inside the allocation, initialised, and borrowed exclusively through `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), length) }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Slot { memory, row_bytes, capacity, .. } = self;
        write!(f, "Slot({capacity} rows of {row_bytes} bytes, {})", memory.kind())
    }
}

/// Memory that the host reads and writes, and that a device may copy from or to.
pub(super) enum HostMemory {
    /// The allocator's: the system may move it to disk, so a driver copies through a separate buffer.
    Heap(Heap),
    /// Held in place for a device, which copies without the processor.
    Pinned(Pinned),
}

impl HostMemory {
    /// Zeroed memory of the allocator.
    pub fn heap(bytes: usize) -> HostMemory {
        HostMemory::Heap(Heap::zeroed(bytes.max(1)))
    }

    pub fn as_ptr(&self) -> *mut u8 {
        match self {
            HostMemory::Heap(heap) => heap.pointer.as_ptr(),
            HostMemory::Pinned(pinned) => pinned.as_ptr(),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            HostMemory::Heap(heap) => heap.memory.size(),
            HostMemory::Pinned(pinned) => pinned.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            HostMemory::Heap(_) => "heap",
            HostMemory::Pinned(_) => "pinned",
        }
    }
}

/// An aligned allocation.
pub(super) struct Heap {
    pointer: NonNull<u8>,
    memory: Memory,
}

// SAFETY: plain owned bytes; access from several threads goes through `Slot::row`, whose caller vouches that
// no row is touched by two at once.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    fn zeroed(bytes: usize) -> Heap {
        let Ok(memory) = Memory::from_size_align(bytes, ALIGNMENT) else {
            handle_alloc_error(Memory::new::<u8>());
        };
        // SAFETY: the size is not zero (see `HostMemory::heap`).
        let pointer = unsafe { alloc_zeroed(memory) };
        match NonNull::new(pointer) {
            Some(pointer) => Heap { pointer, memory },
            None => handle_alloc_error(memory),
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout, freed once.
        unsafe { dealloc(self.pointer.as_ptr(), self.memory) }
    }
}

/// The network's outputs for one batch, in single precision.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// `[capacity, C]`, rows first.
    pub logits: Vec<f32>,
    /// `[capacity, D]`, rows first.
    pub embedding: Vec<f32>,
}

impl Outputs {
    /// Room for `capacity` rows.
    pub fn new(spec: &EngineSpec, capacity: usize) -> Outputs {
        Outputs { logits: vec![0.0; capacity * spec.classes], embedding: vec![0.0; capacity * spec.dim] }
    }
}
