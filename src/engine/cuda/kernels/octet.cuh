// What all kernels share: maps are [images, height, width, channels] in halves, and a thread reads and writes eight
// neighbouring channels at once, which are 16 bytes. Sums are made in single precision.
//
// The same source is compiled for the CPU by tests/support/kernels, whose header declares what the GPU's compiler knows by
// itself.
#pragma once

#ifdef __CUDACC_RTC__
__device__ __forceinline__ void widen(unsigned int pair, float &low, float &high) {
  asm("{ .reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }"
      : "=f"(low), "=f"(high)
      : "r"(pair));
}

// Rounds to nearest, ties to even.
__device__ __forceinline__ unsigned int narrow(float low, float high) {
  unsigned int pair;
  asm("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(pair) : "f"(low), "f"(high));
  return pair;
}
#else
#include "cpu.h"
#endif

constexpr int CHANNELS = 8;

// Eight halves. CUDA's own type of 16 bytes, because a structure of ours is read in four pieces where only its members are
// used (the table of docs/gpu.md shows the widths).
using Octet = uint4;

__device__ __forceinline__ void widen(Octet octet, float (&values)[CHANNELS]) {
  widen(octet.x, values[0], values[1]);
  widen(octet.y, values[2], values[3]);
  widen(octet.z, values[4], values[5]);
  widen(octet.w, values[6], values[7]);
}

__device__ __forceinline__ Octet narrow(const float (&values)[CHANNELS]) {
  Octet octet;
  octet.x = narrow(values[0], values[1]);
  octet.y = narrow(values[2], values[3]);
  octet.z = narrow(values[4], values[5]);
  octet.w = narrow(values[6], values[7]);
  return octet;
}

// A slope of 1 is no activation. A value that is no number stays one.
__device__ __forceinline__ float leaky(float value, float slope) { return value < 0.0f ? value * slope : value; }

// Like fmaxf(value, 0), but a value that is no number stays one.
__device__ __forceinline__ float relu(float value) { return value < 0.0f ? 0.0f : value; }
