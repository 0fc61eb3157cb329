/* libcudart.so.13: the runtime, through which ONNX Runtime allocates, launches and captures. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "record.h"
#include <cuda_runtime_api.h>

enum { MOST_KERNELS = 60000, MOST_BINARIES = 4096 };

static uintptr_t next_handle = 0x10000000;
static uintptr_t handle(void) { return __atomic_add_fetch(&next_handle, 16, __ATOMIC_SEQ_CST); }
static __thread int current;

/* devices */
EXPORT cudaError_t cudaGetDeviceCount(int *count) {
  RECORD("cudaGetDeviceCount", "%s", "");
  *count = devices();
  return 0;
}
EXPORT cudaError_t cudaGetDevice(int *device) { *device = current; return 0; }
EXPORT cudaError_t cudaSetDevice(int device) { current = device; return 0; }
EXPORT cudaError_t cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
EXPORT cudaError_t cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
EXPORT cudaError_t cudaMemGetInfo(size_t *unused, size_t *all) { *unused = 70ull << 30; *all = 80ull << 30; return 0; }
EXPORT cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *facts, int device) {
  struct cudaDeviceProp card = {
      .name = "Recorder of the shape of an H100",
      .major = 9,
      .minor = 0,
      .totalGlobalMem = 80ull << 30,
      .multiProcessorCount = 132,
      .warpSize = 32,
      .regsPerBlock = 65536,
      .maxThreadsPerBlock = 1024,
      .maxThreadsDim = {1024, 1024, 64},
      .maxGridSize = {2147483647, 65535, 65535},
      .maxThreadsPerMultiProcessor = 2048,
      .sharedMemPerBlock = 48 << 10,
      .sharedMemPerBlockOptin = 227 << 10,
      .sharedMemPerMultiprocessor = 228 << 10,
      .l2CacheSize = 50 << 20,
      .concurrentKernels = 1,
      .managedMemory = 1,
      .memoryPoolsSupported = 1,
      .unifiedAddressing = 1,
  };
  *facts = card;
  return 0;
}
EXPORT cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = 132; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 227 << 10; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    default: *value = 1;
  }
  return 0;
}

/* memory */
EXPORT cudaError_t cudaMalloc(void **memory, size_t bytes) {
  RECORD("cudaMalloc", "bytes=%zu device=%d", bytes, current);
  *memory = take(bytes);
  return *memory ? 0 : cudaErrorMemoryAllocation;
}
EXPORT cudaError_t cudaMallocHost(void **memory, size_t bytes) {
  RECORD("cudaMallocHost", "bytes=%zu", bytes);
  *memory = take(bytes);
  return *memory ? 0 : cudaErrorMemoryAllocation;
}
EXPORT cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
  RECORD("cudaHostAlloc", "bytes=%zu flags=%u", bytes, flags);
  *memory = take(bytes);
  return *memory ? 0 : cudaErrorMemoryAllocation;
}
EXPORT cudaError_t cudaMallocFromPoolAsync(void **memory, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  RECORD("cudaMallocFromPoolAsync", "bytes=%zu stream=%p", bytes, (void *)stream);
  *memory = take(bytes);
  return *memory ? 0 : cudaErrorMemoryAllocation;
}
EXPORT cudaError_t cudaFree(void *memory) { RECORD("cudaFree", "at=%p", memory); free(memory); return 0; }
EXPORT cudaError_t cudaFreeHost(void *memory) { RECORD("cudaFreeHost", "at=%p", memory); free(memory); return 0; }
EXPORT cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
  RECORD("cudaFreeAsync", "at=%p stream=%p", memory, (void *)stream);
  free(memory);
  return 0;
}
EXPORT cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *facts, const void *memory) {
  memset(facts, 0, sizeof *facts);
  facts->type = cudaMemoryTypeDevice;
  facts->device = current;
  facts->devicePointer = (void *)memory;
  return 0;
}
EXPORT cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const struct cudaMemPoolProps *wishes) {
  *pool = (cudaMemPool_t)handle();
  return 0;
}
EXPORT cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, enum cudaMemPoolAttr attribute, void *value) {
  *(uint64_t *)value = 0;
  return 0;
}

