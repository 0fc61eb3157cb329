/* libcuda.so.1: the driver. Handles are numbers; every device has one context.
 *
 * CUDA_TRACE_KERNELS  library of tests/support/kernels: kernels of our own compute on the CPU as they are launched
 */
#include <dlfcn.h>

#include "record.h"

typedef void *Handle;
enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200 };

static uintptr_t next_handle = 0x20000000;
static Handle handle(void) { return (Handle)__atomic_add_fetch(&next_handle, 16, __ATOMIC_SEQ_CST); }
static Handle context_of(int device) { return (Handle)(uintptr_t)(0x7000 + device); }
static __thread Handle contexts[8];
static __thread int depth;
#define CURRENT contexts[depth]

EXPORT int cuInit(unsigned flags) { RECORD("cuInit", "flags=%u", flags); return 0; }
EXPORT int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
EXPORT int cuDeviceGetCount(int *count) { *count = devices(); RECORD("cuDeviceGetCount", "count=%d", *count); return 0; }
EXPORT int cuDeviceGet(int *device, int ordinal) {
  if (ordinal < 0 || ordinal >= devices()) return INVALID_DEVICE;
  *device = ordinal;
  return 0;
}
EXPORT int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Recorder %d", device); return 0; }
EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 80ull << 30; return 0; }
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1; /* compute capability 9.0 */
  return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(Handle *context, int device) {
  *context = context_of(device);
  RECORD("cuDevicePrimaryCtxRetain", "device=%d", device);
  return 0;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) { RECORD("cuDevicePrimaryCtxRelease", "device=%d", device); return 0; }
EXPORT int cuCtxSetCurrent(Handle context) {
  CURRENT = context;
  RECORD("cuCtxSetCurrent", "context=%p", context);
  return 0;
}
EXPORT int cuCtxGetCurrent(Handle *context) { *context = CURRENT; return 0; }
EXPORT int cuCtxPushCurrent_v2(Handle context) {
  if (depth + 1 == sizeof contexts / sizeof *contexts) abort();
  contexts[++depth] = context;
  return 0;
}
EXPORT int cuCtxPopCurrent_v2(Handle *context) {
  if (!depth) abort();
  *context = contexts[depth--];
  return 0;
}
EXPORT int cuMemGetInfo_v2(size_t *unused, size_t *all) { *unused = 70ull << 30; *all = 80ull << 30; return 0; }

EXPORT int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  *memory = take(bytes);
  RECORD("cuMemHostAlloc", "bytes=%zu flags=%u at=%p context=%p", bytes, flags, *memory, CURRENT);
  return *memory ? 0 : OUT_OF_MEMORY;
}
EXPORT int cuMemFreeHost(void *memory) {
  RECORD("cuMemFreeHost", "at=%p context=%p", memory, CURRENT);
  free(memory);
  return 0;
}
EXPORT int cuMemsetD8Async(void *target, unsigned char value, size_t bytes, Handle stream) {
  RECORD("cuMemsetD8Async", "bytes=%zu to=%p stream=%p", bytes, target, stream);
  memset(target, value, bytes);
  return 0;
}
EXPORT int cuMemcpyHtoDAsync_v2(void *target, const void *source, size_t bytes, Handle stream) {
  RECORD("cuMemcpyHtoDAsync", "bytes=%zu from=%p to=%p stream=%p", bytes, source, target, stream);
  memcpy(target, source, bytes);
  return 0;
}
EXPORT int cuMemcpyDtoHAsync_v2(void *target, const void *source, size_t bytes, Handle stream) {
  RECORD("cuMemcpyDtoHAsync", "bytes=%zu from=%p to=%p stream=%p", bytes, source, target, stream);
  memcpy(target, source, bytes);
  return 0;
}

EXPORT int cuStreamCreate(Handle *stream, unsigned flags) {
  *stream = handle();
  RECORD("cuStreamCreate", "stream=%p flags=%u context=%p", *stream, flags, CURRENT);
  return 0;
}
EXPORT int cuStreamDestroy_v2(Handle stream) { RECORD("cuStreamDestroy", "stream=%p", stream); return 0; }
EXPORT int cuStreamSynchronize(Handle stream) { RECORD("cuStreamSynchronize", "stream=%p", stream); return 0; }
EXPORT int cuStreamWaitEvent(Handle stream, Handle event, unsigned flags) {
  RECORD("cuStreamWaitEvent", "stream=%p event=%p", stream, event);
  return 0;
}
EXPORT int cuEventCreate(Handle *event, unsigned flags) {
  *event = handle();
  RECORD("cuEventCreate", "event=%p flags=%u", *event, flags);
  return 0;
}
EXPORT int cuEventDestroy_v2(Handle event) { RECORD("cuEventDestroy", "event=%p", event); return 0; }
EXPORT int cuEventRecord(Handle event, Handle stream) {
  RECORD("cuEventRecord", "event=%p stream=%p", event, stream);
  return 0;
}
EXPORT int cuEventSynchronize(Handle event) { RECORD("cuEventSynchronize", "event=%p", event); return 0; }

/* modules: a function is its name */
EXPORT int cuModuleLoadData(Handle *module, const void *image) {
  *module = handle();
  RECORD("cuModuleLoadData", "module=%p context=%p", *module, CURRENT);
  return memcmp(image, "\177ELF", 4) ? INVALID_IMAGE : 0;
}
EXPORT int cuModuleUnload(Handle module) { RECORD("cuModuleUnload", "module=%p", module); return 0; }
EXPORT int cuModuleGetFunction(Handle *function, Handle module, const char *name) {
  RECORD("cuModuleGetFunction", "module=%p name=%s", module, name);
  *function = strdup(name);
  return *function ? 0 : OUT_OF_MEMORY;
}
EXPORT int cuLaunchKernel(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned shared, Handle stream, void **arguments,
                          void **extra) {
  RECORD("cuLaunchKernel", "stream=%p grid=%u,%u,%u block=%u,%u,%u shared=%u name=%s", stream, grid_x, grid_y, grid_z,
         block_x, block_y, block_z, shared, (const char *)function);
  const char *library = getenv("CUDA_TRACE_KERNELS");
  if (!library || !*library) return 0;
  void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  int (*launch)(const char *, const unsigned *, const unsigned *, void **) =
      loaded ? (int (*)(const char *, const unsigned *, const unsigned *, void **))dlsym(loaded, "tresnet_launch") : NULL;
  if (!launch) {
    fprintf(stderr, "CUDA_TRACE_KERNELS: %s\n", dlerror());
    abort();
  }
  unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  return launch(function, grid, block, arguments) ? 0 : INVALID_VALUE;
}

static const char *words(int code) {
  return code == 2 ? "out of memory" : code == 100 ? "no CUDA-capable device is detected" : "a planted failure";
}
EXPORT int cuGetErrorString(int code, const char **text) { *text = words(code); return 0; }
EXPORT int cuGetErrorName(int code, const char **text) { *text = words(code); return 0; }

PLAIN(cuTensorMapEncodeTiled)
