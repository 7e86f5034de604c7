/* images.c - see images.h */
#include "vm/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/macro.h"

static_assert(IMAGE_DIGEST_SIZE == SHA256_DIGEST_SIZE, "the digest is SHA-256");

#define CHUNK (256 * KiB)

void image_hex(const uint8_t digest[IMAGE_DIGEST_SIZE], char ret[IMAGE_HEX_SIZE])
{
	hex_format(digest, IMAGE_DIGEST_SIZE, ret);
}

static bool parse_hex(const char *text, uint8_t ret[IMAGE_DIGEST_SIZE])
{
	return strlen(text) == IMAGE_HEX_SIZE - 1 && hex_parse(text, ret, IMAGE_DIGEST_SIZE);
}

int image_check(int fd, const char *what, struct error *e)
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

/* Where bytes go; -1: nowhere. What fails to go to memory is given up. */
struct sinks {
	int file, memory;
};

static int write_sinks(struct sinks *to, const uint8_t *bytes, size_t size)
{
	if (to->memory >= 0 && write_full(to->memory, bytes, size) < 0)
		to->memory = -1;
	return to->file >= 0 ? write_full(to->file, bytes, size) : 0;
}

/*
 * Hashes what `from` holds from its beginning, and writes it to `to`. Returns the number
 * of bytes, at most IMAGE_SIZE_MAX + CHUNK, or a negative errno.
 */
static ssize_t hash_all(int from, struct sinks *to, const atomic_bool *cancelled, uint8_t digest[IMAGE_DIGEST_SIZE])
{
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	struct sha256_ctx hash;
	uint64_t done = 0;
	ssize_t n;

	if (!chunk)
		return -ENOMEM;
	sha256_init(&hash);
	while (done <= IMAGE_SIZE_MAX && (n = pread_full(from, chunk, CHUNK, done)) != 0) {
		int r = n < 0 ? (int)n : 0;

		if (r == 0)
			r = write_sinks(to, chunk, (size_t)n);
		if (r == 0 && *cancelled)
			r = -ECANCELED;
		if (r < 0)
			return r;
		sha256_update(&hash, (size_t)n, chunk);
		done += (uint64_t)n;
	}
	sha256_digest(&hash, IMAGE_DIGEST_SIZE, digest);
	return (ssize_t)done;
}

/* A fresh name: several copies may be made at a time. A leftover of this name has been removed at the start. */
static void name_copy(struct image_copy *copy)
{
	static atomic_uint last;

	snprintf(copy->temporary, sizeof(copy->temporary), ".#image-%u", ++last);
}

static int copy_to(struct sinks *to, int fd, const char *what, const atomic_bool *cancelled, struct image_copy *copy,
	struct error *e)
{
	ssize_t n = hash_all(fd, to, cancelled, copy->digest);

	if (n == -ECANCELED)
		return error_set(e, -ECANCELED, "%s: copying was cancelled, because hvmd is stopping", what);
	if (n < 0)
		return error_set(
			e, n == -ENOMEM ? -ENOMEM : -EIO, "%s: copying: %s", what, strerror((int)-n));
	if (n == 0 || (uint64_t)n > IMAGE_SIZE_MAX)
		return error_set(e, -EINVAL, "%s: the file changed its size while it was copied", what);
	return 0;
}

int image_copy_to_memory(
	int fd, const char *what, const atomic_bool *cancelled, int *ret_fd, uint64_t *ret_size, struct error *e)
{
	_cleanup_close_ int to = memfd_create("hvm-image", MFD_CLOEXEC);
	struct image_copy copy;
	struct stat st;
	int r;

	if (to < 0)
		return error_set_errno(e, -errno, "%s: making memory for a copy", what);
	r = copy_to(&(struct sinks){to, -1}, fd, what, cancelled, &copy, e);
	if (r == 0 && fstat(to, &st) < 0)
		r = error_set_errno(e, -errno, "%s: looking at the copy", what);
	if (r < 0)
		return r;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = take_fd(to);
	return 0;
}

/* Whether two files hold the same bytes. One that cannot be read does not. */
static bool same_bytes(int a, int b, const atomic_bool *cancelled)
{
	_cleanup_free_ uint8_t *chunks = malloc(2 * CHUNK);
	uint64_t done = 0;
	ssize_t n, m;

	if (!chunks)
		return false;
	do {
		n = pread_full(a, chunks, CHUNK, done);
		m = pread_full(b, chunks + CHUNK, CHUNK, done);
		if (n < 0 || n != m || memcmp(chunks, chunks + CHUNK, (size_t)n) != 0 || *cancelled)
			return false;
		done += (uint64_t)n;
	} while (n > 0);
	return true;
}

/* Looks at the bytes, not at the name alone: what has been damaged there is stored again. */
static bool is_stored(int dirfd, int copied, const uint8_t digest[IMAGE_DIGEST_SIZE], const atomic_bool *cancelled)
{
	_cleanup_close_ int there = -1;

	return image_open(dirfd, digest, &there, NULL) == 0 && same_bytes(there, copied, cancelled);
}

int image_copy(int dirfd, int fd, const char *what, int memory, const atomic_bool *cancelled,
	struct image_copy *ret, struct error *e)
{
	_cleanup_close_ int to = -1;
	struct sinks sinks;
	int r;

