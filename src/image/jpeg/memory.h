/* Memory that libjpeg takes and gives back, kept from image to image. */
#ifndef TRESNET_JPEG_MEMORY_H
#define TRESNET_JPEG_MEMORY_H

#include <stddef.h>

struct block;

struct tresnet_memory {
    struct block *kept; /* free blocks */
    size_t bytes;       /* of all of them */
};

/* Gives all of it back to the system; no image is in hand. */
void tresnet_memory_free(struct tresnet_memory *memory);

#endif
