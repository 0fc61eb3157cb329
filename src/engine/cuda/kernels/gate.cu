// A map times its image's gates: leaky(x) * gate, and relu(x * gate + z).
#include "octet.cuh"

constexpr int MOST_GATE_THREADS = 512;

// What a thread of both kernels works on: the number of threads of a block is a multiple of `octets`, so a thread sees the
// same channels at each of its steps, and its gates stay in registers.
struct Walk {
  long long start;
  int first, step, end;
};

// Grid: x covers a map, y the images.
__device__ __forceinline__ Walk walk(int image, int area) {
  return {(long long)image * area, (int)(blockIdx.x * blockDim.x + threadIdx.x), (int)(gridDim.x * blockDim.x), area};
}

__device__ __forceinline__ void read_gates(const float *gates, int image, int octets, float (&values)[CHANNELS]) {
  const float4 *const from = (const float4 *)gates + ((long long)image * octets + threadIdx.x % octets) * 2;
  const float4 low = from[0], high = from[1];
  const float all[CHANNELS] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int k = 0; k < CHANNELS; k++) values[k] = all[k];
}

// `area` is height * width * octets.
extern "C" __global__ void __launch_bounds__(MOST_GATE_THREADS)
    gate(const Octet *__restrict__ x, const float *__restrict__ gates, Octet *__restrict__ y, int images, int area, int octets,
         float slope) {
  for (int image = blockIdx.y; image < images; image += gridDim.y) {
    const Walk map = walk(image, area);
    float factors[CHANNELS];
    read_gates(gates, image, octets, factors);
#pragma unroll 4
    for (int at = map.first; at < map.end; at += map.step) {
      float values[CHANNELS];
      widen(x[map.start + at], values);
#pragma unroll
      for (int k = 0; k < CHANNELS; k++) values[k] = leaky(values[k], slope) * factors[k];
      y[map.start + at] = narrow(values);
    }
  }
}

extern "C" __global__ void __launch_bounds__(MOST_GATE_THREADS)
    gate_add_relu(const Octet *__restrict__ x, const float *__restrict__ gates, const Octet *__restrict__ z,
                  Octet *__restrict__ y, int images, int area, int octets) {
  for (int image = blockIdx.y; image < images; image += gridDim.y) {
    const Walk map = walk(image, area);
    float factors[CHANNELS];
    read_gates(gates, image, octets, factors);
#pragma unroll 4
    for (int at = map.first; at < map.end; at += map.step) {
      float values[CHANNELS], others[CHANNELS];
      widen(x[map.start + at], values);
      widen(z[map.start + at], others);
#pragma unroll
      for (int k = 0; k < CHANNELS; k++) values[k] = relu(values[k] * factors[k] + others[k]);
      y[map.start + at] = narrow(values);
    }
  }
}
