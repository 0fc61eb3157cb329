/* libcudnn.so.9: descriptors are blocks of memory, plans are found at once, and executing is a line of the record. */
#include "record.h"

typedef void *Handle;
typedef struct { int kind; } Backend;

/* of cudnnBackendAttributeType_t and cudnnBackendAttributeName_t, what the answers below depend on */
enum { TYPE_INT64 = 3, TYPE_NUMERICAL_NOTE = 11, TYPE_DESCRIPTOR = 15, TYPE_BEHAVIOR_NOTE = 19 };
enum { HEURISTIC_MODE = 200, ENGINE_KNOBS = 302, PACKED_POINTERS = 1001 };

EXPORT size_t cudnnGetVersion(void) { return 91500; }
EXPORT size_t cudnnGetCudartVersion(void) { return 13000; }
EXPORT const char *cudnnGetErrorString(int status) { return "a planted failure"; }
EXPORT void cudnnGetLastErrorString(char *text, size_t bytes) { if (bytes) *text = 0; }

static int make(Handle *made) { *made = calloc(1, 256); return *made ? 0 : 2; }
EXPORT int cudnnCreate(Handle *made) { return make(made); }
EXPORT int cudnnCreateTensorDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnCreateFilterDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnCreateConvolutionDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnCreateActivationDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnCreatePoolingDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnCreateReduceTensorDescriptor(Handle *made) { return make(made); }
EXPORT int cudnnGetStream(Handle cudnn, Handle *stream) { *stream = NULL; return 0; }
EXPORT int cudnnGetReductionWorkspaceSize(Handle a, Handle b, Handle c, Handle d, size_t *bytes) { *bytes = 1024; return 0; }
EXPORT int cudnnGetReductionIndicesSize(Handle a, Handle b, Handle c, Handle d, size_t *bytes) { *bytes = 1024; return 0; }

EXPORT int cudnnBackendCreateDescriptor(int kind, Handle *made) {
  int status = make(made);
  if (!status) ((Backend *)*made)->kind = kind;
  return status;
}
EXPORT int cudnnBackendDestroyDescriptor(Handle descriptor) { free(descriptor); return 0; }
/* Of all that is set, the memory that a plan is about to work on, and the heuristics that make plans: 1 is mode B,
 * 2 is FALLBACK, 3 is mode A. */
EXPORT int cudnnBackendSetAttribute(Handle descriptor, int name, int type, int64_t count, const void *values) {
  if (name == PACKED_POINTERS) {
    char text[512] = "";
    for (int64_t i = 0; i < count && i < 16; i++)
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s%p", i ? "," : "", ((void *const *)values)[i]);
    RECORD("cudnnWorksOn", "memory=%s", text);
  }
  if (name == HEURISTIC_MODE) RECORD("cudnnHeuristics", "mode=%d", *(const int *)values);
  return 0;
}
EXPORT int cudnnBackendFinalize(Handle descriptor) { return 0; }
/* One engine without knobs or notes, whose every number is 0. */
EXPORT int cudnnBackendGetAttribute(Handle descriptor, int name, int type, int64_t wanted, int64_t *count, void *values) {
  int notes = type == TYPE_NUMERICAL_NOTE || type == TYPE_BEHAVIOR_NOTE;
  if (count) *count = notes || (type == TYPE_DESCRIPTOR && name == ENGINE_KNOBS) ? 0 : 1;
  if (values && wanted > 0 && !notes && type != TYPE_DESCRIPTOR) {
    if (type == TYPE_INT64) *(int64_t *)values = 0;
    else *(int32_t *)values = 0;
  }
  return 0;
}
EXPORT int cudnnBackendExecute(Handle cudnn, Handle plan, Handle pack) { RECORD("cudnnBackendExecute", "%s", ""); return 0; }
