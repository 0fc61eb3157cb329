/*
 * The second half of a decode: coefficients to the row of the engine's input, in whole numbers.
 *
 * Every kernel gives the bytes of the program's own decode, which are those of libjpeg-turbo's vector code on x86-64.
 * If no coefficient exceeds 16 bits, its C code computes the same. In damaged or hostile files the vectors wrap and
 * saturate, and so does `transform`.
 */
#include "image.h"

DEVICE i32 clamp(i32 value, i32 least, i32 most) { return value < least ? least : value > most ? most : value; }

/* The lowest 16 bits as a number with a sign. */
DEVICE i32 wrapped(i32 value) { return (i16)(u16)value; }

/* Divided by 2^bits, rounded half up. Negative numbers are shifted with their sign by all compilers in question. */
DEVICE i32 scaled(i32 value, u32 bits) { return (value + (1 << (bits - 1))) >> bits; }

DEVICE i32 saturated(i32 value) { return clamp(value, -32768, 32767); }

/* Factors of the transform have 13 fractional bits, and values between its passes 2. */
enum { FACTOR_BITS = 13, PASS_BITS = 2 };

/*
 * The inverse DCT of eight numbers of 16 bits in Loeffler's, Ligtenberg's and Moschytz' form, sqrt(8) * 2^13 times as
 * large. Sums of inputs wrap at 16 bits; with that, nothing leaves 32.
 */
DEVICE void transform(const i32 in[SIDE], i32 out[SIDE]) {
    i32 sum = wrapped(in[0] + in[4]) * (1 << FACTOR_BITS);
    i32 difference = wrapped(in[0] - in[4]) * (1 << FACTOR_BITS);
    i32 even2 = in[2] * 4433 + in[6] * (4433 - 15137);
    i32 even3 = in[2] * (4433 + 6270) + in[6] * 4433;
    i32 even[4] = {sum + even3, difference + even2, difference - even2, sum - even3};

    i32 z3 = wrapped(in[7] + in[3]), z4 = wrapped(in[5] + in[1]);
    i32 turned3 = z3 * (9633 - 16069) + z4 * 9633;
    i32 turned4 = z3 * 9633 + z4 * (9633 - 3196);
    i32 odd[4] = {
        in[7] * -7373 + in[1] * (12299 - 7373) + turned4,
        in[5] * -20995 + in[3] * (25172 - 20995) + turned3,
        in[5] * (16819 - 20995) + in[3] * -20995 + turned4,
        in[7] * (2446 - 7373) + in[1] * -7373 + turned3,
    };

    for (u32 i = 0; i < 4; i++) {
        out[i] = even[i] + odd[i];
        out[7 - i] = even[i] - odd[i];
    }
}

/* Reads a block's entries and multiplies; whether it has more than its first row is known before the multiplication. */
DEVICE u32 unpack(const struct plane *plane, u32 number, i32 block[BLOCK]) {
    const u16 *entry = plane->entries + plane->offsets[number];
    const u16 *end = plane->entries + plane->offsets[number + 1];
    u32 is_deep = 0;

    for (u32 i = 0; i < BLOCK; i++) block[i] = 0;
    block[0] = wrapped((i16)*entry++ * plane->quantization[0]);
    while (entry < end) {
        u32 place = *entry & (BLOCK - 1);
        i32 value = (i16)*entry++ >> PLACE_BITS;
        if (value == ESCAPE) value = (i16)*entry++;
        block[place] = wrapped(value * plane->quantization[place]);
        is_deep |= place >= SIDE;
    }
    return is_deep;
}

/* One thread a block. */
KERNEL two_halves_inverse_dct(const struct image *images, u32 count) {
    EACH_IMAGE(image, images, count) {
        for (u32 c = 0; c < image->components; c++) {
            const struct plane *plane = &image->planes[c];
            EACH(number, plane->across * plane->down) {
                i32 block[BLOCK], in[SIDE], out[SIDE];
                u32 stride = plane->across * SIDE;
                u8 *corner = plane->samples + (number / plane->across * stride + number % plane->across) * SIDE;
                u32 is_deep = unpack(plane, number, block);

                for (u32 x = 0; x < SIDE; x++) {
                    for (u32 y = 0; y < SIDE; y++) in[y] = block[y * SIDE + x];
                    transform(in, out);
                    /* of a block of one row the vectors shift, which wraps; all others saturate */
                    for (u32 y = 0; y < SIDE; y++)
                        block[y * SIDE + x] = is_deep ? saturated(scaled(out[y], FACTOR_BITS - PASS_BITS))
                                                      : wrapped(in[0] * (1 << PASS_BITS));
                }
                for (u32 y = 0; y < SIDE; y++) {
                    transform(block + y * SIDE, out);
                    for (u32 x = 0; x < SIDE; x++)
                        corner[y * stride + x] = (u8)(clamp(scaled(out[x], FACTOR_BITS + PASS_BITS + 3), -128, 127) + 128);
                }
            }
        }
    }
}

/* The place of a sample in the stored part of a component. Samples beyond its sides equal those at its sides. */
DEVICE i32 column_of(const struct plane *plane, i32 x) { return clamp(x, 0, (i32)plane->width - 1) - (i32)plane->left; }

DEVICE i32 row_of(const struct plane *plane, i32 y) {
    return (clamp(y, 0, (i32)plane->height - 1) - (i32)plane->top) * (i32)(plane->across * SIDE);
}

