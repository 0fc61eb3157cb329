/* Replaces libjpeg's decoder by the decoder of huffman/ for the current image. */
#ifndef TRESNET_ENTROPY_H
#define TRESNET_ENTROPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

/* The decoder, known here by its address alone. */
struct tresnet_scan;

/* Kept with the image. */
struct tresnet_entropy {
    struct tresnet_scan *scan;
    boolean (*libjpeg)(j_decompress_ptr info, JBLOCKROW *blocks);
    int in_charge; /* `scan` has the place in the file */
    int retired;   /* something unusual was met: the rest is libjpeg's */
    int wanted;    /* of the blocks of a wanted column */
    JDIMENSION column, first, last; /* of MCUs: the next one, and those that are wanted */
};

/* Of the current image; used by the shim only. */
struct tresnet_entropy *tresnet_jpeg_entropy(j_decompress_ptr info);

/* Gives the image up, and does not return: the other decoder panicked and the place in the file is lost. */
void tresnet_jpeg_panicked(j_decompress_ptr info);

/*
 * After `jpeg_start_decompress` of an image whose only scan is shown whole. `left` and `width` are the columns that
 * `jpeg_crop_scanline` has left.
 */
void tresnet_entropy_install(struct tresnet_entropy *entropy, j_decompress_ptr info, struct tresnet_scan *scan,
                             JDIMENSION left, JDIMENSION width);

#endif
