/*
 * images.h - boot images by what they are
 *
 * A folder of files, each named by the SHA-256 of its bytes in hexadecimal.
 * What is stored is a copy, hashed while it is copied, so that the name is true
 * of the copy whatever happens to the original meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define IMAGE_SIZE_MAX   (256ull << 20) /* bytes */
#define IMAGE_DIGEST_SIZE 32
#define IMAGE_HEX_SIZE   (2 * IMAGE_DIGEST_SIZE + 1)

/* Writes the digest in hexadecimal, with a NUL. */
void image_hex(const uint8_t digest[IMAGE_DIGEST_SIZE], char ret[IMAGE_HEX_SIZE]);

/*
 * Copies what `fd` (borrowed) holds from its beginning into the folder `dirfd`
 * (borrowed) and says which digest it got. Returns 0, or with a sentence that
 * calls it `what`: -EINVAL when it is no regular, readable, non-empty file of
 * at most IMAGE_SIZE_MAX bytes, or -EIO.
 */
int image_add(int dirfd, int fd, const char *what, uint8_t ret_digest[IMAGE_DIGEST_SIZE], struct error *e);

/* Whether the folder has this image. */
bool image_exists(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE]);

/* Opens an image for reading, for the caller. Returns 0, or -EIO with a sentence. */
int image_open(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], int *ret_fd, struct error *e);

/* Removes each image for which `used` is false. What is no image is left alone. */
void image_sweep(int dirfd, bool (*used)(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE]),
	const void *userdata);
