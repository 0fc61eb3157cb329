// What the GPU's compiler declares by itself, so that src/engine/cuda/kernels is plain C++ too. A block's threads run one
// after the other, each until it waits (block.cpp).
#pragma once

#include <cmath>
#include <cstring>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
// one block runs at a time
#define __shared__ static

struct dim3 {
  unsigned int x, y, z;
};
struct alignas(16) uint4 {
  unsigned int x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();
float __shfl_xor_sync(unsigned int lanes, float value, int distance);

inline void widen(unsigned int pair, float &low, float &high) {
  _Float16 halves[2];
  std::memcpy(halves, &pair, sizeof pair);
  low = halves[0];
  high = halves[1];
}

inline unsigned int narrow(float low, float high) {
  const _Float16 halves[2] = {(_Float16)low, (_Float16)high};
  unsigned int pair;
  std::memcpy(&pair, halves, sizeof pair);
  return pair;
}
