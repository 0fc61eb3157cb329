/*
 * libjpeg's own seam for memory (its jmemsys.h), in place of malloc and free for every image: what one image gives
 * back, the next one takes, so that a worker that has seen its images' sizes allocates nothing any more.
 *
 * Linked before libjpeg's version of these functions, which is thereby left out. Every decompressor of the program is
 * made by shim.c, whose `client_data` begins with the store; one of TurboJPEG's own interface has none.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

/* What is larger goes back to the system at once, and so does what would make more than `MOST_KEPT` of a store. */
enum { LARGEST_KEPT = 4 << 20, MOST_KEPT = 8 << 20 };

struct block {
    struct block *next;
    size_t size;
};

/* The next of the sizes 2^k and 3·2^k, so that images of like sizes take each other's blocks. */
static size_t rounded(size_t size) {
    size_t power = 1024;

    if (size > LARGEST_KEPT) return size;
    while (power < size) power *= 2;
    return size <= power / 4 * 3 ? power / 4 * 3 : power;
}

static struct tresnet_memory *store(j_common_ptr info) { return info->client_data; }

void *jpeg_get_small(j_common_ptr info, size_t size) {
    struct tresnet_memory *memory = store(info);
    struct block **link, *block;

    if (memory == NULL) return malloc(size);
    size = rounded(size);
    for (link = &memory->kept; (block = *link) != NULL; link = &block->next) {
        if (block->size != size) continue;
        *link = block->next;
        memory->bytes -= size;
        return block;
    }
    return malloc(size);
}

void jpeg_free_small(j_common_ptr info, void *object, size_t size) {
    struct tresnet_memory *memory = store(info);
    struct block *block = object;

    size = rounded(size);
    if (memory == NULL || size > LARGEST_KEPT || memory->bytes + size > MOST_KEPT) {
        free(object);
        return;
    }
    block->size = size;
    block->next = memory->kept;
    memory->kept = block;
    memory->bytes += size;
}

void *jpeg_get_large(j_common_ptr info, size_t size) { return jpeg_get_small(info, size); }

void jpeg_free_large(j_common_ptr info, void *object, size_t size) { jpeg_free_small(info, object, size); }

/* As much as is requested, except for libjpeg's own limit (the variable JPEGMEM). */
size_t jpeg_mem_available(j_common_ptr info, size_t least, size_t most, size_t taken) {
    size_t limit = (size_t)info->mem->max_memory_to_use;

    (void)least;
    if (limit == 0) return most;
    return limit > taken ? limit - taken : 0;
}

/* There are no temporary files. */
void jpeg_open_backing_store(j_common_ptr info, void *file, long size) {
    (void)file;
    (void)size;
    ERREXIT(info, JERR_NO_BACKING_STORE);
}

long jpeg_mem_init(j_common_ptr info) {
    (void)info;
    return 0;
}

void jpeg_mem_term(j_common_ptr info) { (void)info; }

void tresnet_memory_free(struct tresnet_memory *memory) {
    while (memory->kept != NULL) {
        struct block *block = memory->kept;
        memory->kept = block->next;
        free(block);
    }
    memory->bytes = 0;
}
