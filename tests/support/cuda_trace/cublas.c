/* libcublas.so.13 */
#include "record.h"

typedef void *Handle;
EXPORT int cublasCreate_v2(Handle *made) { *made = calloc(1, 64); return *made ? 0 : 3; }
EXPORT int cublasGetMathMode(Handle cublas, int *mode) { *mode = 0; return 0; }
EXPORT const char *cublasGetStatusName(int status) { return "CUBLAS_STATUS_PLANTED"; }
EXPORT const char *cublasGetStatusString(int status) { return "a planted failure"; }
EXPORT int cublasSgemm_v2(Handle cublas, int left, int right, int m, int n, int k, const float *alpha, const float *a,
                          int a_step, const float *b, int b_step, const float *beta, float *c, int c_step) {
  RECORD("cublasSgemm", "m=%d n=%d k=%d to=%p", m, n, k, (void *)c);
  return 0;
}
