/* images.c - see images.h */
#include "vm/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/macro.h"

static_assert(IMAGE_DIGEST_SIZE == SHA256_DIGEST_SIZE, "the digest is SHA-256");

#define TEMPORARY "." "#image" /* hvmd is one thread: one copy at a time */
#define CHUNK     (256 * KiB)

void image_hex(const uint8_t digest[IMAGE_DIGEST_SIZE], char ret[IMAGE_HEX_SIZE])
{
	hex_format(digest, IMAGE_DIGEST_SIZE, ret);
}

static bool parse_hex(const char *text, uint8_t ret[IMAGE_DIGEST_SIZE])
{
	return strlen(text) == IMAGE_HEX_SIZE - 1 && hex_parse(text, ret, IMAGE_DIGEST_SIZE);
}

static int check_source(int fd, const char *what, struct error *e)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return error_set_errno(e, -EINVAL, "%s: the descriptor cannot be looked at", what);
	if (!S_ISREG(st.st_mode))
		return error_set(e, -EINVAL, "%s: the descriptor is not of a regular file", what);
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
		return error_set(e, -EINVAL, "%s: the descriptor is not open for reading", what);
	if (st.st_size == 0)
		return error_set(e, -EINVAL, "%s: the file is empty", what);
	if ((uint64_t)st.st_size > IMAGE_SIZE_MAX)
		return error_set(e, -EINVAL, "%s: %lld bytes are more than the limit of %llu MiB", what,
			(long long)st.st_size, IMAGE_SIZE_MAX / MiB);
	return 0;
}

/* Returns the number of bytes, at most IMAGE_SIZE_MAX + CHUNK, or a negative errno. */
static ssize_t copy_hashing(int from, int to, struct sha256_ctx *hash)
{
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	uint64_t done = 0;
	ssize_t n;
	int r;

	if (!chunk)
		return -ENOMEM;
	while (done <= IMAGE_SIZE_MAX && (n = pread_full(from, chunk, CHUNK, done)) != 0) {
		if (n < 0)
			return n;
		sha256_update(hash, (size_t)n, chunk);
		r = write_full(to, chunk, (size_t)n);
		if (r < 0)
			return r;
		done += (uint64_t)n;
	}
	return (ssize_t)done;
}

static int copy_to_temporary(int dirfd, int fd, const char *what, uint8_t digest[IMAGE_DIGEST_SIZE],
	struct error *e)
{
	_cleanup_close_ int to = -1;
	struct sha256_ctx hash;
	ssize_t n;

	sha256_init(&hash);
	to = openat(dirfd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (to < 0)
		return error_set(e, -EIO, "%s: creating a copy: %s", what, strerror(errno));
	n = copy_hashing(fd, to, &hash);
	if (n < 0)
		return error_set(e, -EIO, "%s: copying: %s", what, strerror((int)-n));
	if (n == 0 || (uint64_t)n > IMAGE_SIZE_MAX)
		return error_set(e, -EINVAL, "%s: the file changed its size while it was copied", what);
	if (fsync(to) < 0)
		return error_set(e, -EIO, "%s: flushing the copy: %s", what, strerror(errno));
	sha256_digest(&hash, IMAGE_DIGEST_SIZE, digest);
	return 0;
}

int image_add(int dirfd, int fd, const char *what, uint8_t ret_digest[IMAGE_DIGEST_SIZE], struct error *e)
{
	uint8_t digest[IMAGE_DIGEST_SIZE];
	char name[IMAGE_HEX_SIZE];
	int r;

	r = check_source(fd, what, e);
	if (r < 0)
		return r;
	r = copy_to_temporary(dirfd, fd, what, digest, e);
	if (r == 0) {
		image_hex(digest, name);
		if (renameat(dirfd, TEMPORARY, dirfd, name) < 0 || dir_sync(dirfd) < 0)
			r = error_set(e, -EIO, "%s: storing the copy: %s", what, strerror(errno));
	}
	if (r < 0) {
		unlinkat(dirfd, TEMPORARY, 0);
		return r;
	}
	memcpy(ret_digest, digest, sizeof(digest));
	return 0;
}

bool image_exists(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	char name[IMAGE_HEX_SIZE];
	struct stat st;

	image_hex(digest, name);
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

int image_open(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], int *ret_fd, struct error *e)
{
	char name[IMAGE_HEX_SIZE];
	int fd;

	image_hex(digest, name);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -EIO, "image %s: %s", name, strerror(errno));
	*ret_fd = fd;
	return 0;
}

void image_sweep(int dirfd, bool (*used)(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE]),
	const void *userdata)
{
	uint8_t digest[IMAGE_DIGEST_SIZE];
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		close_fd(fd);
		return; /* what stays behind is swept the next time */
	}
	while ((entry = readdir(dir)))
		if (parse_hex(entry->d_name, digest) && !used(userdata, digest))
			unlinkat(dirfd, entry->d_name, 0);
	closedir(dir);
}
