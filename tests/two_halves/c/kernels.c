/*
 * The second half of a decode: coefficients to the row of the engine's input, in whole numbers.
 *
 * Every kernel gives the bytes of the program's own decode, which are those of libjpeg-turbo's vector code on x86-64.
 * Where no coefficient leaves 16 bits that is the arithmetic of its C code too. Elsewhere, in damaged or hostile files,
 * the vectors wrap and saturate, and so does `transform`.
 */
#include "image.h"

DEVICE i32 clamp(i32 value, i32 least, i32 most) { return value < least ? least : value > most ? most : value; }

/* The lowest 16 bits as a number with a sign. */
DEVICE i32 wrapped(i32 value) { return (i16)(u16)value; }

/* Divided by 2^bits, rounded half up. Negative numbers are shifted with their sign by all compilers in question. */
DEVICE i32 scaled(i32 value, u32 bits) { return (value + (1 << (bits - 1))) >> bits; }

DEVICE i32 saturated(i32 value) { return clamp(value, -32768, 32767); }

/* Factors of the transform have 13 bits behind the point, and values between its passes 2. */
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

/* A sample of a component, those beyond its sides being those at its sides. */
DEVICE i32 sample(const struct plane *plane, i32 x, i32 y) {
    u32 column = (u32)clamp(x, 0, (i32)plane->width - 1) - plane->left;
    u32 row = (u32)clamp(y, 0, (i32)plane->height - 1) - plane->top;
    return plane->samples[row * plane->across * SIDE + column];
}

/*
 * A component at a pixel. Smoothed, it is made of three parts of the sample that has the pixel and one of the next
 * nearest, across, down or both; halves are rounded down and up in turn.
 */
DEVICE i32 upsampled(const struct plane *plane, u32 x, u32 y) {
    i32 near_x = (i32)(x / plane->expand_x), near_y = (i32)(y / plane->expand_y);
    i32 far_x = plane->smooth_x ? near_x + (x % 2 ? 1 : -1) : near_x;
    i32 far_y = plane->smooth_y ? near_y + (y % 2 ? 1 : -1) : near_y;
    i32 near = sample(plane, near_x, near_y);

    if (plane->smooth_x && plane->smooth_y) {
        near = 3 * near + sample(plane, near_x, far_y);
        i32 far = 3 * sample(plane, far_x, near_y) + sample(plane, far_x, far_y);
        return (3 * near + far + (x % 2 ? 7 : 8)) >> 4;
    }
    if (plane->smooth_x || plane->smooth_y) {
        u32 is_later = (plane->smooth_x ? x : y) % 2;
        return (3 * near + sample(plane, far_x, far_y) + (is_later ? 2 : 1)) >> 2;
    }
    return near;
}

/* The factors of JFIF have 16 bits behind the point. */
DEVICE void from_ycc(i32 rgb[3], i32 y, i32 cb, i32 cr) {
    rgb[0] = clamp(y + scaled(91881 * (cr - 128), 16), 0, 255);
    rgb[1] = clamp(y + scaled(-22554 * (cb - 128) - 46802 * (cr - 128), 16), 0, 255);
    rgb[2] = clamp(y + scaled(116130 * (cb - 128), 16), 0, 255);
}

/* One thread a pixel: upsampling, and what the components become. */
KERNEL two_halves_colours(const struct image *images, u32 count) {
    EACH_IMAGE(image, images, count) {
        EACH(index, image->width * image->height) {
            u32 x = image->left + index % image->width, y = image->top + index / image->width;
            i32 value[COMPONENTS] = {0, 0, 0, 0};
            u8 *pixel = image->pixels + index * 4;

            for (u32 c = 0; c < image->components; c++) value[c] = upsampled(&image->planes[c], x, y);
            if (image->colours == GRAY) value[1] = value[2] = value[0];
            if (image->colours == YCC || image->colours == YCCK) from_ycc(value, value[0], value[1], value[2]);
            for (u32 c = 0; c < 3; c++) {
                if (image->colours == YCCK) value[c] = 255 - value[c];
                if (image->components == 4) {
                    /* inks are stored inverted; the product is divided by 255 as Pillow divides it */
                    i32 product = (255 - value[c]) * value[3] + 128;
                    value[c] = clamp(value[3] - (((product >> 8) + product) >> 8), 0, 255);
                }
                pixel[c] = (u8)value[c];
            }
            pixel[3] = 0;
        }
    }
}

/* Bits behind the point of a weight of Pillow's. */
enum { WEIGHT_BITS = 22 };

/* One thread a pixel of the target. */
KERNEL two_halves_resample(const struct image *images, u32 count, u32 number) {
    EACH_IMAGE(image, images, count) {
        const struct pass *pass = &image->passes[number];
        EACH(index, pass->width * pass->height) {
            u32 x = index % pass->width, y = index / pass->width;
            u32 output = pass->is_vertical ? y : x;
            u32 first = pass->windows[2 * output], taps = pass->windows[2 * output + 1] - first;
            u32 start = pass->is_vertical ? first * pass->source_width + x : y * pass->source_width + first;
            u32 step = pass->is_vertical ? pass->source_width : 1;
            const u8 *source = pass->source + start * 4;
            i32 sums[3] = {1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1)};

            for (u32 tap = 0; tap < taps; tap++)
                for (u32 c = 0; c < 3; c++)
                    sums[c] += pass->weights[output * pass->taps + tap] * source[tap * step * 4 + c];
            for (u32 c = 0; c < 3; c++) pass->target[index * 4 + c] = (u8)clamp(sums[c] >> WEIGHT_BITS, 0, 255);
            pass->target[index * 4 + 3] = 0;
        }
    }
}

/* One thread an element of the row. */
KERNEL two_halves_pack(const struct image *images, u32 count) {
    EACH_IMAGE(image, images, count) {
        u32 size = image->size;
        EACH(index, size * size * 3) {
            u32 channel = index % 3, x = index / 3 % size, y = index / 3 / size;
            if (image->layout == NCHW) {
                channel = index / (size * size);
                x = index % size;
                y = index / size % size;
            } else if (image->layout == SPACE_TO_DEPTH) {
                u32 place = index / 48, within = index % 48 / 3;
                x = place % (size / 4) * 4 + within % 4;
                y = place / (size / 4) * 4 + within / 4;
            }
            u32 element = image->elements[channel * 256 + image->passes[1].target[(y * size + x) * 4 + channel]];
            if (image->element_bytes == 1) ((u8 *)image->row)[index] = (u8)element;
            if (image->element_bytes == 2) ((u16 *)image->row)[index] = (u16)element;
            if (image->element_bytes == 4) ((u32 *)image->row)[index] = element;
        }
    }
}
