/* The kernels with a device's loops, a thread after the other: which elements a thread takes is tested without a GPU. */
struct place {
    unsigned x, y;
};

/* tests run side by side */
static _Thread_local struct place gridDim, blockIdx, blockDim, threadIdx;

#define TWO_HALVES_THREADS
#define two_halves_inverse_dct two_halves_thread_inverse_dct
#define two_halves_colours two_halves_thread_colours
#define two_halves_resample two_halves_thread_resample
#define two_halves_pack two_halves_thread_pack
#include "kernels.c"

static void run(const struct image *images, u32 count, u32 step) {
    switch (step) {
    case 0:
        return two_halves_thread_inverse_dct(images, count);
    case 1:
        return two_halves_thread_colours(images, count);
    case 2:
    case 3:
        return two_halves_thread_resample(images, count, step - 2);
    default:
        return two_halves_thread_pack(images, count);
    }
}

/* Fewer threads than elements, blocks than rows and images, in numbers that divide no side of a square. */
void two_halves_on_a_grid(const struct image *images, u32 count) {
    gridDim = (struct place){5, 3};
    blockDim = (struct place){37, 1};
    for (u32 step = 0; step < 5; step++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
                for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) run(images, count, step);
}
