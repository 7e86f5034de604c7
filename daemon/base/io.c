/* io.c - see io.h */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define HOLD_USEC      2000000u
#define HOLD_STEP_USEC 10000u

int close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd); /* Linux frees the number whatever close() says; cage(run, inspect): close */
	errno = saved;
	return -1;
}

int write_full(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size); /* cage(run, inspect): write */

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t read_full(int fd, void *data, size_t size)
{
	char *p = data;
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, p + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t pread_full(int fd, void *data, size_t size, uint64_t offset)
{
	char *p = data;
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, p + done, size - done, (off_t)(offset + done)); /* cage(run, inspect): pread64 */

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int read_regular(int fd, size_t limit, char **ret, size_t *ret_size, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0) /* cage(build, inspect): newfstatat, fstat */
		return error_set(e, -errno, "%s", strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, -EINVAL, "not a regular file");
	if ((uint64_t)st.st_size > limit)
		return error_set(e, -EFBIG, "%lld bytes are more than the limit of %zu", (long long)st.st_size, limit);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return error_set(e, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
	n = pread_full(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		return error_set(e, (int)n, "%s", strerrordesc_np((int)-n));
	text[n] = '\0';
	*ret = take_ptr(text);
	*ret_size = (size_t)n;
	return 0;
}

int file_read(int fd, const char *what, size_t limit, char **ret, size_t *ret_size, struct error *e)
{
	int r = read_regular(fd, limit, ret, ret_size, e);

	return r < 0 && what ? error_prefix(e, r, "%s", what) : r;
}

int dir_sync(int dirfd)
{
	return fsync(dirfd) < 0 ? -errno : 0;
}

static int write_temporary(int dirfd, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = write_full(fd, data, size);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int file_replace(int dirfd, const char *name, const void *data, size_t size, struct error *e)
{
	_cleanup_free_ char *temporary = NULL;
	int r;

	if (asprintf(&temporary, ".#%s", name) < 0)
		return error_set_errno(e, -ENOMEM, "writing %s", name);
	r = write_temporary(dirfd, temporary, data, size);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		return error_set_errno(e, r, "writing %s", name);
	}
	return 0;
}

int file_write_atomic(int dirfd, const char *name, const void *data, size_t size, struct error *e)
{
	int r = file_replace(dirfd, name, data, size, e);

	if (r < 0)
		return r;
	r = dir_sync(dirfd);
	if (r < 0)
		return error_set_errno(e, r, "flushing the folder of %s", name);
	return 0;
}

/* Flushes the folder that `path`, which has just been made, is in. One that we may not read, we cannot flush. */
static int sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = !slash ? strdup(".") : strndup(path, slash > path ? (size_t)(slash - path) : 1);
	_cleanup_close_ int fd = -1;

	if (!parent)
		return -ENOMEM;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	return dir_sync(fd);
}

/* What is in a folder lasts only as long as the folder's own name does. */
static int make_lasting(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return sync_parent(path);
}

static int make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r;

		*slash = '\0';
		r = make_lasting(path, 0755);
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

int dir_open_make(const char *path, mode_t mode, int *ret_fd, struct error *e)
{
	_cleanup_free_ char *copy = strdup(path);
	int fd, r;

	if (!copy)
		return error_set_errno(e, -ENOMEM, "%s", path);
	r = make_parents(copy);
	if (r == 0)
		r = make_lasting(path, mode);
	if (r < 0)
		return error_set_errno(e, r, "creating the folder %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(e, -errno, "opening the folder %s", path);
	*ret_fd = fd;
	return 0;
}

int dir_hold(int dirfd)
{
	for (unsigned waited = 0; flock(dirfd, LOCK_EX | LOCK_NB) < 0; waited += HOLD_STEP_USEC) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= HOLD_USEC)
			return -errno;
		usleep(HOLD_STEP_USEC);
	}
	return 0;
}