/* Divisions are expensive on a GPU, and few files need one. */
DEVICE i32 divided(u32 number, u32 by) { return (i32)(by == 1 ? number : by == 2 ? number >> 1 : number / by); }

/*
 * A component at a pixel. Smoothed, it is made of three parts of the sample that has the pixel and one of the next
 * nearest, across, down or both; halves are rounded down and up in turn.
 */
DEVICE i32 upsampled(const struct plane *plane, u32 x, u32 y) {
    i32 near_x = divided(x, plane->expand_x), near_y = divided(y, plane->expand_y);
    i32 far_x = column_of(plane, plane->smooth_x ? near_x + (x % 2 ? 1 : -1) : near_x);
    const u8 *near = plane->samples + row_of(plane, near_y), *far = near;

    near_x = column_of(plane, near_x);
    if (plane->smooth_y) far = plane->samples + row_of(plane, near_y + (y % 2 ? 1 : -1));
    if (plane->smooth_x && plane->smooth_y)
        return (3 * (3 * near[near_x] + far[near_x]) + 3 * near[far_x] + far[far_x] + (x % 2 ? 7 : 8)) >> 4;
    if (plane->smooth_x || plane->smooth_y)
        return (3 * near[near_x] + far[far_x] + ((plane->smooth_x ? x : y) % 2 ? 2 : 1)) >> 2;
    return near[near_x];
}

/* The factors of JFIF have 16 fractional bits. */
DEVICE void from_ycc(i32 rgb[3], i32 y, i32 cb, i32 cr) {
    rgb[0] = clamp(y + scaled(91881 * (cr - 128), 16), 0, 255);
    rgb[1] = clamp(y + scaled(-22554 * (cb - 128) - 46802 * (cr - 128), 16), 0, 255);
    rgb[2] = clamp(y + scaled(116130 * (cb - 128), 16), 0, 255);
}

DEVICE u32 pixel_of(const i32 rgb[3]) { return (u32)(rgb[0] | rgb[1] << 8 | rgb[2] << 16); }

/* One thread a pixel: upsampling and colours. */
KERNEL two_halves_colours(const struct image *images, u32 count) {
    EACH_IMAGE(image, images, count) {
        EACH_PIXEL(column, row, image->width, image->height) {
            u32 x = image->left + column, y = image->top + row;
            i32 value[COMPONENTS] = {0, 0, 0, 0};

            for (u32 c = 0; c < image->components; c++) value[c] = upsampled(&image->planes[c], x, y);
            if (image->colours == GRAY) value[1] = value[2] = value[0];
            if (image->colours == YCC || image->colours == YCCK) from_ycc(value, value[0], value[1], value[2]);
            for (u32 c = 0; c < 3 && image->components == 4; c++) {
                /* inks are stored inverted; the product is divided by 255 as Pillow divides it */
                i32 paper = image->colours == YCCK ? value[c] : 255 - value[c];
                i32 product = paper * value[3] + 128;
                value[c] = clamp(value[3] - (((product >> 8) + product) >> 8), 0, 255);
            }
            image->pixels[row * image->width + column] = pixel_of(value);
        }
    }
}

/* Fractional bits of a weight of Pillow's. */
enum { WEIGHT_BITS = 22 };

/* One thread a pixel of the target. */
KERNEL two_halves_resample(const struct image *images, u32 count, u32 number) {
    EACH_IMAGE(image, images, count) {
        const struct pass *pass = &image->passes[number];
        EACH_PIXEL(x, y, pass->width, pass->height) {
            u32 output = pass->is_vertical ? y : x;
            u32 first = pass->windows[2 * output], taps = pass->windows[2 * output + 1] - first;
            u32 step = pass->is_vertical ? pass->source_width : 1;
            const u32 *source = pass->source + (pass->is_vertical ? x : y * pass->source_width) + first * step;
            const i32 *weights = pass->weights + output * pass->taps;
            i32 rgb[3] = {1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1)};

            for (u32 tap = 0; tap < taps; tap++)
                for (u32 c = 0; c < 3; c++) rgb[c] += weights[tap] * (i32)(source[tap * step] >> 8 * c & 255);
            for (u32 c = 0; c < 3; c++) rgb[c] = clamp(rgb[c] >> WEIGHT_BITS, 0, 255);
            pass->target[y * pass->width + x] = pixel_of(rgb);
        }
    }
}

/* One thread a pixel of the square: its three elements of the row. */
KERNEL two_halves_pack(const struct image *images, u32 count) {
    EACH_IMAGE(image, images, count) {
        u32 size = image->size, step = image->layout == NCHW ? size * size : 1;
        EACH_PIXEL(x, y, size, size) {
            u32 at = y * size + x, pixel = image->passes[1].target[at];
            if (image->layout == NHWC) at *= 3;
            if (image->layout == SPACE_TO_DEPTH) at = (y / 4 * (size / 4) + x / 4) * 48 + (y % 4 * 4 + x % 4) * 3;
            for (u32 c = 0; c < 3; c++) {
                u32 element = image->elements[c * 256 + (pixel >> 8 * c & 255)];
                if (image->element_bytes == 1) ((u8 *)image->row)[at + c * step] = (u8)element;
                if (image->element_bytes == 2) ((u16 *)image->row)[at + c * step] = (u16)element;
                if (image->element_bytes == 4) ((u32 *)image->row)[at + c * step] = element;
            }
        }
    }
}