/* copies */
static const char *direction(enum cudaMemcpyKind kind) {
  static const char *names[] = {"host-host", "host-device", "device-host", "device-device", "any"};
  return names[kind < 4 ? kind : 4];
}
EXPORT cudaError_t cudaMemcpy(void *target, const void *source, size_t bytes, enum cudaMemcpyKind kind) {
  RECORD("cudaMemcpy", "bytes=%zu kind=%s", bytes, direction(kind));
  memmove(target, source, bytes);
  return 0;
}
EXPORT cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t bytes, enum cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  RECORD("cudaMemcpyAsync", "bytes=%zu kind=%s stream=%p", bytes, direction(kind), (void *)stream);
  memmove(target, source, bytes);
  return 0;
}
EXPORT cudaError_t cudaMemcpy2DAsync(void *target, size_t target_pitch, const void *source, size_t source_pitch,
                                     size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream) {
  RECORD("cudaMemcpy2DAsync", "bytes=%zu kind=%s stream=%p", width * height, direction(kind), (void *)stream);
  for (size_t row = 0; row < height; row++)
    memcpy((char *)target + row * target_pitch, (const char *)source + row * source_pitch, width);
  return 0;
}
EXPORT cudaError_t cudaMemset(void *target, int value, size_t bytes) {
  RECORD("cudaMemset", "bytes=%zu", bytes);
  memset(target, value, bytes);
  return 0;
}
EXPORT cudaError_t cudaMemsetAsync(void *target, int value, size_t bytes, cudaStream_t stream) {
  RECORD("cudaMemsetAsync", "bytes=%zu stream=%p", bytes, (void *)stream);
  memset(target, value, bytes);
  return 0;
}

/* streams and events */
EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  *stream = (cudaStream_t)handle();
  RECORD("cudaStreamCreate", "stream=%p flags=%u", (void *)*stream, flags);
  return 0;
}
EXPORT cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, 0); }
EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  RECORD("cudaStreamSynchronize", "stream=%p", (void *)stream);
  return 0;
}
EXPORT cudaError_t cudaDeviceSynchronize(void) { RECORD("cudaDeviceSynchronize", "device=%d", current); return 0; }
EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  RECORD("cudaStreamWaitEvent", "stream=%p event=%p", (void *)stream, (void *)event);
  return 0;
}
EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  *event = (cudaEvent_t)handle();
  RECORD("cudaEventCreate", "event=%p flags=%u", (void *)*event, flags);
  return 0;
}
EXPORT cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  RECORD("cudaEventRecord", "event=%p stream=%p", (void *)event, (void *)stream);
  return 0;
}
EXPORT cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = 1;
  return 0;
}

/* capture and graphs */
EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  *status = cudaStreamCaptureStatusNone;
  return 0;
}
EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  RECORD("cudaStreamBeginCapture", "stream=%p mode=%d", (void *)stream, (int)mode);
  return 0;
}
EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  *graph = (cudaGraph_t)handle();
  RECORD("cudaStreamEndCapture", "stream=%p", (void *)stream);
  return 0;
}
EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
  *exec = (cudaGraphExec_t)handle();
  RECORD("cudaGraphInstantiate", "graph=%p", (void *)*exec);
  return 0;
}
EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  RECORD("cudaGraphLaunch", "graph=%p stream=%p", (void *)exec, (void *)stream);
  return 0;
}

