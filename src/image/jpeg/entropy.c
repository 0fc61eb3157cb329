/*
 * libjpeg's seam for entropy decoding, `info->entropy->decode_mcu`, taken by the decoder of huffman/.
 *
 * The place in the file is handed over between two MCUs, in libjpeg's own terms: bytes read, bits of them that are
 * left, last DC coefficients. Where the other decoder meets something unusual, it goes back to the start of the MCU and
 * libjpeg decodes from there to the end as if it had never been asked; at a restart marker libjpeg decodes one MCU.
 * The same is done where the other decoder panics: no panic crosses a function of C.
 *
 * libjpeg keeps its place in structures that its headers do not show. They are written down here as the pinned version
 * has them (jdhuff.c, jpegint.h).
 */
#include "entropy.h"

#include <string.h>

#if LIBJPEG_TURBO_VERSION_NUMBER != 3001000
#error "compare the structures below with jdhuff.c and jpegint.h of this libjpeg-turbo"
#endif

struct jpeg_entropy_decoder {
    void (*start_pass)(j_decompress_ptr info);
    boolean (*decode_mcu)(j_decompress_ptr info, JBLOCKROW *blocks);
    JDIMENSION (*decode_mcus)(j_decompress_ptr info, void *differences, JDIMENSION row, JDIMENSION column,
                              JDIMENSION count);
    boolean (*process_restart)(j_decompress_ptr info);
    boolean insufficient_data;
};

struct huffman_decoder {
    struct jpeg_entropy_decoder common;
    struct {
        size_t get_buffer;
        int bits_left;
    } bits;
    int last_dc[MAX_COMPS_IN_SCAN];
    unsigned restarts_to_go;
};

/* As `Wanted` in huffman/. */
enum { WANTED_NOTHING = 0, WANTED_DC = 1, WANTED_ALL = 2 };

/* As `Member` and `Position` in huffman/. */
struct member {
    unsigned char component, dc, ac;
};

struct position {
    size_t read;
    uint64_t bits;
    uint32_t left;
    int32_t dc[MAX_COMPS_IN_SCAN];
};

/* In entropy.rs. All return 0 where they panicked. */
int tresnet_scan_begin(struct tresnet_scan *scan, const struct member *members, size_t count);
int tresnet_scan_define(struct tresnet_scan *scan, int ac, size_t number, const unsigned char *counts,
                        const unsigned char *symbols);
int tresnet_scan_take_over(struct tresnet_scan *scan, const struct position *position);
int tresnet_scan_hand_back(const struct tresnet_scan *scan, struct position *position);
int tresnet_scan_mcu(struct tresnet_scan *scan, const unsigned char *input, size_t length, int wanted, JBLOCK *blocks,
                     size_t count);

static struct huffman_decoder *huffman(j_decompress_ptr info) { return (struct huffman_decoder *)info->entropy; }

static void take_over(struct tresnet_entropy *entropy, j_decompress_ptr info) {
    struct huffman_decoder *decoder = huffman(info);
    struct position position = {0};
    int i;

    if (info->unread_marker != 0 || decoder->common.insufficient_data || decoder->bits.bits_left > 64) return;
    position.bits = decoder->bits.get_buffer;
    position.left = (uint32_t)decoder->bits.bits_left;
    for (i = 0; i < info->comps_in_scan; i++) position.dc[i] = decoder->last_dc[i];
    entropy->in_charge = tresnet_scan_take_over(entropy->scan, &position);
    entropy->retired = !entropy->in_charge;
}

static void hand_back(struct tresnet_entropy *entropy, j_decompress_ptr info) {
    struct huffman_decoder *decoder = huffman(info);
    struct position position;
    int i;

    if (!tresnet_scan_hand_back(entropy->scan, &position)) tresnet_jpeg_panicked(info);
    info->src->next_input_byte += position.read;
    info->src->bytes_in_buffer -= position.read;
    decoder->bits.get_buffer = (size_t)position.bits;
    decoder->bits.bits_left = (int)position.left;
    for (i = 0; i < info->comps_in_scan; i++) decoder->last_dc[i] = position.dc[i];
    entropy->in_charge = 0;
}

