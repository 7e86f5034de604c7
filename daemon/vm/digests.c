/* digests.c - see digests.h */
#include "vm/digests.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct counted {
	uint8_t digest[IMAGE_DIGEST_SIZE]; /* first: what is looked for is a digest alone */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, IMAGE_DIGEST_SIZE);
}

static struct counted *find(const struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct counted **node = tfind(digest, &digests->root, compare);

	return node ? *node : NULL;
}

void digests_fini(struct digests *digests)
{
	tdestroy(digests->root, free);
	digests->root = NULL;
}

int digests_add(struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct counted *counted = find(digests, digest);

	if (counted) {
		counted->n++;
		return 0;
	}
	counted = malloc(sizeof(*counted));
	if (!counted)
		return -ENOMEM;
	memcpy(counted->digest, digest, IMAGE_DIGEST_SIZE);
	counted->n = 1;
	if (!tsearch(counted, &digests->root, compare)) {
		free(counted);
		return -ENOMEM;
	}
	return 0;
}

void digests_remove(struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct counted *counted = find(digests, digest);

	assert(counted);
	if (--counted->n > 0)
		return;
	tdelete(digest, &digests->root, compare);
	free(counted);
}

bool digests_have(const struct digests *digests, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	return find(digests, digest);
}
