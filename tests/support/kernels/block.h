// Runs a kernel's grid on the CPU.
#pragma once

#include <functional>

#include "cpu.h"

// Runs `kernel` once for each thread of each block. The threads of every other block run in reverse order, so that a value
// which is read without waiting for its writer is wrong in one of the orders. Ends the process if threads wait for each
// other in vain.
void run_grid(dim3 grid, dim3 block, const std::function<void()> &kernel);
