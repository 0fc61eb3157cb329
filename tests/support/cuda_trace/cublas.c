/* libcublas.so.13 */
#include "record.h"

typedef void *Handle;
EXPORT int cublasCreate_v2(Handle *made) { *made = calloc(1, 64); return *made ? 0 : 3; }
EXPORT int cublasGetMathMode(Handle cublas, int *mode) { *mode = 0; return 0; }
EXPORT const char *cublasGetStatusName(int status) { return "CUBLAS_STATUS_PLANTED"; }
EXPORT const char *cublasGetStatusString(int status) { return "a planted failure"; }
