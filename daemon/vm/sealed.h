/*
 * sealed.h - images in memory that nobody can change, for monitors to map
 *
 * The store's files are ours, but a file can be cut off, or its disk fail, and who
 * has it mapped then dies of it. A sealed memfd stays. Monitors that have the same
 * one share its pages, and a start reads nothing of it. What is here has the SHA-256
 * it is called by, and has been searched for hypercalls by instruction, so that no
 * monitor has to.
 *
 * It is made where an image comes in: by the thread that copies it into the store, at
 * a define; and for what is in the store already, when hvmd starts or reloads, by a
 * thread that goes from one to the next, beginning with VMs that are started with
 * hvmd. No start waits for it. One that comes first, or whose image has found no room,
 * gets the store's file, and its monitor reads that; then the image is made next.
 *
 * There are at most SEALED_IMAGES_MAX of them, and together they have at most
 * SEALED_BYTES_MAX bytes; the one that was wanted longest ago goes first. Monitors
 * that have it keep it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/spec.h"
#include "vm/images.h"

struct error;
struct sealed;
struct workers;

#define SEALED_BYTES_MAX  (256ull << 20)
#define SEALED_IMAGES_MAX 256u

/* None yet. workers and the images' folder are borrowed. NULL when memory is short. */
struct sealed *sealed_new(struct workers *workers, int dirfd);

/* After the workers have been drained. Takes NULL; returns NULL. */
struct sealed *sealed_free(struct sealed *sealed);

/*
 * A descriptor of the image, for the caller, and where it has hypercalls by instruction; or -1 where
 * there is none yet, and nothing is known. Then one is being made.
 */
int sealed_open(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], struct spec_sites *ret);

/* It will be wanted: is made when nothing else of the kind is, if there is room for it. False: no room is left at all. */
bool sealed_expect(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* Nobody will want it again. */
void sealed_forget(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* An image that has been made elsewhere. */
struct sealed_image {
	int fd;        /* owned; -1: there is none */
	uint64_t size; /* bytes */
	struct spec_sites sites;
};

/* A memfd to write an image into, for the caller. Or a negative errno. */
int sealed_image_begin(void);

/* Seals a memfd (borrowed) and searches it. In any thread. Returns 0, or a negative errno with a sentence. */
int sealed_image_init(struct sealed_image *image, int fd, struct error *e);

/* Lets go of its descriptor, if it has one. */
void sealed_image_fini(struct sealed_image *image);

/* Takes over an image that has this digest. */
void sealed_keep(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], struct sealed_image *image);
