/*
 * What mod.rs beside it needs of libjpeg, with libjpeg's non-local exits kept on this side.
 *
 * Every function below that can fail arms `escape` first, so no longjmp ever crosses a Rust frame. An image is read
 * from one buffer that holds all there is: running out of it suspends libjpeg, which here means that the file is cut.
 * That is Pillow's arrangement too, and the reason why both refuse the same files; the stock memory source would
 * invent an end marker and go on with grey. libjpeg is also shown no more at a time than Pillow shows it, because how
 * far it has read ahead when it pauses decides whether a file without its last two bytes is still whole.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "entropy.h"
#include "memory.h"

enum {
    STATUS_OK = 0,
    STATUS_SUSPENDED = 1,
    STATUS_ERROR = 2,
    STATUS_SCANS = 3,
    STATUS_MEMORY = 4,
    STATUS_UNSUPPORTED = 5,
    STATUS_PANIC = 6
};

/* Pillow's ImageFile.MAXBLOCK. */
enum { BLOCK = 65536 };

struct tresnet_jpeg {
    struct tresnet_memory memory; /* first: memory.c knows this alone */
    struct tresnet_entropy entropy;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    size_t unseen; /* bytes after those that the source shows */
    size_t skip;   /* of them, to be passed over */
    int live;      /* `info` owns memory */
    int as_stored; /* rows are what the file has, without another colour */
    int max_scans;
    int status;    /* why `escape` was taken */
    char message[JMSG_LENGTH_MAX]; /* of the error, else of the first warning */
};

struct tresnet_jpeg_header {
    unsigned width, height;
    int components, precision;
    int lossless; /* decoded whole and at its full size alone */
    int partial; /* rows and columns may be left out and nothing that is refused goes unseen: see `may_be_partial` */
};

static struct tresnet_jpeg *owner(j_common_ptr info) { return info->client_data; }

struct tresnet_entropy *tresnet_jpeg_entropy(j_decompress_ptr info) { return &owner((j_common_ptr)info)->entropy; }

void tresnet_jpeg_panicked(j_decompress_ptr info) {
    struct tresnet_jpeg *jpeg = owner((j_common_ptr)info);
    jpeg->status = STATUS_PANIC;
    longjmp(jpeg->escape, 1);
}

static int status_of(int error) {
    switch (error) {
    case JERR_OUT_OF_MEMORY:
        return STATUS_MEMORY;
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
        return STATUS_UNSUPPORTED;
    default:
        return STATUS_ERROR;
    }
}

static void on_error(j_common_ptr info) {
    struct tresnet_jpeg *jpeg = owner(info);
    info->err->format_message(info, jpeg->message);
    jpeg->status = status_of(info->err->msg_code);
    longjmp(jpeg->escape, 1);
}

/* Level -1 is a warning; the levels above it are a trace that is not used. */
static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    if (info->err->num_warnings++ == 0) info->err->format_message(info, owner(info)->message);
}

static void print_nothing(j_common_ptr info) { (void)info; }

/* libjpeg calls this before each step of a file of several scans. */
static void on_progress(j_common_ptr info) {
    struct tresnet_jpeg *jpeg = owner(info);
    if (info->is_decompressor && jpeg->info.input_scan_number > jpeg->max_scans) {
        jpeg->status = STATUS_SCANS;
        longjmp(jpeg->escape, 1);
    }
}

static void source_nothing(j_decompress_ptr info) { (void)info; }

static boolean source_empty(j_decompress_ptr info) {
    (void)info;
    return FALSE;
}

static void source_skip(j_decompress_ptr info, long count) {
    struct tresnet_jpeg *jpeg = owner((j_common_ptr)info);
    struct jpeg_source_mgr *source = info->src;
    size_t wanted = count <= 0 ? 0 : (size_t)count;
    size_t step = wanted < source->bytes_in_buffer ? wanted : source->bytes_in_buffer;
    source->next_input_byte += step;
    source->bytes_in_buffer -= step;
    jpeg->skip = wanted - step;
}

/* Shows the next block after a suspension; 0 when all is shown. */
static int source_feed(struct tresnet_jpeg *jpeg) {
    size_t step = jpeg->unseen < BLOCK ? jpeg->unseen : BLOCK;
    if (step == 0) return 0;
    jpeg->source.bytes_in_buffer += step;
    jpeg->unseen -= step;
    if (jpeg->skip > 0) source_skip(&jpeg->info, (long)jpeg->skip);
    return 1;
}

