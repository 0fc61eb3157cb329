// The two layers of squeeze-and-excite in one launch: sigmoid(w2 relu(w1 m + b1) + b2) for the means of each image.
#include "octet.cuh"

constexpr int EXCITE_THREADS = 256;
// Channels and hidden channels that fit into the shared memory.
constexpr int MOST_CHANNELS = 4096, MOST_HIDDEN = 1024;
// Threads that share a row of weights. One warp has four such teams, so that 64 hidden channels, the fewest of all
// networks, occupy each thread of a team once.
constexpr int TEAM = 8;

// The product of a row of weights with `values`, in every thread of the team. All threads of a warp call it together.
__device__ __forceinline__ float product(const Octet *row, const float *values, int octets, int member) {
  float sum = 0.0f;
#pragma unroll 2
  for (int octet = member; octet < octets; octet += TEAM) {
    float weights[CHANNELS];
    widen(row[octet], weights);
#pragma unroll
    for (int k = 0; k < CHANNELS; k++) sum += weights[k] * values[octet * CHANNELS + k];
  }
#pragma unroll
  for (int distance = TEAM / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  return sum;
}

__device__ __forceinline__ float single(const unsigned short *values, int at) {
  float value, unused;
  widen(values[at], value, unused);
  return value;
}

// Grid: x covers the images. `channels` and `hidden` are multiples of 8.
extern "C" __global__ void __launch_bounds__(EXCITE_THREADS)
    squeeze_excite(const float *__restrict__ means, const Octet *__restrict__ w1, const unsigned short *__restrict__ b1,
                   const Octet *__restrict__ w2, const unsigned short *__restrict__ b2, float *__restrict__ gates, int images,
                   int channels, int hidden) {
  __shared__ float squeezed[MOST_CHANNELS], excited[MOST_HIDDEN];
  const int team = threadIdx.x / TEAM, member = threadIdx.x % TEAM, teams = blockDim.x / TEAM;
  const int inputs = channels / CHANNELS, inner = hidden / CHANNELS;
  for (int image = blockIdx.x; image < images; image += gridDim.x) {
    for (int at = threadIdx.x; at < channels; at += blockDim.x) squeezed[at] = means[(long long)image * channels + at];
    __syncthreads();
    // teams beyond the last row repeat it, because a warp's threads exchange sums together
    for (int first = 0; first < hidden; first += teams) {
      const int row = first + team < hidden ? first + team : hidden - 1;
      const float sum = product(w1 + (long long)row * inputs, squeezed, inputs, member);
      if (member == 0 && first + team < hidden) excited[row] = relu(sum + single(b1, row));
    }
    __syncthreads();
    for (int first = 0; first < channels; first += teams) {
      const int row = first + team < channels ? first + team : channels - 1;
      const float sum = product(w2 + (long long)row * inner, excited, inner, member);
      if (member == 0 && first + team < channels)
        gates[(long long)image * channels + row] = 1.0f / (1.0f + expf(-(sum + single(b2, row))));
    }
    // the next image's means wait until these are read
    __syncthreads();
  }
}