/* kernels: nvcc registers each by name when the provider is loaded, and its launches push and pop a configuration */
static struct { const void *address; const char *name; uintptr_t binary; } kernels[MOST_KERNELS];
static int kernel_count;
/* Machine code of one source file; `data` is what the library holds of it. */
struct fat_binary { int magic, version; const void *data, *file; };
/* Returns the code's distance from the start of its library, by which it is found in the file (infra/gpu/launched.py). */
EXPORT void **__cudaRegisterFatBinary(void *binary) {
  static void *binaries[MOST_BINARIES];
  static int count;
  const void *data = ((struct fat_binary *)binary)->data;
  Dl_info library;
  int at = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
  if (at >= MOST_BINARIES) abort();
  binaries[at] = dladdr(data, &library) ? (void *)((uintptr_t)data - (uintptr_t)library.dli_fbase) : NULL;
  return &binaries[at];
}
EXPORT void __cudaRegisterFatBinaryEnd(void **binaries) {}
EXPORT void __cudaUnregisterFatBinary(void **binaries) {}
EXPORT void __cudaRegisterVar(void **a, char *b, char *c, const char *d, int e, size_t f, int g, int h) {}
EXPORT void __cudaRegisterFunction(void **binaries, const char *host, char *device, const char *name, int limit, void *a,
                                   void *b, void *c, void *d, int *e) {
  if (kernel_count == MOST_KERNELS) abort();
  kernels[kernel_count].address = host;
  kernels[kernel_count].binary = (uintptr_t)*binaries;
  kernels[kernel_count++].name = name;
}
static __thread struct { dim3 grid, block; size_t shared; cudaStream_t stream; } pushed[8];
static __thread int pushes;
EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, struct CUstream_st *stream) {
  if (pushes == 8) abort();
  pushed[pushes].grid = grid;
  pushed[pushes].block = block;
  pushed[pushes].shared = shared;
  pushed[pushes++].stream = stream;
  return 0;
}
EXPORT cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
  if (!pushes) abort();
  pushes--;
  *grid = pushed[pushes].grid;
  *block = pushed[pushes].block;
  *shared = pushed[pushes].shared;
  *(cudaStream_t *)stream = pushed[pushes].stream;
  return 0;
}
/* If the first argument is a pointer, it is the memory that the kernel works on. */
static cudaError_t launch(const void *kernel, void **arguments, cudaStream_t stream) {
  int at = 0;
  while (at < kernel_count && kernels[at].address != kernel) at++;
  int is_known = at < kernel_count;
  RECORD("kernel", "stream=%p first=%p binary=0x%lx name=%.200s", (void *)stream, *(void **)arguments[0],
         is_known ? (unsigned long)kernels[at].binary : 0, is_known ? kernels[at].name : "unknown");
  return 0;
}
EXPORT cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                                    cudaStream_t stream) {
  return launch(kernel, arguments, stream);
}
EXPORT cudaError_t __cudaGetKernel(void **kernel, const void *address) { *kernel = (void *)address; return 0; }
EXPORT cudaError_t __cudaLaunchKernel(void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                                      cudaStream_t stream) {
  return launch(kernel, arguments, stream);
}
EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *launched, const void *kernel, void **arguments) {
  return launch(kernel, arguments, launched->stream);
}
EXPORT cudaError_t cudaLaunchCooperativeKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                                               cudaStream_t stream) {
  return launch(kernel, arguments, stream);
}
EXPORT cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *facts, const void *kernel) {
  memset(facts, 0, sizeof *facts);
  facts->maxThreadsPerBlock = 1024;
  facts->binaryVersion = facts->ptxVersion = 90;
  facts->numRegs = 32;
  return 0;
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *kernel, int threads,
                                                                         size_t shared, unsigned flags) {
  *blocks = 2;
  return 0;
}

/* the rest */
EXPORT cudaError_t cudaGetLastError(void) { return 0; }
EXPORT cudaError_t cudaPeekAtLastError(void) { return 0; }
EXPORT const char *cudaGetErrorName(cudaError_t code) { return code == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorPlanted"; }
EXPORT const char *cudaGetErrorString(cudaError_t code) { return code == cudaErrorMemoryAllocation ? "out of memory" : "a planted failure"; }
EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **entry, unsigned version,
                                                    unsigned long long flags, enum cudaDriverEntryPointQueryResult *result) {
  *entry = NULL;
  if (result) *result = cudaDriverEntryPointSymbolNotFound;
  return cudaErrorInvalidValue;
}