/*
 * A lossless scan names its predictor where a sequential one has a zero. A sequential file without that zero is damaged,
 * and comes out of this way with the same pixels.
 */
static int is_lossless(const struct jpeg_decompress_struct *info) { return !info->progressive_mode && info->Ss != 0; }

/*
 * Whether a decode that stops below the last row that is wanted refuses what a whole decode refuses. That is so where
 * one scan of Huffman codes is all there is between here and an end marker: a decoder that meets that marker has all
 * the bytes it will ever ask for, and no marker on the way can turn out to be malformed. `shown` is what follows the
 * header of the first scan.
 */
static int may_be_partial(const struct jpeg_decompress_struct *info, const unsigned char *shown, size_t length) {
    const unsigned char *end = shown + length;

    if (is_lossless(info) || info->progressive_mode || info->arith_code) return 0;
    if (info->comps_in_scan != info->num_components) return 0;
    while (shown < end && (shown = memchr(shown, 0xff, (size_t)(end - shown))) != NULL && end - shown >= 2) {
        unsigned char code = shown[1];
        if (code == 0xd9) return 1;
        if (code != 0 && (code < 0xd0 || code > 0xd7)) return 0;
        shown += 2;
    }
    return 0;
}

struct tresnet_jpeg *tresnet_jpeg_new(void) { return calloc(1, sizeof(struct tresnet_jpeg)); }

/* Releases what the current image has allocated. */
void tresnet_jpeg_close(struct tresnet_jpeg *jpeg) {
    if (jpeg->live) jpeg_destroy_decompress(&jpeg->info);
    jpeg->live = 0;
}

void tresnet_jpeg_free(struct tresnet_jpeg *jpeg) {
    tresnet_jpeg_close(jpeg);
    tresnet_memory_free(&jpeg->memory);
    free(jpeg);
}

const char *tresnet_jpeg_message(const struct tresnet_jpeg *jpeg) { return jpeg->message; }

long tresnet_jpeg_warnings(const struct tresnet_jpeg *jpeg) { return jpeg->errors.num_warnings; }

/*
 * Reads up to the first scan; `bytes` must outlive the image. A decompressor is made afresh for each image, because
 * libjpeg would keep the tables of the last one and a file without its own would decode with them.
 */
int tresnet_jpeg_open(struct tresnet_jpeg *jpeg, const unsigned char *bytes, size_t length, int max_scans,
                      struct tresnet_jpeg_header *header) {
    int found;

    tresnet_jpeg_close(jpeg);
    jpeg->message[0] = 0;
    jpeg->max_scans = max_scans;
    jpeg->info.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->errors.output_message = print_nothing;
    jpeg->info.client_data = jpeg;
    if (setjmp(jpeg->escape)) return jpeg->status;

    jpeg->live = 1;
    jpeg_create_decompress(&jpeg->info); /* keeps `err` and `client_data` */
    jpeg->source.next_input_byte = bytes;
    jpeg->source.bytes_in_buffer = 0;
    jpeg->unseen = length;
    jpeg->skip = 0;
    jpeg->source.init_source = source_nothing;
    jpeg->source.fill_input_buffer = source_empty;
    jpeg->source.skip_input_data = source_skip;
    jpeg->source.resync_to_restart = jpeg_resync_to_restart;
    jpeg->source.term_source = source_nothing;
    jpeg->info.src = &jpeg->source;
    jpeg->progress.progress_monitor = on_progress;
    jpeg->info.progress = &jpeg->progress;

    do {
        found = jpeg_read_header(&jpeg->info, FALSE);
        if (found == JPEG_SUSPENDED && !source_feed(jpeg)) return STATUS_SUSPENDED;
    } while (found != JPEG_HEADER_OK);

    header->width = jpeg->info.image_width;
    header->height = jpeg->info.image_height;
    header->components = jpeg->info.num_components;
    header->precision = jpeg->info.data_precision;
    header->lossless = is_lossless(&jpeg->info);
    header->partial = may_be_partial(&jpeg->info, jpeg->source.next_input_byte,
                                     jpeg->source.bytes_in_buffer + jpeg->unseen);
    return STATUS_OK;
}