/* Where a file of one scan is decoded, the blocks of an MCU are contiguous (jdcoefct.c). */
static boolean decode_mcu(j_decompress_ptr info, JBLOCKROW *blocks) {
    struct tresnet_entropy *entropy = tresnet_jpeg_entropy(info);
    struct huffman_decoder *decoder = huffman(info);
    int restart = info->restart_interval != 0 && decoder->restarts_to_go == 0;
    int inside = entropy->column >= entropy->first && entropy->column <= entropy->last;
    boolean decoded;

    if (++entropy->column == info->MCUs_per_row) entropy->column = 0;
    if (entropy->in_charge && !restart) {
        size_t count = (size_t)info->blocks_in_MCU;
        int wanted = blocks != NULL && inside ? entropy->wanted : WANTED_NOTHING;
        if (tresnet_scan_mcu(entropy->scan, info->src->next_input_byte, info->src->bytes_in_buffer, wanted,
                             blocks == NULL ? NULL : blocks[0], count)) {
            if (info->restart_interval != 0) decoder->restarts_to_go--;
            return TRUE;
        }
        if (blocks != NULL) memset(blocks[0], 0, count * sizeof(JBLOCK));
        entropy->retired = 1;
    }
    if (entropy->in_charge) hand_back(entropy, info);
    decoded = entropy->libjpeg(info, blocks);
    if (decoded && !entropy->retired) take_over(entropy, info);
    return decoded;
}

/* libjpeg has checked the tables: no code is longer than 16 bits, and there are at most 256. */
static int define(struct tresnet_scan *scan, int ac, int number, const JHUFF_TBL *table) {
    return tresnet_scan_define(scan, ac, (size_t)number, table->bits, table->huffval);
}

void tresnet_entropy_install(struct tresnet_entropy *entropy, j_decompress_ptr info, struct tresnet_scan *scan,
                             JDIMENSION left, JDIMENSION width) {
    struct member members[D_MAX_BLOCKS_IN_MCU];
    JDIMENSION side = (JDIMENSION)(info->max_h_samp_factor * info->min_DCT_scaled_size);
    int i;

    memset(entropy, 0, sizeof(*entropy));
    entropy->wanted = WANTED_DC;
    for (i = 0; i < info->comps_in_scan; i++) {
        const jpeg_component_info *component = info->cur_comp_info[i];
        if (!component->component_needed) return;
        if (!define(scan, 0, component->dc_tbl_no, info->dc_huff_tbl_ptrs[component->dc_tbl_no])) return;
        if (!define(scan, 1, component->ac_tbl_no, info->ac_huff_tbl_ptrs[component->ac_tbl_no])) return;
        if (component->DCT_scaled_size > 1) entropy->wanted = WANTED_ALL;
    }
    for (i = 0; i < info->blocks_in_MCU; i++) {
        const jpeg_component_info *component = info->cur_comp_info[info->MCU_membership[i]];
        members[i].component = (unsigned char)info->MCU_membership[i];
        members[i].dc = (unsigned char)component->dc_tbl_no;
        members[i].ac = (unsigned char)component->ac_tbl_no;
    }
    if (!tresnet_scan_begin(scan, members, (size_t)info->blocks_in_MCU)) return;
    entropy->scan = scan;
    /* the MCUs of a lone component are its blocks, of which a column of libjpeg's may have several */
    entropy->last = info->MCUs_per_row - 1;
    if (info->comps_in_scan > 1) {
        entropy->first = left / side;
        entropy->last = (left + width + side - 1) / side - 1;
    }
    entropy->libjpeg = info->entropy->decode_mcu;
    info->entropy->decode_mcu = decode_mcu;
    take_over(entropy, info);
}
