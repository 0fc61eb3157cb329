#include "block.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#else
static void __sanitizer_start_switch_fiber(void **, const void *, size_t) {}
static void __sanitizer_finish_switch_fiber(void *, const void **, size_t *) {}
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr size_t STACK = 128 << 10;
constexpr unsigned WARP = 32, NO_THREAD = ~0u;
enum class Wait { None, Block, Warp };

// A stack of its own. It runs the block's threads one after the other until one waits; the others then run on other fibers.
struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[STACK]};
  void *sanitizer = nullptr;
  unsigned thread = NO_THREAD;
};

struct {
  const std::function<void()> *kernel;
  unsigned threads, started, ended;
  bool is_reversed;
  std::vector<Wait> waits;
  std::vector<Fiber *> holders;
  // what a lane gives to the others, in turns of two: a lane that is ahead does not overwrite what others still read
  std::vector<float> given[2];
  std::vector<unsigned> turn;
} block;

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber *> idle;
Fiber *running;
ucontext_t scheduler;
void *scheduler_sanitizer;
const void *scheduler_stack;
size_t scheduler_stack_bytes;

void set_thread(unsigned thread) {
  threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
}

void resume(Fiber *fiber) {
  running = fiber;
  __sanitizer_start_switch_fiber(&scheduler_sanitizer, fiber->stack.get(), STACK);
  swapcontext(&scheduler, &fiber->context);
  __sanitizer_finish_switch_fiber(scheduler_sanitizer, nullptr, nullptr);
}

void leave(Fiber *fiber) {
  __sanitizer_start_switch_fiber(&fiber->sanitizer, scheduler_stack, scheduler_stack_bytes);
  swapcontext(&fiber->context, &scheduler);
  __sanitizer_finish_switch_fiber(fiber->sanitizer, &scheduler_stack, &scheduler_stack_bytes);
}

void run_threads() {
  Fiber *const fiber = running;
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
  for (;;) {
    while (block.started < block.threads) {
      const unsigned next = block.started++;
      fiber->thread = block.is_reversed ? block.threads - 1 - next : next;
      set_thread(fiber->thread);
      (*block.kernel)();
      block.ended++;
    }
    fiber->thread = NO_THREAD;
    idle.push_back(fiber);
    leave(fiber);
  }
}

void wait(Wait kind) {
  Fiber *const fiber = running;
  block.waits[fiber->thread] = kind;
  block.holders[fiber->thread] = fiber;
  leave(fiber);
  set_thread(fiber->thread);
}

Fiber *new_fiber() {
  fibers.push_back(std::make_unique<Fiber>());
  Fiber *const fiber = fibers.back().get();
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = STACK;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, run_threads, 0);
  return fiber;
}

// Resumes the threads from `first` to before `end` if all of them that have not ended wait for the same. `full` asks that
// none has ended.
bool release(unsigned first, unsigned end, Wait kind, bool full) {
  std::vector<Fiber *> resumed;
  for (unsigned thread = first; thread < end; thread++) {
    if (block.waits[thread] == kind) resumed.push_back(block.holders[thread]);
    else if (block.waits[thread] != Wait::None || full) return false;
  }
  if (resumed.empty()) return false;
  for (Fiber *fiber : resumed) block.waits[fiber->thread] = Wait::None;
  if (block.is_reversed) std::reverse(resumed.begin(), resumed.end());
  for (Fiber *fiber : resumed) resume(fiber);
  return true;
}

void run_block() {
  block.started = block.ended = 0;
  while (block.ended < block.threads) {
    if (block.started < block.threads) {
      if (idle.empty()) idle.push_back(new_fiber());
      Fiber *const fiber = idle.back();
      idle.pop_back();
      resume(fiber);
      continue;
    }
    bool is_released = false;
    for (unsigned first = 0; first < block.threads; first += WARP)
      is_released |= first + WARP <= block.threads && release(first, first + WARP, Wait::Warp, true);
    if (!is_released && !release(0, block.threads, Wait::Block, false)) {
      std::fprintf(stderr, "threads of block %u, %u, %u wait for each other\n", blockIdx.x, blockIdx.y, blockIdx.z);
      std::abort();
    }
  }
}

} // namespace

void __syncthreads() { wait(Wait::Block); }

float __shfl_xor_sync(unsigned int lanes, float value, int distance) {
  const unsigned thread = running->thread, turn = block.turn[thread]++ % 2;
  if (lanes != 0xffffffffu || distance < 0 || (unsigned)distance >= WARP) std::abort();
  block.given[turn][thread] = value;
  wait(Wait::Warp);
  return block.given[turn][thread ^ distance];
}

void run_grid(dim3 grid, dim3 size, const std::function<void()> &kernel) {
  gridDim = grid;
  blockDim = size;
  block.kernel = &kernel;
  block.threads = size.x * size.y * size.z;
  block.is_reversed = false;
  block.waits.assign(block.threads, Wait::None);
  block.holders.assign(block.threads, nullptr);
  for (auto &given : block.given) given.assign(block.threads, 0.0f);
  block.turn.assign(block.threads, 0);
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y, z};
        run_block();
        block.is_reversed = !block.is_reversed;
      }
}
