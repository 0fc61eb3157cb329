// The mean over a map of its values after LeakyReLU, in single precision.
#include "octet.cuh"

constexpr int MEAN_THREADS = 512;

// Grid: x covers the channels in slices of equal width, y the images. In a block, threads with neighbouring numbers read
// neighbouring octets, and each thread sums every `rows`-th pixel; then one thread a channel adds the rows up, always in
// the same order.
extern "C" __global__ void __launch_bounds__(MEAN_THREADS)
    activated_mean(const Octet *__restrict__ x, float *__restrict__ means, int images, int pixels, int octets, float slope) {
  __shared__ float sums[MEAN_THREADS * CHANNELS];
  const int slice = (octets + gridDim.x - 1) / gridDim.x, first = blockIdx.x * slice;
  const int owned = first + slice <= octets ? slice : octets - first;
  const int rows = blockDim.x / slice, row = threadIdx.x / slice, octet = threadIdx.x % slice;
  for (int image = blockIdx.y; image < images; image += gridDim.y) {
    float sum[CHANNELS] = {};
    if (row < rows && octet < owned) {
      const Octet *const map = x + (long long)image * pixels * octets + first + octet;
#pragma unroll 4
      for (int pixel = row; pixel < pixels; pixel += rows) {
        float values[CHANNELS];
        widen(map[(long long)pixel * octets], values);
#pragma unroll
        for (int k = 0; k < CHANNELS; k++) sum[k] += leaky(values[k], slope);
      }
    }
#pragma unroll
    for (int k = 0; k < CHANNELS; k++) sums[threadIdx.x * CHANNELS + k] = sum[k];
    __syncthreads();
    for (int channel = threadIdx.x; channel < owned * CHANNELS; channel += blockDim.x) {
      float total = 0.0f;
      for (int r = 0; r < rows; r++) total += sums[r * slice * CHANNELS + channel];
      means[((long long)image * octets + first) * CHANNELS + channel] = total / pixels;
    }
    // the next image's sums wait until these are read
    __syncthreads();
  }
}
