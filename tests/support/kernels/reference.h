// The operators in double precision, written from their definition and without anything of the kernels.
#pragma once

#include <cmath>
#include <vector>

using Values = std::vector<double>;

struct Shape {
  int images, height, width, channels;
  size_t size() const { return (size_t)images * height * width * channels; }
  size_t at(int image, int row, int column, int channel) const {
    return (((size_t)image * height + row) * width + column) * channels + channel;
  }
};

inline double activated(double value, double slope) { return value >= 0 ? value : value * slope; }

// A position beyond the edge, seen in a mirror whose plane is the edge's pixel.
inline int mirrored(int at, int length) {
  if (length == 1) return 0;
  const int period = 2 * (length - 1), within = ((at % period) + period) % period;
  return within < length ? within : period - within;
}

inline Values leaky_blur(const Values &x, Shape shape, double slope) {
  const int weights[3] = {1, 2, 1};
  const Shape out = {shape.images, (shape.height + 1) / 2, (shape.width + 1) / 2, shape.channels};
  Values y(out.size());
  for (int n = 0; n < out.images; n++)
    for (int r = 0; r < out.height; r++)
      for (int c = 0; c < out.width; c++)
        for (int k = 0; k < out.channels; k++) {
          double sum = 0;
          for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
              const int row = mirrored(2 * r + i - 1, shape.height), column = mirrored(2 * c + j - 1, shape.width);
              sum += weights[i] * weights[j] * activated(x[shape.at(n, row, column, k)], slope);
            }
          y[out.at(n, r, c, k)] = sum / 16;
        }
  return y;
}

inline Values activated_mean(const Values &x, Shape shape, double slope) {
  Values means((size_t)shape.images * shape.channels);
  for (int n = 0; n < shape.images; n++)
    for (int r = 0; r < shape.height; r++)
      for (int c = 0; c < shape.width; c++)
        for (int k = 0; k < shape.channels; k++)
          means[(size_t)n * shape.channels + k] +=
              activated(x[shape.at(n, r, c, k)], slope) / ((double)shape.height * shape.width);
  return means;
}

// One layer: `weights` is [outputs, inputs], `inputs` [images, inputs].
inline Values linear(const Values &inputs, const Values &weights, const Values &bias, int images) {
  const size_t outputs = bias.size(), width = weights.size() / outputs;
  Values y((size_t)images * outputs);
  for (int n = 0; n < images; n++)
    for (size_t o = 0; o < outputs; o++) {
      double sum = bias[o];
      for (size_t i = 0; i < width; i++) sum += weights[o * width + i] * inputs[n * width + i];
      y[n * outputs + o] = sum;
    }
  return y;
}

// `others` is what is added before a ReLU, or empty.
inline Values gated(const Values &x, const Values &gates, const Values &others, Shape shape, double slope) {
  Values y(shape.size());
  for (size_t at = 0; at < y.size(); at++) {
    const size_t image = at / (y.size() / shape.images);
    const double gate = gates[image * shape.channels + at % shape.channels];
    y[at] = others.empty() ? activated(x[at], slope) * gate : std::fmax(x[at] * gate + others[at], 0);
  }
  return y;
}