/* What colours the components have: see `Colours` in part.rs. */
enum { COLOURS_OF_FILE = 0, COLOURS_AS_STORED = 1, COLOURS_FROM_YCC = 2 };

static void set_colours(struct tresnet_jpeg *jpeg, int colours) {
    struct jpeg_decompress_struct *info = &jpeg->info;

    jpeg->as_stored = colours == COLOURS_AS_STORED;
    if (jpeg->as_stored) {
        info->jpeg_color_space = info->out_color_space = JCS_UNKNOWN;
        /* libtiff takes no chroma of another size for anything but YCbCr */
        if (info->num_components > 1 && (info->max_h_samp_factor != 1 || info->max_v_samp_factor != 1))
            ERREXIT(info, JERR_FRACT_SAMPLE_NOTIMPL);
    } else if (colours == COLOURS_FROM_YCC) {
        info->jpeg_color_space = JCS_YCbCr;
        info->out_color_space = JCS_RGB;
    } else {
        info->out_color_space = info->num_components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
        /* libjpeg converts nothing of a lossless file: `tresnet_jpeg_row` widens its grey */
        if (is_lossless(info) && info->num_components == 1) info->out_color_space = JCS_GRAYSCALE;
    }
}

/*
 * Allocates; of a file of several scans it reads them all. Rows of `COLOURS_OF_FILE` are of four bytes a pixel: RGB and
 * one more, or CMYK. Sides are divided by 1, 2, 4 or 8 and rounded up.
 */
int tresnet_jpeg_start(struct tresnet_jpeg *jpeg, unsigned divisor, int colours, unsigned *width, unsigned *height) {
    if (setjmp(jpeg->escape)) return jpeg->status;
    jpeg->info.scale_num = 1;
    jpeg->info.scale_denom = divisor;
    set_colours(jpeg, colours);
    while (!jpeg_start_decompress(&jpeg->info))
        if (!source_feed(jpeg)) return STATUS_SUSPENDED;
    *width = jpeg->info.output_width;
    *height = jpeg->info.output_height;
    return STATUS_OK;
}

/*
 * Once, before the first row, of an image that `may_be_partial`: from here on rows hold `width` columns from `left` on.
 * Both are widened to where libjpeg can begin. All bytes are shown, so nothing suspends any more, and `scan` may read
 * ahead.
 */
int tresnet_jpeg_columns(struct tresnet_jpeg *jpeg, struct tresnet_scan *scan, unsigned *left, unsigned *width) {
    if (setjmp(jpeg->escape)) return jpeg->status;
    while (source_feed(jpeg)) {
    }
    jpeg_crop_scanline(&jpeg->info, left, width);
    tresnet_entropy_install(&jpeg->entropy, &jpeg->info, scan, *left, *width);
    return STATUS_OK;
}

/* Passes over the next `count` rows, which must leave one; after `tresnet_jpeg_columns` only. */
int tresnet_jpeg_skip(struct tresnet_jpeg *jpeg, unsigned count) {
    if (setjmp(jpeg->escape)) return jpeg->status;
    return jpeg_skip_scanlines(&jpeg->info, count) == count ? STATUS_OK : STATUS_SUSPENDED;
}

/* One byte a pixel to four, in place. */
static void widen(unsigned char *row, size_t width) {
    while (width-- > 0) memset(row + 4 * width, row[width], 4);
}

int tresnet_jpeg_row(struct tresnet_jpeg *jpeg, unsigned char *row) {
    JSAMPROW rows[1];

    if (setjmp(jpeg->escape)) return jpeg->status;
    rows[0] = row;
    while (jpeg_read_scanlines(&jpeg->info, rows, 1) != 1)
        if (!source_feed(jpeg)) return STATUS_SUSPENDED;
    if (jpeg->info.out_color_components == 1 && !jpeg->as_stored) widen(row, jpeg->info.output_width);
    return STATUS_OK;
}

/*
 * Not after `tresnet_jpeg_columns`. Reads on to the end marker, as far as it is shown. A file that ends after its last
 * row, but before its marker, is whole.
 */
int tresnet_jpeg_finish(struct tresnet_jpeg *jpeg) {
    if (setjmp(jpeg->escape)) return jpeg->status;
    (void)jpeg_finish_decompress(&jpeg->info);
    return STATUS_OK;
}
