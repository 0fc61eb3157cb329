// Compares each kernel with the reference: check ROUNDS [SEED]. Prints a line a kernel, and fails at the first difference.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "launch.h"
#include "reference.h"

namespace {

// Shared memory of the kernels: squeeze_excite.cu.
constexpr int MOST_CHANNELS = 4096, MOST_HIDDEN = 1024;
constexpr int OCTET = 8;

std::mt19937 numbers;
struct Tally {
  int launches = 0;
  double worst = 0;
};
std::map<std::string, Tally> tallies;

int between(int least, int most) { return std::uniform_int_distribution<int>(least, most)(numbers); }
template <class T> T one_of(std::initializer_list<T> all) { return all.begin()[between(0, (int)all.size() - 1)]; }
unsigned ceil_of(int value, int by) { return (unsigned)((value + by - 1) / by); }

// Memory as a kernel sees it, exactly as long as it says: an access beyond it is found by the sanitizer.
template <class T> struct Memory {
  T *data;
  size_t length;
  explicit Memory(size_t length) : data(static_cast<T *>(std::aligned_alloc(16, (length * sizeof(T) + 15) / 16 * 16))), length(length) {
    // what a kernel does not write is no number
    std::memset(data, 0xff, length * sizeof(T));
  }
  Memory(const Memory &) = delete;
  ~Memory() { std::free(data); }
  Values values() const { return Values(data, data + length); }
};

template <class T> Values fill(Memory<T> &memory, double deviation) {
  std::normal_distribution<double> values(0, deviation);
  for (size_t at = 0; at < memory.length; at++) memory.data[at] = (T)values(numbers);
  return memory.values();
}

struct Launch {
  const char *name;
  dim3 grid, block;
};

template <class... Arguments> void launch(const Launch &how, Arguments... arguments) {
  void *addresses[] = {&arguments...};
  if (launch_by_name(how.name, how.grid, how.block, addresses)) return;
  std::fprintf(stderr, "%s: not launched with %u threads\n", how.name, how.block.x);
  std::exit(1);
}

// What one rounding to half precision may differ by, at most.
double half_step(double value) {
  const int exponent = std::max(std::ilogb(std::fabs(value) + 1e-30), -14);
  return std::ldexp(1.0, exponent - 11);
}

template <class T> void compare(const Launch &how, const Memory<T> &found, const Values &expected, const std::string &what) {
  const bool is_half = sizeof(T) == 2;
  double worst = 0;
  for (size_t at = 0; at < expected.size(); at++) {
    const double single = 2e-6 * (1 + std::fabs(expected[at])), step = is_half ? half_step(expected[at]) : 0;
    const double error = std::fabs((double)found.data[at] - expected[at]) / (step + single);
    if (!(error <= 1)) {
      std::fprintf(stderr, "%s %s, grid %u %u %u, block %u: %zu is %.9g, expected %.9g\n", how.name, what.c_str(), how.grid.x,
                   how.grid.y, how.grid.z, how.block.x, at, (double)found.data[at], expected[at]);
      std::exit(1);
    }
    worst = std::max(worst, error);
  }
  Tally &tally = tallies[how.name];
  tally.launches++;
  tally.worst = std::max(tally.worst, worst);
}

std::string text(Shape s) {
  return std::to_string(s.images) + "x" + std::to_string(s.height) + "x" + std::to_string(s.width) + "x" + std::to_string(s.channels);
}

void check_blur(Shape s, double slope, const Memory<_Float16> &x) {
  const Shape out = {s.images, (s.height + 1) / 2, (s.width + 1) / 2, s.channels};
  const int octets = s.channels / OCTET, threads = one_of({256, 256, 96, 33});
  const Launch how = {"leaky_blur",
                      {ceil_of(out.width * octets, threads), (unsigned)between(1, out.height), (unsigned)between(1, s.images)},
                      {(unsigned)threads, 1, 1}};
  Memory<_Float16> y(out.size());
  launch(how, x.data, y.data, s.images, s.height, s.width, octets, (float)slope);
  compare(how, y, leaky_blur(x.values(), s, (float)slope), text(s));
}

void check_mean(Shape s, double slope, const Memory<_Float16> &x) {
  const int octets = s.channels / OCTET, slices = (int)ceil_of(octets, one_of({16, 16, 5, 1}));
  const int slice = (int)ceil_of(octets, slices), threads = one_of({512, 512 / slice * slice, between(slice, 512)});
  // slices that are equally wide may leave none for the last ones
  const Launch how = {"activated_mean", {ceil_of(octets, slice), (unsigned)between(1, s.images), 1}, {(unsigned)threads, 1, 1}};
  Memory<float> means((size_t)s.images * s.channels);
  launch(how, x.data, means.data, s.images, s.height * s.width, octets, (float)slope);
  compare(how, means, activated_mean(x.values(), s, (float)slope), text(s));
}

void check_gates(Shape s, double slope, const Memory<_Float16> &x) {
  const int octets = s.channels / OCTET, area = s.height * s.width * octets;
  const int threads = octets * between(1, std::max(1, 512 / octets));
  const dim3 grid = {(unsigned)between(1, (int)ceil_of(area, threads) + 1), (unsigned)between(1, s.images), 1};
  Memory<float> gates((size_t)s.images * s.channels);
  Memory<_Float16> z(s.size()), y(s.size()), sum(s.size());
  const Values factors = fill(gates, 1), others = fill(z, 2);
  const Launch plain = {"gate", grid, {(unsigned)threads, 1, 1}}, added = {"gate_add_relu", grid, {(unsigned)threads, 1, 1}};
  launch(plain, x.data, gates.data, y.data, s.images, area, octets, (float)slope);
  compare(plain, y, gated(x.values(), factors, {}, s, (float)slope), text(s));
  launch(added, x.data, gates.data, z.data, sum.data, s.images, area, octets);
  compare(added, sum, gated(x.values(), factors, others, s, 1), text(s));
}

void check_excite(int images, int channels, int hidden) {
  Memory<float> means((size_t)images * channels), gates((size_t)images * channels);
  Memory<_Float16> w1((size_t)hidden * channels), b1(hidden), w2((size_t)channels * hidden), b2(channels);
  const Values m = fill(means, 1), first = fill(w1, 1 / std::sqrt(channels)), first_bias = fill(b1, 0.5);
  const Values second = fill(w2, 2 / std::sqrt(hidden)), second_bias = fill(b2, 0.5);
  const Launch how = {"squeeze_excite", {(unsigned)between(1, images), 1, 1}, {one_of({256u, 256u, 64u}), 1, 1}};
  launch(how, means.data, w1.data, b1.data, w2.data, b2.data, gates.data, images, channels, hidden);
  Values inner = linear(m, first, first_bias, images);
  for (double &value : inner) value = std::fmax(value, 0);
  Values outer = linear(inner, second, second_bias, images);
  for (double &value : outer) value = 1 / (1 + std::exp(-value));
  compare(how, gates, outer, std::to_string(images) + "x" + std::to_string(channels) + ", hidden " + std::to_string(hidden));
}

void check_map(Shape s) {
  const double slope = one_of({1.0, 1e-3, 1e-2, 0.25});
  Memory<_Float16> x(s.size());
  fill(x, one_of({0.1, 1.0, 8.0}));
  check_blur(s, slope, x);
  check_mean(s, slope, x);
  check_gates(s, slope, x);
}

// Maps and gates of TResNet-M, -L and -XL at 224, with channels filled up to a multiple of 8.
void check_networks() {
  for (const int base : {64, 76, 83}) {
    const auto filled = [base](int factor) { return (base * factor + OCTET - 1) / OCTET * OCTET; };
    for (const Shape map : {Shape{2, 56, 56, filled(1)}, Shape{1, 56, 56, filled(2)}, Shape{2, 28, 28, filled(2)},
                            Shape{2, 28, 28, filled(4)}, Shape{3, 14, 14, filled(4)}, Shape{2, 14, 14, filled(8)}})
      check_map(map);
    for (const auto &[channels, hidden] : {std::pair{filled(1), 64}, {filled(2), 64}, {filled(4), filled(2)}})
      check_excite(2, channels, hidden);
  }
}

} // namespace

int main(int count, char **arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 20;
  numbers.seed(count > 2 ? (unsigned)std::atoi(arguments[2]) : 1);
  check_networks();
  for (const int channels : {8, 16, 24, 2048, MOST_CHANNELS}) check_map({2, 3, 1, channels});
  for (const Shape map : {Shape{1, 1, 1, 8}, Shape{1, 1, 7, 16}, Shape{3, 2, 2, 40}}) check_map(map);
  check_excite(1, 8, 8);
  check_excite(1, 2048, 512);
  check_excite(1, MOST_CHANNELS, MOST_HIDDEN);
  for (int round = 0; round < rounds; round++) {
    check_map({between(1, 5), between(1, 31), between(1, 31), OCTET * one_of({between(1, 12), between(1, 40)})});
    check_excite(between(1, 4), OCTET * between(1, 40), OCTET * between(1, 20));
  }
  for (const auto &[name, tally] : tallies)
    std::printf("%s: %d launches, at most %.3f of what rounding allows\n", name.c_str(), tally.launches, tally.worst);
}
