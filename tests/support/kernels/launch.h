// Launches a kernel by its name, with arguments as cuLaunchKernel takes them: the address of each.
#pragma once

#include "cpu.h"

// Returns false if no kernel has that name, or if the block has more threads than it is compiled for.
bool launch_by_name(const char *name, dim3 grid, dim3 block, void **arguments);
