// LeakyReLU, then the filter [1, 2, 1] x [1, 2, 1] / 16 of stride 2 over reflected edges. The activated map is never stored.
#include "octet.cuh"

// Output rows that a thread computes one below the other. They share input rows: 4 outputs read 9 rows instead of 12.
constexpr int STRIP = 4;
constexpr int BLUR_THREADS = 256;

// The position that a reflected edge shows at -1 and at `length`; a map of one pixel shows that pixel.
__device__ __forceinline__ int reflected(int at, int length) {
  if (at < 0) return length > 1 ? 1 : 0;
  if (at >= length) return length > 1 ? length - 2 : 0;
  return at;
}

// Offsets of the three pixels, in octets from the start of a row.
struct Columns {
  int left, middle, right;
};

__device__ __forceinline__ void filter_row(const Octet *row, Columns columns, float slope, float (&sums)[CHANNELS]) {
  const Octet left = row[columns.left], middle = row[columns.middle], right = row[columns.right];
  float a[CHANNELS], b[CHANNELS], c[CHANNELS];
  widen(left, a);
  widen(middle, b);
  widen(right, c);
#pragma unroll
  for (int k = 0; k < CHANNELS; k++) sums[k] = leaky(a[k], slope) + 2.0f * leaky(b[k], slope) + leaky(c[k], slope);
}

// Grid: x covers the pixels and octets of an output row, y the strips, z the images.
extern "C" __global__ void __launch_bounds__(BLUR_THREADS)
    leaky_blur(const Octet *__restrict__ x, Octet *__restrict__ y, int images, int height, int width, int octets, float slope) {
  const int out_height = (height + 1) / 2, out_row = (width + 1) / 2 * octets;
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= out_row) return;
  const int column = at / octets, octet = at % octets;
  const Columns columns = {reflected(2 * column - 1, width) * octets + octet, 2 * column * octets + octet,
                           reflected(2 * column + 1, width) * octets + octet};
  const long long row = (long long)width * octets;
  for (int image = blockIdx.z; image < images; image += gridDim.z) {
    const Octet *const map = x + image * height * row;
    Octet *const out = y + (long long)image * out_height * out_row + at;
    for (int first = blockIdx.y * STRIP; first < out_height; first += gridDim.y * STRIP) {
      float above[CHANNELS], middle[CHANNELS], below[CHANNELS], sums[CHANNELS];
      filter_row(map + reflected(2 * first - 1, height) * row, columns, slope, above);
#pragma unroll
      for (int line = first; line < first + STRIP; line++) {
        if (line >= out_height) break;
        filter_row(map + 2 * line * row, columns, slope, middle);
        filter_row(map + reflected(2 * line + 1, height) * row, columns, slope, below);
#pragma unroll
        for (int k = 0; k < CHANNELS; k++) {
          sums[k] = (above[k] + 2.0f * middle[k] + below[k]) * 0.0625f;
          above[k] = below[k];
        }
        out[(long long)line * out_row] = narrow(sums);
      }
    }
  }
}
