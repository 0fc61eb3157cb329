/*
 * An image between the two halves, as the kernels see it. One text for C and for CUDA C++ (NVRTC has no standard
 * headers, so there are none here); lib.rs and second.rs repeat the structures.
 */
#ifndef TWO_HALVES_IMAGE_H
#define TWO_HALVES_IMAGE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned u32;
typedef int i32;

/*
 * A kernel is a loop over the elements of its output. On the CPU it is that loop. On a GPU each thread takes the elements
 * of its number, of pixels each block takes rows and each thread columns, and the grid's second dimension is the image.
 */
#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
#else
#define KERNEL void
#define DEVICE static inline
#endif

/* threads.c defines TWO_HALVES_THREADS and the numbers of a thread, to run a device's loops on the CPU. */
#if defined(__CUDACC__) || defined(TWO_HALVES_THREADS)
#define EACH_IMAGE(image, images, count) \
    for (const struct image *image = (images) + blockIdx.y; image < (images) + (count); image += gridDim.y)
#define EACH(index, count) \
    for (u32 index = blockIdx.x * blockDim.x + threadIdx.x; index < (count); index += gridDim.x * blockDim.x)
#define EACH_PIXEL(column, row, width, height)                   \
    for (u32 row = blockIdx.x; row < (height); row += gridDim.x) \
        for (u32 column = threadIdx.x; column < (width); column += blockDim.x)
#else
#define EACH_IMAGE(image, images, count) for (const struct image *image = (images); image < (images) + (count); image++)
#define EACH(index, count) for (u32 index = 0; index < (count); index++)
#define EACH_PIXEL(column, row, width, height) \
    for (u32 row = 0; row < (height); row++)   \
        for (u32 column = 0; column < (width); column++)
#endif

enum { COMPONENTS = 4, BLOCK = 64, SIDE = 8 };

enum { GRAY = 1, RGB = 2, YCC = 3, CMYK = 4, YCCK = 5 };

/*
 * Coefficients as they cross the bus, in entries of 16 bits. A block's first entry is its DC coefficient. Each other
 * coefficient that is not 0 has an entry of its place, row by row, in 6 bits and its value in the upper 10, or, where
 * the value is ESCAPE, in the next entry.
 */
enum { PLACE_BITS = 6, ESCAPE = -512 };

/* A component: the blocks that are needed of it. */
struct plane {
    const u32 *offsets; /* of each block's first entry, and one more: the end of the last */
    const u16 *entries;
    u8 *samples; /* `across` x `down` blocks, row by row */
    u32 across, down;
    u32 left, top;          /* of the first sample in the whole component */
    u32 width, height;      /* of the whole component, in samples */
    u32 expand_x, expand_y; /* pixels that a sample is wide and high */
    u32 smooth_x, smooth_y; /* the triangle filter, not copies */
    u16 quantization[BLOCK];
};

/* One pass of Pillow's resampling. A pixel has red in its lowest byte, then green, blue and 0. */
struct pass {
    const u32 *source;
    u32 *target;
    const u32 *windows; /* of each output along the pass: its first input and the end of its inputs */
    const i32 *weights; /* of each output, `taps` */
    u32 taps;
    u32 source_width;
    u32 width, height; /* of the target */
    u32 is_vertical;
};

enum { NCHW = 0, NHWC = 1, SPACE_TO_DEPTH = 2 };

struct image {
    struct plane planes[COMPONENTS];
    u32 components, colours;
    u32 left, top, width, height; /* the needed pixels */
    u32 *pixels;
    struct pass passes[2];
    u32 size; /* side of the square, which is the second pass's target */
    u32 layout;
    u32 element_bytes;
    const u32 *elements; /* what each byte of each of three channels becomes */
    void *row;
};

#endif
