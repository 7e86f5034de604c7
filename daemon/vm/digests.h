/*
 * digests.h - how many definitions refer to each image
 *
 * A counted set of digests, in a tree, so that neither asking nor counting gets
 * slow with many definitions.
 */
#pragma once

#include <stdbool.h>

#include "vm/images.h"

struct digests {
	void *root; /* owned; tsearch(3) */
};

void digests_fini(struct digests *digests);

/* One more refers to it. Returns 0 or -ENOMEM. */
int digests_add(struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* One less refers to it, which has been added. */
void digests_remove(struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* Whether any refers to it. */
bool digests_have(const struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE]);
