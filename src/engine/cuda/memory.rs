//! Host memory for rows and results, and how out of memory is detected.

use std::sync::Arc;

use crate::engine::EngineError;
use crate::engine::driver::{Context, Pinned, Refusal};
use crate::engine::slot::HostMemory;

/// Memory for rows or results on the host.
pub(super) fn host_memory(context: &Arc<Context>, bytes: usize, pinned: bool) -> Result<HostMemory, Refusal> {
    match pinned {
        true => Pinned::zeroed(context, bytes).map(HostMemory::Pinned),
        false => Ok(HostMemory::heap(bytes)),
    }
}

/// An error of the driver while memory is taken.
pub(super) fn too_large(refusal: Refusal, batch_size: usize) -> EngineError {
    if refusal.is_out_of_memory() {
        return EngineError::OutOfMemory { batch_size, why: refusal.to_string() };
    }
    EngineError::Load(refusal.to_string())
}

/// Maps an error of ONNX Runtime while memory is taken; out of memory is recognised by its text only.
pub(super) fn refused(error: &ort::Error, batch_size: usize) -> EngineError {
    let words = error.to_string();
    match out_of_memory(&words) {
        Some(why) => EngineError::OutOfMemory { batch_size, why: why.to_owned() },
        None => EngineError::Load(words),
    }
}

/// Returns the message of the arena, the runtime, cuDNN or cuBLAS that is out of memory, without the place in ONNX
/// Runtime's source before it and the machine's name after it.
fn out_of_memory(words: &str) -> Option<&str> {
    const SIGNS: [&str; 5] = [
        "Available memory of",
        "Failed to allocate memory",
        "out of memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
    ];
    let start = SIGNS.iter().find_map(|sign| words.find(sign))?;
    let rest = &words[start..];
    let end = rest.find(['\n', ';']).unwrap_or(rest.len());
    Some(rest[..end].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_known_by_its_words_and_told_without_the_rest() {
        let arena = "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* AllocateRawInternal(size_t) \
                     Available memory of 10 is smaller than requested bytes of 20\n";
        assert_eq!(
            out_of_memory(arena),
            Some("Available memory of 10 is smaller than requested bytes of 20")
        );
        let runtime = "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; file=x.cc ; expr=cudaMalloc((void**)&p, n);";
        assert_eq!(out_of_memory(runtime), Some("out of memory"));
        assert_eq!(out_of_memory("CUDA failure 719: unspecified launch failure ; GPU=0"), None);
    }
}