	name_copy(ret);
	to = openat(dirfd, ret->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (to < 0) {
		ret->temporary[0] = '\0';
		return error_set(e, -EIO, "%s: creating a copy: %s", what, strerror(errno));
	}
	sinks = (struct sinks){to, memory};
	r = copy_to(&sinks, fd, what, cancelled, ret, e);
	ret->in_memory = r == 0 && sinks.memory >= 0;
	ret->stored = r == 0 && is_stored(dirfd, to, ret->digest, cancelled);
	if (r == 0 && !ret->stored && fsync(to) < 0)
		r = error_set(e, -EIO, "%s: flushing the copy: %s", what, strerror(errno));
	if (r < 0 || ret->stored)
		image_drop(dirfd, ret);
	return r;
}

int image_duplicate(int from, int to, const uint8_t digest[IMAGE_DIGEST_SIZE], const atomic_bool *cancelled,
	struct error *e)
{
	uint8_t found[IMAGE_DIGEST_SIZE];
	char name[IMAGE_HEX_SIZE];
	ssize_t n = hash_all(from, &(struct sinks){to, -1}, cancelled, found);

	image_hex(digest, name);
	if (n < 0)
		return error_set_errno(e, (int)n, "image %s: copying it", name);
	if (memcmp(found, digest, IMAGE_DIGEST_SIZE) != 0)
		return error_set(e, -EIO, "image %s: it is damaged", name);
	return 0;
}

int image_keep(int dirfd, struct image_copy *copy, const char *what, struct error *e)
{
	char name[IMAGE_HEX_SIZE];

	if (copy->stored) {
		int r = image_find(dirfd, copy->digest, e);

		return r == -ENOENT ? -EAGAIN : r;
	}
	image_hex(copy->digest, name);
	if (renameat(dirfd, copy->temporary, dirfd, name) < 0) {
		error_set(e, -EIO, "%s: storing the copy: %s", what, strerror(errno));
		image_drop(dirfd, copy);
		return -EIO;
	}
	copy->temporary[0] = '\0';
	copy->stored = true;
	return 0;
}

void image_drop(int dirfd, struct image_copy *copy)
{
	if (copy->temporary[0])
		unlinkat(dirfd, copy->temporary, 0);
	copy->temporary[0] = '\0';
}

int image_flush(int dirfd, struct error *e)
{
	int r = dir_sync(dirfd);

	return r < 0 ? error_set(e, -EIO, "flushing the folder of images: %s", strerror(-r)) : 0;
}

static int check_found(const char *name, const struct stat *st, struct error *e)
{
	if (!S_ISREG(st->st_mode))
		return error_set(e, -EIO, "image %s: not a regular file", name);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(e, -EIO,
			"image %s: it belongs to user %u; only root and the user of hvmd (%u) may own images",
			name, (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_size == 0)
		return error_set(e, -EIO, "image %s: it is empty", name);
	return 0;
}

static int cannot_look(const char *name, int error, struct error *e)
{
	if (error == ENOENT)
		return error_set(e, -ENOENT, "image %s: it is gone; define the VM again with the right file", name);
	return error_set(e, -EIO, "image %s: %s", name, strerror(error));
}

int image_find(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], struct error *e)
{
	char name[IMAGE_HEX_SIZE];
	struct stat st;

	image_hex(digest, name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot_look(name, errno, e);
	return check_found(name, &st, e);
}

int image_size(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], uint64_t *ret)
{
	char name[IMAGE_HEX_SIZE];
	struct stat st;

	image_hex(digest, name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

int image_open(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], int *ret_fd, struct error *e)
{
	_cleanup_close_ int fd = -1;
	char name[IMAGE_HEX_SIZE];
	struct stat st;
	int r;

	image_hex(digest, name);
	/* O_NONBLOCK: what somebody put here may be a FIFO */
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		cannot_look(name, errno, e);
		return -EIO;
	}
	r = check_found(name, &st, e);
	if (r == 0)
		*ret_fd = take_fd(fd);
	return r;
}

int image_verify(
	int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE], const atomic_bool *cancelled, struct error *e)
{
	char name[IMAGE_HEX_SIZE], found_name[IMAGE_HEX_SIZE];
	uint8_t found[IMAGE_DIGEST_SIZE];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r;

	r = image_open(dirfd, digest, &fd, e);
	if (r < 0)
		return r;
	n = hash_all(fd, &(struct sinks){-1, -1}, cancelled, found);
	image_hex(digest, name);
	if (n == -ECANCELED)
		return error_set(e, -ECANCELED, "verifying was cancelled, because hvmd is stopping");
	if (n < 0)
		return error_set(e, -EIO, "image %s: reading it: %s", name, strerror((int)-n));
	if (memcmp(found, digest, IMAGE_DIGEST_SIZE) == 0)
		return 0;
	image_hex(found, found_name);
	return error_set(e, -EIO,
		"image %s: it is damaged, its SHA-256 is %s; define the VM again with the right file", name,
		found_name);
}

void image_remove(int dirfd, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	char name[IMAGE_HEX_SIZE];

	image_hex(digest, name);
	unlinkat(dirfd, name, 0);
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
