/*
 * packed.h - an image container as a file of the user's, in memory while its parts are taken out
 *
 * What stands in it where is spec/container.h's business.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "spec/container.h"

struct error;

#define PACKED_SIZE_MAX (1024ull << 20) /* bytes */

struct packed {
	void *data; /* owned: the file's bytes; NULL when there is none */
	size_t size;
	struct container container; /* borrows from data */
};

/* Returns 1 when the file is a container, 0 when it is none, -EBADMSG or another errno with a sentence. Borrows fd. */
int packed_open(int fd, struct packed *ret, struct error *e);

/* A memfd with the content of file `index`, which the caller owns; a negative errno. */
int packed_image(const struct packed *packed, uint32_t index);

/* Takes one that was never opened. */
void packed_fini(struct packed *packed);
