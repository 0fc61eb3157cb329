#include "launch.h"

#include <utility>

#include "block.h"
#include "tresnet.cu"

namespace {

template <class... Types, size_t... At>
void run(void (*kernel)(Types...), dim3 grid, dim3 block, void **arguments, std::index_sequence<At...>) {
  run_grid(grid, block, [=] { kernel(*static_cast<Types *>(arguments[At])...); });
}

template <class... Types> bool run(void (*kernel)(Types...), dim3 grid, dim3 block, unsigned most, void **arguments) {
  if (block.x * block.y * block.z > most) return false;
  run(kernel, grid, block, arguments, std::index_sequence_for<Types...>{});
  return true;
}

} // namespace

bool launch_by_name(const char *name, dim3 grid, dim3 block, void **arguments) {
  const auto is = [name](const char *kernel) { return std::strcmp(name, kernel) == 0; };
  if (is("activated_mean")) return run(activated_mean, grid, block, MEAN_THREADS, arguments);
  if (is("gate")) return run(gate, grid, block, MOST_GATE_THREADS, arguments);
  if (is("gate_add_relu")) return run(gate_add_relu, grid, block, MOST_GATE_THREADS, arguments);
  if (is("leaky_blur")) return run(leaky_blur, grid, block, BLUR_THREADS, arguments);
  if (is("squeeze_excite")) return run(squeeze_excite, grid, block, EXCITE_THREADS, arguments);
  return false;
}

// For the recording libraries: 1 if the kernel ran.
extern "C" __attribute__((visibility("default"))) int tresnet_launch(const char *name, const unsigned grid[3], const unsigned block[3], void **arguments) {
  return launch_by_name(name, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, arguments);
}
