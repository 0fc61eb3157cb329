/* The functions of libjpeg that first.rs needs. */
#ifndef TWO_HALVES_FIRST_HALF_H
#define TWO_HALVES_FIRST_HALF_H

#include <stddef.h>

#include "image.h"

/* KEPT: a file of a kind that stays with the program's own decode. */
enum { READ = 0, FAILED = 1, KEPT = 2 };

struct component {
    u32 horizontal, vertical;       /* blocks of an MCU of several components */
    u32 width, height;              /* in samples */
    u32 blocks_across, blocks_down; /* of the file */
    u32 expand_x, expand_y;         /* pixels that a sample is wide and high */
    u32 dc_table, ac_table;
    u16 quantization[BLOCK];
};

struct table {
    u8 counts[17];
    u8 symbols[256];
};

struct frame {
    u32 width, height, components, colours, is_progressive;
    struct component of[COMPONENTS];
    /* Of a file for the program's own decoder; 0 for all others, whose codes are for libjpeg. */
    u32 is_plain;
    size_t scan; /* where its codes begin */
    struct table dc[COMPONENTS], ac[COMPONENTS];
};

struct reader;

/* Reads the header of a file, which outlives the reader. `reader` is to be closed whatever is returned. */
int two_halves_open(const u8 *bytes, size_t length, struct reader **reader, struct frame *frame);

/* Reads all coefficients by libjpeg. */
int two_halves_read(struct reader *reader, struct frame *frame);

/* A row of a component's blocks after `two_halves_read`, until the next call; NULL where it fails. */
const i16 *two_halves_blocks(struct reader *reader, u32 component, u32 row);

void two_halves_close(struct reader *reader);

#endif
