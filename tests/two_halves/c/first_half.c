/*
 * libjpeg's part of the first half: headers, and the codes of all files that are not for the program's own decoder.
 * In a run this would be the shim (src/image/jpeg/shim.c), whose rules for damaged files are missing here: the prototype
 * gets only files that the program has decoded.
 */
#include "first_half.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct reader {
    /* First, so that libjpeg's address is the reader's. Its `client_data` is null, for which the program's functions of
     * libjpeg's memory (src/image/jpeg/memory.c), linked into the same tests, keep nothing. */
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    jvirt_barray_ptr *arrays;
};

static void on_error(j_common_ptr info) { longjmp(((struct reader *)info)->escape, 1); }

static void on_message(j_common_ptr info, int level) {
    if (level < 0) info->err->num_warnings++;
}

static u32 divided_up(u32 number, u32 by) { return (number + by - 1) / by; }

static u32 colours_of(J_COLOR_SPACE space) {
    switch (space) {
    case JCS_GRAYSCALE:
        return GRAY;
    case JCS_RGB:
        return RGB;
    case JCS_YCbCr:
        return YCC;
    case JCS_CMYK:
        return CMYK;
    case JCS_YCCK:
        return YCCK;
    default:
        return 0;
    }
}

/*
 * Whether scans are missing that would refine the lowest coefficients: libjpeg then guesses them from neighbouring
 * blocks (`smoothing_ok` in its jdcoefct.c, which looks at ten).
 */
static int is_unfinished(const struct jpeg_decompress_struct *info) {
    if (!info->progressive_mode) return 0;
    for (int c = 0; c < info->num_components; c++)
        for (int i = 0; i < 10; i++)
            if (info->coef_bits[c][i] != 0) return 1;
    return 0;
}

/*
 * Whether the file is for the program's own decoder: one scan of Huffman codes without restarts, up to an end marker
 * (`may_be_partial` in the shim). Everything that the decoder needs is then in `frame`.
 */
static u32 is_plain(const struct jpeg_decompress_struct *info, const u8 *shown, const u8 *end) {
    int blocks = 0;

    if (info->progressive_mode || info->arith_code || info->restart_interval != 0) return 0;
    if (info->comps_in_scan != info->num_components || info->Ss != 0) return 0;
    for (int c = 0; c < info->num_components; c++) {
        const jpeg_component_info *component = info->cur_comp_info[c];
        blocks += component->h_samp_factor * component->v_samp_factor;
        if (component != &info->comp_info[c] || info->quant_tbl_ptrs[component->quant_tbl_no] == NULL) return 0;
        if (info->dc_huff_tbl_ptrs[component->dc_tbl_no] == NULL) return 0;
        if (info->ac_huff_tbl_ptrs[component->ac_tbl_no] == NULL) return 0;
    }
    if (info->comps_in_scan > 1 && blocks > D_MAX_BLOCKS_IN_MCU) return 0;
    while ((shown = memchr(shown, 0xff, (size_t)(end - shown))) != NULL && end - shown >= 2) {
        if (shown[1] != 0) return shown[1] == 0xd9;
        shown += 2;
    }
    return 0;
}

static void describe_table(const JHUFF_TBL *from, struct table *to) {
    if (from == NULL) return;
    memcpy(to->counts, from->bits, sizeof(to->counts));
    memcpy(to->symbols, from->huffval, sizeof(to->symbols));
}

static void describe(const struct jpeg_decompress_struct *info, struct frame *frame) {
    u32 most_h = (u32)info->max_h_samp_factor, most_v = (u32)info->max_v_samp_factor;

    frame->width = info->image_width;
    frame->height = info->image_height;
    frame->components = (u32)info->num_components;
    frame->colours = colours_of(info->jpeg_color_space);
    frame->is_progressive = (u32)info->progressive_mode;
    for (u32 c = 0; c < frame->components; c++) {
        const jpeg_component_info *from = &info->comp_info[c];
        /* of a file that is read, the table that its scan had; without a scan there is none, and samples are grey */
        const JQUANT_TBL *table = frame->is_plain ? info->quant_tbl_ptrs[from->quant_tbl_no] : from->quant_table;
        struct component *to = &frame->of[c];
        u32 h = (u32)from->h_samp_factor, v = (u32)from->v_samp_factor;
        to->horizontal = h;
        to->vertical = v;
        to->width = divided_up(frame->width * h, most_h);
        to->height = divided_up(frame->height * v, most_v);
        to->blocks_across = from->width_in_blocks;
        to->blocks_down = from->height_in_blocks;
        /* 0 if a sample is not a whole number of pixels: libjpeg refuses the file, too */
        to->expand_x = most_h % h == 0 ? most_h / h : 0;
        to->expand_y = most_v % v == 0 ? most_v / v : 0;
        to->dc_table = (u32)from->dc_tbl_no;
        to->ac_table = (u32)from->ac_tbl_no;
        for (u32 i = 0; i < BLOCK; i++) to->quantization[i] = table == NULL ? 0 : table->quantval[i];
    }
    for (u32 i = 0; i < COMPONENTS; i++) {
        describe_table(info->dc_huff_tbl_ptrs[i], &frame->dc[i]);
        describe_table(info->ac_huff_tbl_ptrs[i], &frame->ac[i]);
    }
}

int two_halves_open(const u8 *bytes, size_t length, struct reader **opened, struct frame *frame) {
    struct reader *reader = calloc(1, sizeof(*reader));

    *opened = reader;
    if (reader == NULL) return FAILED;
    reader->info.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    if (setjmp(reader->escape)) return FAILED;
    jpeg_create_decompress(&reader->info);
    jpeg_mem_src(&reader->info, bytes, length);
    jpeg_read_header(&reader->info, TRUE);
    if (reader->info.num_components > COMPONENTS) return KEPT;
    frame->is_plain = is_plain(&reader->info, reader->info.src->next_input_byte, bytes + length);
    frame->scan = (size_t)(reader->info.src->next_input_byte - bytes);
    describe(&reader->info, frame);
    return frame->colours == 0 ? KEPT : READ;
}

int two_halves_read(struct reader *reader, struct frame *frame) {
    if (setjmp(reader->escape)) return FAILED;
    reader->arrays = jpeg_read_coefficients(&reader->info);
    frame->is_plain = 0;
    describe(&reader->info, frame);
    return is_unfinished(&reader->info) ? KEPT : READ;
}

const i16 *two_halves_blocks(struct reader *reader, u32 component, u32 row) {
    if (setjmp(reader->escape)) return NULL;
    return (*reader->info.mem->access_virt_barray)((j_common_ptr)&reader->info, reader->arrays[component], row, 1,
                                                   FALSE)[0][0];
}

void two_halves_close(struct reader *reader) {
    if (reader == NULL) return;
    jpeg_destroy_decompress(&reader->info);
    free(reader);
}
