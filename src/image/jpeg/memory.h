/* Memory that libjpeg takes and releases, kept from image to image. */
#ifndef TRESNET_JPEG_MEMORY_H
#define TRESNET_JPEG_MEMORY_H

#include <stddef.h>

struct block;

struct tresnet_memory {
    struct block *kept; /* free blocks */
    size_t bytes;       /* of all of them */
};

/* Returns all of it to the system; must not be called while an image is decoded. */
void tresnet_memory_free(struct tresnet_memory *memory);

#endif
