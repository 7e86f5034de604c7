/*
 * sealed.h - images in memory that nobody can change, for monitors to map
 *
 * The store's files are ours, but a file can be cut off, or its disk fail, and who
 * has it mapped then dies of it. A sealed memfd stays. It is made from the store's
 * file, in a thread, when an image is started that has none: that start still gets
 * the file, and its monitor reads it; every later one maps the memfd, which they
 * share, and reads nothing of it. What is made has the SHA-256 it is called by, and
 * has been searched for hypercalls by instruction, so that no monitor has to.
 *
 * Together they have at most SEALED_BYTES_MAX bytes; the one that was wanted
 * longest ago goes first. Monitors that have it keep it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vm/images.h"

struct sealed;
struct workers;

#define SEALED_BYTES_MAX (256ull << 20)

/* None yet. workers and the images' folder are borrowed. NULL when memory is short. */
struct sealed *sealed_new(struct workers *workers, int dirfd);

/* After the workers have been drained. Takes NULL; returns NULL. */
struct sealed *sealed_free(struct sealed *sealed);

/*
 * A descriptor of the image, for the caller; -1 where there is none yet. Then one is being made.
 * *ret_no_sites says whether it is known to have no hypercall by instruction (spec/sites.h).
 */
int sealed_open(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], bool *ret_no_sites);
