/* libcublasLt.so.13 */
#include "record.h"

EXPORT int cublasLtCreate(void **made) { *made = calloc(1, 64); return *made ? 0 : 3; }
