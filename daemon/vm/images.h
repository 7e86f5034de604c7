/*
 * images.h - boot images by what they are
 *
 * A folder of files, each named by the SHA-256 of its bytes in hexadecimal.
 * What is stored is a copy, hashed while it is copied, so that the name is true
 * of the copy whatever happens to the original meanwhile.
 *
 * Copying and verifying take their time and may run in a thread (vm/work.h); they
 * touch nothing but their arguments. A copy is a temporary, which a restart
 * removes, until it is kept.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define IMAGE_SIZE_MAX   (256ull << 20) /* bytes */
#define IMAGE_DIGEST_SIZE 32
#define IMAGE_HEX_SIZE   (2 * IMAGE_DIGEST_SIZE + 1)

struct image_copy {
	char temporary[32]; /* its name in the folder; empty when there is none */
	uint8_t digest[IMAGE_DIGEST_SIZE];
	bool stored; /* the folder had this image already, so there is no temporary */
	bool in_memory; /* the memfd that was given has it, too */
};

/* Writes the digest in hexadecimal, with a NUL. */
void image_hex(const uint8_t digest[IMAGE_DIGEST_SIZE], char ret[IMAGE_HEX_SIZE]);

/*
 * Whether `fd` (borrowed) can be copied from. Returns 0, or -EINVAL with a sentence that
 * calls it `what` when it is no regular, readable, non-empty file of at most
 * IMAGE_SIZE_MAX bytes.
 */
int image_check(int fd, const char *what, struct error *e);

/*
 * Copies what `fd` (borrowed) holds from its beginning into a temporary of the folder
 * `dirfd` (borrowed), and into `memory` (borrowed: a memfd, or -1), as far as there is memory; flushes it,
 * and says which digest it has. What the folder has already, byte for
 * byte, is not written again. Returns 0 and a copy that wants image_keep() or image_drop(); or with a
 * sentence, and nothing left behind, -EINVAL, -EIO, or -ECANCELED when *cancelled became true.
 */
int image_copy(int dirfd, int fd, const char *what, int memory, const atomic_bool *cancelled,
	struct image_copy *ret, struct error *e);

/*
 * Copies what `fd` (borrowed) holds from its beginning into memory (a memfd), for the caller.
 * Returns 0, or with a sentence -EINVAL, -EIO, -ENOMEM, or -ECANCELED when *cancelled became true.
 */
int image_copy_to_memory(
	int fd, const char *what, const atomic_bool *cancelled, int *ret_fd, uint64_t *ret_size, struct error *e);

/*
 * Copies what `from` holds to `to` (both borrowed). Returns 0 when it had this digest;
 * -EIO with a sentence, -ENOMEM, or -ECANCELED.
 */
int image_duplicate(int from, int to, const uint8_t digest[IMAGE_DIGEST_SIZE], const atomic_bool *cancelled,
	struct error *e);

/*
 * Gives a copy its name, which image_flush() makes last. Returns 0, or -EIO with a sentence, the copy
 * dropped; or -EAGAIN when the folder had the image, and has it no more: it has to be copied after all.
 */
int image_keep(int dirfd, struct image_copy *copy, const char *what, struct error *e);

/* Removes a copy that has not been kept; nothing to do for one that has been, or is not there. */
void image_drop(int dirfd, struct image_copy *copy);

/* Makes the names of the images last. Returns 0, or -EIO with a sentence. */
int image_flush(int dirfd, struct error *e);

/*
 * Whether the folder has this image, as a regular file of ours or root's. Returns 0, or with a sentence
 * -ENOENT when there is none, or -EIO.
 */
int image_find(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], struct error *e);

/* How many bytes it has. Returns 0 or a negative errno. */
int image_size(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], uint64_t *ret);

/* Opens it for reading, for the caller. Returns 0, or -EIO with a sentence, also when there is none. */
int image_open(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], int *ret_fd, struct error *e);

/*
 * Hashes an image anew. Returns 0, or with a sentence -EIO when it cannot be read
 * or is not what its name says, or -ECANCELED when *cancelled became true.
 */
int image_verify(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], const atomic_bool *cancelled,
	struct error *e);

/* Removes an image. */
void image_remove(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* Removes each image for which `used` is false. What is no image is left alone. */
void image_sweep(int dirfd, bool (*used)(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE]),
	const void *userdata);
