#!/usr/bin/env bash
# Builds libraries that replace CUDA's, cuDNN's and the driver's and record every call: build.sh HEADERS TARGET.
#
# With them in LD_LIBRARY_PATH the real onnxruntime-gpu makes CUDA sessions on a machine without a GPU: it places nodes,
# allocates, captures graphs and launches them. Kernels compute nothing, so this shows structure and order, never values
# or speed. record.h lists the variables that switch recording and planted failures on.
#
# HEADERS holds cuda_runtime_api.h; TARGET holds the provider, whose undefined symbols are checked, and gets the libraries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
headers=$1
target=$2

compile() {
  local name=$1 library=$2 generated
  generated=$(mktemp --suffix=.c)
  {
    echo '#include "record.h"'
    sed -n "s/^$name: //p" "$here/plain.txt" | tr ' ' '\n' | sed 's/.*/PLAIN(&)/'
  } >"$generated"
  # the host's compiler does not know how nvcc calls builtins, and unused arguments are intended here
  "${CC:-cc}" -shared -fPIC -O1 -Wall -Wextra -Wno-unused-parameter -Wno-unused-function -Wno-builtin-declaration-mismatch \
    -fvisibility=hidden -I"$here" -isystem "$headers" -Wl,-soname,"$library" -o "$target/$library" "$here/$name.c" "$generated"
  rm "$generated"
}

compile driver libcuda.so.1
compile runtime libcudart.so.13
compile cudnn libcudnn.so.9
compile cublas libcublas.so.13
compile cublaslt libcublasLt.so.13
compile curand libcurand.so.10

# the provider is bound as it is loaded: one function that is missing here, and nothing loads
exported=$(mktemp)
nm -D --defined-only "$target"/lib{cuda,cudart,cudnn,cublas,cublasLt,curand}.so.* | awk 'NF == 3 { print $3 }' | sort -u >"$exported"
missing=$(nm -D --undefined-only "$target/libonnxruntime_providers_cuda.so" | awk '{ print $2 }' \
  | grep -E '^(__)?cu(da|dnn|blas|rand|[A-Z])' | sed 's/@.*//' | sort -u | comm -23 - "$exported")
rm "$exported"
if [ -n "$missing" ]; then
  echo "the CUDA provider needs functions that are not recorded; add them to tests/support/cuda_trace:" >&2
  echo "$missing" >&2
  exit 1
fi
