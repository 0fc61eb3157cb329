// All kernels, as they are compiled into one cubin for each architecture (`make kernels`).
#include "activated_mean.cu"
#include "gate.cu"
#include "leaky_blur.cu"
#include "squeeze_excite.cu"
